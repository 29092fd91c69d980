import type { Change, ChangeOp } from "../changes.js";
import type { Clock } from "../clock.js";
import { CacheError } from "../errors.js";
import type { Listener } from "../events.js";
import type { Selector } from "../selector.js";

export type Awaitable<T> = T | Promise<T>;

export type BackendKind = "memory" | "sqlite" | "redis" | "file" | "tiers" | "remote";

/** What is known of an entry besides its value. */
export interface Head {
  /** Epoch milliseconds; absent = never expires. */
  expiresAt?: number;
  /** Epoch milliseconds after which the value is stale: still there, to be refreshed. Always before `expiresAt`. */
  staleAt?: number;
  /** Epoch milliseconds; absent where the store does not know. */
  createdAt?: number;
  tags?: readonly string[];
  /** Opaque bytes of the layer above, at most {@link MAX_META_BYTES}. */
  meta?: Uint8Array;
  /** Bytes of the value. */
  size: number;
  /** Tells one write of a key from another; opaque. Given where `want` is `all`, in every store that has {@link Leasing}. */
  version?: string;
}

export interface Stored extends Head {
  value: Uint8Array;
}

/**
 * How much of an entry a read needs; `freshness` is the value and `staleAt`, `expiry` the value and `expiresAt`, `copy` all but `version` and `createdAt`. A backend may give
 * more, never less. Of several stores the fastest that has the entry answers, with the entry's own deadlines, tags and meta; for `all` it is the lowest, which alone
 * knows versions.
 */
export type Want = "value" | "freshness" | "expiry" | "copy" | "all";

export interface Call {
  signal?: AbortSignal;
}

/** Options of whatever changes a store. */
export interface WriteCall extends Call {
  /** Who changes it, as the log is to name it: a follower knows its own changes by it. Default: a name of this backend's own. */
  origin?: string;
  /**
   * Called when the store is away and the change was noted down, to be made as soon as it is back: the answer of the call is then about what stands in
   * for the store.
   */
  onPending?: () => void;
}

export interface ReadOptions extends Call {
  /** Default `value`. */
  want?: Want;
  /** Moves no recency and counts nothing, where the store can. */
  peek?: boolean;
  /**
   * Called for each entry that is there and stays, and whose value can't be read here: for the read it is a miss, also where it would be an error. For who is about to
   * replace it. A store may be read several times for one answer.
   */
  onUnreadable?: (entry: UnreadableEntry) => void;
}

export interface UnreadableEntry {
  key: string;
  /** Given where `want` is `all`. */
  version: string | undefined;
  /** The error that it would be; absent where it is a miss for everybody. */
  error?: CacheError;
}

export interface NewEntry {
  key: string;
  value: Uint8Array;
  /** Epoch milliseconds; absent = never expires. */
  expiresAt?: number;
  /** An entry that is there keeps the deadline it has (also none), and `expiresAt` is for a new one. */
  keepDeadline?: boolean;
  staleAt?: number;
  tags?: readonly string[];
  meta?: Uint8Array;
}

export type SetMode = "always" | "if-absent" | "if-present";

export interface SetOptions extends WriteCall {
  /** Default `always`. */
  mode?: SetMode;
  /**
   * Store an entry only if no change in the log after this position covers its key or its tags; else its outcome is `condition`. For copies of what was
   * read before.
   */
  since?: Position;
  /**
   * Milliseconds after which the store forgets what it is given now, if its deadline has not come sooner; the deadline that it gives back stays that of the entry. For copies;
   * only where {@link Capabilities.takesCopies} says so, and not for entries that keep the deadline they had.
   */
  stayMs?: number;
}

export interface KeyDeletion extends WriteCall {
  /** For each key the version that is to be deleted; another one stays. For what was found to be broken: a fresh one must not go with it. */
  versions?: readonly string[];
}

/**
 * `condition`: the mode did not hold. `rejected`: larger than the bounds of the store. `other-type`: the key holds an entry of the store's own
 * types (see {@link ForeignEntry}), which is left as it is.
 */
export type SetOutcome = "stored" | "condition" | "rejected" | "other-type";

/** What is to be new of an entry beside its value; what is absent stays as it is. */
export interface Touch {
  key: string;
  /** Epoch milliseconds, `null` = never. A time that is over ends the entry. */
  expiresAt?: number | null;
  /** Epoch milliseconds, `null` = never stale; one that is not before the entry's end counts as `null`. */
  staleAt?: number | null;
  /**
   * In the place of what there was, at most {@link MAX_META_BYTES}. It gives the entry a new version, unless it is the same bytes: of two changes that name the same version one is
   * refused. Whether new deadlines do so too is the store's own affair.
   */
  meta?: Uint8Array;
  /** Only the entry with this version is changed. */
  ifVersion?: string;
}

export interface DeleteOptions extends WriteCall {
  /** Entries at most. */
  limit?: number;
  /** Entries a second at most. */
  rate?: number;
  /** Where an earlier call that was cut short left off. */
  cursor?: string;
  /** Mark entries that have a stale window as stale now; delete the others. */
  soft?: boolean;
  /** Called after each step with the entries dealt with so far, also after one that found none: so it is seen that the deletion goes on. */
  onProgress?: (done: number) => void;
}

export interface DeleteReport {
  deleted: number;
  /** Entries marked stale instead (`soft`). */
  softened: number;
  /** True if nothing that the selector holds is left of what was there at the start. */
  complete: boolean;
  /** Where to go on, if not complete. */
  cursor?: string;
  /** The store is away: the deletion was noted down and is made before the store is trusted again. Never `complete`, and the counts are of what stands in for it. */
  pending?: true;
}

/** An entry in a listing; what was not asked for may be absent. */
export interface EntryInfo extends Partial<Head> {
  key: string;
  /** The store's own type, where it is not a string: `hash`, `list`, `set`, `zset`, `stream`. */
  type?: string;
}

export interface ScanOptions extends Call {
  /** `key` (default): keys alone, the cheapest. `all`: everything but the value. */
  fields?: "key" | "all";
  cursor?: string;
  /** Entries at most, over all pages. */
  limit?: number;
  /** Called after each step, also one that found nothing to list: so it is seen that the listing goes on. */
  onStep?: () => void;
}

export interface ScanPage {
  entries: EntryInfo[];
  /** Where to go on after this page; absent when there is nothing more. */
  cursor?: string;
}

/** What is counted, per namespace, across processes. */
export const COUNTER_NAMES = ["hits", "misses", "sets", "deletes", "expirations", "evictions", "errors"] as const;
export type CounterName = (typeof COUNTER_NAMES)[number];
export type Counters = Record<CounterName, number>;

export interface CounterReport {
  counters: Partial<Counters>;
  source: "cache" | "server";
  /** Of each tier, fastest first, where there are several. */
  tiers?: { name: string; counters: Partial<Counters>; source: "cache" | "server" }[];
}

export interface Capabilities {
  /** Entries outlive the process. */
  persistent: boolean;
  /** Other machines can reach the same entries. */
  shared: boolean;
  /** A scan may list an entry more than once. */
  repeatsInScan: boolean;
  /** Entries past their deadline stay until they are swept, and `expiry: "expired"` finds them. */
  keepsExpired: boolean;
  /** `createdAt` is known for every entry. */
  knowsAge: boolean;
  /** Counts hits and misses for this namespace. */
  counts: boolean;
  /**
   * A place for copies: has taken what it is given when {@link Backend.setMany} returns, without a wait, and does as {@link SetOptions.stayMs} says. Absent: what is given has to
   * stay as it is until the promise resolves, and no notice may be taken of `stayMs`.
   */
  takesCopies?: true;
}

export interface BackendInfo {
  kind: BackendKind;
  /** A URL or path for people, without secrets. */
  target: string;
  /** Live entries of the namespace; absent where counting them would mean reading all. */
  entries?: number;
  /** Bytes of their values; absent like `entries`. */
  bytes?: number;
  /** Facts of the server or library behind it: `version`, `maxmemory_policy`, ... */
  facts: Record<string, string | number | boolean>;
  /** Sentences about settings of the store that will surprise. */
  warnings: string[];
  /** How the store has failed and recovered in this process, where that is watched. */
  resilience?: ResilienceInfo;
  /** Of each store, fastest first, where there are several. */
  tiers?: TierInfo[];
}

/** A store as one of several. */
export interface TierInfo extends BackendInfo {
  name: string;
  /** It answers reads. Always so for the lowest. */
  inUse: boolean;
  /** Epoch milliseconds since when reads have gone past it, because it might hold what is no longer current. */
  bypassedSince?: number;
  /** Milliseconds since the logs of all stores below it were last known to be read to their end. */
  lagMs?: number;
  /** Deletions of copies that it has not confirmed yet; what they name is read below. */
  owed?: number;
}

export interface ResilienceInfo {
  breaker: "closed" | "open" | "half-open" | "off";
  /** Times the breaker opened. */
  trips: number;
  /** Attempts that the store failed, timeouts among them. */
  failures: number;
  /** Attempts after the first of a call. */
  retries: number;
  /** Calls whose deadline passed. */
  timeouts: number;
  /** The last of the failures; `at` in epoch milliseconds. */
  lastError?: { code: string; message: string; at: number };
  /** The last attempt was answered; false before the first. */
  connected: boolean;
  fallback?: FallbackInfo;
}

export interface FallbackInfo {
  /** It stands in for the store just now. */
  active: boolean;
  /** Reads of a key that it answered with an entry, and without. */
  hits: number;
  misses: number;
  /** Writes that it took. */
  writes: number;
  /** Changes noted down for the store. */
  pending: number;
  /** Too many were to be noted down: the whole namespace is deleted before the store is trusted. */
  overflowed: boolean;
}

/**
 * The driver of one store, opened for one namespace: keys at this edge carry no prefix.
 * Deadlines are absolute, values are bytes, `undefined` is the only miss, order is kept, and an empty or falsy value is a
 * value. No method loads a whole store into memory. Every failure is a `CacheError`.
 *
 * What is written or deleted belongs to the backend at the moment the promise resolves; the caller keeps its own arrays and may change them afterwards.
 */
export interface Backend extends ChangeLog, Leasing, Streaming, Batching, Ranking {
  readonly name: BackendKind;
  readonly capabilities: Capabilities;
  getMany(keys: readonly string[], options?: ReadOptions): Awaitable<(Stored | undefined)[]>;
  setMany(entries: readonly NewEntry[], options?: SetOptions): Awaitable<SetOutcome[]>;
  /**
   * New deadlines and meta, without the value being sent; false where there is no entry, or another than the change is for.
   * @throws CacheError `meta-too-large`
   */
  touchMany(changes: readonly Touch[], options?: WriteCall): Awaitable<boolean[]>;
  /** True where there was an entry. */
  deleteMany(keys: readonly string[], options?: KeyDeletion): Awaitable<boolean[]>;
  deleteWhere(selector: Selector, options?: DeleteOptions): Promise<DeleteReport>;
  scan(selector: Selector, options?: ScanOptions): AsyncIterable<ScanPage>;
  /** Adds to the counters of the namespace. */
  count(deltas: Partial<Counters>): Awaitable<void>;
  /** Sums over all processes, with where they come from when that is not us. */
  counters(): Awaitable<CounterReport>;
  resetCounters(): Awaitable<void>;
  describe(): Promise<BackendInfo>;
  /** Milliseconds of one round trip. */
  ping(options?: Call): Promise<number>;
  /** Removes what has expired and gives space back; the number of entries removed. */
  prune(): Promise<number>;
  close(): Promise<void>;
}

/** An entry of a type that only some stores have: a Redis hash, list, set, sorted set or stream. */
export interface ForeignEntry {
  type: string;
  /** Elements as JSON can hold them; a hash gives `[field, value]` pairs, a sorted set `[member, score]`. */
  items: unknown[];
  /** There are more elements than the limit. */
  truncated: boolean;
}

/** What a backend has beside the contract, if its store has other types than strings. */
export interface ForeignReader {
  /** Undefined where there is no such key, or a string. @param limit elements at most */
  readForeign(key: string, limit: number): Promise<ForeignEntry | undefined>;
}

export function readsForeign(backend: Backend): backend is Backend & ForeignReader {
  return "readForeign" in backend;
}

/** A place in the log of one store and namespace; opaque. */
export type Position = string;

/** What one look into the log found. */
export interface ChangePage {
  /** In order; none when there was nothing new. */
  changes: Change[];
  /** After the last of them. */
  position: Position;
  /** There may be more after it: the page is full. Absent: with this page the log was read to its end. */
  more?: boolean;
  /** Changes after the position asked for are lost (trimmed, or the store was begun anew): anything may have changed. */
  gap: boolean;
}

/**
 * The log of what changed, of one store and namespace: bounded, and kept only while somebody listens, so that it costs nothing where nobody does.
 * Every change that goes through a backend is in it: in the same step as the change where the store can, else before it and once more after it,
 * so that neither who reads the store meanwhile nor who loads from elsewhere can keep what it replaced.
 */
export interface ChangeLog {
  /** Appends a change that happens elsewhere; for its own changes a backend does so itself. */
  announce(op: ChangeOp, selector: Selector, options?: WriteCall): Awaitable<void>;
  /** The end of the log. From now on it is kept, for {@link LISTEN_MS} at least; {@link changes} goes on keeping it. */
  position(options?: Call): Awaitable<Position>;
  /**
   * Looks into the log again and again, and gives what each look found, until the signal is given: at least every 300 ms, and what another process did
   * within 60 ms of its answer.
   * @param idle nobody waits for what it finds: it keeps no process alive, where the store lets a process end at all
   * @throws CacheError when the log can't be read; who follows it asks again from the last position
   */
  changes(after: Position, signal: AbortSignal, idle?: boolean): AsyncIterable<ChangePage>;
}

/** Milliseconds for which a log is kept after somebody last asked for it. */
export const LISTEN_MS = 60_000;

/** The right to load one key, of one process at a time. */
export interface Lease {
  readonly key: string;
  /** Names its holder; opaque. */
  readonly token: string;
  /** The end of the log when it was taken. */
  readonly since: Position;
  /** The version that a refresh is over; absent where there was no entry. */
  readonly over?: string;
}

export interface LeaseOptions extends Call {
  /** The version of the entry that is to be refreshed; absent: there is believed to be no entry. */
  over?: string;
}

/** `held`: somebody else has it, for so many milliseconds more at most. `changed`: there is another entry by now than the caller believed: read it. */
export type LeaseAnswer =
  | { outcome: "taken"; lease: Lease }
  | { outcome: "held"; waitMs: number }
  | { outcome: "changed" };

/** One load of a key over all processes. */
export interface Leasing {
  /** @param ms until it ends by itself, if it isn't renewed */
  lease(key: string, ms: number, options?: LeaseOptions): Awaitable<LeaseAnswer>;
  /** False where it is no longer ours. */
  renew(lease: Lease, ms: number): Awaitable<boolean>;
  /** Gives it back without having stored anything; safe to call at any time. */
  release(lease: Lease): Awaitable<void>;
  /**
   * Stores what was loaded and gives the lease back. Only while the lease is ours, over the version that it is for, and if no change in the log since it was taken
   * covers the key or the tags of the entry.
   * @returns false where nothing was stored
   */
  commit(entry: NewEntry, lease: Lease, options?: WriteCall): Awaitable<boolean>;
}

/** An entry whose value is read piece by piece. */
export interface EntryReader {
  /** `size` is that of the whole value. */
  readonly head: Head;
  /**
   * The bytes of the value, or of the part that was asked for, in pieces of at most {@link CHUNK_BYTES}; also after the entry was deleted or replaced. A piece is its receiver's, to be changed
   * or handed away.
   */
  readonly body: AsyncIterable<Uint8Array>;
  /** To be called when it is read to its end or no longer wanted; more than once is fine. */
  close(): void;
}

export interface RangeOptions extends ReadOptions {
  /** First byte, default 0. */
  start?: number;
  /** The byte after the last, default the end. */
  end?: number;
}

/**
 * An entry whose value is written piece by piece; it is seen by nobody before `commit`. Calls that do not wait for each other are made in their order. Nothing is stored any more
 * once the signal of {@link SetOptions} is given.
 */
export interface EntryWriter {
  /** The piece belongs to the writer when the promise resolves. */
  write(piece: Uint8Array): Promise<void>;
  /** Makes it the current entry. With a lease under the conditions of {@link Leasing.commit}, `condition` where they don't hold. */
  commit(lease?: Lease): Promise<SetOutcome>;
  /** Forgets what was written; safe to call at any time, also after `commit`. */
  abort(): Promise<void>;
}

/** Values in pieces: memory holds a few of them, however large the value is. */
export interface Streaming {
  /** Undefined for a miss. @throws CacheError `invalid-range` */
  openRead(key: string, options?: RangeOptions): Promise<EntryReader | undefined>;
  openWrite(head: Omit<NewEntry, "value">, options?: SetOptions): Promise<EntryWriter>;
}

/** Bytes of {@link Head.meta} at most. */
export const MAX_META_BYTES = 65_536;

/** @throws CacheError `meta-too-large` */
export function checkMeta(meta: Uint8Array | undefined, key?: string): void {
  if (meta === undefined || meta.length <= MAX_META_BYTES) return;
  throw new CacheError("usage", "meta-too-large", `meta of ${meta.length} bytes is more than ${MAX_META_BYTES}`, {
    ...(key !== undefined && { key }),
  });
}

/** Bytes of one piece of a value that is kept in pieces. */
export const CHUNK_BYTES = 256 * 1024;

/** One step of {@link Batching.atomic}. */
export type AtomicStep = { set: NewEntry } | { delete: string };

interface Batching {
  /**
   * All or nothing, and nobody sees a part of it; later steps win over earlier ones on the same key.
   * @throws CacheError `cross-slot` where the keys lie on different parts of a cluster; `value-too-large`, `other-type` with nothing done
   */
  atomic(steps: readonly AtomicStep[], options?: WriteCall): Awaitable<void>;
}

interface Ranking {
  /** Keys of live entries, those in most use first as far as the store knows it, else the youngest. @param limit at most 10,000 */
  hottest(limit: number, options?: Call): Promise<string[]>;
}

/** What a backend has beside the contract, if it can keep the decoded value beside the bytes. */
export interface DecodedReader {
  /**
   * What `decode` makes of the bytes of a live entry, undefined for a miss. It is kept, and given as a copy of its own to every caller.
   * Where there are several stores it is the fastest that answers: who gets undefined asks {@link Backend.getMany}, which goes on below.
   * @param decode the same function with every call
   */
  getDecoded(key: string, decode: (bytes: Uint8Array) => unknown): unknown;
}

export function readsDecoded(backend: Backend): backend is Backend & DecodedReader {
  return "getDecoded" in backend;
}

/** What a backend has beside the contract, if it can answer for one entry at once, with little allocated for it. */
export interface DirectReader {
  /**
   * The entry as {@link Backend.getMany} gives it, with no wait; undefined for a miss. Where there are several stores it is the fastest that answers: who gets undefined
   * asks {@link Backend.getMany}, which goes on below.
   * @param want anything but `all`
   */
  readDirect(key: string, want: Exclude<Want, "all">): Stored | undefined;
}

export function readsDirectly(backend: Backend): backend is Backend & DirectReader {
  return "readDirect" in backend;
}

/** What is known of an entry in every store. */
export type CommonHead = Omit<Head, "version" | "createdAt">;

/** An entry as it is shown, not given: its bytes are the store's own, and must not be changed. They stay as they are, also when the entry is replaced. */
export interface Shown<T> {
  readonly value: Uint8Array;
  readonly head: T;
}

/** What a backend has beside the contract, if it can show an entry without copying it, and keep what was made of its head. */
export interface EntryViewer {
  /**
   * The value of a live entry, and what `decodeHead` makes of the rest, at once. Undefined for a miss, and for a value that is kept in pieces: who gets it asks
   * {@link Backend.getMany} or {@link Streaming.openRead}, which go on below where there are several stores, of which the fastest answers here.
   * @param decodeHead the same function with every call. What it gives is kept until anything of the entry changes, and given to every caller: nobody may change it.
   */
  getEntry<T>(key: string, decodeHead: (head: CommonHead) => T): Shown<T> | undefined;
}

export function showsEntries(backend: Backend): backend is Backend & EntryViewer {
  return "getEntry" in backend;
}

/** What a backend has beside the contract, if its store keeps more of a namespace than entries. */
export interface NamespaceKeeper {
  /** Forgets the counters and the log of the namespace, and who listens to it. For one that nobody else uses. */
  forgetNamespace(): Promise<void>;
}

export function keepsNamespace(backend: Backend): backend is Backend & NamespaceKeeper {
  return "forgetNamespace" in backend;
}

/** What a backend has beside the contract, if it puts several stores together. */
export interface TierAccess {
  /** Fastest first. */
  readonly tierNames: readonly string[];
  /** One of them alone. @throws CacheError `unknown-tier` */
  tier(name: string): Backend;
  /** Resolves when copies may be written into the upper tiers, or it is known that they may not yet. */
  ready(): Promise<void>;
  /** Copies entries of the lowest tier into those above it, and counts no lookup. @returns how many of the keys had one that was small enough */
  promote(keys: readonly string[], options?: Call): Promise<number>;
}

export function hasTiers(backend: Backend): backend is Backend & TierAccess {
  return "tierNames" in backend;
}

/** What goes first when a store in memory is full; `w-tinylfu` weighs how often and how recently an entry was used. */
export const MEMORY_POLICIES = ["lru", "lfu", "fifo", "ttl", "w-tinylfu"] as const;
export type MemoryPolicy = (typeof MEMORY_POLICIES)[number];

/** What every backend is opened with. */
export interface BackendContext {
  /** Raw prefix of every key, with its trailing `:`; empty = the whole store. */
  namespace: string;
  clock: Clock;
  emit: Listener;
  /** Refuse whatever would change the store, files and schema included. */
  readOnly?: boolean;
  /** When it is aborted, a store that does not answer is no longer waited for. */
  signal?: AbortSignal;
}

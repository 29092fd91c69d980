import type { Clock } from "../clock.js";
import type { Listener } from "../events.js";
import type { Selector } from "../selector.js";

type Awaitable<T> = T | Promise<T>;

export type BackendKind = "memory" | "sqlite" | "redis" | "file";

/** What is known of an entry besides its value. */
interface Head {
  /** Epoch milliseconds; absent = never expires. */
  expiresAt?: number;
  /** Epoch milliseconds after which the value is stale: still there, to be refreshed. Always before `expiresAt`. */
  staleAt?: number;
  /** Epoch milliseconds; absent where the store does not know. */
  createdAt?: number;
  tags?: readonly string[];
  /** Opaque bytes of the layer above, at most 64 KiB. */
  meta?: Uint8Array;
  /** Bytes of the value. */
  size: number;
}

export interface Stored extends Head {
  value: Uint8Array;
}

/** How much of an entry a read needs. A backend may give more, never less. */
export type Want = "value" | "expiry" | "all";

export interface Call {
  signal?: AbortSignal;
}

export interface ReadOptions extends Call {
  /** Default `value`. */
  want?: Want;
  /** Moves no recency and counts nothing, where the store can. */
  peek?: boolean;
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

export interface SetOptions extends Call {
  /** Default `always`. */
  mode?: SetMode;
}

/**
 * `condition`: the mode did not hold. `rejected`: larger than the bounds of the store. `other-type`: the key holds an entry of the store's own
 * types (see {@link ForeignEntry}), which is left as it is.
 */
export type SetOutcome = "stored" | "condition" | "rejected" | "other-type";

export interface Touch {
  key: string;
  /** Epoch milliseconds, `null` = never. */
  expiresAt: number | null;
}

export interface DeleteOptions extends Call {
  /** Entries at most. */
  limit?: number;
  /** Entries a second at most. */
  rate?: number;
  /** Where an earlier call that was cut short left off. */
  cursor?: string;
  /** Mark entries that have a stale window as stale now; delete the others. */
  soft?: boolean;
  /** Called after each step with the entries dealt with so far. */
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
}

/**
 * The driver of one store, opened for one namespace: keys at this edge carry no prefix.
 * Deadlines are absolute, values are bytes, `undefined` is the only miss, order is kept, and an empty or falsy value is a
 * value. No method loads a whole store into memory. Every failure is a `CacheError`.
 *
 * What is written or deleted belongs to the backend at the moment the promise resolves; the caller keeps its own arrays and may change them afterwards.
 */
export interface Backend {
  readonly name: BackendKind;
  readonly capabilities: Capabilities;
  getMany(keys: readonly string[], options?: ReadOptions): Awaitable<(Stored | undefined)[]>;
  setMany(entries: readonly NewEntry[], options?: SetOptions): Awaitable<SetOutcome[]>;
  /** New deadlines without rewriting values; false where there is no entry. */
  touchMany(changes: readonly Touch[], options?: Call): Awaitable<boolean[]>;
  /** True where there was an entry. */
  deleteMany(keys: readonly string[], options?: Call): Awaitable<boolean[]>;
  deleteWhere(selector: Selector, options?: DeleteOptions): Promise<DeleteReport>;
  scan(selector: Selector, options?: ScanOptions): AsyncIterable<ScanPage>;
  /** Adds to the counters of the namespace. */
  count(deltas: Partial<Counters>): Awaitable<void>;
  /** Sums over all processes, with where they come from when that is not us. */
  counters(): Awaitable<{ counters: Partial<Counters>; source: "cache" | "server" }>;
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

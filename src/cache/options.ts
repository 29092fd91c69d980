import type {
  BackendInfo,
  CounterReport,
  Counters,
  DeleteOptions,
  Position,
  ScanOptions,
  SetMode,
  Want,
} from "../backends/backend.js";
import type { Clock } from "../clock.js";
import type { Listener } from "../events.js";
import type { SerializerChoice } from "./serializer.js";

export interface CacheOptions {
  clock: Clock;
  /** TTL of entries that are written without one, in milliseconds; null = never expires. Default 1 h. */
  defaultTtl?: number | null;
  /** Refuse every write before it reaches the store. */
  readOnly?: boolean;
  /** How often counters are written to the store, in milliseconds. 0 = only on `close`. Default 5,000. */
  countInterval?: number;
  /** False: what is counted is not kept in the store. */
  keepsCounts?: boolean;
  /**
   * What becomes of a read whose store can't be reached or does not answer in time: `throw` (default) it, or give a `miss`, counted as an error and told as the
   * event `cache-bypassed`.
   */
  failedReads?: "throw" | "miss";
  /** How values become bytes. Default `json`. */
  serializer?: SerializerChoice;
  /** Is told what a person should hear about that failed no call: a store that could not be read while a loader gave the value. */
  emit?: Listener;
  /** A number from 0 up to 1, for TTL jitter and for how long a waiter sleeps. Default `Math.random`. */
  random?: () => number;
}

/** What every call of a cache takes. */
export interface CallOptions {
  /** When it is aborted the call ends with the error `aborted`; what was sent to the store may still happen. */
  signal?: AbortSignal;
  /** Milliseconds that the call may take; then it ends with the error `call-timeout`. Default: as long as the store allows. */
  timeout?: number;
  /** Of a cache in tiers the one that this call is about, by its name; default all, as tiers work together. */
  tier?: string;
}

export interface ReadOptions extends CallOptions {
  /** Counts nothing and moves no recency, where the store can. */
  peek?: boolean;
  /** Default `value`. */
  want?: Want;
}

/** An entry to write, as bytes. */
export interface WriteEntry {
  key: string;
  value: Uint8Array;
  /** Milliseconds; null = never; undefined = the default TTL for a new key, while an existing key keeps its deadline. */
  ttl?: number | null | undefined;
  /** Epoch milliseconds, null = never; wins over `ttl`. */
  expiresAt?: number | null | undefined;
  tags?: readonly string[] | undefined;
  /** Epoch milliseconds from which the value counts as stale. */
  staleAt?: number | undefined;
  /** Opaque bytes of the caller's, at most 64 KiB: read with the head of the entry. */
  meta?: Uint8Array | undefined;
}

export interface WriteOptions extends CallOptions {
  mode?: SetMode;
  /** Store an entry only if nothing changed it since this position in the store's log; else its outcome is `condition`. */
  since?: Position;
  /** Called when the store is away and what stands in for it took the entries: the store forgets its own before it is used again. */
  onPending?: () => void;
}

/** A value to write, with options of its own. */
export interface ValueEntry {
  key: string;
  value: unknown;
  /** Milliseconds; null = never; undefined = the default TTL. */
  ttl?: number | null;
  tags?: readonly string[];
}

/** One step of an atomic batch. */
export type BatchStep = { set: ValueEntry } | { delete: string };

export interface SetOptions extends CallOptions {
  /** Milliseconds; null = never; undefined = the default TTL. 0 and less are refused. */
  ttl?: number | null;
  tags?: readonly string[];
  mode?: SetMode;
}

export interface InvalidateOptions extends Omit<DeleteOptions, "origin">, CallOptions {}

export interface ReadRangeOptions extends CallOptions {
  /** Counts nothing and moves no recency, where the store can. */
  peek?: boolean;
  /** Default `copy`. */
  want?: "copy" | "all";
  /** First byte, default 0. */
  start?: number;
  /** The byte after the last, default the end. */
  end?: number;
}

/** Options of a value that is written in pieces. */
export interface WriterOptions extends SetOptions, Pick<WriteEntry, "expiresAt" | "staleAt" | "meta"> {
  /** Store it only if nothing changed the entry since this position in the store's log; else the outcome is `condition`. */
  since?: Position;
}

/** What was read through since the cache was opened; in this process alone. */
export interface LoadCounts {
  /** Loaders that were started. */
  loads: number;
  /** Callers that took the result of a load which another caller had begun. */
  joined: number;
  /** Loaders that failed, those included that took too long. */
  failed: number;
  /** Of these the ones that were given up after `loadTimeout`. */
  timedOut: number;
  /** Results that were given to their callers but not kept, since a change overtook them. */
  overtaken: number;
  /** Loads made although another process was at it, after `lockWait`. */
  waitedOut: number;
  /** Answers that were stale by permission. */
  stale: number;
  /** Times the store failed while a value was read, leased or kept; the loader's value was given all the same. */
  storeFailures: number;
}

export interface CacheStats {
  store: string;
  target: string;
  counters: Partial<Counters>;
  /** `server` where the numbers are the store's own, about all its clients. */
  source: "cache" | "server";
  /** 0 to 1; undefined before the first lookup. */
  hitRate: number | undefined;
  /** Of each tier, fastest first, where there are several. */
  tiers?: CounterReport["tiers"];
  info: BackendInfo;
  loading: LoadCounts;
}

export interface PacedScanOptions extends ScanOptions, CallOptions {
  /** Entries a second at most. */
  rate?: number;
}

import {
  type Backend,
  type BackendInfo,
  type CounterName,
  type Counters,
  type DecodedReader,
  type DeleteOptions,
  type DeleteReport,
  type ForeignEntry,
  type NewEntry,
  readsDecoded,
  readsForeign,
  type ScanOptions,
  type ScanPage,
  type SetMode,
  type SetOutcome,
  type Stored,
  type Want,
} from "../backends/backend.js";
import type { Clock } from "../clock.js";
import { CacheError, messageOf } from "../errors.js";
import { checkKey } from "../key.js";
import { checkSelector, escapeGlob, type Selector } from "../selector.js";
import { decode, encode } from "./codec.js";
import { Distinct } from "./distinct.js";
import { Tally } from "./tally.js";

export interface CacheOptions {
  clock: Clock;
  /** TTL of entries that are written without one, in milliseconds; null = never expires. Default 1 h. */
  defaultTtl?: number | null;
  /** Refuse every write before it reaches the store. */
  readOnly?: boolean;
  /** How often counters are written to the store, in milliseconds. 0 = only on `close`. Default 5,000. */
  countInterval?: number;
}

export interface CallOptions {
  signal?: AbortSignal;
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
}

export interface WriteOptions extends CallOptions {
  mode?: SetMode;
}

export interface SetOptions extends CallOptions {
  /** Milliseconds; null = never; undefined = the default TTL. 0 and less are refused. */
  ttl?: number | null;
  tags?: readonly string[];
  mode?: SetMode;
}

export interface CacheStats {
  store: string;
  target: string;
  counters: Partial<Counters>;
  /** `server` where the numbers are the store's own, about all its clients. */
  source: "cache" | "server";
  /** 0 to 1; undefined before the first lookup. */
  hitRate: number | undefined;
  info: BackendInfo;
}

export interface PacedScanOptions extends ScanOptions {
  /** Entries a second at most. */
  rate?: number;
}

/** Keys that a count gives as an example of what it counted. */
const SAMPLE = 5;

/** The longest tag, in bytes of UTF-8. */
const MAX_TAG_BYTES = 256;

/** One cache: a backend opened for a namespace, with default TTL, decoding and counting. */
export class Cache {
  readonly clock: Clock;
  readonly #backend: Backend;
  /** The same backend, where it keeps decoded values beside the bytes. */
  readonly #decoded: DecodedReader | undefined;
  readonly #defaultTtl: number | null;
  readonly #readOnly: boolean;
  readonly #tally: Tally;

  constructor(backend: Backend, options: CacheOptions) {
    this.#backend = backend;
    this.#decoded = readsDecoded(backend) ? backend : undefined;
    this.clock = options.clock;
    this.#defaultTtl = options.defaultTtl === undefined ? 3_600_000 : options.defaultTtl;
    this.#readOnly = options.readOnly ?? false;
    this.#tally = new Tally(
      this.#readOnly || !backend.capabilities.counts ? undefined : backend,
      options.countInterval ?? 5000,
    );
  }

  /** The backend itself, for what only some stores can do. */
  get backend(): Backend {
    return this.#backend;
  }

  /** Bytes of an entry; undefined is a miss. The array is the caller's own. */
  async getBytes(key: string, options?: ReadOptions): Promise<Uint8Array | undefined> {
    const found = this.#backend.getMany([key], options);
    // Memory answers with the array itself: no wait for it halves the time of a hit there.
    const entry = (Array.isArray(found) ? found : await found)[0];
    if (options?.peek !== true) this.#tally.read(entry !== undefined);
    return entry?.value;
  }

  /** The decoded value: JSON where the bytes are JSON, else text. Undefined is a miss. */
  async get(key: string, options?: ReadOptions): Promise<unknown> {
    if (options === undefined && this.#decoded !== undefined) {
      const value = this.#decoded.getDecoded(key, decode);
      this.#tally.read(value !== undefined);
      return value;
    }
    const bytes = await this.getBytes(key, options);
    return bytes === undefined ? undefined : decode(bytes);
  }

  /** Decoded values in the order of the keys. */
  async getMany(keys: readonly string[], options?: ReadOptions): Promise<unknown[]> {
    const entries = await this.readMany(keys, options);
    return entries.map((entry) => (entry === undefined ? undefined : decode(entry.value)));
  }

  /** Entries with as much of their head as `want` says, in the order of the keys. */
  async readMany(keys: readonly string[], options?: ReadOptions): Promise<(Stored | undefined)[]> {
    const found = await this.#backend.getMany(keys, options);
    if (options?.peek !== true) for (const entry of found) this.#tally.read(entry !== undefined);
    return found;
  }

  /** An entry of another type than bytes, where the store has such; undefined for any other key. @param limit elements at most */
  async readForeign(key: string, limit: number): Promise<ForeignEntry | undefined> {
    return readsForeign(this.#backend) ? this.#backend.readForeign(key, limit) : undefined;
  }

  /** Why a read of the key was a miss, as far as the store knows. */
  async whyMissing(key: string, options?: CallOptions): Promise<"expired" | "not there"> {
    if (!this.#backend.capabilities.keepsExpired) return "not there";
    const selector = { prefix: key, match: escapeGlob(key), expiry: "expired" } as const;
    for await (const page of this.scan(selector, { ...options, limit: 1 }))
      if (page.entries.length > 0) return "expired";
    return "not there";
  }

  /** True if there is a live entry; counts nothing. */
  async has(key: string, options?: CallOptions): Promise<boolean> {
    const [entry] = await this.#backend.getMany([key], { ...options, peek: true });
    return entry !== undefined;
  }

  /**
   * Stores a value as JSON, with a fresh deadline.
   * @throws CacheError `invalid-key`, `invalid-ttl`, `not-serializable`
   */
  async set(key: string, value: unknown, options: SetOptions = {}): Promise<SetOutcome> {
    return this.setBytes(key, encode(value, key), options);
  }

  /** Stores bytes as they are, with a fresh deadline. */
  async setBytes(key: string, value: Uint8Array, options: SetOptions = {}): Promise<SetOutcome> {
    const { ttl = this.#defaultTtl, tags, mode, signal } = options;
    const call = { ...(mode && { mode }), ...(signal && { signal }) };
    const [outcome] = await this.writeMany([{ key, value, ttl, tags }], call);
    return outcome ?? "rejected";
  }

  /** Stores many values as JSON under one set of options. */
  async setMany(
    values: Iterable<readonly [key: string, value: unknown]>,
    options: SetOptions = {},
  ): Promise<SetOutcome[]> {
    const { ttl = this.#defaultTtl, tags, mode, signal } = options;
    const entries = Array.from(values, ([key, value]) => ({ key, value: encode(value, key), ttl, tags }));
    return this.writeMany(entries, { ...(mode && { mode }), ...(signal && { signal }) });
  }

  /** Stores bytes in one batch, in order; the outcome of each. Everything is checked before the store is touched. */
  async writeMany(entries: readonly WriteEntry[], options?: WriteOptions): Promise<SetOutcome[]> {
    this.#writable();
    const now = this.clock.now();
    const outcomes = await this.#backend.setMany(
      entries.map((entry) => this.#newEntry(entry, now)),
      options,
    );
    let stored = 0;
    for (const outcome of outcomes) if (outcome === "stored") stored += 1;
    this.#tally.add("sets", stored);
    return outcomes;
  }

  #newEntry(entry: WriteEntry, now: number): NewEntry {
    checkKey(entry.key);
    const fresh: NewEntry = { key: entry.key, value: entry.value };
    if (entry.tags && entry.tags.length > 0) {
      fresh.tags = [...new Set(entry.tags)];
      for (const tag of fresh.tags) checkTag(tag);
    }
    if (entry.expiresAt !== undefined) {
      if (entry.expiresAt !== null) fresh.expiresAt = entry.expiresAt;
      return fresh;
    }
    const ttl = entry.ttl === undefined ? this.#defaultTtl : entry.ttl;
    if (entry.ttl === undefined) fresh.keepDeadline = true;
    if (ttl !== null) fresh.expiresAt = now + checkTtl(ttl, entry.key);
    return fresh;
  }

  /** True if there was an entry. */
  async delete(key: string, options?: CallOptions): Promise<boolean> {
    const [existed] = await this.deleteMany([key], options);
    return existed ?? false;
  }

  async deleteMany(keys: readonly string[], options?: CallOptions): Promise<boolean[]> {
    this.#writable();
    const existed = await this.#backend.deleteMany(keys, options);
    this.#tally.add("deletes", existed.filter(Boolean).length);
    return existed;
  }

  /** A new TTL without rewriting the value: milliseconds, null = never. False where there is no entry. */
  async touch(key: string, ttl: number | null, options?: CallOptions): Promise<boolean> {
    const [done] = await this.touchMany([key], ttl, options);
    return done ?? false;
  }

  async touchMany(keys: readonly string[], ttl: number | null, options?: CallOptions): Promise<boolean[]> {
    this.#writable();
    const now = this.clock.now();
    const changes = keys.map((key) => ({ key, expiresAt: ttl === null ? null : now + checkTtl(ttl, key) }));
    return this.#backend.touchMany(changes, options);
  }

  /** Deletes what the selector holds, and counts it. */
  async invalidate(selector: Selector, options?: DeleteOptions): Promise<DeleteReport> {
    this.#writable();
    checkSelector(selector);
    const report = await this.#backend.deleteWhere(selector, options);
    this.#tally.add("deletes", report.deleted);
    return report;
  }

  /** Deletes every entry of the namespace. */
  async clear(options?: DeleteOptions): Promise<DeleteReport> {
    return this.invalidate({ all: true }, options);
  }

  /** Entries page by page; nothing is counted and no recency moved. */
  scan(selector: Selector, options: PacedScanOptions = {}): AsyncIterable<ScanPage> {
    checkSelector(selector);
    const { rate, ...rest } = options;
    const pages = this.#backend.scan(selector, rest);
    return rate === undefined ? pages : this.#paced(pages, rate, rest.signal);
  }

  async *#paced(pages: AsyncIterable<ScanPage>, rate: number, signal?: AbortSignal): AsyncGenerator<ScanPage> {
    const start = this.clock.monotonic();
    let seen = 0;
    for await (const page of pages) {
      yield page;
      seen += page.entries.length;
      const ahead = start + (seen / rate) * 1000 - this.clock.monotonic();
      if (ahead > 0) await this.clock.sleep(ahead, signal);
      if (signal?.aborted) return;
    }
  }

  /**
   * How many entries a selector holds. A store that repeats keys in a scan has them told apart up to a million; beyond that the count is `exact: false`.
   */
  async countWhere(
    selector: Selector,
    options: PacedScanOptions = {},
  ): Promise<{ count: number; exact: boolean; sample: string[] }> {
    const distinct = new Distinct(this.#backend.capabilities.repeatsInScan);
    const sample: string[] = [];
    let count = 0;
    for await (const page of this.scan(selector, options)) {
      for (const { key } of page.entries) {
        if (distinct.isRepeat(key)) continue;
        if (sample.length < SAMPLE) sample.push(key);
        count += 1;
      }
    }
    return { count, exact: distinct.exact, sample };
  }

  /** The keys that a selector holds, one by one. A store may name one twice (`capabilities.repeatsInScan`). */
  async *keys(selector: Selector = { all: true }, options?: PacedScanOptions): AsyncGenerator<string> {
    for await (const page of this.scan(selector, options)) for (const entry of page.entries) yield entry.key;
  }

  async stats(): Promise<CacheStats> {
    await this.#tally.flush();
    const { counters, source } = await this.#backend.counters();
    const info = await this.#backend.describe();
    const lookups = (counters.hits ?? 0) + (counters.misses ?? 0);
    const hitRate = lookups === 0 ? undefined : (counters.hits ?? 0) / lookups;
    return { store: this.#backend.name, target: info.target, counters, source, hitRate, info };
  }

  async resetStats(): Promise<void> {
    this.#writable();
    this.#tally.drop();
    await this.#backend.resetCounters();
  }

  /** One round trip: milliseconds, or why not. Never throws. */
  async health(): Promise<{ ok: true; latency: number } | { ok: false; error: CacheError }> {
    try {
      return { ok: true, latency: await this.#backend.ping() };
    } catch (error) {
      return {
        ok: false,
        error: error instanceof CacheError ? error : new CacheError("store", "unknown", messageOf(error)),
      };
    }
  }

  /** Removes what has expired and gives space back. */
  async prune(): Promise<number> {
    this.#writable();
    const removed = await this.#backend.prune();
    this.#tally.add("expirations", removed);
    return removed;
  }

  /** Counts something that happened outside the core. */
  count(name: CounterName, by = 1): void {
    this.#tally.add(name, by);
  }

  /** Writes the counters and closes the store. Counting never fails it. */
  async close(): Promise<void> {
    await this.#tally.close();
    await this.#backend.close();
  }

  #writable(): void {
    if (!this.#readOnly) return;
    throw new CacheError("refused", "read-only", "this cache is opened read-only", {
      hint: "Leave out --read-only, or use a profile that may write.",
    });
  }
}

function checkTtl(ttl: number, key: string): number {
  if (ttl > 0 && Number.isFinite(ttl)) return ttl;
  throw new CacheError("usage", "invalid-ttl", `a TTL of ${ttl} ms would store nothing`, {
    key,
    hint: "Give a TTL above zero, or null for an entry that never expires.",
  });
}

/** @throws CacheError `invalid-tag` */
export function checkTag(tag: string): void {
  if (tag !== "" && !tag.includes("\0") && tag.isWellFormed() && Buffer.byteLength(tag) <= MAX_TAG_BYTES) return;
  throw new CacheError("usage", "invalid-tag", `${JSON.stringify(tag.slice(0, 80))} can't be a tag`, {
    hint: `A tag is 1 to ${MAX_TAG_BYTES} bytes of UTF-8 without NUL.`,
  });
}

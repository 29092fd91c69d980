import {
  type Awaitable,
  type Backend,
  type CommonHead,
  type CounterName,
  type CounterReport,
  type DeleteReport,
  type DirectReader,
  type EntryReader,
  type EntryViewer,
  type EntryWriter,
  type ForeignEntry,
  type Position,
  readsDirectly,
  readsForeign,
  type ScanPage,
  type SetOutcome,
  type Shown,
  type Stored,
  showsEntries,
  type Touch,
  type Want,
} from "../backends/backend.js";
import { ChangeWindow } from "../change-window.js";
import type { ChangeOp } from "../changes.js";
import type { Clock } from "../clock.js";
import type { Listener } from "../events.js";
import { checkKeyTypes } from "../key.js";
import { checkIsObject, checkOptions } from "../option-checks.js";
import type { Selection, Selector } from "../selector.js";
import { type MakeCached, type MakeInvalidating, makeCached, makeInvalidating } from "./cached.js";
import { within } from "./call.js";
import { ChangeFeed, type ChangeListener, type Following } from "./change-feed.js";
import { isNothing } from "./codec.js";
import { Entries } from "./entries.js";
import { checkSteps, checkValueEntries } from "./entry-checks.js";
import { type Health, healthOf, statsOf } from "./inspection.js";
import { Invalidating, type Invalidations, transaction } from "./invalidations.js";
import { type Counted, countPages, expiredKey, pagesOf } from "./listing.js";
import { LoadingCache } from "./loading/loading-cache.js";
import type { ManyLoader } from "./loading/many.js";
import type { Loader, LoadOptions } from "./loading/options.js";
import { Monitor, type MonitorOptions } from "./monitor.js";
import { checkTtl } from "./new-entry.js";
import { CALL } from "./option-forms.js";
import type {
  BatchStep,
  CacheOptions,
  CacheStats,
  CallOptions,
  InvalidateOptions,
  PacedScanOptions,
  ReadOptions,
  ReadRangeOptions,
  SetOptions,
  ValueEntry,
  WriteEntry,
  WriteOptions,
  WriterOptions,
} from "./options.js";
import { type GivenRecordOptions, type RecordId, type RecordSource, Records } from "./records.js";
import { Tally } from "./tally.js";
import { encoded, type KeptDecoded, Values } from "./values.js";

export { checkTag } from "./new-entry.js";
export type {
  CacheOptions,
  CacheStats,
  CallOptions,
  LoadCounts,
  PacedScanOptions,
  ReadOptions,
  SetOptions,
  WriteEntry,
  WriteOptions,
} from "./options.js";

const DEFAULT_TTL = 3_600_000;
const COUNT_INTERVAL = 5000;

/** One cache: a backend opened for a namespace, with default TTL, serializer, reading through and counting. */
export class Cache {
  readonly clock: Clock;
  readonly #backend: Backend;
  readonly #defaultTtl: number | null;
  readonly #entries: Entries;
  readonly #tally: Tally;
  readonly #loading: LoadingCache;
  readonly #feed: ChangeFeed;
  readonly #invalidating: Invalidating;
  readonly #emit: Listener;
  readonly #values: Values;
  readonly #kept: KeptDecoded | undefined;
  readonly #direct: DirectReader | undefined;
  readonly #viewer: EntryViewer | undefined;
  /** The function with its results kept: `cached(fn, options)`, or as a decorator of a method, `@cache.cached(options)`. */
  readonly cached: MakeCached = makeCached(this);
  /**
   * The function, after whose success entries are invalidated: `invalidates(selector)(fn)`, or with a selector of its arguments and its result; also as a
   * decorator of a method, `@cache.invalidates(selector)`. A call that fails invalidates nothing.
   */
  readonly invalidates: MakeInvalidating = makeInvalidating(this);

  /** @throws CacheError `invalid-serializer` */
  constructor(backend: Backend, options: CacheOptions) {
    const { clock, readOnly = false, countInterval = COUNT_INTERVAL, emit, random = Math.random } = options;
    this.clock = clock;
    this.#backend = backend;
    this.#defaultTtl = options.defaultTtl === undefined ? DEFAULT_TTL : options.defaultTtl;
    const counts = backend.capabilities.counts && !readOnly && options.keepsCounts !== false;
    this.#tally = new Tally(counts ? backend : undefined, countInterval);
    this.#feed = new ChangeFeed(backend, clock);
    const window = new ChangeWindow();
    const parts = { backend, clock, tally: this.#tally, defaultTtl: this.#defaultTtl, readOnly };
    const onChange = (selector: Selector, op: ChangeOp) => {
      window.record({ selector });
      this.#loading.changed(selector);
      this.#feed.changed(selector, op);
    };
    this.#loading = new LoadingCache({ ...parts, window, emit, random, at: (tier) => this.#entries.at(tier) });
    const onFailedRead = options.failedReads === "miss" ? this.#loading.readFailed : undefined;
    this.#entries = new Entries({ ...parts, onChange, feed: this.#feed, onFailedRead });
    this.#emit = emit ?? (() => {});
    const invalidate = (selector: Selector) => this.invalidate(selector);
    this.#invalidating = new Invalidating({ clock, emit: this.#emit, invalidate });
    const discard: LoadingCache["discard"] = (...broken) => this.#loading.discard(...broken);
    this.#values = new Values(options.serializer ?? "json", backend, discard);
    this.#kept = this.#values.kept;
    this.#direct = readsDirectly(backend) ? backend : undefined;
    this.#viewer = showsEntries(backend) ? backend : undefined;
  }

  /** The backend itself, for what only some stores can do. */
  get backend(): Backend {
    return this.#backend;
  }

  /**
   * Makes sure that the cache can be used: loads what the serializer needs, and asks the store for a round trip. Need not be called.
   * @throws CacheError what the store says
   */
  async start(options: CallOptions = {}): Promise<void> {
    checkOptions("a call", options, CALL);
    await this.#values.codec();
    await within(this.clock, options, (signal) => this.#entries.at(options.tier).ping(signal ? { signal } : {}));
  }

  /** Bytes of an entry; undefined is a miss, and a negative result of reading through. The array is the caller's own. */
  getBytes(key: string, options?: ReadOptions): Promise<Uint8Array | undefined> {
    // The hottest path: an async function, and the arrays of a call for many, cost a seventh of a hit in memory.
    if (options === undefined) {
      try {
        const entry = this.readNow(key, "value");
        if (entry !== undefined) return Promise.resolve(entry.value);
      } catch (error) {
        return Promise.reject(error);
      }
    }
    return this.#readBytes(key, options);
  }

  /**
   * An entry out of this process's memory, in this very moment, counted as a hit. Undefined says nothing but that it can't be had so: {@link readMany} knows. Not given are negative
   * results of reading through.
   * @param want as much of its head, as in {@link ReadOptions}; `copy` is deadlines, tags and meta
   */
  readNow(key: string, want: Exclude<Want, "all">): Stored | undefined {
    const entry = this.#direct?.readDirect(key, want);
    if (entry === undefined || isNothing(entry.value)) return undefined;
    this.#tally.read(true);
    return entry;
  }

  /**
   * An entry in this process's memory, looked at where it lies, in this very moment; counted as a hit. Its bytes must not be changed, nor what `decodeHead` gave, which is kept beside the
   * entry until anything of it changes. Undefined says nothing but that it can't be had so: {@link readMany} and {@link openRead} know.
   * @param decodeHead the same function with every call; it is given deadlines, tags and meta
   */
  viewNow<T>(key: string, decodeHead: (head: CommonHead) => T): Shown<T> | undefined {
    const entry = this.#viewer?.getEntry(key, decodeHead);
    if (entry === undefined || isNothing(entry.value)) return undefined;
    this.#tally.read(true);
    return entry;
  }

  #readBytes(key: string, options: ReadOptions | undefined): Promise<Uint8Array | undefined> {
    return this.#entries.readOne(key, options, (entry) =>
      this.#counted(entry === undefined || isNothing(entry.value) ? undefined : entry.value, options),
    );
  }

  #counted<T>(value: T | undefined, options: ReadOptions | undefined): T | undefined {
    if (options?.peek !== true) this.#tally.read(value !== undefined);
    return value;
  }

  /**
   * The decoded value; undefined is a miss. With JSON, bytes that are no JSON are text, or themselves. Of an entry that has gone stale the value is still given, until
   * it expires.
   */
  get<T = unknown>(key: string, options?: ReadOptions): Promise<T | undefined> {
    if (options === undefined && this.#kept !== undefined) {
      try {
        const value = this.#kept.reader.getDecoded(key, this.#kept.decode);
        // A miss is one of the fastest store alone.
        if (value !== undefined) return Promise.resolve(this.#counted(value as T, options));
      } catch (error) {
        return Promise.reject(error);
      }
    }
    return this.#entries.readOne(key, options, (entry) => {
      const value = entry === undefined ? undefined : this.#values.decode(key, entry, options?.tier);
      if (value instanceof Promise) return value.then((decoded: T | undefined) => this.#counted(decoded, options));
      return this.#counted(value as T | undefined, options);
    });
  }

  /** Decoded values in the order of the keys. */
  async getMany<T = unknown>(keys: readonly string[], options?: ReadOptions): Promise<(T | undefined)[]> {
    const found = await this.#entries.read(keys, options);
    const values: unknown[] = [];
    for (const [i, entry] of found.entries()) {
      const value = entry === undefined ? undefined : await this.#values.decode(keys[i] ?? "", entry, options?.tier);
      if (options?.peek !== true) this.#tally.read(value !== undefined);
      values.push(value);
    }
    return values as (T | undefined)[];
  }

  /** Entries with as much of their head as `want` says, in the order of the keys. */
  async readMany(keys: readonly string[], options?: ReadOptions): Promise<(Stored | undefined)[]> {
    const found = await this.#entries.read(keys, options);
    for (const [i, entry] of found.entries()) if (entry !== undefined && isNothing(entry.value)) found[i] = undefined;
    if (options?.peek !== true) for (const entry of found) this.#tally.read(entry !== undefined);
    return found;
  }

  /** An entry of another type than bytes, where the store has such; undefined for any other key. @param limit elements at most */
  async readForeign(key: string, limit: number): Promise<ForeignEntry | undefined> {
    return readsForeign(this.#backend) ? this.#backend.readForeign(key, limit) : undefined;
  }

  /** Why a read of the key was a miss, as far as the store knows. */
  async whyMissing(key: string, options?: CallOptions): Promise<"expired" | "not there"> {
    if (!this.#entries.at(options?.tier).capabilities.keepsExpired) return "not there";
    for await (const page of this.scan(expiredKey(key), { ...options, limit: 1 }))
      if (page.entries.length > 0) return "expired";
    return "not there";
  }

  /** True if there is a live entry with a value; counts nothing. */
  async has(key: string, options: CallOptions = {}): Promise<boolean> {
    checkIsObject("a read", options);
    const [entry] = await this.#entries.read([key], { ...options, peek: true });
    return entry !== undefined && !isNothing(entry.value);
  }

  /**
   * The value of the key, from the cache or else from the loader, whose value is kept. Callers at the same time share one load, over all processes where the
   * store outlives them. What a deletion, an invalidation or a write overtakes goes to those who asked before it and is not kept. A store that
   * fails costs nobody the loader's value. Every caller gets a value of its own, in the form in which the serializer gives it back.
   *
   * Callers of one key should give the same options: who joins a load gets what the first one's loader gives, kept as the first one says.
   * @returns undefined where the loader gave that, now or within `negativeTtl`
   * @throws CacheError `aborted`, `call-timeout`, `load-timeout`, `invalid-key`, `invalid-ttl`, `invalid-tag`, `invalid-load-options`; whatever the loader throws
   */
  getOrSet<T>(key: string, loader: Loader<T>, options: LoadOptions<T> = {}): Promise<T | undefined> {
    return this.#values.with((codec) => this.#loading.get(codec, key, loader, options)) as Promise<T | undefined>;
  }

  /**
   * Values of many keys, in their order: one read of the store, and one call of the loader for all that are missing. Otherwise like {@link getOrSet}.
   * @throws CacheError also `invalid-load-result`
   */
  getOrSetMany<T>(
    keys: readonly string[],
    loadMany: ManyLoader<T>,
    options: LoadOptions<T> = {},
  ): Promise<(T | undefined)[]> {
    const values = this.#values.with((codec) => this.#loading.getMany(codec, keys, loadMany, options));
    return values as Promise<(T | undefined)[]>;
  }

  /**
   * Stores a value, with a fresh deadline.
   * @throws CacheError `invalid-key`, `invalid-ttl`, `invalid-tag`, `not-serializable`, `read-only`
   */
  async set(key: string, value: unknown, options: SetOptions = {}): Promise<SetOutcome> {
    const codec = await this.#values.codec();
    return this.setBytes(key, codec.encode(value, key), options);
  }

  /** Stores bytes as they are, with a fresh deadline. */
  async setBytes(key: string, value: Uint8Array, options: SetOptions = {}): Promise<SetOutcome> {
    checkIsObject("a write", options);
    const { ttl = this.#defaultTtl, tags, ...call } = options;
    const [outcome] = await this.#entries.write([{ key, value, ttl, tags }], call);
    return outcome ?? "rejected";
  }

  /** Stores many values under one set of options. */
  async setMany(
    values: Iterable<readonly [key: string, value: unknown]>,
    options: SetOptions = {},
  ): Promise<SetOutcome[]> {
    checkIsObject("a write", options);
    const { ttl = this.#defaultTtl, tags, ...call } = options;
    const codec = await this.#values.codec();
    const entries = Array.from(values, ([key, value]) => ({ key, value: codec.encode(value, key), ttl, tags }));
    return this.#entries.write(entries, call);
  }

  /** Stores bytes in one batch, in order; the outcome of each. Everything is checked before the store is touched. */
  async writeMany(entries: readonly WriteEntry[], options?: WriteOptions): Promise<SetOutcome[]> {
    return this.#entries.write(entries, options);
  }

  /** Stores values that each have a TTL and tags of their own, in one batch. */
  async setEach(entries: readonly ValueEntry[], options?: WriteOptions): Promise<SetOutcome[]> {
    checkValueEntries(entries);
    const codec = await this.#values.codec();
    const ready = entries.map((entry) => encoded(codec, entry, this.#defaultTtl));
    return this.#entries.write(ready, options);
  }

  /**
   * Several sets and deletions as one: all or nothing, and nobody sees a part of it. Later steps win over earlier ones on the same key.
   * @throws CacheError `cross-slot` where the keys lie on different parts of a cluster, `value-too-large`, `wrong-type`, each with nothing done
   */
  async atomic(steps: readonly BatchStep[], options?: CallOptions): Promise<void> {
    checkSteps(steps, true);
    const codec = await this.#values.codec();
    const ready = steps.map((step) => ("set" in step ? { set: encoded(codec, step.set, this.#defaultTtl) } : step));
    await this.#entries.atomic(ready, options);
  }

  /** The end of the store's log, from now on kept for a minute: what is written with it as `since` overwrites nothing that changed meanwhile. */
  async position(options?: CallOptions): Promise<Position> {
    return this.#entries.position(options);
  }

  /**
   * Copies entries of the lowest tier into the tiers above it, without counting lookups.
   * @returns how many
   * @throws CacheError `no-tiers` for a cache of one store
   */
  async promote(keys: readonly string[], options?: CallOptions): Promise<number> {
    return this.#entries.promote(keys, options);
  }

  /** True if there was an entry. A load of the key that is under way is not kept, and no stale value is given any more. */
  async delete(key: string, options?: CallOptions): Promise<boolean> {
    const [existed] = await this.#entries.delete([key], options);
    return existed ?? false;
  }

  async deleteMany(keys: readonly string[], options?: CallOptions): Promise<boolean[]> {
    return this.#entries.delete(keys, options);
  }

  /** A new TTL without rewriting the value: milliseconds, null = never. False where there is no entry. */
  async touch(key: string, ttl: number | null, options?: CallOptions): Promise<boolean> {
    const [done] = await this.touchMany([key], ttl, options);
    return done ?? false;
  }

  async touchMany(keys: readonly string[], ttl: number | null, options?: CallOptions): Promise<boolean[]> {
    checkKeyTypes(keys);
    const now = this.clock.now();
    const changes = keys.map((key) => ({ key, expiresAt: ttl === null ? null : now + checkTtl(ttl, key) }));
    return this.#entries.touch(changes, options);
  }

  /**
   * New deadlines and meta for entries whose values stay as they are. False where there is no entry, or another version than the change names.
   * @throws CacheError `invalid-deadline`, `meta-too-large`, `read-only`
   */
  async touchEach(changes: readonly Touch[], options?: CallOptions): Promise<boolean[]> {
    return this.#entries.touch(changes, options);
  }

  /**
   * Deletes what the selector holds, and counts it. With `soft`, entries that have a stale window are marked stale instead: reading through gives them while it
   * loads anew.
   * @throws CacheError `empty-selector`, `invalid-selector`, `invalid-glob`, `invalid-key`
   */
  async invalidate(selector: Selection, options?: InvalidateOptions): Promise<DeleteReport> {
    return this.#entries.deleteWhere(selector, options);
  }

  /** Deletes every entry of the namespace. */
  async clear(options?: InvalidateOptions): Promise<DeleteReport> {
    return this.invalidate({ all: true }, options);
  }

  /** Records of one kind, read through this cache by id and by query; writes go to the source first. @throws CacheError `invalid-prefix` */
  records<R, Id extends RecordId = string, Q = unknown>(
    source: RecordSource<R, Id, Q>,
    options: GivenRecordOptions<R, Id>,
  ): Records<R, Id, Q> {
    return new Records(this, this.#invalidating, source, options);
  }

  /**
   * Runs `work`, and makes the invalidations that it collected when it has succeeded; when it fails they are dropped, and its error is thrown. What the
   * store does not take then fails nothing: it is told, and tried again.
   */
  transaction<T>(work: (invalidations: Invalidations) => Awaitable<T>): Promise<T> {
    return transaction(this.#invalidating, work);
  }

  /** Samples what this cache counts at an interval. The monitor is to be stopped before the cache is closed. @throws CacheError `invalid-monitor` */
  monitor(options?: MonitorOptions): Monitor {
    return new Monitor(() => this.stats(), this.clock, this.#emit, options);
  }

  /** A value piece by piece; undefined is a miss. The reader must be closed. */
  async openRead(key: string, options?: ReadRangeOptions): Promise<EntryReader | undefined> {
    return this.#entries.openRead(key, options);
  }

  /** Writes a value piece by piece; nobody sees it before `commit`. The writer must be committed or aborted. */
  async openWrite(key: string, options?: WriterOptions): Promise<EntryWriter> {
    return this.#entries.openWrite(key, options);
  }

  /**
   * Tells a listener what changes in the store, whoever changes it, until it is stopped or the cache is closed. What goes through this cache's own methods is told before it is made and
   * again before the call answers; what other processes do, and what reading through stores, within 100 ms of their answer. When the store's log can't be read for 2 s that
   * is a gap, and another when it can be read again. A change may be told more than once, and may name more than it touched.
   * @param listener is called in the middle of things: it returns at once, and must not throw
   */
  follow(listener: ChangeListener): Following {
    return this.#feed.follow(listener);
  }

  /** Entries page by page; nothing is counted and no recency moved. */
  scan(selector: Selection, options: PacedScanOptions = {}): AsyncIterable<ScanPage> {
    checkIsObject("a scan", options);
    return pagesOf(this.#entries.at(options.tier), this.clock, selector, options);
  }

  /**
   * How many entries a selector holds. A store that repeats keys in a scan has them told apart up to a million; beyond that the count is `exact: false`.
   */
  async countWhere(selector: Selection, options: PacedScanOptions = {}): Promise<Counted> {
    checkIsObject("a scan", options);
    const { repeatsInScan } = this.#entries.at(options.tier).capabilities;
    return countPages(this.scan(selector, options), repeatsInScan);
  }

  /** The keys that a selector holds, one by one. A store may name one twice (`capabilities.repeatsInScan`). */
  async *keys(selector: Selection = { all: true }, options?: PacedScanOptions): AsyncGenerator<string> {
    for await (const page of this.scan(selector, options)) for (const entry of page.entries) yield entry.key;
  }

  async stats(options: CallOptions = {}): Promise<CacheStats> {
    checkOptions("a call", options, CALL);
    const backend = this.#entries.at(options.tier);
    await this.#tally.flush();
    return within(this.clock, options, () => statsOf(backend, this.#loading.counts));
  }

  /** What {@link stats} has of it that costs no look through the store. */
  async counters(options: CallOptions = {}): Promise<CounterReport> {
    checkOptions("a call", options, CALL);
    const backend = this.#entries.at(options.tier);
    await this.#tally.flush();
    return within(this.clock, options, async () => backend.counters());
  }

  async resetStats(): Promise<void> {
    this.#entries.checkWritable();
    this.#tally.drop();
    await this.#backend.resetCounters();
  }

  /** One round trip: milliseconds, or why not. Never throws. */
  async health(options: CallOptions = {}): Promise<Health> {
    return healthOf(() => this.#entries.at(options.tier), this.clock, options);
  }

  /** Removes what has expired and gives space back. */
  async prune(): Promise<number> {
    this.#entries.checkWritable();
    const removed = await this.#backend.prune();
    this.#tally.add("expirations", removed);
    return removed;
  }

  /** Counts something that happened outside the core. */
  count(name: CounterName, by = 1): void {
    this.#tally.add(name, by);
  }

  /** Ends the loads that are under way, writes the counters and closes the store. Counting never fails it. */
  async close(): Promise<void> {
    await this.#feed.close();
    await this.#invalidating.close();
    await this.#loading.close();
    await this.#tally.close();
    await this.#backend.close();
  }
}

import { setImmediate as nextTurn } from "node:timers/promises";
import { type ChangeOp, scopeOf } from "../../changes.js";
import { LONGEST_TIMER_MS } from "../../clock.js";
import { CacheError } from "../../errors.js";
import type { Selector } from "../../selector.js";
import {
  type AtomicStep,
  type Backend,
  type BackendContext,
  type BackendInfo,
  type Capabilities,
  type ChangePage,
  COUNTER_NAMES,
  type CommonHead,
  type Counters,
  checkMeta,
  type DecodedReader,
  type DeleteOptions,
  type DeleteReport,
  type DirectReader,
  type EntryInfo,
  type EntryReader,
  type EntryViewer,
  type EntryWriter,
  type KeyDeletion,
  type Lease,
  type LeaseAnswer,
  type LeaseOptions,
  LISTEN_MS,
  MEMORY_POLICIES,
  type MemoryPolicy,
  type NewEntry,
  type Position,
  type RangeOptions,
  type ReadOptions,
  type ScanOptions,
  type ScanPage,
  type SetOptions,
  type SetOutcome,
  type Shown,
  type Stored,
  type Touch,
  type Want,
  type WriteCall,
} from "../backend.js";
import { deleteInSteps, removeExpired } from "./deletion.js";
import { bytesOf, copyOf, infoOf, type MemoryEntry, type NewHead, storedOf } from "./entry.js";
import { EntryStore, partsOf, zeroCounters } from "./entry-store.js";
import { readerOf, writerInto } from "./stream.js";
import { STEP, Walk } from "./walk.js";

export interface MemoryOptions extends BackendContext {
  /** Entries at most; default 1,000. */
  maxEntries?: number;
  /** Bytes at most, of values, meta, keys and tags together; default 64 MB. */
  maxBytes?: number;
  /** What goes first when the bounds are reached; default `w-tinylfu`. */
  policy?: MemoryPolicy;
  /** Milliseconds between two sweeps for expired entries; default 60,000, 0 = none. */
  sweepMs?: number;
}

/**
 * Opens an empty store in this process. Reads and writes answer synchronously; it ends with `close` or the process.
 * @throws CacheError `invalid-bounds`, `invalid-policy`
 */
export function openMemory(options: MemoryOptions): MemoryBackend {
  return new MemoryBackend(options);
}

export class MemoryBackend implements Backend, DecodedReader, DirectReader, EntryViewer {
  readonly name = "memory";
  readonly capabilities: Capabilities = {
    persistent: false,
    shared: false,
    repeatsInScan: false,
    keepsExpired: true,
    knowsAge: true,
    counts: true,
    takesCopies: true,
  };
  readonly #context: BackendContext;
  readonly #store: EntryStore;
  readonly #sweep: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: MemoryOptions) {
    this.#context = options;
    this.#store = new EntryStore(options.clock, {
      maxEntries: bound("maxEntries", options.maxEntries ?? 1000, 2 ** 24),
      maxBytes: bound("maxBytes", options.maxBytes ?? 64_000_000, Number.MAX_SAFE_INTEGER),
      policy: policyOf(options.policy ?? "w-tinylfu"),
    });
    const sweepMs = options.sweepMs ?? 60_000;
    if (sweepMs > 0) {
      this.#sweep = setInterval(() => void this.#removeExpired(), Math.min(sweepMs, LONGEST_TIMER_MS)).unref();
    }
  }

  getMany(keys: readonly string[], options?: ReadOptions): (Stored | undefined)[] {
    this.#checkOpen();
    // The common call is for one key, and this is the hottest path of the core: no iterator, no growing array.
    if (options === undefined && keys.length === 1) return [this.#readValue(keys[0] ?? "")];
    return keys.map(options === undefined ? this.#readValue : this.#readerFor(options), this);
  }

  #readerFor({ want = "value", peek = false }: ReadOptions): (key: string) => Stored | undefined {
    if (want === "value" && !peek) return this.#readValue;
    const give = want === "all" ? storedOf : copyOf;
    return (key) => {
      const entry = this.#store.live(key, peek);
      return entry && give(entry, this.#store.table.times);
    };
  }

  #readValue(key: string): Stored | undefined {
    const entry = this.#store.live(key, false);
    return entry && { value: bytesOf(entry), size: entry.size };
  }

  readDirect(key: string, want: Exclude<Want, "all">): Stored | undefined {
    this.#checkOpen();
    if (want === "value") return this.#readValue(key);
    const entry = this.#store.live(key, false);
    return entry && copyOf(entry, this.#store.table.times);
  }

  getDecoded(key: string, decode: (bytes: Uint8Array) => unknown): unknown {
    this.#checkOpen();
    return this.#store.decoded(key, decode);
  }

  getEntry<T>(key: string, decodeHead: (head: CommonHead) => T): Shown<T> | undefined {
    this.#checkOpen();
    return this.#store.view(key, decodeHead);
  }

  setMany(entries: readonly NewEntry[], options: SetOptions = {}): SetOutcome[] {
    this.#checkWritable();
    for (const { key, meta } of entries) checkMeta(meta, key);
    const at = this.#store.deadlines.moment();
    const outcomes = entries.map((entry) => this.#store.set(entry, entry.value, entry.value.length, options, at));
    if (outcomes.some((outcome) => outcome !== "condition")) {
      this.#store.record("write", () => keysWhere(entries, (i) => outcomes[i] !== "condition"), options);
    }
    return outcomes;
  }

  touchMany(changes: readonly Touch[], options?: WriteCall): boolean[] {
    this.#checkWritable();
    for (const { key, meta } of changes) checkMeta(meta, key);
    const done = changes.map((change) => this.#store.touch(change));
    if (done.includes(true)) this.#store.record("write", () => keysWhere(changes, (i) => done[i] === true), options);
    return done;
  }

  deleteMany(keys: readonly string[], options: KeyDeletion = {}): boolean[] {
    this.#checkWritable();
    const { versions } = options;
    const deleted = keys.map((key, i) => this.#store.delete(key, versions && (versions[i] ?? "")));
    // A key that is not there is deleted all the same: who is just loading it must not store what was meant to go.
    const named = versions === undefined ? keys : keys.filter((_, i) => deleted[i]);
    if (named.length > 0) this.#store.record("delete", () => scopeOf(named), options);
    return deleted;
  }

  async deleteWhere(selector: Selector, options: DeleteOptions = {}): Promise<DeleteReport> {
    this.#checkWritable();
    return deleteInSteps(this.#store, this.#context.clock, selector, options, () => this.#checkOpen());
  }

  atomic(steps: readonly AtomicStep[], options?: WriteCall): void {
    this.#checkWritable();
    const last = new Map(steps.map((step) => ["set" in step ? step.set.key : step.delete, step]));
    for (const step of steps) {
      if ("set" in step && !this.#store.fits(step.set, step.set.value.length)) throw tooLarge(step.set.key);
    }
    for (const [key, step] of last) {
      if ("set" in step) this.#store.set(...partsOf(step.set), {});
      else this.#store.delete(key);
    }
    const op = steps.some((step) => "set" in step) ? "write" : "delete";
    if (steps.length > 0) this.#store.record(op, () => scopeOf([...last.keys()]), options);
  }

  announce(op: ChangeOp, selector: Selector, options?: WriteCall): void {
    this.#checkWritable();
    this.#store.record(op, () => selector, options);
  }

  position(): Position {
    this.#checkOpen();
    return this.#store.log.position(LISTEN_MS);
  }

  async *changes(after: Position, signal: AbortSignal): AsyncGenerator<ChangePage> {
    this.#checkOpen();
    yield* this.#store.log.follow(after, signal);
    if (!signal.aborted) this.#checkOpen();
  }

  lease(key: string, ms: number, { over }: LeaseOptions = {}): LeaseAnswer {
    this.#checkWritable();
    return this.#store.lease(key, ms, over);
  }

  renew(lease: Lease, ms: number): boolean {
    this.#checkWritable();
    return this.#store.renew(lease, ms);
  }

  release(lease: Lease): void {
    this.#checkOpen();
    this.#store.release(lease);
  }

  commit(entry: NewEntry, lease: Lease, options?: WriteCall): boolean {
    this.#checkWritable();
    return this.#store.commit(...partsOf(entry), lease, options) === "stored";
  }

  async openRead(key: string, options: RangeOptions = {}): Promise<EntryReader | undefined> {
    this.#checkOpen();
    const entry = this.#store.live(key, options.peek ?? false);
    return entry && readerOf(entry, this.#store.table.times, options);
  }

  async openWrite(head: NewHead, options: SetOptions = {}): Promise<EntryWriter> {
    this.#checkWritable();
    checkMeta(head.meta, head.key);
    const own = {
      ...head,
      ...(head.meta && { meta: new Uint8Array(head.meta) }),
      ...(head.tags && { tags: [...head.tags] }),
    };
    return writerInto(
      own,
      options,
      this.#store.bounds.maxBytes,
      () => this.#checkWritable(),
      (body, size, lease) =>
        lease === undefined
          ? this.#store.setAndRecord(own, body, size, options)
          : this.#store.commit(own, body, size, lease, options),
    );
  }

  async hottest(limit: number): Promise<string[]> {
    this.#checkOpen();
    const keys: string[] = [];
    for (const key of this.#store.table.byRank()) {
      if (keys.length >= limit) break;
      const entry = this.#store.table.peek(key);
      if (entry && !this.#store.isOver(entry)) keys.push(key);
    }
    return keys;
  }

  async *scan(selector: Selector, options: ScanOptions = {}): AsyncGenerator<ScanPage> {
    this.#checkOpen();
    const { limit = Number.POSITIVE_INFINITY, signal } = options;
    const walk = new Walk(this.#store, selector, options.cursor);
    let given = 0;
    while (!walk.done && given < limit && !signal?.aborted) {
      const found = walk.step(Math.min(STEP, limit - given));
      given += found.length;
      options.onStep?.();
      const { times } = this.#store.table;
      const give = (entry: MemoryEntry) => (options.fields === "all" ? infoOf(entry, times) : { key: entry.key });
      const entries: EntryInfo[] = found.map(give);
      if (walk.cursor !== undefined) {
        if (entries.length > 0) yield { entries, cursor: walk.cursor };
        await nextTurn();
        this.#checkOpen();
      } else if (entries.length > 0) yield { entries };
    }
  }

  count(deltas: Partial<Counters>): void {
    this.#checkWritable();
    for (const name of COUNTER_NAMES) this.#store.counters[name] += deltas[name] ?? 0;
  }

  counters(): { counters: Counters; source: "cache" } {
    this.#checkOpen();
    return { counters: { ...this.#store.counters }, source: "cache" };
  }

  resetCounters(): void {
    this.#checkWritable();
    Object.assign(this.#store.counters, zeroCounters());
  }

  async describe(): Promise<BackendInfo> {
    this.#checkOpen();
    let entries = 0;
    let bytes = 0;
    for (const entry of this.#store.table.inOrder()) {
      if (this.#store.isOver(entry)) continue;
      entries += 1;
      bytes += entry.size;
    }
    const { charged } = this.#store.table.sizes;
    const { policy, maxEntries, maxBytes } = this.#store.bounds;
    const facts = { policy, maxEntries, maxBytes, usedBytes: charged };
    return { kind: "memory", target: "memory:", entries, bytes, facts, warnings: [] };
  }

  /** There is no way to go: 0. */
  async ping(): Promise<number> {
    this.#checkOpen();
    return 0;
  }

  async prune(): Promise<number> {
    this.#checkWritable();
    return this.#removeExpired();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#sweep);
    this.#store.close();
  }

  /** Contradictions inside the store, for tests: none when all is well. */
  contradictions(): string[] {
    return this.#store.table.contradictions();
  }

  #removeExpired(): Promise<number> {
    return removeExpired(this.#store, () => this.#closed);
  }

  #checkOpen(): void {
    if (this.#closed) {
      throw new CacheError("usage", "closed", "the memory store is closed", { hint: "Open it again to use it." });
    }
  }

  #checkWritable(): void {
    this.#checkOpen();
    if (this.#context.readOnly) {
      throw new CacheError("refused", "read-only", "the memory store was opened read-only", {
        hint: "Leave out --read-only to change it.",
      });
    }
  }
}

/** The keys of those items for whose index the test holds, as a selector. */
function keysWhere(items: readonly { key: string }[], holds: (index: number) => boolean): Selector {
  return scopeOf(items.filter((_, i) => holds(i)).map(({ key }) => key));
}

function tooLarge(key: string): CacheError {
  return new CacheError("usage", "value-too-large", `the value of "${key}" is larger than the whole store may be`, {
    key,
    hint: "Raise maxBytes, or keep the value elsewhere.",
  });
}

function policyOf(name: MemoryPolicy): MemoryPolicy {
  if (MEMORY_POLICIES.includes(name)) return name;
  throw new CacheError("usage", "invalid-policy", `there is no policy "${name}" for memory`, {
    hint: `Use one of ${MEMORY_POLICIES.join(", ")}.`,
  });
}

function bound(name: string, value: number, most: number): number {
  if (Number.isInteger(value) && value > 0 && value <= most) return value;
  throw new CacheError("usage", "invalid-bounds", `${name} can't be ${value}`, {
    hint: `Give ${name} as a whole number from 1 to ${most}.`,
  });
}

import { setImmediate as nextTurn } from "node:timers/promises";
import { type ChangeOp, scopeOf } from "../../changes.js";
import { keepDecoded } from "../../decoded.js";
import { CacheError } from "../../errors.js";
import type { Selector } from "../../selector.js";
import {
  type AtomicStep,
  type BackendContext,
  type BackendInfo,
  type Capabilities,
  type ChangePage,
  COUNTER_NAMES,
  type Counters,
  type DecodedReader,
  type DeleteOptions,
  type DeleteReport,
  type EntryInfo,
  type EntryReader,
  type EntryWriter,
  type FullBackend,
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
  type Stored,
  type Touch,
  type WriteCall,
} from "../backend.js";
import { ChangeRing } from "./change-ring.js";
import {
  type Body,
  bytesOf,
  chargeOf,
  DeadlineClock,
  infoOf,
  MemoryEntry,
  type NewHead,
  storedOf,
  versionOf,
} from "./entry.js";
import { EntryTable } from "./entry-table.js";
import { LeaseBook } from "./lease-book.js";
import { readerOf, writerInto } from "./stream.js";
import { Walk } from "./walk.js";

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

/** Entries that a listing gives at once, and that a deletion removes before it looks around. */
const STEP = 1000;

/**
 * Opens an empty store in this process. Reads and writes answer synchronously; it ends with `close` or the process.
 * @throws CacheError `invalid-bounds`, `invalid-policy`
 */
export function openMemory(options: MemoryOptions): MemoryBackend {
  return new MemoryBackend(options);
}

export class MemoryBackend implements FullBackend, DecodedReader {
  readonly name = "memory";
  readonly capabilities: Capabilities = {
    persistent: false,
    shared: false,
    repeatsInScan: false,
    keepsExpired: true,
    knowsAge: true,
    counts: true,
  };
  readonly #context: BackendContext;
  readonly #deadlines: DeadlineClock;
  readonly #maxEntries: number;
  readonly #maxBytes: number;
  readonly #policy: MemoryPolicy;
  readonly #table: EntryTable;
  readonly #log: ChangeRing;
  readonly #leases: LeaseBook;
  readonly #counters = zeroCounters();
  readonly #sweep: NodeJS.Timeout | undefined;
  #version = 0;
  #closed = false;

  constructor(options: MemoryOptions) {
    this.#context = options;
    this.#deadlines = new DeadlineClock(options.clock);
    this.#maxEntries = bound("maxEntries", options.maxEntries ?? 1000, 2 ** 24);
    this.#maxBytes = bound("maxBytes", options.maxBytes ?? 64_000_000, Number.MAX_SAFE_INTEGER);
    this.#policy = policyOf(options.policy ?? "w-tinylfu");
    this.#table = new EntryTable({
      maxEntries: this.#maxEntries,
      maxBytes: this.#maxBytes,
      policy: this.#policy,
      onEvict: (entry) => {
        this.#counters[this.#deadlines.isOver(entry.deadline) ? "expirations" : "evictions"] += 1;
      },
    });
    this.#log = new ChangeRing(options.clock);
    this.#leases = new LeaseBook(options.clock, this.#log);
    const sweepMs = options.sweepMs ?? 60_000;
    if (sweepMs > 0) this.#sweep = setInterval(() => void this.#removeExpired(), sweepMs).unref();
  }

  getMany(keys: readonly string[], options?: ReadOptions): (Stored | undefined)[] {
    this.#checkOpen();
    // The common call is for one key, and this is the hottest path of the core: no iterator, no growing array.
    if (options === undefined && keys.length === 1) return [this.#readValue(keys[0] ?? "")];
    return keys.map(options === undefined ? this.#readValue : this.#readerFor(options), this);
  }

  #readerFor({ want = "value", peek = false }: ReadOptions): (key: string) => Stored | undefined {
    if (want === "value" && !peek) return this.#readValue;
    return (key) => {
      const entry = this.#live(key, peek);
      return entry && storedOf(entry);
    };
  }

  #readValue(key: string): Stored | undefined {
    const entry = this.#live(key, false);
    return entry && { value: bytesOf(entry), size: entry.size };
  }

  getDecoded(key: string, decode: (bytes: Uint8Array) => unknown): unknown {
    this.#checkOpen();
    const entry = this.#live(key, false);
    if (entry === undefined) return undefined;
    const { decoded } = entry;
    if (typeof decoded === "object") return decoded.copy();
    const value = decode(bytesOf(entry));
    // What is read only once is not worth the memory.
    if (decoded === undefined) entry.decoded = "once";
    else if (decoded === "once") this.#keepDecoded(entry, value);
    return value;
  }

  /** Keeps a copy of what was decoded, since the caller has the value itself. */
  #keepDecoded(entry: MemoryEntry, value: unknown): void {
    const kept = entry.pieces === undefined ? keepDecoded(value) : undefined;
    if (kept === undefined) entry.decoded = "never";
    else this.#table.keepDecoded(entry, kept);
  }

  setMany(entries: readonly NewEntry[], options: SetOptions = {}): SetOutcome[] {
    this.#checkWritable();
    const outcomes = entries.map((entry) => this.#set(entry, entry.value, entry.value.length, options));
    if (outcomes.some((outcome) => outcome !== "condition")) {
      this.#record("write", () => keysWhere(entries, (i) => outcomes[i] !== "condition"), options);
    }
    return outcomes;
  }

  #set(given: NewHead, body: Body, size: number, { mode = "always", since }: SetOptions): SetOutcome {
    const old = this.#live(given.key, true);
    if (mode !== "always" && (mode === "if-present") !== (old !== undefined)) return "condition";
    if (since !== undefined && this.#log.covers({ key: given.key, tags: given.tags ?? [] }, since)) return "condition";
    const deadline = given.keepDeadline && old ? old.deadline : this.#deadlines.deadlineAt(given.expiresAt);
    const fits = chargeOf(given, size) <= this.#maxBytes;
    if (!fits || this.#deadlines.isOver(deadline)) {
      // The value that was there is no longer the current one, and must not be served as if it were.
      this.#table.remove(given.key);
      return fits ? "stored" : "rejected";
    }
    const sequence = old?.sequence ?? this.#table.nextSequence();
    const written = { sequence, version: ++this.#version, at: this.#deadlines.now(), deadline };
    this.#table.put(new MemoryEntry(given, body, written));
    return "stored";
  }

  touchMany(changes: readonly Touch[], options?: WriteCall): boolean[] {
    this.#checkWritable();
    const done = changes.map((change) => this.#touch(change));
    if (done.includes(true)) this.#record("write", () => keysWhere(changes, (i) => done[i] === true), options);
    return done;
  }

  #touch({ key, expiresAt }: Touch): boolean {
    const entry = this.#live(key, true);
    if (!entry) return false;
    entry.deadline = this.#deadlines.deadlineAt(expiresAt);
    if (entry.staleAt !== undefined && entry.staleAt >= entry.deadline.wall) entry.staleAt = undefined;
    if (this.#deadlines.isOver(entry.deadline)) this.#table.remove(key);
    else this.#table.redated(entry);
    return true;
  }

  deleteMany(keys: readonly string[], options: KeyDeletion = {}): boolean[] {
    this.#checkWritable();
    const { versions } = options;
    const deleted = keys.map((key, i) => {
      const entry = this.#live(key, true);
      if (entry === undefined || (versions !== undefined && versions[i] !== versionOf(entry))) return false;
      return this.#table.remove(key);
    });
    // A key that is not there is deleted all the same: who is just loading it must not store what was meant to go.
    if (versions === undefined ? keys.length > 0 : deleted.includes(true))
      this.#record("delete", () => scopeOf(versions === undefined ? keys : keys.filter((_, i) => deleted[i])), options);
    return deleted;
  }

  atomic(steps: readonly AtomicStep[], options?: WriteCall): void {
    this.#checkWritable();
    const last = new Map(steps.map((step) => ["set" in step ? step.set.key : step.delete, step]));
    for (const step of steps) {
      if ("set" in step && chargeOf(step.set, step.set.value.length) > this.#maxBytes) throw tooLarge(step.set.key);
    }
    for (const [key, step] of last) {
      if ("set" in step) this.#set(step.set, step.set.value, step.set.value.length, {});
      else if (this.#live(key, true)) this.#table.remove(key);
    }
    const op = steps.some((step) => "set" in step) ? "write" : "delete";
    if (steps.length > 0) this.#record(op, () => scopeOf([...last.keys()]), options);
  }

  announce(op: ChangeOp, selector: Selector, options?: WriteCall): void {
    this.#checkWritable();
    this.#record(op, () => selector, options);
  }

  position(): Position {
    this.#checkOpen();
    return this.#log.position(LISTEN_MS);
  }

  async *changes(after: Position, signal: AbortSignal): AsyncGenerator<ChangePage> {
    this.#checkOpen();
    yield* this.#log.follow(after, signal);
    if (!signal.aborted) this.#checkOpen();
  }

  lease(key: string, ms: number, { over }: LeaseOptions = {}): LeaseAnswer {
    this.#checkWritable();
    const entry = this.#live(key, true);
    if ((entry && versionOf(entry)) !== over) return { outcome: "changed" };
    const taken = this.#leases.take(key, ms, over);
    return typeof taken === "number" ? { outcome: "held", waitMs: taken } : { outcome: "taken", lease: taken };
  }

  renew(lease: Lease, ms: number): boolean {
    this.#checkWritable();
    return this.#leases.renew(lease, ms);
  }

  release(lease: Lease): void {
    this.#checkOpen();
    this.#leases.release(lease);
  }

  commit(entry: NewEntry, lease: Lease, options?: WriteCall): boolean {
    this.#checkWritable();
    return this.#commit(entry, entry.value, entry.value.length, lease, options) === "stored";
  }

  #commit(given: NewHead, body: Body, size: number, lease: Lease, options: SetOptions = {}): SetOutcome {
    const ours = this.#leases.release(lease);
    const entry = this.#live(given.key, true);
    if (!ours || given.key !== lease.key || (entry && versionOf(entry)) !== lease.over) return "condition";
    if (this.#log.covers({ key: given.key, tags: given.tags ?? [] }, lease.since)) return "condition";
    return this.#setAlone(given, body, size, options);
  }

  #setAlone(given: NewHead, body: Body, size: number, options: SetOptions): SetOutcome {
    const outcome = this.#set(given, body, size, options);
    if (outcome !== "condition") this.#record("write", () => ({ keys: [given.key] }), options);
    return outcome;
  }

  async openRead(key: string, options: RangeOptions = {}): Promise<EntryReader | undefined> {
    this.#checkOpen();
    const entry = this.#live(key, options.peek ?? false);
    return entry && readerOf(entry, options);
  }

  async openWrite(head: NewHead, options: SetOptions = {}): Promise<EntryWriter> {
    this.#checkWritable();
    const own = {
      ...head,
      ...(head.meta && { meta: new Uint8Array(head.meta) }),
      ...(head.tags && { tags: [...head.tags] }),
    };
    return writerInto(
      this.#maxBytes,
      () => this.#checkWritable(),
      (body, size, lease) =>
        lease === undefined ? this.#setAlone(own, body, size, options) : this.#commit(own, body, size, lease, options),
    );
  }

  async hottest(limit: number): Promise<string[]> {
    this.#checkOpen();
    const keys: string[] = [];
    for (const key of this.#table.byRank()) {
      if (keys.length >= limit) break;
      const entry = this.#table.peek(key);
      if (entry && !this.#deadlines.isOver(entry.deadline)) keys.push(key);
    }
    return keys;
  }

  async deleteWhere(selector: Selector, options: DeleteOptions = {}): Promise<DeleteReport> {
    this.#checkWritable();
    const { clock } = this.#context;
    const { limit = Number.POSITIVE_INFINITY, rate, signal } = options;
    const stepSize = rate === undefined ? STEP : Math.min(STEP, Math.max(1, Math.ceil(rate / 10)));
    const start = clock.monotonic();
    const walk = new Walk(this.#table, selector, options.cursor, this.#deadlines);
    const report: DeleteReport = { deleted: 0, softened: 0, complete: false };
    const scope = "keys" in selector ? scopeOf(selector.keys) : selector;
    const record = () => this.#record(options.soft ? "soften" : "delete", () => scope, options);
    record();
    let done = 0;
    let cursor = options.cursor;
    let turns = 0;
    try {
      while (!walk.done && done < limit && !signal?.aborted) {
        for (const entry of walk.step(Math.min(stepSize, limit - done)))
          this.#deleteOne(entry, options.soft ?? false, report);
        cursor = walk.cursor;
        const before = done;
        done = report.deleted + report.softened;
        if (done > before) options.onProgress?.(done);
        if (walk.done) break;
        turns += 1;
        if (rate !== undefined)
          await clock.sleep(Math.max(0, start + (done / rate) * 1000 - clock.monotonic()), signal);
        await nextTurn();
        this.#checkOpen();
      }
    } finally {
      // What was read between two steps may be gone now.
      if (turns > 0) record();
    }
    report.complete = walk.done;
    if (!report.complete && cursor !== undefined) report.cursor = cursor;
    return report;
  }

  #deleteOne(entry: MemoryEntry, soft: boolean, report: DeleteReport): void {
    if (soft && entry.staleAt !== undefined) {
      entry.staleAt = Math.min(entry.staleAt, this.#deadlines.now());
      report.softened += 1;
    } else if (this.#table.remove(entry.key)) report.deleted += 1;
  }

  async *scan(selector: Selector, options: ScanOptions = {}): AsyncGenerator<ScanPage> {
    this.#checkOpen();
    const { limit = Number.POSITIVE_INFINITY, signal } = options;
    const walk = new Walk(this.#table, selector, options.cursor, this.#deadlines);
    let given = 0;
    while (!walk.done && given < limit && !signal?.aborted) {
      const found = walk.step(Math.min(STEP, limit - given));
      given += found.length;
      const entries = found.map((entry): EntryInfo => (options.fields === "all" ? infoOf(entry) : { key: entry.key }));
      if (walk.cursor !== undefined) {
        if (entries.length > 0) yield { entries, cursor: walk.cursor };
        await nextTurn();
        this.#checkOpen();
      } else if (entries.length > 0) yield { entries };
    }
  }

  count(deltas: Partial<Counters>): void {
    this.#checkWritable();
    for (const name of COUNTER_NAMES) this.#counters[name] += deltas[name] ?? 0;
  }

  counters(): { counters: Counters; source: "cache" } {
    this.#checkOpen();
    return { counters: { ...this.#counters }, source: "cache" };
  }

  resetCounters(): void {
    this.#checkWritable();
    Object.assign(this.#counters, zeroCounters());
  }

  async describe(): Promise<BackendInfo> {
    this.#checkOpen();
    let entries = 0;
    let bytes = 0;
    for (const entry of this.#table.inOrder()) {
      if (this.#deadlines.isOver(entry.deadline)) continue;
      entries += 1;
      bytes += entry.size;
    }
    const { charged } = this.#table.sizes;
    const facts = { policy: this.#policy, maxEntries: this.#maxEntries, maxBytes: this.#maxBytes, usedBytes: charged };
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
    this.#table.clear();
    this.#leases.clear();
    this.#log.close();
  }

  /** Contradictions inside the store, for tests: none when all is well. */
  contradictions(): string[] {
    return this.#table.contradictions();
  }

  async #removeExpired(): Promise<number> {
    const walk = new Walk(this.#table, { expiry: "expired" }, undefined, this.#deadlines);
    let removed = 0;
    while (!walk.done && !this.#closed) {
      for (const entry of walk.step(STEP)) if (this.#table.remove(entry.key)) removed += 1;
      if (!walk.done) await nextTurn();
    }
    this.#counters.expirations += removed;
    return removed;
  }

  /** The entry, unless it is over: then it is removed, in the same moment in which that was seen. */
  #live(key: string, peek: boolean): MemoryEntry | undefined {
    const entry = this.#table.peek(key);
    if (entry === undefined) return undefined;
    if (!this.#deadlines.isOver(entry.deadline)) {
      if (!peek) this.#table.used(entry);
      return entry;
    }
    this.#table.remove(key);
    this.#counters.expirations += 1;
    return undefined;
  }

  #record(op: ChangeOp, selector: () => Selector, call: WriteCall | undefined): void {
    this.#log.record(op, selector, call?.origin);
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

function zeroCounters(): Counters {
  return { hits: 0, misses: 0, sets: 0, deletes: 0, expirations: 0, evictions: 0, errors: 0 };
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

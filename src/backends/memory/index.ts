import { setImmediate as nextTurn } from "node:timers/promises";
import { CacheError } from "../../errors.js";
import type { Selector } from "../../selector.js";
import {
  type Backend,
  type BackendContext,
  type BackendInfo,
  type Capabilities,
  COUNTER_NAMES,
  type Counters,
  type DeleteOptions,
  type DeleteReport,
  type EntryInfo,
  type NewEntry,
  type ReadOptions,
  type ScanOptions,
  type ScanPage,
  type SetMode,
  type SetOptions,
  type SetOutcome,
  type Stored,
  type Touch,
} from "../backend.js";
import { copyBytes } from "./copy.js";
import { chargeOf, DeadlineClock, infoOf, MemoryEntry, storedOf } from "./entry.js";
import { EntryTable } from "./entry-table.js";
import { Walk } from "./walk.js";

export interface MemoryOptions extends BackendContext {
  /** Entries at most; default 1,000. */
  maxEntries?: number;
  /** Bytes at most, of values, meta, keys and tags together; default 64 MB. */
  maxBytes?: number;
  /** What goes first when the bounds are reached: what was not read for the longest time. */
  policy?: "lru";
  /** Milliseconds between two sweeps for expired entries; default 60,000, 0 = none. */
  sweepMs?: number;
}

/** Entries that a listing gives at once, and that a deletion removes before it looks around. */
const STEP = 1000;

/**
 * Opens an empty store in this process. Reads and writes answer synchronously; it ends with `close` or the process.
 * @throws CacheError `invalid-bounds`
 */
export function openMemory(options: MemoryOptions): MemoryBackend {
  return new MemoryBackend(options);
}

export class MemoryBackend implements Backend {
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
  readonly #table: EntryTable;
  readonly #counters = zeroCounters();
  readonly #sweep: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: MemoryOptions) {
    this.#context = options;
    this.#deadlines = new DeadlineClock(options.clock);
    this.#maxEntries = bound("maxEntries", options.maxEntries ?? 1000, 2 ** 24);
    this.#maxBytes = bound("maxBytes", options.maxBytes ?? 64_000_000, Number.MAX_SAFE_INTEGER);
    this.#table = new EntryTable(this.#maxEntries, this.#maxBytes, (entry) => {
      this.#counters[this.#deadlines.isOver(entry.deadline) ? "expirations" : "evictions"] += 1;
    });
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
    return entry && { value: copyBytes(entry.value), size: entry.value.length };
  }

  setMany(entries: readonly NewEntry[], options?: SetOptions): SetOutcome[] {
    this.#checkWritable();
    const mode = options?.mode ?? "always";
    return entries.map((entry) => this.#set(entry, mode));
  }

  #set(given: NewEntry, mode: SetMode): SetOutcome {
    const old = this.#live(given.key, true);
    if (mode !== "always" && (mode === "if-present") !== (old !== undefined)) return "condition";
    const deadline = given.keepDeadline && old ? old.deadline : this.#deadlines.deadlineAt(given.expiresAt);
    const fits = chargeOf(given) <= this.#maxBytes;
    if (!fits || this.#deadlines.isOver(deadline)) {
      // The value that was there is no longer the current one, and must not be served as if it were.
      this.#table.remove(given.key);
      return fits ? "stored" : "rejected";
    }
    this.#table.put(
      new MemoryEntry(given, old?.sequence ?? this.#table.nextSequence(), deadline, this.#deadlines.now()),
    );
    return "stored";
  }

  touchMany(changes: readonly Touch[]): boolean[] {
    this.#checkWritable();
    return changes.map(({ key, expiresAt }) => {
      const entry = this.#live(key, true);
      if (!entry) return false;
      entry.deadline = this.#deadlines.deadlineAt(expiresAt);
      if (entry.staleAt !== undefined && entry.staleAt >= entry.deadline.wall) entry.staleAt = undefined;
      if (this.#deadlines.isOver(entry.deadline)) this.#table.remove(key);
      return true;
    });
  }

  deleteMany(keys: readonly string[]): boolean[] {
    this.#checkWritable();
    return keys.map((key) => this.#live(key, true) !== undefined && this.#table.remove(key));
  }

  async deleteWhere(selector: Selector, options: DeleteOptions = {}): Promise<DeleteReport> {
    this.#checkWritable();
    const { clock } = this.#context;
    const { limit = Number.POSITIVE_INFINITY, rate, signal } = options;
    const stepSize = rate === undefined ? STEP : Math.min(STEP, Math.max(1, Math.ceil(rate / 10)));
    const start = clock.monotonic();
    const walk = new Walk(this.#table, selector, options.cursor, this.#deadlines);
    const report: DeleteReport = { deleted: 0, softened: 0, complete: false };
    let done = 0;
    let cursor = options.cursor;
    while (!walk.done && done < limit && !signal?.aborted) {
      for (const entry of walk.step(Math.min(stepSize, limit - done)))
        this.#deleteOne(entry, options.soft ?? false, report);
      cursor = walk.cursor;
      const before = done;
      done = report.deleted + report.softened;
      if (done > before) options.onProgress?.(done);
      if (walk.done) break;
      if (rate !== undefined) await clock.sleep(Math.max(0, start + (done / rate) * 1000 - clock.monotonic()), signal);
      await nextTurn();
      this.#checkOpen();
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
      bytes += entry.value.length;
    }
    const { charged } = this.#table.sizes;
    const facts = { policy: "lru", maxEntries: this.#maxEntries, maxBytes: this.#maxBytes, usedBytes: charged };
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
  }

  /** Contradictions inside the store, for tests: none when all is well. */
  contradictions(): string[] {
    return this.#table.contradictions(this.#maxEntries, this.#maxBytes);
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
    const entry = peek ? this.#table.peek(key) : this.#table.use(key);
    if (entry === undefined || !this.#deadlines.isOver(entry.deadline)) return entry;
    this.#table.remove(key);
    this.#counters.expirations += 1;
    return undefined;
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

function zeroCounters(): Counters {
  return { hits: 0, misses: 0, sets: 0, deletes: 0, expirations: 0, evictions: 0, errors: 0 };
}

function bound(name: string, value: number, most: number): number {
  if (Number.isInteger(value) && value > 0 && value <= most) return value;
  throw new CacheError("usage", "invalid-bounds", `${name} can't be ${value}`, {
    hint: `Give ${name} as a whole number from 1 to ${most}.`,
  });
}

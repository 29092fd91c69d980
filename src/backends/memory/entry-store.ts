import type { ChangeOp } from "../../changes.js";
import type { Clock } from "../../clock.js";
import { keepDecoded } from "../../decoded.js";
import type { Selector } from "../../selector.js";
import type {
  CommonHead,
  Counters,
  Lease,
  LeaseAnswer,
  MemoryPolicy,
  NewEntry,
  SetOptions,
  SetOutcome,
  Shown,
  Touch,
  WriteCall,
} from "../backend.js";
import { ChangeRing } from "./change-ring.js";
import { DeadlineClock } from "./deadlines.js";
import { type Body, bytesOf, chargeOf, commonHeadOf, MemoryEntry, type NewHead, versionOf } from "./entry.js";
import { EntryTable } from "./entry-table.js";
import { LeaseBook } from "./lease-book.js";

export interface StoreBounds {
  maxEntries: number;
  maxBytes: number;
  policy: MemoryPolicy;
}

/** What is done to one entry at a time: deadlines, conditions and versions are judged here, and all of it in one go. */
export class EntryStore {
  readonly bounds: StoreBounds;
  readonly deadlines: DeadlineClock;
  readonly table: EntryTable;
  readonly log: ChangeRing;
  readonly counters = zeroCounters();
  readonly #leases: LeaseBook;
  #version = 0;

  constructor(clock: Clock, bounds: StoreBounds) {
    this.bounds = bounds;
    this.deadlines = new DeadlineClock(clock);
    this.table = new EntryTable({
      ...bounds,
      onEvict: (entry) => {
        this.counters[this.isOver(entry) ? "expirations" : "evictions"] += 1;
      },
    });
    this.log = new ChangeRing(clock);
    this.#leases = new LeaseBook(clock, this.log);
  }

  /** Whether an entry of the table has come to its end here. */
  isOver({ slot }: MemoryEntry): boolean {
    return this.deadlines.isOver(this.table.times, slot);
  }

  /** The entry, unless it is over: then it is removed, in the same moment in which that was seen. @param peek moves no recency */
  live(key: string, peek: boolean): MemoryEntry | undefined {
    const entry = this.table.peek(key);
    if (entry === undefined) return undefined;
    if (!this.isOver(entry)) {
      if (!peek) this.table.used(entry);
      return entry;
    }
    this.table.remove(key);
    this.counters.expirations += 1;
    return undefined;
  }

  decoded(key: string, decode: (bytes: Uint8Array) => unknown): unknown {
    const entry = this.live(key, false);
    if (entry === undefined) return undefined;
    const { decoded } = entry;
    if (typeof decoded === "object") return decoded.copy();
    const value = decode(bytesOf(entry));
    // What is read only once is not worth the memory.
    if (decoded === undefined) entry.decoded = "once";
    else if (decoded === "once") {
      const kept = entry.body instanceof Uint8Array ? keepDecoded(value) : undefined;
      if (kept === undefined) entry.decoded = "never";
      else this.table.keepDecoded(entry, kept);
    }
    return value;
  }

  /** @param at now, where it is one of many that are written in one go */
  set(
    given: NewHead,
    body: Body,
    size: number,
    { mode = "always", since, stayMs }: SetOptions,
    at = this.deadlines.moment(),
  ): SetOutcome {
    const old = this.live(given.key, true);
    if (mode !== "always" && (mode === "if-present") !== (old !== undefined)) return "condition";
    if (since !== undefined && this.log.covers({ key: given.key, tags: given.tags ?? [] }, since)) return "condition";
    const deadline =
      given.keepDeadline && old
        ? this.table.times.deadline(old.slot)
        : this.deadlines.deadlineAt(given.expiresAt, at, stayMs);
    const fits = this.fits(given, size);
    if (!fits || deadline.wall <= at.wall) {
      // The value that was there is no longer the current one, and must not be served as if it were.
      this.table.remove(given.key);
      return fits ? "stored" : "rejected";
    }
    const sequence = old?.sequence ?? this.table.nextSequence();
    this.#version += 1;
    const entry = new MemoryEntry(given, body, this.table.slabs, sequence, this.#version);
    this.table.put(entry, { createdAt: at.wall, staleAt: given.staleAt, deadline }, old);
    return "stored";
  }

  /** Stores one entry and writes that into the log. */
  setAndRecord(given: NewHead, body: Body, size: number, options: SetOptions): SetOutcome {
    const outcome = this.set(given, body, size, options);
    if (outcome !== "condition") this.record("write", () => ({ keys: [given.key] }), options);
    return outcome;
  }

  /** True if the store can hold it, were it alone. */
  fits(entry: NewHead, size: number): boolean {
    return chargeOf(entry, size) <= this.bounds.maxBytes;
  }

  touch({ key, expiresAt, staleAt, meta, ifVersion }: Touch): boolean {
    const entry = this.live(key, true);
    if (!entry || (ifVersion !== undefined && ifVersion !== versionOf(entry))) return false;
    const fits = meta === undefined || this.fits({ key, tags: entry.tags, meta }, entry.size);
    const { times } = this.table;
    const { slot } = entry;
    if (expiresAt !== undefined) times.setDeadline(slot, this.deadlines.deadlineAt(expiresAt));
    if (!fits || this.isOver(entry)) {
      // An entry with the old meta would pass for the current one.
      this.table.remove(key);
      return true;
    }
    if (staleAt !== undefined) times.setStale(slot, staleAt ?? undefined);
    if ((times.staleAt(slot) ?? Number.NEGATIVE_INFINITY) >= (times.expiresAt(slot) ?? Number.POSITIVE_INFINITY)) {
      times.setStale(slot, undefined);
    }
    if (meta !== undefined) entry.version = ++this.#version;
    this.table.changed(entry, meta);
    return true;
  }

  /** Undefined where its value is in pieces. */
  view<T>(key: string, decodeHead: (head: CommonHead) => T): Shown<T> | undefined {
    const entry = this.live(key, false);
    if (entry === undefined) return undefined;
    const { body: value, decodedHead } = entry;
    if (!(value instanceof Uint8Array)) return undefined;
    if (typeof decodedHead === "object") return { value, head: decodedHead.head as T };
    const head = decodeHead(commonHeadOf(entry, this.table.times));
    // What is read only once is not worth the memory.
    if (decodedHead === undefined) entry.decodedHead = "once";
    else this.table.keepDecodedHead(entry, head);
    return { value, head };
  }

  /** @param version the only one that is to go */
  delete(key: string, version?: string): boolean {
    const entry = this.live(key, true);
    if (entry === undefined || (version !== undefined && version !== versionOf(entry))) return false;
    return this.table.remove(key);
  }

  lease(key: string, ms: number, over: string | undefined): LeaseAnswer {
    const entry = this.live(key, true);
    if ((entry && versionOf(entry)) !== over) return { outcome: "changed" };
    const taken = this.#leases.take(key, ms, over);
    return typeof taken === "number" ? { outcome: "held", waitMs: taken } : { outcome: "taken", lease: taken };
  }

  renew(lease: Lease, ms: number): boolean {
    return this.#leases.renew(lease, ms);
  }

  release(lease: Lease): void {
    this.#leases.release(lease);
  }

  commit(given: NewHead, body: Body, size: number, lease: Lease, options: SetOptions = {}): SetOutcome {
    const ours = this.#leases.release(lease);
    const entry = this.live(given.key, true);
    if (!ours || given.key !== lease.key || (entry && versionOf(entry)) !== lease.over) return "condition";
    if (this.log.covers({ key: given.key, tags: given.tags ?? [] }, lease.since)) return "condition";
    return this.setAndRecord(given, body, size, options);
  }

  record(op: ChangeOp, selector: () => Selector, call: WriteCall | undefined): void {
    this.log.record(op, selector, call?.origin);
  }

  close(): void {
    this.table.clear();
    this.#leases.clear();
    this.log.close();
  }
}

export function zeroCounters(): Counters {
  return { hits: 0, misses: 0, sets: 0, deletes: 0, expirations: 0, evictions: 0, errors: 0 };
}

/** The value of a new entry as the store takes it. */
export function partsOf(entry: NewEntry): [head: NewHead, body: Uint8Array, size: number] {
  return [entry, entry.value, entry.value.length];
}

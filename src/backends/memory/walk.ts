import { CacheError } from "../../errors.js";
import { type Candidate, checkSelector, compileFilter, type Filter, filterOf, type Selector } from "../../selector.js";
import type { MemoryEntry } from "./entry.js";
import type { EntryStore } from "./entry-store.js";
import type { EntryTable } from "./entry-table.js";

/** Entries looked at before others get their turn, where few of them match: 1 to 2 ms. */
const LOOKS_PER_STEP = 5000;

/** Entries that a listing gives at once, and that a deletion removes before it looks around. */
export const STEP = 1000;

interface Place {
  key: string;
  /** What a cursor holds: the sequence of the entry, or the index in a list of keys. */
  position: number;
}

/**
 * The entries that a selector holds, of those that are there at the start, in a stable order and in steps that each
 * are done in one go; between two steps anything may be written or removed.
 */
export class Walk {
  readonly #table: EntryTable;
  readonly #places: Iterator<Place>;
  readonly #holds: (entry: MemoryEntry) => boolean;
  #waiting: Place | undefined;
  #done = false;

  /**
   * @param cursor where an earlier walk of the same selector left off
   * @throws CacheError `empty-selector`, `invalid-glob`, `invalid-cursor`
   */
  constructor(store: EntryStore, selector: Selector, cursor: string | undefined) {
    const { table } = store;
    checkSelector(selector);
    const from = positionOf(cursor);
    this.#table = table;
    this.#holds = testOf("keys" in selector ? {} : filterOf(selector), store);
    this.#places = "keys" in selector ? inList(selector.keys, from) : inTable(table, filterOf(selector), from);
  }

  /** True when there is nothing more. */
  get done(): boolean {
    return this.#done;
  }

  /** Where to go on; undefined when there is nothing more. */
  get cursor(): string | undefined {
    return this.#waiting === undefined ? undefined : String(this.#waiting.position);
  }

  /** The next entries, `max` at most; also none when many were looked at and none of them matched. */
  step(max: number): MemoryEntry[] {
    const found: MemoryEntry[] = [];
    for (let looks = 0; ; looks++) {
      const place = this.#waiting ?? this.#nextPlace();
      this.#waiting = place;
      if (place === undefined) {
        this.#done = true;
        return found;
      }
      if (looks >= LOOKS_PER_STEP) return found;
      const entry = this.#table.peek(place.key);
      if (entry !== undefined && this.#holds(entry)) {
        // One more is looked for than is given, so that the last step knows that it is the last.
        if (found.length >= max) return found;
        found.push(entry);
      }
      this.#waiting = undefined;
    }
  }

  #nextPlace(): Place | undefined {
    const next = this.#places.next();
    return next.done === true ? undefined : next.value;
  }
}

function testOf({ expiry, ...filter }: Filter, store: EntryStore): (entry: MemoryEntry) => boolean {
  if (filter.types !== undefined && !filter.types.includes("string") && !filter.types.includes("any"))
    return () => false;
  const holds = compileFilter(filter, () => store.deadlines.now());
  return (entry) => {
    if (store.isOver(entry) !== (expiry === "expired")) return false;
    if (expiry === "none" && store.table.times.expiresAt(entry.slot) !== undefined) return false;
    const candidate: Candidate = { key: entry.key, size: entry.size, tags: entry.tags };
    return holds(candidate);
  };
}

function* inList(keys: readonly string[], from: number): Generator<Place> {
  let position = 0;
  for (const key of new Set(keys)) {
    if (position >= from) yield { key, position };
    position += 1;
  }
}

function* inTable(table: EntryTable, filter: Filter, from: number): Generator<Place> {
  // What is written from now on comes after it, and would keep a walk going that is written into.
  const last = table.newest;
  const { tags, tagMode } = filter;
  if (tags === undefined) {
    for (const { key, sequence } of table.inOrder()) {
      if (sequence > last) return;
      if (sequence >= from) yield { key, position: sequence };
    }
    return;
  }
  for (const { key, sequence } of tagMode === "all" ? table.taggedAll(tags) : table.taggedAny(tags)) {
    if (sequence >= from) yield { key, position: sequence };
  }
}

function positionOf(cursor: string | undefined): number {
  if (cursor === undefined) return 0;
  const position = /^\d{1,15}$/.test(cursor) ? Number(cursor) : Number.NaN;
  if (Number.isNaN(position)) {
    throw new CacheError("usage", "invalid-cursor", `${JSON.stringify(cursor)} is no cursor of a memory store`, {
      hint: "Give the cursor as the call before printed it, or none to begin anew.",
    });
  }
  return position;
}

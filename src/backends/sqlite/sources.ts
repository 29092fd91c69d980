import { CacheError } from "../../errors.js";
import { type Filter, globPrefix, type Selector } from "../../selector.js";
import { type KeyRange, rangeOfPrefix } from "./key-range.js";
import type { Link, Param } from "./link.js";

export type Row = [
  k: string,
  /** With the key, the place of the row in its source. */
  place: number,
  /** Null where the row stands for no entry: a tag of one that is gone, a key that is not there. */
  id: number | null,
  expiresAt: number | null,
  staleAt: number | null,
  createdAt: number,
  size: number,
  tags: string | null,
];

/** Rows in a stable order, and how to name a place in it. */
export interface Source {
  /** Rows after the place, `max` at most; fewer are the last. */
  page(link: Link, after: string | undefined, max: number): Row[];
  /** The place of a row, as `after` takes it. */
  placeOf(row: Row): string;
  /** What a place looks like. Its first letter tells the kinds apart. */
  readonly pattern: RegExp;
  /** Its entries have the tags that are asked for, so that they need not be looked at. */
  readonly holdsTags?: boolean;
}

const COLUMNS = "e.id, e.expires_at, e.stale_at, e.created_at, e.size, e.tags";

/** More tags than this are found by looking at every entry: SQLite merges 500 lists at most. */
const MERGED_TAGS = 100;

/** @param now epoch milliseconds; what expires after it is not among expired entries */
export function sourceOf(link: Link, selector: Selector, filter: Filter, namespace: string, now: number): Source {
  if ("keys" in selector) return new KeyList(selector.keys, namespace);
  const { prefix = "", match, expiry } = filter;
  const literal = match === undefined ? "" : globPrefix(match);
  // Both hold: the longer one says more, and the filter sees to the other.
  const range = rangeOfPrefix(namespace + (prefix.length >= literal.length ? prefix : literal));
  const tags = filter.tags && [...new Set(filter.tags)];
  // Of entries that need all tags, those of one tag are looked at.
  if (tags && tags.length <= MERGED_TAGS)
    return new TaggedInRange(filter.tagMode === "all" ? tags.slice(0, 1) : tags, range, filter.tagMode !== "all");
  return expiry === "expired" ? new ExpiredInRange(range, now) : new KeysInRange(link, range);
}

/** The place that a cursor names; undefined without one. */
export function placeOf(source: Source, cursor: string | undefined): string | undefined {
  if (cursor === undefined || source.pattern.test(cursor)) return cursor;
  throw new CacheError("usage", "invalid-cursor", `${JSON.stringify(cursor)} is no cursor of this selection`, {
    hint: "Give the cursor as the call before printed it, with the same selector, or none to begin anew.",
  });
}

const encodeKey = (key: string) => Buffer.from(key).toString("base64url");
const decodeKey = (text: string) => Buffer.from(text, "base64url").toString();

class KeysInRange implements Source {
  readonly pattern = /^k[\w-]*$/;
  readonly #from: string;
  /** The last key at the start: who writes behind it must not keep the walk going. */
  readonly #last: string | undefined;

  constructor(link: Link, { from, to }: KeyRange) {
    this.#from = from;
    const before = to === undefined ? "" : " AND k < ?";
    this.#last = link
      .column<string>(`SELECT k FROM entries WHERE k >= ?${before} ORDER BY k DESC LIMIT 1`)
      .get(...(to === undefined ? [from] : [from, to]));
  }

  page(link: Link, after: string | undefined, max: number): Row[] {
    if (this.#last === undefined) return [];
    const start = after === undefined ? "k >= ?" : "k > ?";
    return link
      .rows<Row>(`SELECT e.k, 0, ${COLUMNS} FROM entries e WHERE ${start} AND k <= ? ORDER BY k LIMIT ?`)
      .all(after === undefined ? this.#from : decodeKey(after.slice(1)), this.#last, max);
  }

  placeOf([k]: Row): string {
    return `k${encodeKey(k)}`;
  }
}

class TaggedInRange implements Source {
  readonly pattern = /^t[\w-]*\.\d+$/;
  readonly holdsTags: boolean;
  readonly #tags: readonly string[];
  readonly #range: KeyRange;

  constructor(tags: readonly string[], range: KeyRange, holdsTags: boolean) {
    this.#tags = tags;
    this.#range = range;
    this.holdsTags = holdsTags;
  }

  page(link: Link, after: string | undefined, max: number): Row[] {
    const { from, to } = this.#range;
    const [key = "", id = "0"] = after?.slice(1).split(".") ?? [];
    const start: Param[] = after === undefined ? [from, 0] : [decodeKey(key), Number(id)];
    const one = `SELECT k, id FROM tags WHERE tag = ? AND (k, id) > (?, ?)${to === undefined ? "" : " AND k < ?"}`;
    // Lists that are each in order are merged by UNION without being read to their end.
    const merged = this.#tags.map(() => one).join(" UNION ");
    const params = this.#tags.flatMap((tag): Param[] => (to === undefined ? [tag, ...start] : [tag, ...start, to]));
    return link
      .rows<Row>(
        `SELECT t.k, t.id, ${COLUMNS} FROM (${merged} ORDER BY k, id LIMIT ?) t
         LEFT JOIN entries e ON e.id = t.id ORDER BY t.k, t.id`,
      )
      .all(...params, max);
  }

  placeOf([k, id]: Row): string {
    return `t${encodeKey(k)}.${id}`;
  }
}

/** Expired entries by deadline, so that finding a few takes no look at all the others. */
class ExpiredInRange implements Source {
  readonly pattern = /^e\d+\.\d+$/;
  readonly #range: KeyRange;
  readonly #now: number;

  constructor(range: KeyRange, now: number) {
    this.#range = range;
    this.#now = now;
  }

  page(link: Link, after: string | undefined, max: number): Row[] {
    const [at = -1, id = -1] = after?.slice(1).split(".").map(Number) ?? [];
    const { from, to } = this.#range;
    const before = to === undefined ? "" : " AND k < ?";
    return link
      .rows<Row>(
        `SELECT e.k, e.id, ${COLUMNS} FROM entries e INDEXED BY entries_expiring
         WHERE (expires_at, id) > (?, ?) AND expires_at <= ? AND k >= ?${before} ORDER BY expires_at, id LIMIT ?`,
      )
      .all(...[at, id, this.#now, from, ...(to === undefined ? [] : [to]), max]);
  }

  placeOf([, id, , expiresAt]: Row): string {
    return `e${expiresAt}.${id}`;
  }
}

class KeyList implements Source {
  readonly pattern = /^i\d{1,15}$/;
  readonly #keys: readonly string[];
  readonly #namespace: string;

  constructor(keys: readonly string[], namespace: string) {
    this.#keys = [...new Set(keys)];
    this.#namespace = namespace;
  }

  page(link: Link, after: string | undefined, max: number): Row[] {
    const find = link.rows<Row>(`SELECT e.k, ?, ${COLUMNS} FROM entries e WHERE k = ?`);
    const first = after === undefined ? 0 : Number(after.slice(1)) + 1;
    return this.#keys.slice(first, first + max).map((key, i): Row => {
      const k = this.#namespace + key;
      const row = key.isWellFormed() ? find.get(first + i, k) : undefined;
      return row ?? [k, first + i, null, null, null, 0, 0, null];
    });
  }

  placeOf([, position]: Row): string {
    return `i${position}`;
  }
}

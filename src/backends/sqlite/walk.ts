import { checkSelector, compileFilter, type Filter, filterOf, type Selector } from "../../selector.js";
import type { Link } from "./link.js";
import { placeOf, type Row, type Source, sourceOf } from "./sources.js";
import { tagsOf } from "./tag-list.js";

/** An entry as it was when its page was read. */
export interface Found {
  id: number;
  /** Without the namespace. */
  key: string;
  expiresAt: number | null;
  staleAt: number | null;
  createdAt: number;
  size: number;
  /** JSON. */
  tags: string | null;
  expired: boolean;
  /** As it was read, for {@link Walk.rewind}. */
  row: Row;
}

/**
 * The entries that a selector holds, page by page, in an order in which a cursor stays where it is whatever is written meanwhile.
 * No statement is open between two pages.
 */
export class Walk {
  readonly #namespace: string;
  readonly #source: Source;
  readonly #holds: (row: Found) => boolean;
  #after: string | undefined;
  #done = false;

  /**
   * @param cursor where an earlier walk of the same selector left off
   * @param now epoch milliseconds
   * @throws CacheError `empty-selector`, `invalid-glob`, `invalid-cursor`
   */
  constructor(link: Link, namespace: string, selector: Selector, cursor: string | undefined, now: number) {
    checkSelector(selector);
    const filter = "keys" in selector ? {} : filterOf(selector);
    this.#namespace = namespace;
    this.#source = sourceOf(link, selector, filter, namespace, now);
    const { tags: _, ...others } = filter;
    this.#holds = testOf(this.#source.holdsTags ? others : filter);
    this.#after = placeOf(this.#source, cursor);
    const { types } = filter;
    if (types !== undefined && !types.includes("string") && !types.includes("any")) this.#done = true;
  }

  /** True when there is nothing more. */
  get done(): boolean {
    return this.#done;
  }

  /** Where to go on; undefined at the beginning and when there is nothing more. */
  get cursor(): string | undefined {
    return this.#done ? undefined : this.#after;
  }

  /** Looks at the next rows, `looks` at most, and gives those that hold, expired ones among them: the caller judges these. */
  next(link: Link, looks: number, now: number): Found[] {
    const rows = this.#source.page(link, this.#after, looks + 1);
    this.#done = rows.length <= looks;
    if (!this.#done) rows.pop();
    const last = rows.at(-1);
    if (last) this.#after = this.#source.placeOf(last);
    const found: Found[] = [];
    for (const row of rows) {
      const [k, , id, expiresAt, staleAt, createdAt, size, tags] = row;
      if (id === null) continue;
      const key = k.slice(this.#namespace.length);
      const expired = expiresAt !== null && expiresAt <= now;
      const entry = { id, key, expiresAt, staleAt, createdAt, size, tags, expired, row };
      if (this.#holds(entry)) found.push(entry);
    }
    return found;
  }

  /** Goes back to just after an entry of the last page. */
  rewind(entry: Found): void {
    this.#after = this.#source.placeOf(entry.row);
    this.#done = false;
  }
}

function testOf({ expiry, ...rest }: Filter): (row: Found) => boolean {
  const holds = compileFilter(rest, () => 0);
  const withTags = rest.tags !== undefined;
  return (row) => {
    if (expiry === "none" && row.expiresAt !== null) return false;
    if (expiry === "expired" && !row.expired) return false;
    const { key, size } = row;
    return holds(withTags ? { key, size, tags: tagsOf(row.tags) } : { key, size });
  };
}

import { setImmediate as nextTurn } from "node:timers/promises";
import type { Selector } from "../../selector.js";
import type { EntryInfo, ScanOptions, ScanPage } from "../backend.js";
import type { Link } from "./link.js";
import type { Store } from "./store.js";
import { tagsOf } from "./tag-list.js";
import { type Found, Walk } from "./walk.js";

/** Rows that a listing looks at before others get their turn: some 2 ms. */
const PAGE_ROWS = 1000;

/** Lists what the selector holds, page by page; after an abort it ends early. */
export async function* list(
  store: Store,
  namespace: string,
  selector: Selector,
  options: ScanOptions,
): AsyncGenerator<ScanPage> {
  const { clock } = store;
  const { limit = Number.POSITIVE_INFINITY, signal, fields } = options;
  const walk = store.run((link) => new Walk(link, namespace, selector, options.cursor, clock.now()));
  const withExpired = "expiry" in selector && selector.expiry === "expired";
  let given = 0;
  let promised = false;
  while (!walk.done && given < limit && !signal?.aborted) {
    if (walk.cursor !== options.cursor) await nextTurn();
    const now = clock.now();
    const entries = store.run((link) => {
      const found = walk.next(link, PAGE_ROWS, now).filter((entry) => withExpired || !entry.expired);
      const last = found[limit - given - 1];
      if (last && found.length > limit - given) {
        walk.rewind(last);
        found.length = limit - given;
      }
      return found.map((entry) => (fields === "all" ? infoOf(link, entry) : { key: entry.key }));
    });
    given += entries.length;
    options.onStep?.();
    const { cursor } = walk;
    if (cursor !== undefined) {
      if (entries.length > 0) yield { entries, cursor };
      promised ||= entries.length > 0;
    } else if (entries.length > 0 || promised) {
      // Also when it is empty: the page before said that there may be more.
      yield { entries };
    }
  }
}

function infoOf(link: Link, { id, key, size, createdAt, expiresAt, staleAt, tags }: Found): EntryInfo {
  const info: EntryInfo = { key, size, createdAt };
  if (expiresAt !== null) info.expiresAt = expiresAt;
  if (staleAt !== null) info.staleAt = staleAt;
  if (tags !== null) info.tags = tagsOf(tags);
  const meta = link.column<Uint8Array>("SELECT meta FROM metas WHERE id = ?").get(id);
  if (meta !== undefined) info.meta = meta;
  return info;
}

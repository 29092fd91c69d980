import { CHUNK_BYTES } from "../backend.js";
import type { Link } from "./link.js";
import { dropStreamsOf, hasDeadStreams } from "./streams.js";
import { addToTotals } from "./sums.js";
import { tagsOf } from "./tag-list.js";

/** Entries and bytes of values that one step removes. */
const STEP_ENTRIES = 200;
const STEP_BYTES = 4_000_000;
/** Pages that one step gives back to the file system. */
const STEP_PAGES = 500;
/** Free pages that are kept for what comes: a tenth of the file, and 1,000 in any case. */
const SPARE_PAGES = 1000;
const SPARE_SHARE = 0.1;

/**
 * Hides entries: they are gone for every reader when the transaction of the caller is. Only the narrow table is changed, so it takes the
 * same time whatever the values weigh; the rest is left to {@link reclaimStep}.
 * @param expiredBy where given, only those that are past this deadline (epoch milliseconds) now
 * @returns how many were there
 */
export function hide(link: Link, ids: readonly number[], expiredBy?: number): number {
  const list = JSON.stringify(ids);
  const which = `id IN (SELECT value FROM json_each(?))${expiredBy === undefined ? "" : " AND expires_at <= ?"}`;
  const params = expiredBy === undefined ? [list] : [list, expiredBy];
  link
    .action(
      `INSERT INTO garbage (id, size, k, tags)
       SELECT id, size, CASE WHEN tags IS NULL THEN NULL ELSE k END, tags FROM entries WHERE ${which}`,
    )
    .run(...params);
  const sizes = link.column<number>(`DELETE FROM entries WHERE ${which} RETURNING size`).all(...params);
  if (sizes.length > 0) {
    addToTotals(
      link,
      -sizes.length,
      sizes.reduce((sum, size) => sum - size, 0),
    );
  }
  return sizes.length;
}

/** True if there is something to reclaim or to sweep. @param now epoch milliseconds */
export function hasGarbage(link: Link, now: number): boolean {
  return link.column<number>("SELECT EXISTS (SELECT 1 FROM garbage)").get() === 1 || hasDeadStreams(link, now);
}

/**
 * Removes what belongs to some hidden entries, in one transaction.
 * @param named bodies are names of files
 * @returns how many entries it was, and the bodies that were names
 */
export function reclaimStep(link: Link, named: boolean): { removed: number; released: string[] } {
  return link.write(() => {
    const rows = link
      .rows<[id: number, size: number, k: string | null, tags: string | null]>(
        "SELECT id, size, k, tags FROM garbage LIMIT ?",
      )
      .all(STEP_ENTRIES);
    let bytes = 0;
    let streamed = false;
    const ids: number[] = [];
    const removeTag = link.action("DELETE FROM tags WHERE tag = ? AND k = ? AND id = ?");
    for (const [id, size, k, tags] of rows) {
      if (ids.length > 0 && bytes + size > STEP_BYTES) break;
      bytes += size;
      ids.push(id);
      streamed ||= size > CHUNK_BYTES;
      for (const tag of tagsOf(tags)) removeTag.run(tag, k, id);
    }
    if (ids.length === 0) return { removed: 0, released: [] };
    const list = JSON.stringify(ids);
    const those = "id IN (SELECT value FROM json_each(?))";
    const released = named ? link.column<string>(`SELECT body FROM bodies WHERE ${those}`).all(list) : [];
    if (streamed && !named) dropStreamsOf(link, ids);
    for (const table of ["bodies", "metas", "garbage"]) link.action(`DELETE FROM ${table} WHERE ${those}`).run(list);
    return { removed: ids.length, released };
  });
}

/**
 * Gives some free pages at the end of the file back to the file system.
 * @param all keep none in reserve
 * @returns false when there was nothing to give
 */
export function shrinkStep(link: Link, all: boolean): boolean {
  const free = Number(link.db.pragma("freelist_count", { simple: true }));
  const pages = Number(link.db.pragma("page_count", { simple: true }));
  const spare = all ? 0 : Math.max(SPARE_PAGES, pages * SPARE_SHARE);
  if (free <= spare) return false;
  link.write(() => link.db.pragma(`incremental_vacuum(${Math.ceil(Math.min(STEP_PAGES, free - spare))})`));
  return Number(link.db.pragma("freelist_count", { simple: true })) < free;
}

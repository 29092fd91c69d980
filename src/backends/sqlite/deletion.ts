import { setImmediate as nextTurn } from "node:timers/promises";
import type { Selector } from "../../selector.js";
import type { Awaitable, DeleteOptions, DeleteReport } from "../backend.js";
import { BATCH_ROWS } from "./batches.js";
import { hide } from "./garbage.js";
import type { Link } from "./link.js";
import type { Store } from "./store.js";
import { currentVersion } from "./versions.js";
import { type Found, Walk } from "./walk.js";

/**
 * Hides the entries of some keys, in the transaction of the caller.
 * @param versions of each key that of the entry that is to go; another one stays
 * @param now epoch milliseconds
 * @returns for each key whether there was a live entry
 */
export function deleteKeys(
  link: Link,
  namespace: string,
  keys: readonly string[],
  versions: readonly string[] | undefined,
  now: number,
): boolean[] {
  const find = link.rows<[id: number, expiresAt: number | null]>("SELECT id, expires_at FROM entries WHERE k = ?");
  const ids = new Set<number>();
  const existed = keys.map((key, i) => {
    const row = key.isWellFormed() ? find.get(namespace + key) : undefined;
    if (row === undefined || ids.has(row[0])) return false;
    if (versions !== undefined && versions[i] !== currentVersion(link, row[0])) return false;
    ids.add(row[0]);
    return row[1] === null || row[1] > now;
  });
  if (ids.size > 0) hide(link, [...ids]);
  return existed;
}

/**
 * Hides what the selector holds, one transaction a page.
 * @param announce called before the first step and after the last, also when a step fails
 */
export async function deleteWhere(
  store: Store,
  namespace: string,
  selector: Selector,
  options: DeleteOptions,
  announce: () => Awaitable<void>,
): Promise<DeleteReport> {
  // Made first: it refuses what is no selector.
  const walk = store.run((link) => new Walk(link, namespace, selector, options.cursor, store.clock.now()));
  await announce();
  try {
    return await deleteAlong(walk, store, selector, options);
  } finally {
    await announce();
  }
}

async function deleteAlong(
  walk: Walk,
  store: Store,
  selector: Selector,
  options: DeleteOptions,
): Promise<DeleteReport> {
  const { clock } = store;
  const { limit = Number.POSITIVE_INFINITY, rate, signal, soft = false } = options;
  const looks = rate === undefined ? BATCH_ROWS : Math.min(BATCH_ROWS, Math.max(1, Math.ceil(rate / 10)));
  const start = clock.monotonic();
  const countExpired = "expiry" in selector && selector.expiry === "expired";
  const report: DeleteReport = { deleted: 0, softened: 0, complete: false };
  let done = 0;
  while (!walk.done && done < limit && !signal?.aborted) {
    if (walk.cursor !== options.cursor) await nextTurn();
    const found = store.run((link) => walk.next(link, looks, clock.now()));
    const choice = choose(found, soft, countExpired, limit - done);
    if (choice.last) walk.rewind(choice.last);
    done += await remove(store, choice, countExpired, report);
    options.onProgress?.(done);
    if (rate !== undefined && !walk.done) {
      await clock.sleep(Math.max(0, start + (done / rate) * 1000 - clock.monotonic()), signal);
    }
  }
  report.complete = walk.done;
  const cursor = walk.cursor ?? options.cursor;
  if (!report.complete && cursor !== undefined) report.cursor = cursor;
  return report;
}

/** The ids of a page by what happens to them. */
interface Choice {
  expired: number[];
  doomed: number[];
  softened: number[];
  /** Where the limit was reached, if the page has more. */
  last?: Found;
}

function choose(found: readonly Found[], soft: boolean, countExpired: boolean, limit: number): Choice {
  const choice: Choice = { expired: [], doomed: [], softened: [] };
  let counted = 0;
  for (const [i, entry] of found.entries()) {
    if (entry.expired) choice.expired.push(entry.id);
    else if (soft && entry.staleAt !== null) choice.softened.push(entry.id);
    else choice.doomed.push(entry.id);
    if (!entry.expired || countExpired) counted += 1;
    if (counted >= limit && i + 1 < found.length) return { ...choice, last: entry };
  }
  return choice;
}

/** Does it, adds it to the report, and tells how many it was. */
async function remove(
  store: Store,
  { expired, doomed, softened }: Choice,
  countExpired: boolean,
  report: DeleteReport,
): Promise<number> {
  if (expired.length + doomed.length + softened.length === 0) return 0;
  const now = store.clock.now();
  const done = await store.change((link) => ({
    // Checked again, now that nobody else can write: a deadline may have been moved since it was read.
    expired: expired.length > 0 ? hide(link, expired, now) : 0,
    doomed: doomed.length > 0 ? hide(link, doomed) : 0,
    softened: softened.length > 0 ? soften(link, softened, now) : 0,
  }));
  const deleted = done.doomed + (countExpired ? done.expired : 0);
  report.deleted += deleted;
  report.softened += done.softened;
  return deleted + done.softened;
}

function soften(link: Link, ids: readonly number[], now: number): number {
  const sql = "UPDATE entries SET stale_at = min(stale_at, ?) WHERE id IN (SELECT value FROM json_each(?))";
  return link.action(sql).run(now, JSON.stringify(ids)).changes;
}

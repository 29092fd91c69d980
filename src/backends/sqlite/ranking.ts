import { setImmediate as nextTurn } from "node:timers/promises";
import type { Call } from "../backend.js";
import { checkSignal } from "./failures.js";
import type { Store } from "./store.js";

/** Rows that are looked at before others get their turn. */
const PAGE_ROWS = 2000;
const MAX_KEYS = 10_000;

type RankRow = [id: number, at: number, k: string, expiresAt: number | null];

/**
 * Keys of live entries: by the time of their last read, the last first, where that is kept; else the youngest first.
 * @param limit keys at most, of 10,000
 * @param byRead times of reads are kept, and an index over them
 */
export async function hottest(
  store: Store,
  namespace: string,
  limit: number,
  byRead: boolean,
  { signal }: Call = {},
): Promise<string[]> {
  const most = Math.min(limit, MAX_KEYS);
  const order = byRead
    ? "(accessed_at, id) < (?, ?) ORDER BY accessed_at DESC, id DESC"
    : "? >= 0 AND id < ? ORDER BY id DESC";
  const sql = `SELECT id, accessed_at, k, expires_at FROM entries WHERE ${order} LIMIT ?`;
  const keys: string[] = [];
  let place: [at: number, id: number] = [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER];
  for (;;) {
    checkSignal(signal);
    const rows = store.run((link) => link.rows<RankRow>(sql).all(...place, PAGE_ROWS));
    const now = store.clock.now();
    for (const [id, at, k, expiresAt] of rows) {
      if (keys.length >= most) return keys;
      place = [at, id];
      if (k.startsWith(namespace) && (expiresAt === null || expiresAt > now)) keys.push(k.slice(namespace.length));
    }
    if (rows.length < PAGE_ROWS) return keys;
    await nextTurn();
  }
}

import { statSync } from "node:fs";
import type { BackendInfo } from "../backend.js";
import type { Bounds } from "./bounds.js";
import { rangeOfPrefix } from "./key-range.js";
import type { Link } from "./link.js";
import type { Store } from "./store.js";

/** What there is to tell of a store. */
export function describeStore(
  store: Store,
  namespace: string,
  { kind, target }: { kind: "sqlite" | "file"; target: string },
  { maxEntries, maxBytes, policy = "fifo" }: Bounds,
): BackendInfo {
  const [entries, bytes] = store.run((link) => liveTotals(link, namespace, store.clock.now()));
  const facts = store.run(({ db }) => ({
    sqlite_version: String(db.prepare("SELECT sqlite_version()").pluck().get()),
    journal_mode: String(db.pragma("journal_mode", { simple: true })),
    layout: Number(db.pragma("user_version", { simple: true })),
    file_bytes: sizeOf(store.path) + sizeOf(`${store.path}-wal`),
    free_bytes:
      Number(db.pragma("freelist_count", { simple: true })) * Number(db.pragma("page_size", { simple: true })),
  }));
  const bounds = {
    ...(maxEntries !== undefined && { max_entries: maxEntries }),
    ...(maxBytes !== undefined && { max_bytes: maxBytes }),
  };
  const bounded = Object.keys(bounds).length > 0;
  return { kind, target, entries, bytes, facts: { ...facts, ...bounds, ...(bounded && { policy }) }, warnings: [] };
}

function liveTotals(link: Link, namespace: string, now: number): [entries: number, bytes: number] {
  const sums = "count(*), coalesce(sum(size), 0)";
  if (namespace === "") {
    // The totals are kept; only what has expired, which an index finds, is to be taken off.
    const [entries, bytes] = link.rows<[number, number]>("SELECT entries, bytes FROM totals").get() ?? [0, 0];
    const over = link.rows<[number, number]>(`SELECT ${sums} FROM entries WHERE expires_at <= ?`).get(now) ?? [0, 0];
    return [entries - over[0], bytes - over[1]];
  }
  const { from, to } = rangeOfPrefix(namespace);
  const before = to === undefined ? "" : " AND k < ?";
  const sql = `SELECT ${sums} FROM entries WHERE (expires_at IS NULL OR expires_at > ?) AND k >= ?${before}`;
  return link.rows<[number, number]>(sql).get(...[now, from, ...(to === undefined ? [] : [to])]) ?? [0, 0];
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

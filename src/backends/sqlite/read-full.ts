import type { Head, Stored } from "../backend.js";
import type { Link } from "./link.js";
import { tagsOf } from "./tag-list.js";
import { versionOf } from "./versions.js";
import type { Body } from "./writer.js";

/** All that is known of an entry. */
export type FullRow = [
  id: number,
  body: Body,
  expiresAt: number | null,
  staleAt: number | null,
  createdAt: number,
  size: number,
  tags: string | null,
  meta: Uint8Array | null,
];

/** A live entry; undefined is a miss. */
export function readFull(link: Link, namespace: string, key: string, now: number): FullRow | undefined {
  // SQLite would read a lone surrogate as the replacement character, which is another key.
  if (!key.isWellFormed()) return undefined;
  const row = link
    .rows<FullRow>(
      `SELECT e.id, b.body, e.expires_at, e.stale_at, e.created_at, e.size, e.tags, m.meta
       FROM entries e JOIN bodies b ON b.id = e.id LEFT JOIN metas m ON m.id = e.id WHERE e.k = ?`,
    )
    .get(namespace + key);
  return row === undefined || (row[2] !== null && row[2] <= now) ? undefined : row;
}

export function headOf(row: FullRow): Head & { version: string } {
  const [id, , expiresAt, staleAt, createdAt, size, tags, meta] = row;
  const head: Head & { version: string } = { size, createdAt, version: versionOf(id, meta) };
  if (expiresAt !== null) head.expiresAt = expiresAt;
  if (staleAt !== null) head.staleAt = staleAt;
  if (tags !== null) head.tags = tagsOf(tags);
  if (meta !== null) head.meta = meta;
  return head;
}

export function storedOf(row: FullRow, value: Uint8Array): Stored {
  return { ...headOf(row), size: value.length, value };
}

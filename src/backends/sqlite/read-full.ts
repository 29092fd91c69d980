import type { Stored } from "../backend.js";
import type { Link } from "./link.js";
import { tagsOf } from "./writer.js";

/** All that is known of an entry. */
export type FullRow = [
  id: number,
  body: Uint8Array | string,
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

export function storedOf(row: FullRow, value: Uint8Array): Stored {
  const [, , expiresAt, staleAt, createdAt, , tags, meta] = row;
  const stored: Stored = { value, size: value.length, createdAt };
  if (expiresAt !== null) stored.expiresAt = expiresAt;
  if (staleAt !== null) stored.staleAt = staleAt;
  if (tags !== null) stored.tags = tagsOf(tags);
  if (meta !== null) stored.meta = meta;
  return stored;
}

import type { NewEntry } from "../backends/backend.js";
import { CacheError } from "../errors.js";
import { checkKey, isTag, MAX_TAG_BYTES } from "../key.js";
import type { WriteEntry } from "./options.js";

/**
 * The entry as a store takes it, with an absolute deadline.
 * @param now epoch milliseconds
 * @throws CacheError `invalid-key`, `invalid-ttl`, `invalid-tag`
 */
export function newEntryOf(entry: WriteEntry, defaultTtl: number | null, now: number): NewEntry {
  checkKey(entry.key);
  const fresh: NewEntry = { key: entry.key, value: entry.value };
  if (entry.tags && entry.tags.length > 0) fresh.tags = uniqueTags(entry.tags);
  if (entry.staleAt !== undefined) fresh.staleAt = entry.staleAt;
  if (entry.meta !== undefined) fresh.meta = entry.meta;
  if (entry.expiresAt !== undefined) {
    if (entry.expiresAt !== null) fresh.expiresAt = entry.expiresAt;
    return fresh;
  }
  const ttl = entry.ttl === undefined ? defaultTtl : entry.ttl;
  if (entry.ttl === undefined) fresh.keepDeadline = true;
  if (ttl !== null) fresh.expiresAt = now + checkTtl(ttl, entry.key);
  return fresh;
}

/** @throws CacheError `invalid-tag` */
export function uniqueTags(tags: readonly string[]): string[] {
  const unique = [...new Set(tags)];
  for (const tag of unique) checkTag(tag);
  return unique;
}

/** @throws CacheError `invalid-ttl` */
export function checkTtl(ttl: number, key: string): number {
  if (ttl > 0 && Number.isFinite(ttl)) return ttl;
  throw new CacheError("usage", "invalid-ttl", `a TTL of ${ttl} ms would store nothing`, {
    key,
    hint: "Give a TTL above zero, or null for an entry that never expires.",
  });
}

/** @throws CacheError `invalid-tag` */
export function checkTag(tag: string): void {
  if (isTag(tag)) return;
  throw new CacheError("usage", "invalid-tag", `${JSON.stringify(tag.slice(0, 80))} can't be a tag`, {
    hint: `A tag is 1 to ${MAX_TAG_BYTES} bytes of UTF-8 without NUL.`,
  });
}

import { checkMeta, type NewEntry, type Touch } from "../backends/backend.js";
import { CacheError } from "../errors.js";
import { checkKey, isTag, MAX_TAG_BYTES } from "../key.js";
import type { WriteEntry } from "./options.js";

/**
 * The entry as a store takes it, with an absolute deadline.
 * @param now epoch milliseconds
 * @throws CacheError `invalid-key`, `invalid-ttl`, `invalid-deadline`, `invalid-tag`, `meta-too-large`
 */
export function newEntryOf(entry: WriteEntry, defaultTtl: number | null, now: number): NewEntry {
  checkKey(entry.key);
  const fresh: NewEntry = { key: entry.key, value: entry.value };
  if (entry.tags && entry.tags.length > 0) fresh.tags = uniqueTags(entry.tags);
  if (entry.meta !== undefined) {
    checkMeta(entry.meta, entry.key);
    fresh.meta = entry.meta;
  }
  if (entry.expiresAt !== undefined) {
    if (entry.expiresAt !== null) fresh.expiresAt = checkDeadline(entry.expiresAt, entry.key);
  } else {
    const ttl = entry.ttl === undefined ? defaultTtl : entry.ttl;
    if (entry.ttl === undefined) fresh.keepDeadline = true;
    if (ttl !== null) fresh.expiresAt = now + checkTtl(ttl, entry.key);
  }
  if (entry.staleAt !== undefined) {
    const staleAt = checkDeadline(entry.staleAt, entry.key);
    if (fresh.expiresAt === undefined || fresh.keepDeadline || staleAt < fresh.expiresAt) fresh.staleAt = staleAt;
  }
  return fresh;
}

/** Any key that is there can be touched, also one that could not be written. @throws CacheError `invalid-deadline`, `meta-too-large` */
export function checkTouch({ key, expiresAt, staleAt, meta }: Touch): void {
  checkMeta(meta, key);
  for (const deadline of [expiresAt, staleAt]) if (typeof deadline === "number") checkDeadline(deadline, key);
}

/** @throws CacheError `invalid-deadline` */
function checkDeadline(at: number, key: string): number {
  if (Number.isFinite(at)) return at;
  throw new CacheError("usage", "invalid-deadline", `${at} is no time at which an entry could end or go stale`, {
    key,
    hint: "Give epoch milliseconds, or null for never.",
  });
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

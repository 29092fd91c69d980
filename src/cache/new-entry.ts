import { checkMeta, type NewEntry, type Touch } from "../backends/backend.js";
import { CacheError, shown } from "../errors.js";
import { checkKey, isTag, MAX_TAG_BYTES } from "../key.js";
import { isBytes } from "../option-checks.js";
import type { WriteEntry } from "./options.js";

/**
 * The entry as a store takes it, with an absolute deadline.
 * @param now epoch milliseconds
 * @throws CacheError `invalid-key`, `invalid-ttl`, `invalid-deadline`, `invalid-tag`, `invalid-value`, `meta-too-large`
 */
export function newEntryOf(entry: WriteEntry, defaultTtl: number | null, now: number): NewEntry {
  checkKey(entry.key);
  checkBytes(entry.value, entry.key);
  const fresh: NewEntry = { key: entry.key, value: entry.value };
  if (entry.tags !== undefined) {
    const tags = uniqueTags(entry.tags);
    if (tags.length > 0) fresh.tags = tags;
  }
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

/** @throws CacheError `invalid-value` */
export function checkBytes(value: unknown, key: string): void {
  if (isBytes(value)) return;
  throw new CacheError("usage", "invalid-value", `the bytes of "${key}" can't be ${shown(value)}`, {
    key,
    hint: "Give a Uint8Array, or use a method that takes any value.",
  });
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
  if (!Array.isArray(tags)) {
    throw new CacheError("usage", "invalid-tag", `tags can't be ${shown(tags)}`, { hint: "Give them as a list." });
  }
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
  if (typeof tag === "string" && isTag(tag)) return;
  throw new CacheError("usage", "invalid-tag", `${shown(tag)} can't be a tag`, {
    hint: `A tag is 1 to ${MAX_TAG_BYTES} bytes of UTF-8 without NUL.`,
  });
}

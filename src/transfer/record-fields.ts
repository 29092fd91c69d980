import { CacheError } from "../errors.js";
import { parseTtl } from "../units.js";

/** What stores take. */
const MAX_META_BYTES = 65_536;
/** 1,000 years in seconds, as `parseTtl` limits it. */
const MAX_TTL_SECONDS = 31_536_000_000;

/**
 * The TTL of a record in milliseconds from its JSON source: a number of seconds, or a duration string; null for `"none"`.
 * @throws CacheError `invalid-ttl`, `invalid-duration`
 */
export function ttlOfField(json: string): number | null {
  if (json.startsWith('"')) return parseTtl(stringOfField(json));
  const seconds = numberOfField(json, "ttl", 'a number of seconds, a duration like "1h30m", or "none"');
  if (Number.isInteger(seconds) && seconds > 0 && seconds <= MAX_TTL_SECONDS) return seconds * 1000;
  return parseTtl(String(seconds));
}

/** A date and time with its zone; a date alone is midnight in UTC, as in ECMA-262 §21.4.1.32. */
const INSTANT = /^(\d{4})-(\d\d)-(\d\d)(?:T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(Z|[+-]\d\d:\d\d))?$/;

/**
 * The deadline of a record in epoch milliseconds from its JSON source: such a number, an ISO 8601 instant, or null for never.
 * @throws CacheError `invalid-expires-at`
 */
export function deadlineOfField(json: string, field: "expiresAt" | "staleAt" = "expiresAt"): number | null {
  if (json === "null") return null;
  if (!json.startsWith('"')) {
    const ms = numberOfField(json, field, "epoch milliseconds, an ISO 8601 time with its zone, or null");
    if (Number.isSafeInteger(Math.trunc(ms))) return Math.trunc(ms);
    throw badField("invalid-expires-at", `${field} is beyond what a clock can show`);
  }
  const text = stringOfField(json);
  const parts = INSTANT.exec(text);
  const ms = parts === null ? Number.NaN : Date.parse(text);
  if (parts === null || Number.isNaN(ms) || Number(parts[3]) > daysIn(Number(parts[1]), Number(parts[2]))) {
    throw badField(
      "invalid-expires-at",
      `${field} ${JSON.stringify(text.slice(0, 40))} is no ISO 8601 time with its zone`,
    );
  }
  return ms;
}

function daysIn(year: number, month: number): number {
  return new Date(Date.UTC(year, month, 0)).getUTCDate();
}

/**
 * The tags of a record from their JSON source.
 * @throws CacheError `invalid-tags`
 */
export function tagsOfField(json: string): string[] {
  const parsed: unknown = json.startsWith("[") ? JSON.parse(json) : undefined;
  if (!Array.isArray(parsed)) throw badField("invalid-tags", "tags must be an array of strings");
  const tags: string[] = [];
  for (const tag of parsed) {
    if (typeof tag !== "string") throw badField("invalid-tags", "tags must be an array of strings");
    tags.push(tag);
  }
  return tags;
}

/**
 * What belongs to an entry besides its value, in base64.
 * @throws CacheError `invalid-base64`, `invalid-meta`
 */
export function metaOfField(json: string): Buffer {
  if (!json.startsWith('"')) throw badField("invalid-meta", "meta must be a string in base64");
  const bytes = bytesOfBase64(Buffer.from(stringOfField(json)), "meta");
  if (bytes.length <= MAX_META_BYTES) return bytes;
  throw badField("invalid-meta", `meta is more than ${MAX_META_BYTES} bytes`);
}

/**
 * The bytes of base64 text (RFC 4648 §4: the standard alphabet, padded, no spaces, unused bits zero).
 * @throws CacheError `invalid-base64`
 */
export function bytesOfBase64(text: Buffer, field = "the value"): Buffer {
  const ascii = text.toString("latin1");
  const bytes = Buffer.from(ascii, "base64");
  // Node decodes leniently; only text that is exactly what encoding gives again is taken.
  if (bytes.toString("base64") !== ascii) throw badField("invalid-base64", `${field} is no valid base64`);
  return bytes;
}

function numberOfField(json: string, field: string, wanted: string): number {
  const value = /^[-0-9]/.test(json) ? Number(json) : Number.NaN;
  if (!Number.isFinite(value))
    throw badField(`invalid-${field === "ttl" ? "ttl" : "expires-at"}`, `${field} must be ${wanted}`);
  return value;
}

function stringOfField(json: string): string {
  return String(JSON.parse(json));
}

function badField(code: string, message: string): CacheError {
  return new CacheError("usage", code, message, { hint: "Correct the record in the source." });
}

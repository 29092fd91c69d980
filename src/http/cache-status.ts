/** The request was answered with what was stored (RFC 9211 §2.1). */
interface HitStatus {
  hit: true;
  /** What is left of the freshness lifetime, whole seconds; below zero when stale (§2.4). */
  ttlSeconds: number;
  collapsed?: boolean;
  detail?: string;
}

/** Why the request went to the origin (RFC 9211 §2.2). */
export type ForwardReason = "uri-miss" | "vary-miss" | "miss" | "stale" | "request" | "method" | "bypass" | "partial";

/** The request went to the origin. */
interface ForwardStatus {
  fwd: ForwardReason;
  /** What the origin answered (§2.3), where that is not the status of the response. */
  fwdStatus?: number;
  stored?: boolean;
  collapsed?: boolean;
  /** Of the response that is sent; below zero where the origin's answer was of no use and a stale one is sent instead. */
  ttlSeconds?: number;
  key?: string;
  detail?: string;
}

export type CacheStatusEntry = HitStatus | ForwardStatus;

const TOKEN = /^[A-Za-z*][!#$%&'*+\-.^_`|~0-9A-Za-z:/]*$/;
/** RFC 8941 §3.3.1. */
const MOST = 999_999_999_999_999;

/**
 * The value of `Cache-Status` (RFC 9211 §2): a member of ours after those of the caches nearer to the origin.
 * @param existing the combined value that came with the response
 */
export function cacheStatus(entry: CacheStatusEntry, existing: string | undefined): string {
  const own = "hit" in entry ? hitMember(entry) : forwardMember(entry);
  return existing ? `${existing}, ${own}` : own;
}

function hitMember({ ttlSeconds, collapsed, detail }: HitStatus): string {
  let text = `cache; hit; ttl=${integer(ttlSeconds)}`;
  if (collapsed) text += "; collapsed";
  if (detail !== undefined) text += `; detail=${item(detail)}`;
  return text;
}

function forwardMember({ fwd, fwdStatus, stored, collapsed, ttlSeconds, key, detail }: ForwardStatus): string {
  let text = `cache; fwd=${fwd}`;
  if (fwdStatus !== undefined) text += `; fwd-status=${integer(fwdStatus)}`;
  if (stored) text += "; stored";
  if (collapsed) text += "; collapsed";
  if (ttlSeconds !== undefined) text += `; ttl=${integer(ttlSeconds)}`;
  if (key !== undefined) text += `; key=${string(key)}`;
  if (detail !== undefined) text += `; detail=${item(detail)}`;
  return text;
}

/** What became of a request, in one word. */
export type CacheOutcome = "HIT" | "MISS" | "STALE" | "REVALIDATED" | "BYPASS";

/**
 * The value of `X-Cache`: STALE wherever a stale response is sent, REVALIDATED where the origin said that the stored one is still good, BYPASS where the
 * store was not asked.
 */
export function xCache(entry: CacheStatusEntry): CacheOutcome {
  if (entry.ttlSeconds !== undefined && entry.ttlSeconds < 0) return "STALE";
  if ("hit" in entry) return "HIT";
  if (entry.fwd === "bypass" || entry.fwd === "method") return "BYPASS";
  // A 304 that was passed on is about what the client holds.
  return entry.fwdStatus === 304 && entry.stored !== undefined ? "REVALIDATED" : "MISS";
}

/** RFC 8941 §3.3.1. */
function integer(value: number): number {
  const whole = Math.trunc(value);
  return Number.isNaN(whole) ? 0 : Math.max(-MOST, Math.min(MOST, whole));
}

/** RFC 8941 §3.3.3: ASCII alone. */
function string(text: string): string {
  return `"${text.replace(/[^\x20-\x7e]/g, "?").replace(/["\\]/g, "\\$&")}"`;
}

function item(text: string): string {
  return TOKEN.test(text) ? text : string(text);
}

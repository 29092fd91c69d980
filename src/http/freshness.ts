import { MOST_SECONDS } from "./cache-control.js";
import { trimmed } from "./field-syntax.js";
import { parseHttpDate } from "./http-date.js";
import { type ExchangeTimes, type Fields, linesOf, type ResponseHead } from "./message.js";
import { type CachePolicy, policyOf } from "./targeted.js";

/** Where a freshness lifetime is from, in order of precedence. */
type LifetimeSource = "rule" | "s-maxage" | "max-age" | "expires" | "default" | "heuristic" | "none";

export interface Lifetime {
  /** Milliseconds, not below zero. */
  ms: number;
  source: LifetimeSource;
}

export interface LifetimeOptions {
  /** Milliseconds that a rule sets, whatever the origin says. */
  ruleLifetimeMs?: number | undefined;
  /** Milliseconds for a response that says nothing of its freshness; without it there is the heuristic. */
  defaultLifetimeMs?: number | undefined;
}

/** RFC 9111 §4.2.2: "a typical setting of this fraction might be 10%". */
const HEURISTIC_FRACTION = 0.1;
/** Milliseconds of a heuristic lifetime at most. */
const MOST_HEURISTIC_MS = 24 * 3_600_000;

/** RFC 9110 §15.1: statuses that may be stored without explicit freshness. 206 is left out: parts are not stored. */
export const HEURISTICALLY_CACHEABLE: ReadonlySet<number> = new Set([
  200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501,
]);

/**
 * The freshness lifetime of a response for a shared cache (RFC 9111 §4.2.1). The heuristic is a tenth of the time since `Last-Modified`, a day at most, and nothing without that
 * field (§4.2.2); it is for URLs with a query too, as RFC 9111 has it unlike RFC 2616.
 * @param now epoch milliseconds, when it was received
 */
export function lifetimeOf(response: ResponseHead, now: number, options: LifetimeOptions = {}): Lifetime {
  if (options.ruleLifetimeMs !== undefined) return { ms: options.ruleLifetimeMs, source: "rule" };
  const policy = policyOf(response.fields);
  const explicit = explicitLifetime(response.fields, policy, now);
  if (explicit) return explicit;
  // §4.2.2: no heuristic for other statuses, unless the response says of itself that it may be stored.
  if (!HEURISTICALLY_CACHEABLE.has(response.status) && !policy.directives.public) return NO_LIFETIME;
  if (options.defaultLifetimeMs !== undefined) return { ms: options.defaultLifetimeMs, source: "default" };
  const [text] = linesOf(response.fields, "last-modified");
  const modified = text === undefined ? undefined : parseHttpDate(text, now);
  const date = dateOf(response.fields, now);
  if (modified === undefined || modified > date) return NO_LIFETIME;
  const ms = Math.min(Math.floor((date - modified) * HEURISTIC_FRACTION), MOST_HEURISTIC_MS);
  return { ms, source: "heuristic" };
}

const NO_LIFETIME: Lifetime = { ms: 0, source: "none" };

/** What the origin says, in any way; undefined where it says nothing. @param policy of the same fields */
export function explicitLifetime(fields: Fields, { directives, from }: CachePolicy, now: number): Lifetime | undefined {
  // §5.2.2.10, §5.3: s-maxage goes before max-age, and either before Expires, also where it makes no sense.
  if (directives.sMaxage !== undefined) return { ms: directives.sMaxage * 1000, source: "s-maxage" };
  if (directives.maxAge !== undefined) return { ms: directives.maxAge * 1000, source: "max-age" };
  // RFC 9213 §2.2: beside a targeted field it does not count.
  const expires = from === "cache-control" ? linesOf(fields, "expires") : [];
  if (expires.length === 0) return undefined;
  // §5.3: what is no date, "0" above all, is in the past.
  const [first = PAST, ...others] = expires.map((text) => parseHttpDate(text, now) ?? PAST);
  // §4.2.1: of several the first, or the response is stale.
  const until = others.some((other) => other < first) ? PAST : first;
  const ms = Math.max(0, until - dateOf(fields, now));
  return { ms: Math.min(ms, MOST_SECONDS * 1000), source: "expires" };
}

const PAST = Number.NEGATIVE_INFINITY;

/** RFC 9110 §6.6.1: without a date that can be read, the time of receipt. */
function dateOf(fields: Fields, now: number): number {
  const [text] = linesOf(fields, "date");
  return (text === undefined ? undefined : parseHttpDate(text, now)) ?? now;
}

interface Dated {
  fields: Fields;
  responseTime: number;
}

/** Which of two responses that a request selects is to be used (RFC 9111 §4): that with the later `Date`; of the same second, that which came later. */
export function isNewer(one: Dated, other: Dated): boolean {
  const difference = dateOf(one.fields, one.responseTime) - dateOf(other.fields, other.responseTime);
  return (difference || one.responseTime - other.responseTime) > 0;
}

/**
 * `corrected_initial_age` in milliseconds (RFC 9111 §4.2.3). `Date` has seconds, so the time of receipt is compared with it in seconds: otherwise what was made just now would have
 * an age of up to one.
 */
export function initialAgeMs(fields: Fields, { requestTime, responseTime }: ExchangeTimes): number {
  const received = Math.floor(responseTime / 1000) * 1000;
  const apparent = Math.max(0, received - dateOf(fields, received));
  const delay = Math.max(0, responseTime - requestTime);
  return Math.max(apparent, ageValue(fields) * 1000 + delay);
}

/** Seconds. RFC 9111 §5.1: of a list the first member; what is no number is ignored. */
function ageValue(fields: Fields): number {
  const [line = ""] = linesOf(fields, "age");
  const comma = line.indexOf(",");
  const first = trimmed(comma < 0 ? line : line.slice(0, comma));
  return /^\d+$/.test(first) ? Math.min(Number(first), MOST_SECONDS) : 0;
}

/** `current_age` in milliseconds (RFC 9111 §4.2.3). A clock that was set back makes nothing younger than it was when it arrived. */
export function currentAgeMs(initialAge: number, responseTime: number, now: number): number {
  return initialAge + Math.max(0, now - responseTime);
}

import type { RequestDirectives } from "./cache-control.js";
import { currentAgeMs } from "./freshness.js";

/** A stored response, as far as it matters whether it may be used. All of it is worked out when the response is stored. */
export interface Reusable {
  lifetimeMs: number;
  initialAgeMs: number;
  /** Epoch milliseconds. */
  responseTime: number;
  noCache: boolean;
  /** `must-revalidate`, `proxy-revalidate` or `s-maxage`. */
  mustRevalidate: boolean;
  staleWhileRevalidateMs: number;
  staleIfErrorMs: number;
  hasValidator: boolean;
}

export type Decision =
  | { use: "fresh" }
  /** Within `stale-while-revalidate` (RFC 5861 §3), or as old as the client allows (RFC 9111 §5.2.1.2). */
  | { use: "stale"; because: "swr" | "max-stale" }
  /** The origin is to be asked, whether it is still good, or, where it has nothing to tell that by, for another: since the response is stale, or since the request wants it. */
  | { use: "validate" | "fetch"; because: "stale" | "request" }
  /** It may not be used, and the origin may not be asked (§5.2.1.7). */
  | { use: "gateway-timeout" };

const FRESH: Decision = { use: "fresh" };
const SWR: Decision = { use: "stale", because: "swr" };
const MAX_STALE: Decision = { use: "stale", because: "max-stale" };
const VALIDATE: Record<"stale" | "request", Decision> = {
  stale: { use: "validate", because: "stale" },
  request: { use: "validate", because: "request" },
};
const FETCH: Record<"stale" | "request", Decision> = {
  stale: { use: "fetch", because: "stale" },
  request: { use: "fetch", because: "request" },
};
const TIMEOUT: Decision = { use: "gateway-timeout" };

/**
 * Whether a stored response that the request selects may be used without the origin (RFC 9111 §4, §4.2.4, §5.2.1). What the request says of ages is taken at its word: `max-age`
 * bounds the age also beside `max-stale`, which is about the time after the freshness lifetime. Makes nothing.
 * @param now epoch milliseconds
 */
export function decideReuse(stored: Reusable, wishes: RequestDirectives, now: number): Decision {
  const verdict = judge(stored, wishes, now);
  if (typeof verdict !== "string") return verdict;
  if (wishes.onlyIfCached) return TIMEOUT;
  return stored.hasValidator ? VALIDATE[verdict] : FETCH[verdict];
}

/** A way to use it, or why it can't be used. */
function judge(stored: Reusable, wishes: RequestDirectives, now: number): Decision | "stale" | "request" {
  // §5.2.2.4
  if (stored.noCache) return "stale";
  const age = currentAgeMs(stored.initialAgeMs, stored.responseTime, now);
  const { maxAge, minFresh, maxStale } = wishes;
  const left = stored.lifetimeMs - age;
  // §5.2.1.4
  if (wishes.noCache) return left > 0 ? "request" : "stale";
  // §4.2: fresh while the lifetime is greater than the age. §5.2.1.1: not older. §5.2.1.3: fresh for some time yet.
  if (maxAge !== undefined && age > maxAge * 1000) return left > 0 ? "request" : "stale";
  if (minFresh !== undefined && left < minFresh * 1000) return left > 0 ? "request" : "stale";
  if (left > 0) return FRESH;
  // §4.2.4: whatever the client would take.
  if (stored.mustRevalidate) return "stale";
  // §5.2.1.2. What is older than that is not to be had by stale-while-revalidate either.
  if (maxStale !== undefined) return -left <= maxStale * 1000 ? MAX_STALE : "stale";
  // §5.2.1.1: who says how old at most, and not that it may be stale, wants it fresh.
  if (maxAge !== undefined) return "stale";
  // Where the origin says nothing of it, not even at the end of the lifetime itself.
  return stored.staleWhileRevalidateMs > 0 && -left <= stored.staleWhileRevalidateMs ? SWR : "stale";
}

/** `disconnected`: the origin can't be reached, or says nothing in time. `status`: it answered 500, 502, 503 or 504. */
export type OriginError = "disconnected" | "status";

/**
 * Whether a stale response may stand in for one that the origin does not give: where it answers with an error, if `stale-if-error` or the client allows it (RFC 5861 §4); where there is
 * no origin, unless it is prohibited (RFC 9111 §4.2.4). `no-cache` and `must-revalidate` and its like prohibit both: §5.2.2.2 has a disconnected cache answer
 * with an error.
 * @param now epoch milliseconds
 */
export function mayServeOnError(stored: Reusable, wishes: RequestDirectives, now: number, error: OriginError): boolean {
  if (stored.noCache || wishes.noCache) return false;
  const staleness = currentAgeMs(stored.initialAgeMs, stored.responseTime, now) - stored.lifetimeMs;
  // It is not stale: the client alone wanted it validated.
  if (staleness < 0) return true;
  if (stored.mustRevalidate) return false;
  if (error === "disconnected") return true;
  const allowed = Math.max(stored.staleIfErrorMs, (wishes.staleIfError ?? 0) * 1000, (wishes.maxStale ?? 0) * 1000);
  return allowed > 0 && staleness <= allowed;
}

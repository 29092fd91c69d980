import type { RequestDirectives } from "./cache-control.js";
import { currentAgeMs } from "./freshness.js";

/** A stored response, as far as it matters whether it may be used. */
export interface Reusable {
  lifetimeMs: number;
  initialAgeMs: number;
  /** Epoch milliseconds. */
  responseTime: number;
  noCache: boolean;
  mustRevalidate: boolean;
  staleWhileRevalidateMs: number;
  staleIfErrorMs: number;
}

export type Decision =
  | { use: "fresh" }
  /** Within `stale-while-revalidate` (RFC 5861 §3), or as old as the client allows (RFC 9111 §5.2.1.2). */
  | { use: "stale"; because: "swr" | "max-stale" }
  /** The origin is to be asked: since the response is stale, or since the request wants it. */
  | { use: "validate"; because: "stale" | "request" }
  /** It may not be used, and the origin may not be asked (§5.2.1.7). */
  | { use: "gateway-timeout" };

const FRESH: Decision = { use: "fresh" };
const SWR: Decision = { use: "stale", because: "swr" };
const MAX_STALE: Decision = { use: "stale", because: "max-stale" };
const VALIDATE_STALE: Decision = { use: "validate", because: "stale" };
const VALIDATE_ASKED: Decision = { use: "validate", because: "request" };
const TIMEOUT: Decision = { use: "gateway-timeout" };

/** Whether a stored response that the request selects may be used without the origin (RFC 9111 §4, §4.2.4, §5.2.1). @param now epoch milliseconds */
export function decideReuse(stored: Reusable, wishes: RequestDirectives, now: number): Decision {
  const decision = judge(stored, wishes, now);
  return decision.use === "validate" && wishes.onlyIfCached ? TIMEOUT : decision;
}

function judge(stored: Reusable, wishes: RequestDirectives, now: number): Decision {
  if (wishes.noCache) return VALIDATE_ASKED;
  if (stored.noCache) return VALIDATE_STALE;
  const age = currentAgeMs(stored.initialAgeMs, stored.responseTime, now);
  const left = stored.lifetimeMs - age;
  if (left > 0) {
    // §5.2.1.1, §5.2.1.3
    const tooOld = wishes.maxAge !== undefined && age > wishes.maxAge * 1000 + (wishes.maxStale ?? 0) * 1000;
    const tooSoonStale = wishes.minFresh !== undefined && left < wishes.minFresh * 1000;
    return tooOld || tooSoonStale ? VALIDATE_ASKED : FRESH;
  }
  // §4.2.4: prohibited by must-revalidate and its like, whatever the client would take.
  if (stored.mustRevalidate) return VALIDATE_STALE;
  if (wishes.minFresh !== undefined || (wishes.maxAge !== undefined && age > wishes.maxAge * 1000)) {
    if (wishes.maxStale === undefined) return VALIDATE_ASKED;
  }
  if (wishes.maxStale !== undefined && -left <= wishes.maxStale * 1000) return MAX_STALE;
  return -left <= stored.staleWhileRevalidateMs ? SWR : VALIDATE_STALE;
}

/** `disconnected`: the origin can't be reached, or says nothing in time. `status`: it answered 500, 502, 503 or 504. */
export type OriginError = "disconnected" | "status";

/**
 * Whether a stale response may stand in for one that the origin does not give: where it answers with an error, if `stale-if-error` or the client allows it (RFC 5861 §4); where there is
 * no origin, unless it is prohibited (RFC 9111 §4.2.4).
 */
export function mayServeOnError(stored: Reusable, wishes: RequestDirectives, now: number, error: OriginError): boolean {
  if (stored.noCache || stored.mustRevalidate || wishes.noCache) return false;
  if (error === "disconnected") return true;
  const staleness = currentAgeMs(stored.initialAgeMs, stored.responseTime, now) - stored.lifetimeMs;
  const allowed = Math.max(stored.staleIfErrorMs, (wishes.staleIfError ?? 0) * 1000, (wishes.maxStale ?? 0) * 1000);
  return staleness <= allowed;
}

import { type ResponseDirectives, requestDirectives } from "./cache-control.js";
import { explicitLifetime, HEURISTICALLY_CACHEABLE } from "./freshness.js";
import { endToEnd } from "./hop-by-hop.js";
import { formatHttpDate, parseHttpDate } from "./http-date.js";
import { linesOf, type RequestHead, type ResponseHead, withoutFields } from "./message.js";
import { policyOf } from "./targeted.js";
import { hasValidator } from "./validation.js";

export interface StoreOptions {
  /** Methods whose responses are kept besides those of GET: a rule says so. */
  methods?: readonly string[];
  /** A rule that keeps what the origin calls `no-store` or `private`, and what sets cookies, without the cookies. */
  override?: boolean;
  /** A rule says how long, whatever the origin does. */
  ruleLifetimeMs?: number | undefined;
}

/** Why a response is not kept: a word for `Cache-Status` and for `explain`. */
type Unstorable =
  | "method"
  | "status"
  | "request-no-store"
  | "no-store"
  | "private"
  | "authorization"
  | "set-cookie"
  | "must-understand"
  | "no-validator"
  | "no-freshness";

/** With `overridden`, a rule keeps what would not be kept for that reason. */
export type Storability = { storable: true; overridden?: Unstorable } | { storable: false; reason: Unstorable };

/** Final statuses that this cache knows what to do with (RFC 9111 §5.2.2.3): those of the registry that may be stored. */
const UNDERSTOOD: ReadonlySet<number> = new Set([
  ...HEURISTICALLY_CACHEABLE,
  ...[201, 202, 205, 207, 208, 226],
  ...[302, 303, 305, 307],
  ...[400, 401, 402, 403, 406, 408, 409, 411, 413, 415, 418, 421, 422, 423, 424, 425, 426, 451],
  ...[500, 502, 503, 504, 505, 506, 507, 508, 510],
]);

/**
 * Never stored. Parts, since they are not put together here (RFC 9111 §3.3); 304, which is about another response; 407, 412, 416 and 417, which answer fields of the request
 * that no key has; and what RFC 6585 §3 to §6 says must not be.
 */
const NEVER: ReadonlySet<number> = new Set([206, 304, 407, 412, 416, 417, 428, 429, 431, 511]);

/**
 * Whether a response may be stored, and is worth it (RFC 9111 §3, §3.5).
 *
 * Cookies: the RFC lets a response with `Set-Cookie` be stored (§7.3), and what is stored goes to everybody. So it is stored only where the origin says that it is for
 * all: `public` or `s-maxage`, and fresh for some time. Otherwise it would be sent to others after a validation that was about their own cookies.
 * @param now epoch milliseconds
 */
export function storability(
  request: RequestHead,
  response: ResponseHead,
  now: number,
  options: StoreOptions = {},
): Storability {
  const { status, fields } = response;
  const policy = policyOf(fields);
  const { directives } = policy;
  const { override = false } = options;
  if (request.method !== "GET" && !options.methods?.includes(request.method)) return no("method");
  // §3: a final status. RFC 9110 §15: there are none above 599.
  if (status < 200 || status > 599 || NEVER.has(status)) return no("status");
  // §5.2.2.3
  if (directives.mustUnderstand && !UNDERSTOOD.has(status)) return no("must-understand");
  // §5.2.1.5: no rule of ours changes what a client asks for itself.
  if (requestDirectives(request.fields).noStore) return no("request-no-store");
  // §3.5, whatever a rule says: the response could be for the one user.
  if (linesOf(request.fields, "authorization").length > 0 && !mayAnswerAuthorized(directives)) {
    return no("authorization");
  }
  const against = refusalOf(response, directives);
  if (against && !override) return no(against);
  // §5.2.2.4: what must be validated each time and can't be is of no use.
  if (!override && directives.noCache === true && !hasValidator(fields)) return no("no-validator");
  const lasts =
    options.ruleLifetimeMs !== undefined ||
    explicitLifetime(fields, policy, now) !== undefined ||
    directives.public ||
    HEURISTICALLY_CACHEABLE.has(status);
  if (!lasts) return no("no-freshness");
  return against ? { storable: true, overridden: against } : { storable: true };
}

/** What the response itself says against it, and a rule can override. */
function refusalOf({ fields }: ResponseHead, directives: ResponseDirectives): Unstorable | undefined {
  // §5.2.2.3: who understands the status is to ignore no-store beside must-understand.
  if (directives.noStore && !directives.mustUnderstand) return "no-store";
  if (directives.private === true) return "private";
  const cookies = linesOf(fields, "set-cookie").length > 0 && !namedFields(directives).includes("set-cookie");
  return cookies && !isForAll(directives) ? "set-cookie" : undefined;
}

function no(reason: Unstorable): Storability {
  return { storable: false, reason };
}

/** RFC 9111 §3.5: what is said here allows it to be stored and used though requests have `Authorization`. */
export function mayAnswerAuthorized({ public: isPublic, mustRevalidate, sMaxage }: ResponseDirectives): boolean {
  return isPublic || mustRevalidate || sMaxage !== undefined;
}

/** Whether all of a response may be given to everybody without asking the origin. */
function isForAll({ public: isPublic, sMaxage, maxAge, noCache }: ResponseDirectives): boolean {
  return (isPublic || sMaxage !== undefined) && (sMaxage ?? maxAge) !== 0 && noCache !== true;
}

/** RFC 9111 §5.2.2.4, §5.2.2.7: fields that may not be used without validation, or by a shared cache. */
function namedFields({ private: ofOne, noCache }: ResponseDirectives): string[] {
  return [ofOne, noCache].flatMap((scope) => (typeof scope === "boolean" ? [] : scope));
}

/**
 * The fields that are stored (RFC 9111 §3.1): none of the connection, none that `private` or `no-cache` names (§5.2.2.7, §5.2.2.4: they could not be used again), and `Set-Cookie` only
 * in a response for all. The client whose request it was may have all but those of the connection. A response without a `Date` that can be read gets one (RFC 9110 §6.6.1).
 * @param receivedAt epoch milliseconds
 */
export function storedFields({ fields }: ResponseHead, receivedAt: number): string[] {
  const { directives } = policyOf(fields);
  const out = new Set(namedFields(directives));
  if (!isForAll(directives)) out.add("set-cookie");
  const dates = linesOf(fields, "date");
  const isDated = dates[0] !== undefined && parseHttpDate(dates[0], receivedAt) !== undefined;
  if (!isDated) out.add("date");
  const kept = endToEnd(fields);
  if (out.size > 0) {
    const rest = withoutFields(kept, out);
    return isDated ? rest : [...rest, "Date", formatHttpDate(receivedAt)];
  }
  return kept;
}

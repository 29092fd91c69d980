import { requestDirectives } from "./cache-control.js";
import { explicitLifetime, HEURISTICALLY_CACHEABLE } from "./freshness.js";
import { endToEnd } from "./hop-by-hop.js";
import { linesOf, type RequestHead, type ResponseHead, withoutFields } from "./message.js";
import { policyOf } from "./targeted.js";

export interface StoreOptions {
  /** Methods whose responses are kept besides those of GET: a rule says so. */
  methods?: readonly string[];
  /** A rule that keeps what the origin calls `no-store` or `private`. */
  override?: boolean;
  /** A rule says how long, whatever the origin does. */
  ruleLifetimeMs?: number | undefined;
}

/** Why a response is not kept: a word for `Cache-Status` and for `explain`. */
export type Unstorable =
  | "method"
  | "status"
  | "request-no-store"
  | "no-store"
  | "private"
  | "authorization"
  | "set-cookie"
  | "must-understand"
  | "no-freshness";

export type Storability = { storable: true } | { storable: false; reason: Unstorable };

/** Final statuses whose caching this cache knows (RFC 9111 §3, "understands"; §5.2.2.3). 206 is none: parts are not stored (§3.3 leaves that to choice); nor is 304, which updates. */
const UNDERSTOOD: ReadonlySet<number> = new Set([
  ...HEURISTICALLY_CACHEABLE,
  201,
  202,
  205,
  207,
  208,
  226,
  302,
  303,
  305,
  307,
  400,
  401,
  402,
  403,
  406,
  407,
  408,
  409,
  411,
  412,
  413,
  415,
  416,
  417,
  418,
  421,
  422,
  423,
  424,
  425,
  426,
  428,
  429,
  431,
  451,
  500,
  502,
  503,
  504,
  505,
  506,
  507,
  508,
  510,
  511,
]);

/** Whether a response may be stored, and is worth it (RFC 9111 §3, §3.5). @param now epoch milliseconds */
export function storability(
  request: RequestHead,
  response: ResponseHead,
  now: number,
  options: StoreOptions = {},
): Storability {
  const { status, fields } = response;
  const { directives } = policyOf(fields);
  const { override = false } = options;
  if (request.method !== "GET" && !options.methods?.includes(request.method)) return no("method");
  // Interim responses and parts of one; a status that is not known may mean anything where it must be understood.
  if (status < 200 || status === 206 || status === 304) return no("status");
  if (directives.mustUnderstand && !UNDERSTOOD.has(status)) return no("must-understand");
  if (requestDirectives(request.fields).noStore) return no("request-no-store");
  // §5.2.2.3: who understands the status is to ignore no-store beside must-understand.
  if (directives.noStore && !directives.mustUnderstand && !override) return no("no-store");
  if (directives.private === true && !override) return no("private");
  const shared = directives.public || directives.sMaxage !== undefined;
  // §3.5
  if (linesOf(request.fields, "authorization").length > 0 && !shared && !directives.mustRevalidate) {
    return no("authorization");
  }
  // The RFC allows it (§7.3), but the cookie is nearly always for one client: kept only where the origin says that the response is for all.
  if (
    linesOf(fields, "set-cookie").length > 0 &&
    !shared &&
    !isNamed("set-cookie", directives.private, directives.noCache) &&
    !override
  ) {
    return no("set-cookie");
  }
  const lasts =
    options.ruleLifetimeMs !== undefined ||
    explicitLifetime(fields, now) !== undefined ||
    directives.public ||
    HEURISTICALLY_CACHEABLE.has(status);
  return lasts ? { storable: true } : no("no-freshness");
}

function no(reason: Unstorable): Storability {
  return { storable: false, reason };
}

function isNamed(name: string, ...scopes: (boolean | readonly string[])[]): boolean {
  return scopes.some((scope) => Array.isArray(scope) && scope.includes(name));
}

/**
 * The fields that are stored: none of the connection (RFC 9111 §3.1), none that `private` names (§5.2.2.7), and, since they may not be sent again without
 * validation (§5.2.2.4), none that `no-cache` names.
 */
export function storedFields({ fields }: ResponseHead): string[] {
  const { directives } = policyOf(fields);
  const names = [directives.private, directives.noCache].flatMap((scope) => (Array.isArray(scope) ? scope : []));
  const kept = endToEnd(fields);
  return names.length === 0 ? kept : withoutFields(kept, new Set(names));
}

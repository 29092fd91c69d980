import { entityTagOf, listNames } from "./entity-tag.js";
import { trimmed } from "./field-syntax.js";
import { parseHttpDate } from "./http-date.js";
import { type Fields, linesOf, type ResponseHead, withoutFields } from "./message.js";

/**
 * What a cache makes of the preconditions of a request that it could answer:
 * - `proceed`: none, or they say that the stored response is wanted
 * - `not-modified`: 304 (RFC 9110 §15.4.5)
 * - `forward`: they are for the origin to judge
 */
export type PreconditionOutcome = "proceed" | "not-modified" | "forward";

/** A stored response, as far as preconditions look at it. */
export interface ValidatedResponse extends ResponseHead {
  /** When it was received, epoch milliseconds: what stands in for its times where it names none. */
  responseTime?: number;
}

const PRECONDITIONS: ReadonlySet<string> = new Set([
  "if-match",
  "if-none-match",
  "if-modified-since",
  "if-unmodified-since",
]);
const PRECONDITION_LENGTHS: ReadonlySet<number> = new Set([...PRECONDITIONS].map((name) => name.length));

interface Preconditions {
  match: boolean;
  noneMatch: string | undefined;
  /** Undefined also where there is more than one. */
  modifiedSince: string | undefined;
}

/**
 * Preconditions, in their order of precedence (RFC 9110 §13.2.2), as far as they are a cache's (RFC 9111 §4.3.2). A malformed one says nothing.
 * @param now epoch milliseconds, for years of two digits
 */
export function evaluatePreconditions(
  method: string,
  requestFields: Fields,
  stored: ValidatedResponse,
  now: number,
): PreconditionOutcome {
  const asked = preconditionsOf(requestFields);
  if (asked === undefined) return "proceed";
  // RFC 9111 §4.3.2: If-Match and If-Unmodified-Since are not applicable to a cache. Who sends them wants the origin's word.
  if (asked.match) return "forward";
  // RFC 9110 §13.1.2, §13.1.3: other methods get 412 or nothing, from the origin.
  if (method !== "GET" && method !== "HEAD") return "forward";
  // RFC 9111 §4.3.2: a cache evaluates them for a stored 200. RFC 9110 §13.2.1: of any other response they must be ignored.
  if (stored.status !== 200) return "proceed";
  // RFC 9110 §13.1.3: If-Modified-Since is ignored beside If-None-Match, also beside a malformed one.
  if (asked.noneMatch !== undefined) return noneMatch(asked.noneMatch, stored) ? "proceed" : "not-modified";
  if (asked.modifiedSince === undefined) return "proceed";
  const since = parseHttpDate(asked.modifiedSince, now);
  const modified = modifiedAt(stored, now);
  return since !== undefined && modified !== undefined && modified <= since ? "not-modified" : "proceed";
}

/** RFC 9110 §13.1.2: false if `*`, since there is a response, or if its entity tag is listed. */
function noneMatch(list: string, stored: ValidatedResponse): boolean {
  if (trimmed(list) === "*") return false;
  const tag = entityTagOf(linesOf(stored.fields, "etag")[0]);
  return tag === undefined || !listNames(list, tag);
}

/** RFC 9111 §4.3.2: `Last-Modified`, else `Date`, else when it was received. */
function modifiedAt({ fields, responseTime }: ValidatedResponse, now: number): number | undefined {
  for (const name of ["last-modified", "date"]) {
    const [value] = linesOf(fields, name);
    // A time that can't be read is not known, and what comes after it would be a guess.
    if (value !== undefined) return parseHttpDate(value, now);
  }
  return responseTime;
}

/** One pass, and nothing made for the many requests that have none. */
function preconditionsOf(fields: Fields): Preconditions | undefined {
  let found: Preconditions | undefined;
  let dates = 0;
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const own = fields[i] ?? "";
    if (!PRECONDITION_LENGTHS.has(own.length) || (own.charCodeAt(0) | 0x20) !== 0x69) continue;
    const name = own.toLowerCase();
    const value = fields[i + 1] ?? "";
    if (!PRECONDITIONS.has(name)) continue;
    found ??= { match: false, noneMatch: undefined, modifiedSince: undefined };
    if (name === "if-none-match")
      found.noneMatch = found.noneMatch === undefined ? value : `${found.noneMatch}, ${value}`;
    else if (name === "if-modified-since") {
      dates += 1;
      // RFC 9110 §13.1.3: to be ignored where it has more than one member.
      found.modifiedSince = dates === 1 ? value : undefined;
    } else found.match = true;
  }
  return found;
}

/**
 * What describes the content that a 304 doesn't have. The rest stays: RFC 9110 §15.4.5 wants `Cache-Control`, `Content-Location`, `Date`, `ETag`, `Expires`
 * and `Vary`, and others (`Set-Cookie`, CORS, `Age`) are about the response, not the content.
 */
const OF_THE_CONTENT: ReadonlySet<string> = new Set([
  "content-digest",
  "content-disposition",
  "content-encoding",
  "content-language",
  "content-length",
  "content-md5",
  "content-range",
  "content-type",
  "digest",
  "repr-digest",
]);
const OF_THE_CONTENT_OR_DATED: ReadonlySet<string> = new Set([...OF_THE_CONTENT, "last-modified"]);

/** The fields of a 304 that stands for this response (RFC 9110 §15.4.5): `Last-Modified` only where there is no `ETag` to know it by. */
export function notModifiedFields(fields: Fields): string[] {
  const tagged = linesOf(fields, "etag").length > 0;
  return withoutFields(fields, tagged ? OF_THE_CONTENT_OR_DATED : OF_THE_CONTENT);
}

import { membersOf } from "./field-syntax.js";
import { endToEnd } from "./hop-by-hop.js";
import { type Fields, linesOf } from "./message.js";

/**
 * What must be known before the content and is nothing to be said after it (RFC 9110 §6.5.1): framing, routing, what changes how the message is taken, who may have it, and what the
 * content is.
 */
const BEFORE_CONTENT: ReadonlySet<string> = new Set([
  "accept-ranges",
  "age",
  "authorization",
  "cache-control",
  "cdn-cache-control",
  "content-encoding",
  "content-length",
  "content-location",
  "content-range",
  "content-type",
  "cookie",
  "date",
  "expires",
  "host",
  "location",
  "max-forwards",
  "pragma",
  "retry-after",
  "set-cookie",
  "strict-transport-security",
  "surrogate-control",
  "vary",
  "via",
  "warning",
  "www-authenticate",
]);

/** The trailer fields of a response that are passed on (RFC 9110 §6.5.2). */
export function trailersToPass(trailers: Fields): string[] {
  const kept = endToEnd(trailers);
  return kept.filter((_, i) => !BEFORE_CONTENT.has(kept[i - (i % 2)]?.toLowerCase() ?? ""));
}

/** The value of `Trailer` for those of them that a response announces (RFC 9110 §6.6.2); undefined where it announces none. */
export function trailersAnnounced(responseFields: Fields): string | undefined {
  const names = linesOf(responseFields, "trailer").flatMap(membersOf);
  const passed = names.filter((name) => trailersToPass([name, ""]).length > 0);
  return passed.length === 0 ? undefined : passed.join(", ");
}

import { membersOf } from "./field-syntax.js";
import { type Fields, fieldOf, linesOf, type ResponseHead } from "./message.js";

/**
 * Fields of one connection, whether `Connection` names them or not (RFC 9110 §7.6.1, and RFC 9111 §3.1 for those of proxies). `Trailer` and `TE` are
 * about the framing, which is the business of each connection.
 */
const OF_THE_CONNECTION: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "proxy-authenticate",
  "proxy-authentication-info",
  "proxy-authorization",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "http2-settings",
]);

/**
 * Fields that `Connection` can't take away: a sender must not name what is for all recipients (RFC 9110 §7.6.1), and who does so all the same would
 * have a message routed, framed, cached or answered as another one than was sent.
 */
const FOR_ALL_RECIPIENTS: ReadonlySet<string> = new Set([
  "age",
  "authorization",
  "cache-control",
  "cdn-cache-control",
  "content-encoding",
  "content-language",
  "content-length",
  "content-location",
  "content-range",
  "content-type",
  "cookie",
  "date",
  "etag",
  "expect",
  "expires",
  "forwarded",
  "host",
  "if-match",
  "if-modified-since",
  "if-none-match",
  "if-range",
  "if-unmodified-since",
  "last-modified",
  "location",
  "max-forwards",
  "origin",
  "pragma",
  "range",
  "set-cookie",
  "surrogate-control",
  "vary",
  "via",
  "warning",
  "www-authenticate",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-proto",
]);

/** Whether one of them is of one connection alone. */
export function isOfConnection(fields: Fields): boolean {
  return fields.some((text, i) => i % 2 === 0 && OF_THE_CONNECTION.has(text.toLowerCase()));
}

/** The fields of a message that are for more than this connection (RFC 9110 §7.6.1): what is forwarded, and what is stored (RFC 9111 §3.1). */
export function endToEnd(fields: Fields): string[] {
  const named = new Set<string>();
  for (const line of linesOf(fields, "connection")) {
    for (const option of membersOf(line)) {
      const name = option.toLowerCase();
      if (!FOR_ALL_RECIPIENTS.has(name)) named.add(name);
    }
  }
  const kept: string[] = [];
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const own = fields[i] ?? "";
    const name = own.toLowerCase();
    if (!OF_THE_CONNECTION.has(name) && !named.has(name)) kept.push(own, fields[i + 1] ?? "");
  }
  return kept;
}

/**
 * The fields of a request as they are to be matched with what a response varies on (RFC 9111 §4.1): without those that `Connection` takes away, which the origin never
 * saw. Otherwise the response to none of them would be stored as the one to them. Nothing is copied where `Connection` says no more than is usual.
 */
export function seenByOrigin(requestFields: Fields): Fields {
  const usual = linesOf(requestFields, "connection").every((line) => USUAL_OPTIONS.test(line));
  return usual ? requestFields : endToEnd(requestFields);
}

const USUAL_OPTIONS = /^(?:keep-alive|close)?$/i;

/**
 * The fields with us as the last member of `Via` (RFC 9110 §7.6.3).
 * @param version of the message as it was received
 * @param pseudonym a token, unique to this server where loops are to be found
 */
export function via(fields: Fields, version: "1.0" | "1.1", pseudonym: string): string[] {
  const before = fieldOf(fields, "via");
  const own = `${version} ${pseudonym}`;
  const kept: string[] = [];
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = fields[i] ?? "";
    if (name.length !== 3 || name.toLowerCase() !== "via") kept.push(name, fields[i + 1] ?? "");
  }
  kept.push("Via", before ? `${before}, ${own}` : own);
  return kept;
}

/** The head of a message from an origin as it is passed on (RFC 9110 §7.6.1, §7.6.3). */
export function forwardedHead({ status, fields }: ResponseHead, pseudonym: string): ResponseHead {
  return { status, fields: via(endToEnd(fields), "1.1", pseudonym) };
}

/** Whether a request has been here before: a member of its `Via` names us (RFC 9110 §7.6.3). Text in comments counts too: it can only refuse its own request. */
export function isLoop(fields: Fields, pseudonym: string): boolean {
  const name = pseudonym.toLowerCase();
  return linesOf(fields, "via").some((line) =>
    line.split(",").some((member) => {
      // received-protocol, received-by, and perhaps a comment
      const by = member.trim().split(/[ \t]+/, 2)[1];
      return by?.toLowerCase() === name;
    }),
  );
}

/**
 * `Max-Forwards` (RFC 9110 §7.6.2): TRACE and OPTIONS that may be forwarded no more are answered here; otherwise one less is sent. On other methods it
 * says nothing, and what is no number is passed on as it is.
 */
export function maxForwards(method: string, fields: Fields): { final: true } | { final: false; fields: Fields } {
  const value = method === "TRACE" || method === "OPTIONS" ? fieldOf(fields, "max-forwards") : undefined;
  if (value === undefined || !/^\d+$/.test(value)) return { final: false, fields };
  const left = Math.min(Number(value), MOST_FORWARDS);
  if (left === 0) return { final: true };
  return {
    final: false,
    fields: fields.map((text, i) =>
      i % 2 === 1 && fields[i - 1]?.toLowerCase() === "max-forwards" ? String(left - 1) : text,
    ),
  };
}

/** What is above this is lowered to it: "the recipient's maximum supported value". */
const MOST_FORWARDS = 255;

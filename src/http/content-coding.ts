import { membersOf, splitOutsideQuotes, trimmed } from "./field-syntax.js";
import { remembering } from "./memo.js";
import { type Fields, fieldOf, linesOf, type ResponseHead, withoutFields } from "./message.js";
import { policyOf } from "./targeted.js";

/** Content codings that are made here (RFC 9110 §8.4.1). */
export type Coding = "br" | "gzip";

/** What was done to the content of a stored response: the coding it was given, or nothing, though another request would have got something else. */
export type AppliedCoding = Coding | "as-is";

/** Bytes of content below which a coding saves no packet. */
const LEAST_BYTES = 1024;

/** Types that are text, or that are no more packed than text is. */
const COMPRESSIBLE =
  /^(?:text\/(?!event-stream)[^/]+|application\/(?:(?:[^/]+\+)?(?:json|xml)|(?:x-)?javascript|ecmascript|x-ndjson|ndjson|jsonl|wasm|graphql|sql|rtf|vnd\.ms-fontobject)|image\/(?:svg\+xml|bmp|vnd\.microsoft\.icon|x-icon)|font\/(?:ttf|otf|collection))$/;

const ACCEPT_ENCODING: ReadonlySet<string> = new Set(["accept-encoding"]);

/** Digests are of the content as it was sent (RFC 9530 §2, §3). */
const OF_THE_BYTES: ReadonlySet<string> = new Set(["content-md5", "content-digest", "repr-digest", "digest"]);

/** The coding that a client likes best of those that are made here (RFC 9110 §12.5.3); undefined where it is to get the content as it is. */
export function preferredCoding(fields: Fields): Coding | undefined {
  // Without the field any coding would do, but who says nothing may be able to undo none.
  const accepted = fieldOf(fields, "accept-encoding");
  const coding = accepted === undefined ? "identity" : preferred(accepted);
  return coding === "identity" ? undefined : coding;
}

const preferred = remembering(
  (text): Coding | "identity" => {
    const weights = new Map<string, number>();
    for (const member of membersOf(text.toLowerCase())) {
      const [name = "", ...parameters] = splitOutsideQuotes(member, ";").map(trimmed);
      weights.set(name === "x-gzip" ? "gzip" : name, weightOf(parameters));
    }
    const weight = (name: string) => weights.get(name) ?? weights.get("*") ?? 0;
    const best = weight("br") >= weight("gzip") ? "br" : "gzip";
    return weight(best) > 0 && weight(best) >= (weights.get("identity") ?? 0) ? best : "identity";
  },
  { entries: 256, longest: 256 },
);

/** RFC 9110 §12.4.2. One that can't be read is taken for 0: what nobody understands is not wanted. */
function weightOf(parameters: readonly string[]): number {
  if (parameters.length === 0) return 1;
  const [, weight] = /^q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.exec(parameters[0] ?? "") ?? [];
  return weight === undefined ? 0 : Number(weight);
}

/** The request with nothing else in its `Accept-Encoding` than the coding that it will get: so there are at most three responses of a URL, and three questions to the origin. */
export function withOneCoding(fields: Fields): Fields {
  const coding = policyForbids(fields) ? undefined : preferredCoding(fields);
  return [...withoutFields(fields, ACCEPT_ENCODING), "Accept-Encoding", coding ?? "identity"];
}

/** RFC 9111 §5.2.1.6, §5.2.2.6: `no-transform`. */
function policyForbids(fields: Fields): boolean {
  const value = fieldOf(fields, "cache-control");
  return value !== undefined && membersOf(value.toLowerCase()).includes("no-transform");
}

/**
 * What is to be done to the content of a response.
 * @param requestFields of {@link withOneCoding}
 * @returns undefined where every request would get the same
 */
export function codingFor(requestFields: Fields, { status, fields }: ResponseHead): AppliedCoding | undefined {
  if (status === 204 || status === 206 || status === 304) return undefined;
  // It was asked for in one coding alone, and its origin may not say that it depends on that.
  const own = fieldOf(fields, "content-encoding");
  if (own !== undefined && trimmed(own.toLowerCase()) !== "identity") return "as-is";
  if (policyOf(fields).directives.noTransform || policyForbids(fields)) return undefined;
  const type = trimmed((linesOf(fields, "content-type")[0] ?? "").split(";", 1)[0] ?? "").toLowerCase();
  const length = Number(fieldOf(fields, "content-length") ?? Number.POSITIVE_INFINITY);
  if (!COMPRESSIBLE.test(type) || length < LEAST_BYTES) return undefined;
  return preferredCoding(requestFields) ?? "as-is";
}

/**
 * The fields of a response whose content was given a coding here, or might have been (RFC 9110 §8.4, §12.5.5). Its entity tag is weak: it stands for the same content in
 * several codings (§8.8.1). Ranges are of the coded content (§14.1.2), which stays as it was stored.
 */
export function codedFields(fields: Fields, coding: AppliedCoding): Fields {
  const names = linesOf(fields, "vary").flatMap((line) => membersOf(line.toLowerCase()));
  const vary = names.includes("accept-encoding") || names.includes("*") ? [] : ["Vary", "Accept-Encoding"];
  if (coding === "as-is") return [...fields, ...vary];
  const coded = withoutFields(fields, OF_THE_BYTES).map((text, i, all) =>
    i % 2 === 1 && all[i - 1]?.toLowerCase() === "etag" && text.startsWith('"') ? `W/${text}` : text,
  );
  return [...withoutFields(coded, CONTENT_ENCODING), "Content-Encoding", coding, ...vary];
}

/** `identity` may be named there. */
const CONTENT_ENCODING: ReadonlySet<string> = new Set(["content-encoding"]);

import { createHash } from "node:crypto";
import { remembering } from "./memo.js";
import type { Fields } from "./message.js";
import { fieldsForVary } from "./nominated-fields.js";

/** Bytes of a key that are kept as they are; what is longer ends in a hash of the whole. */
const MAX_PLAIN_BYTES = 900;
/** Hexadecimal digits of 128 bits. */
const HASH_DIGITS = 32;

/**
 * The primary cache key (RFC 9111 §2): `r:GET https://host/path?q`, at most 1,024 bytes of UTF-8. A HEAD is answered from what a GET
 * stored (RFC 9110 §9.3.2), so it has its key. What is longer than 900 bytes is cut there, and ends in `#` (which no target holds) and a hash of
 * the whole.
 * @param url absolute and normalised
 * @param extra what a rule adds. Only its hash gets into the key, after a space: it may be a secret (a cookie, a token), and keys are shown.
 */
export function responseKey(method: string, url: string, extra?: string): string {
  const plain = `r:${method === "HEAD" ? "GET" : method} ${url}`;
  const whole = extra === undefined ? plain : `${plain} ${hashOf(extra)}`;
  if (whole.length * 3 <= MAX_PLAIN_BYTES) return whole;
  const bytes = Buffer.from(whole);
  if (bytes.length <= MAX_PLAIN_BYTES) return whole;
  let end = MAX_PLAIN_BYTES;
  // Not in the middle of a character: back over its continuation bytes.
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return `${bytes.toString("utf8", 0, end)}#${hashOf(whole)}`;
}

/**
 * The key of one variant: `v:<gen>:<hash of the nominated request fields>` (RFC 9111 §4.1).
 * @param gen of the index of the variants; another one makes all of them unreachable
 * @param names as `varyOf` gives them
 */
export function variantKey(gen: string, names: readonly string[], requestFields: Fields): string {
  return `${variantPrefix(gen)}${variantHash(fieldsForVary(names, requestFields))}`;
}

/** What the keys of all variants of an index begin with. */
export function variantPrefix(gen: string): string {
  return `v:${gen}:`;
}

/** Most requests have one of a few texts (`Accept-Encoding`), and hashing is most of what the key of a variant costs. */
const variantHash = remembering(hashOf, { entries: 1024, longest: 256 });

function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, HASH_DIGITS);
}

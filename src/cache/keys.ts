import { createHash } from "node:crypto";
import { CacheError, shown } from "../errors.js";
import { canonicalBytes } from "./canonical.js";

/** Of the 256 bits of SHA-256, as hex digits: 128 bits, where two of 2^64 keys are expected to meet. */
const HASH_DIGITS = 32;

/**
 * A hash of any value: 32 hex digits, the same in every process and version. What differs has another hash: `1` and `"1"`, `-0` and `0`,
 * `undefined` and `null`. What means the same has the same: objects, Maps and Sets in any order of insertion.
 * @throws CacheError `unhashable` for functions, symbols, cycles, instances of classes without a `toJSON` (also those that extend Array, Map, Set or Date), arrays, Maps, Sets and dates with
 * properties of their own, values nested more than 200 levels deep, and such that hold the same objects again and again
 */
export function hashKey(value: unknown): string {
  return createHash("sha256").update(canonicalBytes(value)).digest("hex").slice(0, HASH_DIGITS);
}

/**
 * A key for the arguments of a function: `prefix:hash`.
 * @throws CacheError `unhashable`
 */
export function generateKey(prefix: string, ...args: unknown[]): string {
  return `${prefix}:${hashKey(args)}`;
}

/**
 * A key that people can read, of a pattern with names in braces: `patternKey("user:{id}:page:{page}", { id: 7, page: 2 })` is `user:7:page:2`. Strings,
 * numbers, bigints and booleans are written out, with those characters percent-escaped that have a meaning in keys and globs; anything else, and a string that
 * would read as something other than a string, is its hash. So different parameters never give the same key.
 * @throws CacheError `invalid-pattern` for a name without a value, an open brace, and two names without a `:` between them; `unhashable`
 */
export function patternKey(pattern: string, params: Readonly<Record<string, unknown>>): string {
  const fail = (why: string) =>
    new CacheError("usage", "invalid-pattern", `the key pattern "${pattern}" ${why}`, {
      hint: "Write names in braces with a : between them, and give a value for each.",
    });
  if (typeof pattern !== "string") throw fail("is no text");
  if (typeof params !== "object" || params === null) throw fail("needs an object of values");
  const literals = pattern.split(NAME);
  if (literals.some((text) => /[{}]/.test(text))) throw fail("has a brace without its other one");
  // Everything but a colon could be a part of the values on its left and right.
  if (literals.slice(1, -1).some((text) => !text.includes(":"))) throw fail("has two names without a : between them");
  return pattern.replace(NAME, (braced) => {
    const name = braced.slice(1, -1);
    if (!Object.hasOwn(params, name) || params[name] === undefined) throw fail(`needs a value for ${braced}`);
    return partOf(params[name]);
  });
}

const NAME = /\{[^{}]*\}/g;

/** What something other than a string is written as: a string that looks like it is told by its hash. */
const NO_PLAIN_STRING = /^(?:|-?(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?n?|Infinity)|NaN|true|false|null|~.*)$/s;

function partOf(value: unknown): string {
  if (typeof value === "string" && !NO_PLAIN_STRING.test(value)) return escapePart(value);
  if (typeof value === "number" && !Object.is(value, -0)) return String(value);
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "boolean" || value === null) return String(value);
  return `~${hashKey(value)}`;
}

/**
 * One part of a key, with `:`, `*`, `?`, `[`, `]`, `\\`, `%`, `{`, `}`, control characters and halves of surrogate pairs percent-escaped: no other part has
 * the same form. No literal braces: in a Redis Cluster they would send all such keys to one slot.
 */
export function escapePart(part: string): string {
  return part.replace(SPECIAL, (char) => {
    const code = char.charCodeAt(0);
    const hex = code.toString(16).toUpperCase();
    return code > 0xff ? `%u${hex}` : `%${hex.padStart(2, "0")}`;
  });
}

const SPECIAL = /[:*?[\]\\%{}\p{Cc}\p{Cs}]/gu;

/**
 * The key of a record: `store:id`, both escaped; behind a namespace, where one is given: that is a prefix as it is.
 * @throws CacheError `invalid-key` for an id of another type
 */
export function recordKey(store: string, id: string | number | bigint, namespace = ""): string {
  if (!["string", "number", "bigint"].includes(typeof id)) {
    throw new CacheError("usage", "invalid-key", `the id of a record can't be ${shown(id)}`, {
      hint: "Give a string, a number or a bigint.",
    });
  }
  return `${namespace === "" ? "" : `${namespace}:`}${escapePart(store)}:${escapePart(String(id))}`;
}

import { keyToBytes } from "../../key.js";
import { type Filter, globPrefix } from "../../selector.js";

const STAR = 0x2a;
const BACKSLASH = 0x5c;
/** Wildcards in a MATCH at most: Redis's matcher backtracks, so a glob with many of them would hold up the server. */
const MAX_WILDCARDS = 4;

/**
 * The MATCH of a SCAN that returns at least what the filter's prefix and glob hold, within a namespace. Redis matches byte by
 * byte and we by code point, so `?` and classes become "at least one byte"; what comes back is tested again here.
 */
export function matchPattern(namespace: string, filter: Filter): Buffer {
  const head = escapeLiteral(Buffer.from(namespace));
  const { prefix, match } = filter;
  if (match !== undefined && (prefix === undefined || globPrefix(match).length >= prefix.length)) {
    return Buffer.from([...head, ...translate(match)]);
  }
  return Buffer.from([...head, ...escapeLiteral(keyToBytes(prefix ?? "")), STAR]);
}

/** True if {@link matchPattern} is exact: what it returns needs no second look at its key. */
export function isExactMatch(filter: Filter): boolean {
  return filter.match === undefined && (filter.prefix ?? "").isWellFormed();
}

function translate(glob: string): number[] {
  const chars = Array.from(glob);
  const out: number[] = [];
  let wildcards = 0;
  /** The last byte is a wildcard: a literal star ends in the same byte. */
  let open = false;
  for (let i = 0; i < chars.length; i++) {
    const char = chars[i] ?? "";
    if (char !== "*" && char !== "?" && char !== "[") {
      const literal = char === "\\" ? (chars[++i] ?? "") : char;
      out.push(...escapeLiteral(keyToBytes(literal)));
      open = false;
      continue;
    }
    if (char === "[") i = endOfClass(chars, i + 1);
    if (char === "*" && open) continue;
    if (char !== "*") out.push(0x3f);
    out.push(STAR);
    open = true;
    wildcards += 1;
    // The rest of the glob is left to our own test.
    if (wildcards === MAX_WILDCARDS) break;
  }
  return out;
}

function endOfClass(chars: readonly string[], start: number): number {
  let i = chars[start] === "^" ? start + 1 : start;
  while (i < chars.length && chars[i] !== "]") i += chars[i] === "\\" ? 2 : 1;
  return i;
}

/** Every byte as itself: those that mean something in a Redis glob get a backslash. */
function escapeLiteral(bytes: Buffer): number[] {
  const out: number[] = [];
  for (const byte of bytes) {
    if (
      byte === STAR ||
      byte === 0x3f ||
      byte === 0x5b ||
      byte === 0x5d ||
      byte === BACKSLASH ||
      byte === 0x5e ||
      byte === 0x2d
    ) {
      out.push(BACKSLASH);
    }
    out.push(byte);
  }
  return out;
}

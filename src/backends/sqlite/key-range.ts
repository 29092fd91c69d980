/** Keys from `from` on and before `to`, in the order of their UTF-8 bytes; without `to` there is no end. */
export interface KeyRange {
  from: string;
  to?: string;
}

const LAST_CODE_POINT = 0x10ffff;

/**
 * The keys that begin with `prefix`. SQLite's BINARY collation compares UTF-8 bytes, whose order is that of the code points (and not
 * of JavaScript's code units), so the end of the range is the prefix with its last code point raised by one.
 */
export function rangeOfPrefix(prefix: string): KeyRange {
  // No stored key holds half of a surrogate pair, but "\ud83d" begins "😀" for a caller: what comes before it is the range to look through.
  const from = wellFormedHead(prefix);
  const to = successor(from);
  return to === undefined ? { from } : { from, to };
}

/** The least text after everything that begins with `text`; undefined where there is none. */
export function successor(text: string): string | undefined {
  const points = Array.from(text, (char) => char.codePointAt(0) ?? 0);
  while (points.length > 0) {
    const last = points.pop() ?? 0;
    if (last === LAST_CODE_POINT) continue;
    // U+D800 to U+DFFF are no characters: UTF-8 can't hold them.
    points.push(last === 0xd7ff ? 0xe000 : last + 1);
    return String.fromCodePoint(...points);
  }
  return undefined;
}

function wellFormedHead(text: string): string {
  if (text.isWellFormed()) return text;
  let head = "";
  for (const char of text) {
    if (!char.isWellFormed()) break;
    head += char;
  }
  return head;
}

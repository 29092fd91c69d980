/** A place in a source: the bytes before it, and its line and column, both from 1. The column counts bytes. */
export interface Place {
  offset: number;
  line: number;
  column: number;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const LEFT_BRACE = 0x7b;
const RIGHT_BRACE = 0x7d;
const LEFT_BRACKET = 0x5b;
const RIGHT_BRACKET = 0x5d;
const COMMA = 0x2c;
const COLON = 0x3a;
const NEWLINE = 0x0a;

/** 1 for each byte that a string may hold as it is. */
const PLAIN = new Uint8Array(256).fill(1, 0x20);
PLAIN[QUOTE] = 0;
PLAIN[BACKSLASH] = 0;

const TRUE = Buffer.from("true");
const FALSE = Buffer.from("false");
const NULL = Buffer.from("null");

/**
 * Steps over JSON text in a window of bytes and checks it strictly (RFC 8259), without building values and without
 * recursion, so that depth costs one byte a level. Each `skip…` takes where a thing begins and gives where it ends, or
 * -1: then `problem` says what is wrong at `at`, or is undefined where the window ended too early to tell.
 */
export class JsonScanner {
  buf: Buffer = Buffer.alloc(0);
  /** Where the readable bytes of `buf` end. */
  end = 0;
  /** Nothing follows after `end`: what is cut off there is wrong, not unfinished. */
  final = false;
  /** Offset in the source of the window's first byte. */
  base = 0;
  line = 1;
  /** Offset in the source of the first byte of the current line. */
  lineStart = 0;
  problem: string | undefined;
  at = 0;
  /** What the window is the end of when it is final: the line or the file. */
  unit = "file";
  /** A string with an escape was passed since the caller last cleared this. */
  escaped = false;
  /** Behind the closing quote of the name that `skipName` passed last. */
  nameEnd = 0;
  #stack = new Uint8Array(64);

  /** Where a byte of the window is in the source; exact for bytes of the current line. */
  place(pos: number): Place {
    const offset = this.base + pos;
    return { offset, line: this.line, column: offset - this.lineStart + 1 };
  }

  fail(at: number, problem: string): -1 {
    this.at = at;
    this.problem = problem;
    return -1;
  }

  /** The window ends at `at`, inside of what the caller was reading. */
  ends(at: number, inside: string): -1 {
    if (this.final) return this.fail(at, `the ${this.unit} ends inside ${inside}`);
    this.at = at;
    this.problem = undefined;
    return -1;
  }

  /** Never fails; counts lines. */
  skipSpace(from: number): number {
    const { buf, end } = this;
    let i = from;
    if (i < end && (buf[i] as number) > 0x20) return i;
    for (; i < end; i++) {
      const c = buf[i] as number;
      if (c === NEWLINE) {
        this.line += 1;
        this.lineStart = this.base + i + 1;
      } else if (c !== 0x20 && c !== 0x0d && c !== 0x09) return i;
    }
    return i;
  }

  /** From the opening quote to behind the closing one. */
  skipString(from: number): number {
    const { buf, end } = this;
    let i = from + 1;
    for (;;) {
      while (i < end && PLAIN[buf[i] as number] === 1) i += 1;
      if (i >= end) return this.ends(end, "a string");
      const c = buf[i] as number;
      if (c === QUOTE) return i + 1;
      if (c === BACKSLASH) {
        i = this.#skipEscape(i);
        if (i < 0) return -1;
      } else return this.fail(i, `a string can't hold the unescaped control character ${describeByte(c)}`);
    }
  }

  #skipEscape(from: number): number {
    const { buf, end } = this;
    this.escaped = true;
    if (from + 1 >= end) return this.ends(end, "a string");
    const c = buf[from + 1] as number;
    if (c !== 0x75) {
      return SIMPLE_ESCAPES[c] === 0 ? this.fail(from, `\\${describeByte(c)} is no escape that JSON knows`) : from + 2;
    }
    for (let i = from + 2; i < from + 6; i++) {
      if (i >= end) return this.ends(end, "a string");
      if (hexValue(buf[i] as number) < 0) return this.fail(from, "\\u needs four hexadecimal digits");
    }
    return from + 6;
  }

  /** From the opening quote of a member's name to the first byte of its value. */
  skipName(from: number): number {
    if (from >= this.end) return this.ends(from, "an object");
    if (this.buf[from] !== QUOTE) return this.#failName(from);
    this.nameEnd = this.skipString(from);
    return this.nameEnd < 0 ? -1 : this.#skipColon(this.nameEnd);
  }

  #failName(at: number): -1 {
    const c = this.buf[at] as number;
    if (c === RIGHT_BRACE) return this.fail(at, "a comma must not come before the closing }");
    return this.fail(at, `a name in double quotes must come here, not ${describeByte(c)}`);
  }

  #skipColon(from: number): number {
    let i = this.skipSpace(from);
    if (i >= this.end) return this.ends(i, "an object");
    if (this.buf[i] !== COLON)
      return this.fail(i, `a colon must come after a name, not ${describeByte(this.buf[i] as number)}`);
    i = this.skipSpace(i + 1);
    return i >= this.end ? this.ends(i, "an object") : i;
  }

  /** From the first byte of a value of any kind and depth to behind its last. */
  skipValue(from: number): number {
    const buf = this.buf;
    let depth = 0;
    let i = from;
    for (;;) {
      if (i >= this.end) return this.ends(i, depth === 0 ? "a value" : this.#container(depth));
      const c = buf[i] as number;
      if (c === QUOTE) i = this.skipString(i);
      else if (c === LEFT_BRACE || c === LEFT_BRACKET) {
        const inObject = c === LEFT_BRACE;
        i = this.skipSpace(i + 1);
        if (i >= this.end) return this.ends(i, inObject ? "an object" : "an array");
        if (buf[i] === (inObject ? RIGHT_BRACE : RIGHT_BRACKET)) i += 1;
        else {
          this.#push(depth, inObject ? 1 : 0);
          depth += 1;
          if (inObject) {
            i = this.skipName(i);
            if (i < 0) return -1;
          }
          continue;
        }
      } else i = this.#skipScalar(i, c);
      if (i < 0) return -1;
      // Behind a value: close what ends here, up to the next value.
      for (;;) {
        if (depth === 0) return i;
        const inObject = this.#stack[depth - 1] === 1;
        i = this.skipSpace(i);
        if (i >= this.end) return this.ends(i, this.#container(depth));
        const d = buf[i] as number;
        if (d === COMMA) {
          i = this.skipSpace(i + 1);
          if (inObject) {
            i = this.skipName(i);
            if (i < 0) return -1;
          } else if (buf[i] === RIGHT_BRACKET && i < this.end) {
            return this.fail(i, "a comma must not come before the closing ]");
          }
          break;
        }
        if (d !== (inObject ? RIGHT_BRACE : RIGHT_BRACKET)) {
          return this.fail(i, `a comma or the closing ${inObject ? "}" : "]"} must come here, not ${describeByte(d)}`);
        }
        i += 1;
        depth -= 1;
      }
    }
  }

  #container(depth: number): string {
    return this.#stack[depth - 1] === 1 ? "an object" : "an array";
  }

  #push(depth: number, kind: 0 | 1): void {
    if (depth === this.#stack.length) {
      const larger = new Uint8Array(depth * 2);
      larger.set(this.#stack);
      this.#stack = larger;
    }
    this.#stack[depth] = kind;
  }

  #skipScalar(from: number, first: number): number {
    if (first === 0x74) return this.#skipWord(from, TRUE);
    if (first === 0x66) return this.#skipWord(from, FALSE);
    if (first === 0x6e) return this.#skipWord(from, NULL);
    if (first === 0x2d || isDigit(first)) return this.#skipNumber(from);
    if (first === 0x27) return this.fail(from, "strings are written in double quotes");
    return this.fail(from, `a value can't begin with ${describeByte(first)}`);
  }

  #skipWord(from: number, word: Buffer): number {
    const { buf, end } = this;
    for (let i = 0; i < word.length; i++) {
      if (from + i >= end) return this.ends(end, "a value");
      if (buf[from + i] !== word[i])
        return this.fail(from, `"${word.toString()}" is meant here, or the value is no JSON`);
    }
    return from + word.length;
  }

  #skipNumber(from: number): number {
    const { buf, end } = this;
    let i = from;
    if (buf[i] === 0x2d) i += 1;
    if (i < end && buf[i] === 0x30) {
      i += 1;
      if (i < end && isDigit(buf[i] as number)) return this.fail(from, "a number can't begin with a zero");
    } else {
      i = this.#skipDigits(i);
      if (i < 0) return -1;
    }
    if (i < end && buf[i] === 0x2e) {
      i = this.#skipDigits(i + 1);
      if (i < 0) return -1;
    }
    if (i < end && ((buf[i] as number) | 0x20) === 0x65) {
      i += 1;
      if (i < end && (buf[i] === 0x2b || buf[i] === 0x2d)) i += 1;
      i = this.#skipDigits(i);
      if (i < 0) return -1;
    }
    // At the end of the window the number may go on in the next one.
    return i >= end && !this.final ? this.ends(i, "a number") : i;
  }

  /** At least one digit. */
  #skipDigits(from: number): number {
    const { buf, end } = this;
    let i = from;
    while (i < end && isDigit(buf[i] as number)) i += 1;
    if (i > from) return i;
    if (i >= end) return this.ends(i, "a number");
    return this.fail(i, `a digit must come here, not ${describeByte(buf[i] as number)}`);
  }
}

function isDigit(c: number): boolean {
  return c >= 0x30 && c <= 0x39;
}

/** A byte as people know it: `"x"`, or its hexadecimal number. */
export function describeByte(c: number): string {
  return c > 0x20 && c < 0x7f ? JSON.stringify(String.fromCharCode(c)) : `0x${c.toString(16).padStart(2, "0")}`;
}

function hexValue(c: number): number {
  if (isDigit(c)) return c - 0x30;
  const lower = c | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

/** What `\` and a byte stand for; 0 where that is no escape. */
const SIMPLE_ESCAPES = new Uint8Array(256);
for (const [letter, char] of ['""', "\\\\", "//", "b\b", "f\f", "n\n", "r\r", "t\t"]) {
  SIMPLE_ESCAPES[(letter as string).charCodeAt(0)] = (char as string).charCodeAt(0);
}

/**
 * The UTF-8 bytes of a checked JSON string without its quotes, escapes resolved. Undefined if an escape is half of a
 * surrogate pair, which has no UTF-8.
 */
export function unescapeBytes(buf: Buffer, from: number, to: number): Buffer | undefined {
  // No escape is shorter than the bytes it stands for, so the source's length is enough.
  const out = Buffer.allocUnsafe(to - from);
  let length = 0;
  let i = from;
  while (i < to) {
    const c = buf[i] as number;
    if (c !== BACKSLASH) {
      out[length++] = c;
      i += 1;
      continue;
    }
    const simple = SIMPLE_ESCAPES[buf[i + 1] as number] as number;
    if (simple !== 0) {
      out[length++] = simple;
      i += 2;
      continue;
    }
    let code = fourHex(buf, i + 2);
    i += 6;
    if (code >= 0xd800 && code <= 0xdfff) {
      if (code > 0xdbff || buf[i] !== BACKSLASH || buf[i + 1] !== 0x75 || i + 6 > to) return undefined;
      const low = fourHex(buf, i + 2);
      if (low < 0xdc00 || low > 0xdfff) return undefined;
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
      i += 6;
    }
    length = writeUtf8(out, length, code);
  }
  return out.subarray(0, length);
}

function fourHex(buf: Buffer, at: number): number {
  let code = 0;
  for (let i = at; i < at + 4; i++) code = (code << 4) | hexValue(buf[i] as number);
  return code;
}

function writeUtf8(out: Buffer, at: number, code: number): number {
  let i = at;
  if (code < 0x80) {
    out[i++] = code;
    return i;
  }
  if (code < 0x800) out[i++] = 0xc0 | (code >> 6);
  else {
    if (code < 0x10000) out[i++] = 0xe0 | (code >> 12);
    else {
      out[i++] = 0xf0 | (code >> 18);
      out[i++] = 0x80 | ((code >> 12) & 0x3f);
    }
    out[i++] = 0x80 | ((code >> 6) & 0x3f);
  }
  out[i++] = 0x80 | (code & 0x3f);
  return i;
}

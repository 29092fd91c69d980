import { isToken } from "./field-syntax.js";

/**
 * Stands for an argument that makes no sense where it is: no number, no name of a field, and not the absence of one. What a directive with it means is the
 * business of who reads it, who is to take the reading that reuses less.
 */
export const AMISS = "=";

/** By name in lower case, in order, every argument that a directive came with; `undefined` for none. */
export type Directives = ReadonlyMap<string, readonly (string | undefined)[]>;

/**
 * The directives of `Cache-Control` (RFC 9111 §5.2), an argument being a token or a quoted string alike. An element that breaks the grammar (a space around `=`, a
 * comma missing or a semicolon in its place, quotes that don't end) is searched for every word that is a directive, and each of them has the argument
 * {@link AMISS}; quotes hide nothing there, and it ends at the next comma. Time grows with the length of the lines.
 * @param known the names that are wanted, in lower case; what else there is is ignored (§5.2.3)
 */
export function readDirectives(lines: readonly string[], known: ReadonlySet<string>): Directives {
  const found = new Map<string, (string | undefined)[]>();
  const add = (word: string, argument: string | undefined) => {
    if (word.length > LONGEST_NAME) return;
    const name = word.toLowerCase();
    if (!known.has(name)) return;
    const before = found.get(name);
    if (before) before.push(argument);
    else found.set(name, [argument]);
  };
  for (const line of lines) {
    for (let at = elementFrom(line, 0); at < line.length; ) {
      const end = readElement(line, at, add) ?? readWords(line, at, add);
      at = elementFrom(line, end);
    }
  }
  return found;
}

type Add = (name: string, argument: string | undefined) => void;

const LONGEST_NAME = 64;

const TAB = 0x09;
const SPACE = 0x20;
const QUOTE = 0x22;
const COMMA = 0x2c;
const EQUALS = 0x3d;
const BACKSLASH = 0x5c;

/** Empty elements are no elements (RFC 9110 §5.6.1.2). */
function elementFrom(line: string, from: number): number {
  let at = from;
  while (at < line.length && (isSpace(line.charCodeAt(at)) || line.charCodeAt(at) === COMMA)) at += 1;
  return at;
}

/** @returns where the element ends; undefined for one that breaks the grammar, of which nothing was added */
function readElement(line: string, from: number, add: Add): number | undefined {
  const nameEnd = tokenEnd(line, from);
  if (nameEnd === from) return undefined;
  const name = line.slice(from, nameEnd);
  if (line.charCodeAt(nameEnd) !== EQUALS) return ended(line, nameEnd, name, undefined, add);
  const start = nameEnd + 1;
  if (line.charCodeAt(start) === QUOTE) {
    const end = quotesEnd(line, start);
    return end === undefined ? undefined : ended(line, end, name, unquoted(line.slice(start + 1, end - 1)), add);
  }
  const end = tokenEnd(line, start);
  // An empty one is neither a number nor a name nor the absence of an argument.
  return ended(line, end, name, line.slice(start, end), add);
}

function ended(line: string, from: number, name: string, argument: string | undefined, add: Add): number | undefined {
  let at = from;
  while (at < line.length && isSpace(line.charCodeAt(at))) at += 1;
  if (at < line.length && line.charCodeAt(at) !== COMMA) return undefined;
  add(name, argument);
  return at;
}

function readWords(line: string, from: number, add: Add): number {
  let at = from;
  while (at < line.length && line.charCodeAt(at) !== COMMA) {
    const end = tokenEnd(line, at);
    if (end > at) add(line.slice(at, end), AMISS);
    at = Math.max(end, at + 1);
  }
  return at;
}

function tokenEnd(line: string, from: number): number {
  let at = from;
  while (at < line.length && TOKEN_CODES[line.charCodeAt(at)]) at += 1;
  return at;
}

/** After the quoted string (RFC 9110 §5.6.4) that begins here; undefined for one that doesn't end. */
function quotesEnd(line: string, from: number): number | undefined {
  for (let at = from + 1; at < line.length; at++) {
    const code = line.charCodeAt(at);
    if (code === BACKSLASH) at += 1;
    else if (code === QUOTE) return at + 1;
  }
  return undefined;
}

function unquoted(text: string): string {
  return text.includes("\\") ? text.replace(/\\(.)/gs, "$1") : text;
}

function isSpace(code: number): boolean {
  return code === SPACE || code === TAB;
}

const TOKEN_CODES: readonly boolean[] = Array.from({ length: 128 }, (_, code) => isToken(String.fromCharCode(code)));

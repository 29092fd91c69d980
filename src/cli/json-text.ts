import { randomBytes } from "node:crypto";
import { CacheError } from "../errors.js";
import { textOf } from "../utf8.js";

/** JSON that is written as it stands: numbers that JavaScript can't hold stay what they are. */
export class RawJson {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** `JSON.stringify`, with every {@link RawJson} in its place as its own text. */
export function stringify(data: unknown): string {
  const raw: string[] = [];
  const mark = `raw-${randomBytes(12).toString("hex")}-`;
  const text = JSON.stringify(data, (_key, value: unknown) => {
    if (!(value instanceof RawJson)) return value;
    raw.push(value.text);
    return `${mark}${raw.length - 1}`;
  });
  if (raw.length === 0) return text;
  return text.replace(new RegExp(`"${mark}(\\d+)"`, "g"), (_all, index: string) => raw[Number(index)] ?? "null");
}

/**
 * Bytes as JSON output holds them, the way `warm` reads them: a JSON object, array, number, boolean or null is itself; any other text is a JSON string; what
 * is no UTF-8 is `{"encoding":"base64","data":…}`.
 */
export function valueAsJson(bytes: Uint8Array): unknown {
  const text = textOf(bytes);
  if (text === undefined) return { encoding: "base64", data: Buffer.from(bytes).toString("base64") };
  const first = text.trimStart()[0];
  if (first === undefined || first === '"' || !isJson(text)) return text;
  return new RawJson(compact(text));
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Valid JSON without the white space between its tokens. */
function compact(text: string): string {
  return layOut(text, { line: () => "", colon: ":" });
}

/** JSON with an indentation of two; undefined for what is no JSON object or array. */
export function indented(text: string): string | undefined {
  const first = text.trimStart()[0];
  if ((first !== "{" && first !== "[") || !isJson(text)) return undefined;
  return layOut(text, { line: (depth) => `\n${"  ".repeat(Math.min(depth, DEEPEST_INDENT))}`, colon: ": " });
}

/** Levels beyond are not indented further: of some thousand the indentation alone would fill the memory. */
const DEEPEST_INDENT = 100;

function layOut(text: string, style: { line: (depth: number) => string; colon: string }): string {
  const parts: string[] = [];
  let depth = 0;
  let i = 0;
  while (i < text.length) {
    const char = text[i] ?? "";
    if (isSpace(char)) {
      i += 1;
      continue;
    }
    const end = tokenEnd(text, i);
    if (char === "{" || char === "[") {
      const next = skipSpace(text, end);
      if (text[next] === "}" || text[next] === "]") {
        parts.push(char, text[next] ?? "");
        i = next + 1;
        continue;
      }
      depth += 1;
      parts.push(char, style.line(depth));
    } else if (char === "}" || char === "]") {
      depth -= 1;
      parts.push(style.line(depth), char);
    } else if (char === ",") parts.push(char, style.line(depth));
    else if (char === ":") parts.push(style.colon);
    else parts.push(text.slice(i, end));
    i = end;
  }
  return parts.join("");
}

const isSpace = (char: string | undefined) => char === " " || char === "\n" || char === "\r" || char === "\t";

function skipSpace(text: string, from: number): number {
  let i = from;
  while (isSpace(text[i])) i += 1;
  return i;
}

/** Where the token that begins at `start` ends, in valid JSON. */
function tokenEnd(text: string, start: number): number {
  const char = text[start] ?? "";
  if ("{}[],:".includes(char)) return start + 1;
  let i = start + 1;
  if (char === '"') {
    while (text[i] !== '"') i += text[i] === "\\" ? 2 : 1;
    return i + 1;
  }
  while (i < text.length && !"{}[],:".includes(text[i] ?? "") && !isSpace(text[i])) i += 1;
  return i;
}

/** Where the value that begins at `start` ends, in valid JSON. */
function valueEnd(text: string, start: number): number {
  let depth = 0;
  let i = start;
  do {
    i = skipSpace(text, i);
    const char = text[i] ?? "";
    if (char === "{" || char === "[") depth += 1;
    else if (char === "}" || char === "]") depth -= 1;
    i = tokenEnd(text, i);
  } while (depth > 0);
  return i;
}

/**
 * The source text of the value at a path (`a.b[0]`, `["odd.name"]`) inside JSON; undefined where the path leads nowhere.
 * @throws CacheError `invalid-path`, `not-json`
 */
export function pickPath(text: string, path: string): string | undefined {
  const steps = parsePath(path);
  if (!isJson(text))
    throw new CacheError("serialization", "not-json", "the value is not JSON, --path can't look into it", {
      hint: "Leave out --path to see it.",
    });
  let start = skipSpace(text, 0);
  for (const step of steps) {
    const open = text[start];
    if (open !== (typeof step === "number" ? "[" : "{")) return undefined;
    let i = skipSpace(text, start + 1);
    let found: number | undefined;
    for (let index = 0; text[i] !== "}" && text[i] !== "]"; index++) {
      let matches = index === step;
      if (open === "{") {
        const end = tokenEnd(text, i);
        matches = JSON.parse(text.slice(i, end)) === step;
        i = skipSpace(text, skipSpace(text, end) + 1);
      }
      if (matches) found = i;
      i = skipSpace(text, valueEnd(text, i));
      if (text[i] === ",") i = skipSpace(text, i + 1);
    }
    if (found === undefined) return undefined;
    start = found;
  }
  return text.slice(start, valueEnd(text, start));
}

function notAPath(path: string): CacheError {
  return new CacheError("usage", "invalid-path", `"${path}" is not a path`, {
    hint: 'Write it like a.b[0] or a["odd.name"].',
  });
}

function parsePath(path: string): (string | number)[] {
  if (path === "") throw notAPath(path);
  const steps: (string | number)[] = [];
  const pattern = /\.?([^.[\]"]+)|\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]/y;
  while (pattern.lastIndex < path.length) {
    const at = pattern.lastIndex;
    const match = pattern.exec(path);
    if (!match || (at === 0 && path.startsWith("."))) throw notAPath(path);
    if (match[2] !== undefined) steps.push(Number(match[2]));
    else if (match[1] !== undefined) steps.push(match[1]);
    else if (isJson(match[3] ?? "")) steps.push(String(JSON.parse(match[3] ?? "")));
    else throw notAPath(path);
  }
  return steps;
}

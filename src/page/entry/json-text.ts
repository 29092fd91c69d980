/** A piece of JSON as it is shown. */
export interface JsonPiece {
  kind: "name" | "string" | "number" | "word" | "mark";
  text: string;
}

/** Steps that are shown: what is deeper would be mostly blanks. */
const DEEPEST = 20;

/**
 * JSON with a line for each member. Its names, texts and numbers stay as they are written: a number may be one that no program here can hold.
 * @returns undefined for what is no JSON
 */
export function jsonPieces(source: string): JsonPiece[] | undefined {
  if (!isJson(source)) return undefined;
  const tokens = source.match(/"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],:]|[^\s{}[\],:"]+/g) ?? [];
  const pieces: JsonPiece[] = [];
  let depth = 0;
  const line = () => `\n${"  ".repeat(Math.min(depth, DEEPEST))}`;
  const mark = (text: string) => {
    const last = pieces.at(-1);
    if (last?.kind === "mark") last.text += text;
    else pieces.push({ kind: "mark", text });
  };
  for (const [i, token] of tokens.entries()) {
    const [before, after] = [tokens[i - 1], tokens[i + 1]];
    if (token === "{" || token === "[") {
      const isEmpty = after === "}" || after === "]";
      depth += 1;
      mark(isEmpty ? token : token + line());
    } else if (token === "}" || token === "]") {
      depth -= 1;
      mark(before === "{" || before === "[" ? token : line() + token);
    } else if (token === ",") mark(token + line());
    else if (token === ":") mark(": ");
    else pieces.push({ kind: kindOf(token, after), text: token });
  }
  return pieces;
}

export function isJson(source: string): boolean {
  try {
    JSON.parse(source);
    return true;
  } catch {
    return false;
  }
}

function kindOf(token: string, after: string | undefined): JsonPiece["kind"] {
  if (token.startsWith('"')) return after === ":" ? "name" : "string";
  return /^[-\d]/.test(token) ? "number" : "word";
}

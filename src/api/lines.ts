import { CacheError } from "../errors.js";

/** Bytes of one line at most. */
const MAX_LINE_BYTES = 96 * 1024 * 1024;

/**
 * Lines of JSON (NDJSON) from bytes as they come; empty lines are passed over.
 * @throws CacheError `invalid-line` for what is no JSON, or too long
 */
export async function* readLines(source: AsyncIterable<Uint8Array>): AsyncGenerator<unknown> {
  let held: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of source) {
    let from = 0;
    for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, from)) {
      held.push(chunk.subarray(from, at));
      from = at + 1;
      const line = Buffer.concat(held).toString();
      held = [];
      length = 0;
      if (line.trim() !== "") yield parse(line);
    }
    held.push(chunk.subarray(from));
    length += chunk.length - from;
    if (length > MAX_LINE_BYTES) throw invalid(`a line of more than ${MAX_LINE_BYTES} bytes`);
  }
  const rest = Buffer.concat(held).toString();
  if (rest.trim() !== "") yield parse(rest);
}

const NEWLINE = 0x0a;

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    throw invalid("a line that is no JSON", error);
  }
}

function invalid(what: string, cause?: unknown): CacheError {
  return new CacheError("serialization", "invalid-line", `there is ${what}`, { cause });
}

import type { ForeignEntry } from "../../backends/backend.js";
import { textOf } from "../../utf8.js";
import { indented } from "../json-text.js";
import { escapeControls } from "../render/value.js";

/** Bytes of a value that a preview reads. */
export const PREVIEW_BYTES = 16_384;

/** Elements of a value of another type than strings. */
export const PREVIEW_ELEMENTS = 20;

/** Lines and characters of a line that are kept: more than any screen shows. */
const MOST_LINES = 100;
const MOST_CHARACTERS = 2000;

const BYTES_A_LINE = 16;

/**
 * The beginning of a value as lines without control characters: JSON indented, text as it is, other bytes as hex.
 * @param bytes the first of them, at most {@link PREVIEW_BYTES}
 * @param size of the whole value
 */
export function previewOfBytes(bytes: Uint8Array, size: number): string[] {
  const whole = bytes.byteLength >= size;
  const text = whole ? textOf(bytes) : beginningOf(bytes);
  if (text === undefined) return hexLines(bytes);
  return linesOf((whole ? indented(text) : undefined) ?? text);
}

/** The first elements, one a line. */
export function previewOfForeign({ items, truncated }: ForeignEntry): string[] {
  return [...items.flatMap((item) => linesOf(JSON.stringify(item))), ...(truncated ? ["…"] : [])];
}

function linesOf(text: string): string[] {
  return text
    .split("\n", MOST_LINES)
    .map((line) => escapeControls(line.slice(0, MOST_CHARACTERS).replace(/\r$/, "").replaceAll("\t", "  ")));
}

/** Text of which the end is missing, perhaps in the middle of a character. */
function beginningOf(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes, { stream: true });
  } catch {
    return undefined;
  }
}

function hexLines(bytes: Uint8Array): string[] {
  const shown = Buffer.from(bytes.subarray(0, BYTES_A_LINE * MOST_LINES));
  const lines: string[] = [];
  for (let at = 0; at < shown.length; at += BYTES_A_LINE) {
    const row = shown.subarray(at, at + BYTES_A_LINE);
    const hex = row.toString("hex").replace(/../g, "$& ");
    lines.push(`${hex.padEnd(BYTES_A_LINE * 3)} ${row.toString("latin1").replace(/[^\x20-\x7e]/g, ".")}`);
  }
  return lines;
}

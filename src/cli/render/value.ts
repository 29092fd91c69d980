import { textOf } from "../../utf8.js";
import { indented } from "../json-text.js";

/** Bytes for a terminal: JSON indented, control characters escaped so that no value can move the cursor. */
export function valueForTerminal(bytes: Uint8Array): string {
  const text = textOf(bytes);
  if (text === undefined) return `(binary, ${bytes.byteLength} bytes: write it to a file with --output FILE)`;
  const json = indented(text);
  return json === undefined ? escapeControls(text) : jsonForTerminal(json);
}

/** The same for what must stay on one line: a message, a path, a cell of a table. */
export function escapeLine(text: string): string {
  return escapeControls(text).replaceAll("\n", "\\n");
}

/** JSON text for a terminal: what would move its cursor stands inside strings, where JSON has escapes that mean the same. */
export function jsonForTerminal(json: string): string {
  return json.replace(CONTROLS, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** C0 but tab and line feed, DEL, C1, and what changes the direction of text. */
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

export function escapeControls(text: string): string {
  return text.replace(CONTROLS, (char) => {
    const code = char.charCodeAt(0);
    if (char === "\r") return "\\r";
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
  });
}

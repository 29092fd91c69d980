import type { ForeignEntry } from "../../backends/backend.js";
import { RawJson, valueAsJson } from "../json-text.js";
import { keyAsJson } from "../selection.js";

/** What `get` found under one key. */
export interface Result {
  key: string;
  found: boolean;
  /** Why nothing was found. */
  reason?: string;
  bytes?: Uint8Array;
  /** Source text of what `--path` names. */
  picked?: string;
  foreign?: ForeignEntry;
  meta?: Readonly<Record<string, unknown>>;
}

export function resultAsJson(result: Result): Record<string, unknown> {
  const { bytes, picked, foreign, meta, found, reason } = result;
  const head = { ...keyAsJson(result.key), found, ...(reason !== undefined && { reason }), ...meta };
  if (foreign) return { ...head, valueType: foreign.type, truncated: foreign.truncated, value: foreign.items };
  if (picked !== undefined) return { ...head, value: new RawJson(picked) };
  return bytes ? { ...head, value: valueAsJson(bytes) } : head;
}

/** The same where the value went to a file. */
export function savedAsJson(result: Result, output: string): Record<string, unknown> {
  const { value: _, ...rest } = resultAsJson(result);
  return result.found ? { ...rest, output, bytes: bytesOf(result).byteLength } : rest;
}

/** What text output shows: a picked JSON string without its quotes, the elements of another type as JSON lines. */
export function bytesOf({ bytes, picked, foreign }: Result): Uint8Array {
  if (bytes) return bytes;
  if (foreign) return Buffer.from(foreign.items.map((item) => `${JSON.stringify(item)}\n`).join(""));
  const text = picked ?? "";
  return Buffer.from(text.startsWith('"') ? String(JSON.parse(text)) : text);
}

/** The type of an entry that is no string, for people. */
export function foreignLine({ type, items, truncated }: ForeignEntry): string {
  const count = `${items.length} ${items.length === 1 ? "element" : "elements"}`;
  return `type: ${type}, ${truncated ? `the first ${count}, more with --limit` : count}`;
}

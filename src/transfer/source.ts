import { type Compression, compressionOf } from "./decompress.js";
import type { ReadOptions } from "./read-records.js";

export interface OpenOptions {
  /** What `-` stands for. */
  stdin?: AsyncIterable<Uint8Array>;
  /** Milliseconds that a server may take for its answer, and between two pieces of it. Default 30,000. */
  timeout?: number;
  signal?: AbortSignal;
}

/** Entries from outside, opened and not read yet. */
export interface Source {
  /** For messages, without secrets. */
  name: string;
  /** As its name or type tells it; `json` is an object or an array, undefined is unknown. */
  format: ReadOptions["format"];
  /** Bytes as they lie there, compressed where they are; undefined where that is not known. */
  totalBytes: number | undefined;
  /** How many of these have been read. */
  bytesRead(): number;
  /** The same for the same content, so that a later run can go on; undefined where it can't. */
  identity: string | undefined;
  /** The decompressed bytes from an offset on. Can be called once. */
  read(from: number): AsyncIterable<Uint8Array>;
  /** For a source that is not read to its end. */
  close(): Promise<void>;
}

/** What the ending of a file name or URL path tells: compression, then format. */
export function kindOf(path: string): { format: ReadOptions["format"]; compression: Compression | undefined } {
  const { compression, inner } = compressionOf(path);
  const ending = /\.(ndjson|jsonl|json)$/i.exec(inner)?.[1]?.toLowerCase();
  return { format: ending === "json" ? "json" : ending === undefined ? undefined : "ndjson", compression };
}

/** The bytes from an offset on, where the ones before can only be read and dropped. */
export async function* discard(source: AsyncIterable<Uint8Array>, from: number): AsyncGenerator<Uint8Array> {
  let left = from;
  for await (const chunk of source) {
    if (left === 0) yield chunk;
    else if (chunk.length <= left) left -= chunk.length;
    else {
      yield chunk.subarray(left);
      left = 0;
    }
  }
}

export function isUrl(location: string): boolean {
  return /^https?:\/\//i.test(location);
}

/** A URL for people: user, password and query may be secrets. */
export function nameOfUrl(location: string): string {
  if (!URL.canParse(location)) return "the URL";
  const url = new URL(location);
  return url.origin + url.pathname;
}

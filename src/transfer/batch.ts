import type { WriteEntry } from "../cache/cache.js";
import type { CacheError } from "../errors.js";
import type { JsonScanner } from "./json-scanner.js";

export type Format = "object" | "array" | "ndjson";

/** A record that can't be stored, whole, with where it is in its source and why. */
export interface Reject {
  /** Name of the source, without secrets. */
  source: string;
  /** From 1. */
  line: number;
  /** Bytes of the (decompressed) source before the record. */
  offset: number;
  /** A sentence for people. */
  reason: string;
  /** The record's own bytes; in the object format the member, name and value. */
  text: Buffer;
}

/** Where a source was left between two records, enough to go on from there. */
export interface ReadPosition {
  format: Format;
  /** Bytes of the (decompressed) source up to here. */
  offset: number;
  /** From 1. */
  line: number;
  /** Offset of the first byte of that line. */
  lineStart: number;
  /** What comes next in an object or array: its opening bracket, a comma or closing one, or nothing more. */
  state: "start" | "after" | "done";
}

/** Records in the order of the source, as many as asked for at most. */
export interface RecordBatch {
  entries: WriteEntry[];
  rejects: Reject[];
  /** Where the source goes on after this batch. */
  position: ReadPosition;
}

/** When a batch is full, besides its number of records: bytes of values, so that large ones don't fill the memory. */
const MAX_BATCH_BYTES = 2 * 1024 * 1024;

const QUOTE = 0x22;
const LEFT_BRACKET = 0x5b;

/** `full`: a batch can be taken. `more`: the window is used up to `pos`. `failed`: `error` says why reading can't go on. */
export type Progress = "full" | "more" | "failed";

/** Takes records off the window of a scanner, one format's way. */
export interface Framing {
  /** Up to here the window has been used. */
  pos: number;
  readonly error: CacheError | undefined;
  advance(): Progress;
  position(): ReadPosition;
  /** To be called when the scanner has a new window. */
  windowChanged(): void;
}

/** Gathers records until they make a batch. */
export class BatchBuilder {
  #entries: WriteEntry[] = [];
  #rejects: Reject[] = [];
  #bytes = 0;

  constructor(
    private readonly scanner: JsonScanner,
    readonly source: string,
    private readonly batchSize: number,
  ) {}

  get empty(): boolean {
    return this.#entries.length === 0 && this.#rejects.length === 0;
  }

  get full(): boolean {
    return this.#entries.length + this.#rejects.length >= this.batchSize || this.#bytes >= MAX_BATCH_BYTES;
  }

  add(entry: WriteEntry): void {
    this.#entries.push(entry);
    this.#bytes += entry.value.length;
  }

  /** The record in `from` to `to` of the window can't be stored. */
  reject(from: number, to: number, line: number, reason: string): void {
    const text = this.scanner.buf.subarray(from, to);
    this.#rejects.push({ source: this.source, line, offset: this.scanner.base + from, reason, text });
    this.#bytes += text.length;
  }

  take(position: ReadPosition): RecordBatch {
    const batch = { entries: this.#entries, rejects: this.#rejects, position };
    this.#entries = [];
    this.#rejects = [];
    this.#bytes = 0;
    return batch;
  }
}

/** Why a value is no record, from its first byte. */
export function notARecord(first: number): string {
  const kind = first === QUOTE ? "a string" : first === LEFT_BRACKET ? "an array" : "a number, true, false or null";
  return `a record is an object with key and value, this is ${kind}`;
}

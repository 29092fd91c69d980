import { CacheError } from "../errors.js";
import { formatSize } from "../units.js";
import { BatchBuilder, type Format, type Framing, type ReadPosition, type RecordBatch } from "./batch.js";
import { DocumentFraming } from "./document-framing.js";
import { describeByte, JsonScanner } from "./json-scanner.js";
import { LineFraming } from "./line-framing.js";
import { RecordParser } from "./record-parser.js";

/** A record must fit in memory whole, also twice for a moment; larger ones are refused. */
export const MAX_RECORD_BYTES = 256 * 1024 * 1024;

export interface ReadOptions {
  /** `json`: an object or an array, told by the first byte. Undefined: an array, or refused as it could be two. */
  format?: Format | "json" | undefined;
  /** Name of the source in messages, without secrets. */
  name: string;
  /** Put before every key. */
  prefix?: string;
  /** Records a batch at most. Default 500. */
  batchSize?: number;
  /** Where the bytes go on from, in an earlier run's words. */
  from?: ReadPosition | undefined;
}

/**
 * The records of a source, in batches and in order. Bytes may be cut anywhere. At most one record that is not finished
 * and one batch are held.
 * @throws CacheError of kind `usage`, after all that could be read was given: `invalid-json`, `looks-like-ndjson`,
 * `ambiguous-format`, `empty-source`, `record-too-large`
 */
export async function* readRecords(
  source: AsyncIterable<Uint8Array>,
  options: ReadOptions,
): AsyncGenerator<RecordBatch> {
  const reader = new RecordReader(options);
  for await (const chunk of source) {
    if (reader.push(chunk)) yield* reader.batches(false);
  }
  yield* reader.batches(true);
}

/** Keeps the window over the source: what is not used yet, and what came since. */
class RecordReader {
  readonly #scanner = new JsonScanner();
  readonly #parser: RecordParser;
  readonly #batch: BatchBuilder;
  readonly #options: ReadOptions;
  #framing: Framing | undefined;
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  /** No look is taken before so many bytes are there: doubled for long records, so that all looks together stay linear. */
  #wanted = 1;
  #yielded: boolean;

  constructor(options: ReadOptions) {
    this.#options = options;
    this.#parser = new RecordParser(this.#scanner, options.prefix ?? "");
    this.#batch = new BatchBuilder(this.#scanner, options.name, options.batchSize ?? 500);
    this.#yielded = options.from !== undefined;
    if (options.from !== undefined) this.#begin(options.from);
  }

  /** True when a look is due. */
  push(chunk: Uint8Array): boolean {
    this.#pending.push(Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    this.#pendingBytes += chunk.byteLength;
    return this.#pendingBytes >= this.#wanted;
  }

  *batches(final: boolean): Generator<RecordBatch> {
    const { buf } = this.#openWindow(final);
    this.#framing ??= this.#detect(buf, final);
    const framing = this.#framing;
    if (framing !== undefined) {
      this.#parser.windowChanged();
      framing.windowChanged();
      let progress = framing.advance();
      for (; progress === "full"; progress = framing.advance()) yield this.#take(framing);
      if (progress === "failed") {
        const error = framing.error ?? new CacheError("usage", "invalid-json", `${this.#options.name} can't be read`);
        // An object that only looked like one may have been an NDJSON record: none of its fields becomes an entry.
        const misread = error.code === "looks-like-ndjson" && !this.#yielded;
        if (!this.#batch.empty && !misread) yield this.#take(framing);
        throw error;
      }
      if (final && !this.#batch.empty) {
        const whole = !this.#yielded;
        const last = this.#take(framing);
        if (whole && this.#options.format === "json") refuseSingleRecord(last, this.#options);
        yield last;
      }
    }
    if (!final) this.#keepRest(buf, framing?.pos ?? 0);
  }

  #take(framing: Framing): RecordBatch {
    this.#yielded = true;
    return this.#batch.take(framing.position());
  }

  #openWindow(final: boolean): JsonScanner {
    const [first] = this.#pending;
    const buf =
      this.#pending.length === 1 && first !== undefined ? first : Buffer.concat(this.#pending, this.#pendingBytes);
    const scanner = this.#scanner;
    scanner.buf = buf;
    scanner.end = buf.length;
    scanner.final = final;
    return scanner;
  }

  #keepRest(buf: Buffer, used: number): void {
    const rest = buf.subarray(used);
    if (rest.length > MAX_RECORD_BYTES) {
      const { line, offset } = this.#scanner.place(used);
      throw new CacheError(
        "usage",
        "record-too-large",
        `${this.#options.name}: a record is larger than ${formatSize(MAX_RECORD_BYTES)} (line ${line}, byte ${offset})`,
        { hint: "Split it; and check that NDJSON has its line breaks." },
      );
    }
    this.#scanner.base += used;
    if (this.#framing !== undefined) this.#framing.pos = 0;
    this.#pending = rest.length === 0 ? [] : [rest];
    this.#pendingBytes = rest.length;
    this.#wanted = Math.max(1, rest.length * 2);
  }

  /** The framing, from the format and the first bytes; undefined while these are not enough. */
  #detect(buf: Buffer, final: boolean): Framing | undefined {
    const { name, format } = this.#options;
    if (buf.length < 3 && !final) return undefined;
    checkUnicodeMark(buf, name);
    const bom = buf[0] === 0xef && buf[1] === 0xbb && buf[2] === 0xbf ? 3 : 0;
    if (bom > 0) this.#scanner.lineStart = bom;
    let at = bom;
    while (at < buf.length && isSpace(buf[at] as number)) at += 1;
    if (at === buf.length) {
      if (!final && format !== "ndjson") return undefined;
      if (format !== "ndjson") throw empty(name);
    }
    return this.#begin(
      { format: formatOf(buf[at], format, name), offset: bom, line: 1, lineStart: bom, state: "start" },
      bom,
    );
  }

  #begin(from: ReadPosition, pos = 0): Framing {
    this.#scanner.base = from.offset - pos;
    this.#scanner.line = from.line;
    this.#scanner.lineStart = from.lineStart;
    this.#framing =
      from.format === "ndjson"
        ? new LineFraming(this.#scanner, this.#parser, this.#batch)
        : new DocumentFraming(this.#scanner, this.#parser, this.#batch, from);
    this.#framing.pos = pos;
    return this.#framing;
  }
}

function isSpace(c: number): boolean {
  return c === 0x20 || (c >= 0x09 && c <= 0x0d && c !== 0x0b && c !== 0x0c);
}

function formatOf(first: number | undefined, format: ReadOptions["format"], name: string): Format {
  if (format === "ndjson") return format;
  const isObject = first === 0x7b;
  if (format === "object" || format === "array") {
    if (first === (format === "object" ? 0x7b : 0x5b)) return format;
    const wanted = format === "object" ? "an object" : "an array";
    throw new CacheError(
      "usage",
      "invalid-json",
      `${name} is not ${wanted}: it begins with ${describeByte(first ?? 0)}`,
      {
        hint: "Say its format with --format object, array or ndjson.",
      },
    );
  }
  if (first === 0x5b) return "array";
  if (isObject && format === "json") return "object";
  if (isObject) {
    throw new CacheError("usage", "ambiguous-format", `${name} begins with {, so it could be an object or NDJSON`, {
      hint: "Say which with --format object or --format ndjson.",
    });
  }
  throw new CacheError(
    "usage",
    "invalid-json",
    `${name} begins with ${describeByte(first ?? 0)}, which is no JSON object or array`,
    {
      hint: "Give a JSON object, a JSON array or NDJSON.",
    },
  );
}

const RECORD_FIELDS = new Set(["key", "value", "ttl", "expiresAt", "tags", "encoding"]);

/** An object that is nothing but the fields of a record is one line of NDJSON as well. */
function refuseSingleRecord({ entries, rejects, position }: RecordBatch, { name, prefix = "" }: ReadOptions): void {
  const names = new Set(entries.map((entry) => entry.key.slice(prefix.length)));
  const isRecord = names.has("key") && names.has("value") && [...names].every((one) => RECORD_FIELDS.has(one));
  if (position.format !== "object" || rejects.length > 0 || !isRecord) return;
  throw new CacheError("usage", "ambiguous-format", `${name} could be one record, or an object with the key "key"`, {
    hint: "Say which with --format ndjson or --format object.",
  });
}

function empty(name: string): CacheError {
  return new CacheError("usage", "empty-source", `${name} is empty`, { hint: "An empty JSON object is written {}." });
}

function checkUnicodeMark(buf: Buffer, name: string): void {
  if (!(buf[0] === 0xff && buf[1] === 0xfe) && !(buf[0] === 0xfe && buf[1] === 0xff)) return;
  throw new CacheError("usage", "invalid-encoding", `${name} is UTF-16`, { hint: "Convert it to UTF-8 first." });
}

import { isUtf8 } from "node:buffer";
import type { Cache, CallOptions } from "../cache/cache.js";
import { Distinct } from "../cache/distinct.js";
import { CacheError } from "../errors.js";
import { checkKey } from "../key.js";
import type { Selector } from "../selector.js";
import { MAX_RECORD_BYTES } from "./read-records.js";

/** What an export needs of a cache. */
export type ExportSource = Pick<Cache, "backend" | "clock" | "readMany" | "scan">;

export interface ExportReport {
  exported: number;
  /** Bytes of the values exported. */
  bytes: number;
  /** Keys of other types than strings (hash, list, ...): left out. */
  otherTypes: number;
  /** Left out because `warm` could not take them back: keys that are no valid keys here, values of about 190 MB and more. */
  unfit: number;
  /** Listed, but gone when they were read: deleted or expired meanwhile. */
  vanished: number;
  /** False where more keys came than can be told apart, in a store that lists some twice. */
  exact: boolean;
  /** Stopped by the signal, before the end. */
  interrupted: boolean;
  /** Milliseconds. */
  elapsed: number;
}

export interface ExportOptions extends CallOptions {
  onProgress?: (report: Readonly<ExportReport>) => void;
  /** Keys that are told apart in a store that lists some twice. Default 1,000,000: some 100 MB. */
  tellApart?: number;
}

/** Bytes of values that one read should bring; how many keys that is follows from the sizes seen. */
const READ_BYTES = 4 * 1024 * 1024;
const FIRST_READ_KEYS = 16;
const MOST_READ_KEYS = 500;

/** Lines that are written at once, in characters, where they are short. */
const CHUNK_CHARS = 256 * 1024;

/** Text above this is written as base64, which grows by a third; control characters grow by six. */
const MAX_TEXT_BYTES = 8 * 1024 * 1024;
/** Shorter text is written as such even if it grows. */
const SHORT_TEXT_BYTES = 1024;
const MAX_VALUE_BYTES = Math.floor((MAX_RECORD_BYTES * 3) / 4) - 64 * 1024;

/**
 * Writes what a selector holds as NDJSON that `warm` takes back: the same bytes (a string, or base64 for what is no
 * UTF-8 or would grow much), tags, absolute deadlines (`null` = never), and what was stored with it, such as the head of an HTTP response. Nothing is counted and no recency moved. A page of keys and
 * some megabytes of values are held at once, more only for a single larger value.
 * @param write is given some lines at a time and awaited
 */
export async function exportEntries(
  cache: ExportSource,
  selector: Selector,
  write: (lines: Buffer) => Promise<void>,
  options: ExportOptions = {},
): Promise<ExportReport> {
  const run = new ExportRun(cache, selector, options);
  for await (const lines of run.lines()) await write(lines);
  return run.report;
}

/** One export, for who wants to pull: `report` is complete when `lines` has ended. */
export class ExportRun {
  readonly report: ExportReport = {
    exported: 0,
    bytes: 0,
    otherTypes: 0,
    unfit: 0,
    vanished: 0,
    exact: true,
    interrupted: false,
    elapsed: 0,
  };
  readonly #cache: ExportSource;
  readonly #selector: Selector;
  readonly #options: ExportOptions;
  readonly #distinct: Distinct;
  #readKeys = FIRST_READ_KEYS;

  constructor(cache: ExportSource, selector: Selector, options: ExportOptions) {
    this.#cache = cache;
    this.#selector = selector;
    this.#options = options;
    this.#distinct = new Distinct(cache.backend.capabilities.repeatsInScan, options.tellApart);
  }

  async *lines(): AsyncGenerator<Buffer> {
    const { report } = this;
    const { signal, onProgress } = this.#options;
    const started = this.#cache.clock.monotonic();
    try {
      for await (const page of this.#cache.scan(this.#selector, signal ? { signal } : {})) {
        const keys = this.#wanted(page.entries);
        for (let i = 0; i < keys.length; ) {
          if (signal?.aborted) break;
          const some = keys.slice(i, i + this.#readKeys);
          i += some.length;
          const found = await this.#read(some);
          report.elapsed = this.#cache.clock.monotonic() - started;
          yield* this.#write(found);
          onProgress?.(report);
        }
        if (signal?.aborted) break;
      }
    } catch (error) {
      if (!signal?.aborted) throw error;
    }
    report.interrupted = signal?.aborted ?? false;
    report.elapsed = this.#cache.clock.monotonic() - started;
  }

  /** The keys of a page that have not come before and are fit to be exported. */
  #wanted(entries: readonly { key: string; type?: string }[]): string[] {
    const { report } = this;
    const keys: string[] = [];
    for (const { key, type } of entries) {
      if (this.#distinct.isRepeat(key)) continue;
      if (type !== undefined && type !== "string") report.otherTypes += 1;
      else if (!isValidKey(key)) report.unfit += 1;
      else keys.push(key);
    }
    report.exact = this.#distinct.exact;
    return keys;
  }

  async #read(keys: readonly string[]): Promise<[string, Exported][]> {
    const found = await this.#cache.readMany(keys, { want: "all", peek: true });
    const entries: [string, Exported][] = [];
    const missing: string[] = [];
    let bytes = 0;
    keys.forEach((key, i) => {
      const entry = found[i];
      if (entry === undefined) missing.push(key);
      else {
        entries.push([key, entry]);
        bytes += entry.value.length;
      }
    });
    this.#readKeys = Math.max(1, Math.min(MOST_READ_KEYS, Math.floor((READ_BYTES * keys.length) / Math.max(1, bytes))));
    if (missing.length > 0) await this.#countMissing(missing);
    return entries;
  }

  *#write(entries: readonly [string, Exported][]): Generator<Buffer> {
    const { report } = this;
    let lines = "";
    for (const [key, entry] of entries) {
      if (entry.value.length > MAX_VALUE_BYTES) {
        report.unfit += 1;
        continue;
      }
      lines += lineOf(key, entry);
      report.exported += 1;
      report.bytes += entry.value.length;
      if (lines.length < CHUNK_CHARS) continue;
      yield Buffer.from(lines);
      lines = "";
    }
    if (lines !== "") yield Buffer.from(lines);
  }

  /** A key that could not be read has gone, or is of another type, which a listing of keys alone need not tell. */
  async #countMissing(keys: readonly string[]): Promise<void> {
    let others = 0;
    for await (const page of this.#cache.scan({ keys })) {
      for (const { type } of page.entries) if (type !== undefined && type !== "string") others += 1;
    }
    this.report.otherTypes += others;
    this.report.vanished += keys.length - others;
  }
}

function isValidKey(key: string): boolean {
  try {
    checkKey(key);
    return true;
  } catch (error) {
    if (error instanceof CacheError) return false;
    throw error;
  }
}

interface Exported {
  value: Uint8Array;
  expiresAt?: number;
  tags?: readonly string[];
  staleAt?: number;
  meta?: Uint8Array;
}

/** One record as a line. JSON text is written as a string too, so that `1.0` comes back as it is. */
function lineOf(key: string, { value, expiresAt, tags, staleAt, meta }: Exported): string {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  const text = bytes.length <= MAX_TEXT_BYTES && isUtf8(bytes) ? JSON.stringify(bytes.toString("utf8")) : undefined;
  const grown = text === undefined || (bytes.length > SHORT_TEXT_BYTES && text.length > bytes.length * 2);
  const data = grown ? `"${bytes.toString("base64")}","encoding":"base64"` : text;
  const tagged = tags !== undefined && tags.length > 0 ? `,"tags":${JSON.stringify(tags)}` : "";
  const stale = staleAt === undefined ? "" : `,"staleAt":${staleAt}`;
  const more = meta === undefined ? "" : `,"meta":"${Buffer.from(meta).toString("base64")}"`;
  return `{"key":${JSON.stringify(key)},"value":${data}${tagged},"expiresAt":${expiresAt ?? null}${stale}${more}}\n`;
}

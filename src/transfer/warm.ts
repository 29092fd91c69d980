import { basename } from "node:path";
import { checkTag } from "../cache/cache.js";
import { CacheError } from "../errors.js";
import type { ReadPosition, RecordBatch, Reject } from "./batch.js";
import { prepare, type WarmTarget, type WriteSettings, type WrittenBatch, writeBatch } from "./batch-writer.js";
import { type Checkpoint, loadCheckpoint, removeCheckpoint, saveCheckpoint } from "./checkpoint.js";
import { Flights, type Landing } from "./flights.js";
import { openSource } from "./open-source.js";
import { type ReadOptions, readRecords } from "./read-records.js";
import { isUrl, nameOfUrl, type OpenOptions, type Source } from "./source.js";
import { addCounts, NO_COUNTS, type WarmCounters, WarmError, type WarmReport } from "./warm-report.js";

export interface WarmProgress {
  /** Records dealt with, also by earlier runs. */
  records: number;
  stored: number;
  rejected: number;
  /** Bytes read of the current source as it lies there, compressed where it is. */
  bytes: number;
  /** Undefined where that is not known. */
  totalBytes: number | undefined;
  /** Name of the current source. */
  source: string;
}

export interface WarmOptions extends Omit<WriteSettings, "random">, OpenOptions {
  /** Default: told by each source's name or type. */
  format?: ReadOptions["format"];
  /** Put before every key. */
  prefix?: string;
  /** Records a batch at most, 1 to 10,000. Default 500. */
  batchSize?: number;
  /** Batches under way at once, 1 to 64. Default 4. */
  concurrency?: number;
  /** 0 to below 1, for the jitter. Default Math.random. */
  random?: () => number;
  /**
   * A file that says how far the run has come, written as the store acknowledges. A run that finds one goes on from
   * there; nothing is left out, and at most `concurrency` × `batchSize` records are written twice. Removed at the end.
   */
  checkpoint?: { path: string /** Names the store, so that a run on another one is refused. */; target: string };
  /** Given every bad record; awaited. After a kill some are given again. */
  onReject?: (reject: Reject) => void | Promise<void>;
  /** Stop at more bad records than this. Default: never. */
  maxErrors?: number;
  onProgress?: (progress: WarmProgress) => void;
}

/**
 * Writes the records of sources (paths, `-`, http(s) URLs) into a cache, in order: of records with one key the last wins.
 * Memory stays bounded for records up to some megabytes. The signal stops it between batches: what is under way is
 * finished, and the report says `interrupted`.
 * @throws WarmError with the failure's kind and code and the report of what was done; `too-many-rejects`. CacheError for
 * settings, a source that can't be opened, or a checkpoint that does not fit, before anything is written.
 */
export async function warm(
  cache: WarmTarget,
  sources: readonly string[],
  options: WarmOptions = {},
): Promise<WarmReport> {
  checkOptions(sources, options);
  const run = new WarmRun(cache, sources, options);
  await run.prepare();
  return run.run();
}

class WarmRun {
  readonly #cache: WarmTarget;
  readonly #locations: readonly string[];
  readonly #options: WarmOptions;
  readonly #report: WarmReport;
  /** Counts up to the last position that the checkpoint holds or could hold. */
  readonly #acknowledged: WarmCounters = { ...NO_COUNTS };
  readonly #flights: Flights<Written>;
  readonly #started: number;
  #index = 0;
  #source: Source | undefined;
  #from: ReadPosition | undefined;
  /** Bad records read so far; the report has those of batches that have ended. */
  #rejected = 0;
  #failure: { error: unknown } | undefined;

  constructor(cache: WarmTarget, locations: readonly string[], options: WarmOptions) {
    this.#cache = cache;
    this.#locations = locations;
    this.#options = options;
    this.#started = cache.clock.monotonic();
    this.#flights = new Flights(options.concurrency ?? 4, (landings) => this.#landed(landings));
    this.#report = {
      ...NO_COUNTS,
      unacknowledged: 0,
      tooLargeKeys: [],
      otherTypeKeys: [],
      mismatchedKeys: [],
      dryRun: options.dryRun ?? false,
      interrupted: false,
      elapsed: 0,
    };
  }

  /** Opens the source to begin with, and the other files for a moment to see that they can be. */
  async prepare(): Promise<void> {
    const { checkpoint } = this.#options;
    const found = checkpoint && (await loadCheckpoint(checkpoint.path, NO_COUNTS));
    if (found !== undefined) {
      checkFits(found, this.#locations, settingsOf(this.#options));
      this.#index = found.source;
    }
    for (const location of this.#locations.slice(this.#index + 1)) {
      if (isFile(location)) await (await openSource(location)).close();
    }
    const source = await this.#open();
    if (found === undefined) return;
    if (found.identity !== source.identity) {
      await source.close();
      throw new CacheError(
        "usage",
        "checkpoint-source-changed",
        `${source.name} has changed since the checkpoint was written`,
        {
          hint: `Remove ${checkpoint?.path} to start from the beginning.`,
        },
      );
    }
    this.#from = found.position;
    this.#rejected = found.counters.rejected;
    addCounts(this.#acknowledged, found.counters);
    addCounts(this.#report, found.counters);
    this.#report.resumedFrom = { source: source.name, line: found.position.line, offset: found.position.offset };
  }

  async run(): Promise<WarmReport> {
    const { checkpoint } = this.#options;
    try {
      for (; this.#index < this.#locations.length && !this.#report.interrupted; this.#index++) {
        await this.#readAll(this.#source ?? (await this.#open()));
        this.#from = undefined;
      }
      if (checkpoint !== undefined && !this.#report.interrupted) await removeCheckpoint(checkpoint.path);
    } catch (error) {
      await this.#flights.settle();
      throw new WarmError(this.#failure === undefined ? error : this.#failure.error, this.#finished());
    }
    return this.#finished();
  }

  async #open(): Promise<Source> {
    const source = await openSource(this.#locations[this.#index] ?? "", this.#options);
    if (this.#options.checkpoint !== undefined && source.identity === undefined) {
      await source.close();
      throw new CacheError(
        "usage",
        "checkpoint-needs-a-file",
        `a later run could not tell whether ${source.name} is the same`,
        {
          hint: "Use a checkpoint with a file, or with a URL whose server sends ETag or Last-Modified.",
        },
      );
    }
    this.#source = source;
    return source;
  }

  async #readAll(source: Source): Promise<void> {
    const { signal, prefix = "", batchSize = 500, format } = this.#options;
    const settings = { name: source.name, format: format ?? source.format, from: this.#from, prefix, batchSize };
    try {
      for await (const batch of readRecords(source.read(this.#from?.offset ?? 0), settings)) {
        if (signal?.aborted) break;
        await this.#send(batch);
      }
    } catch (error) {
      // Aborting ends a request that is being read; that is no failure of its own.
      if (!signal?.aborted) throw error;
    } finally {
      await this.#flights.settle();
      await source.close();
      this.#source = undefined;
    }
    this.#throwFailure();
    this.#report.interrupted = signal?.aborted ?? false;
  }

  async #send(batch: RecordBatch): Promise<void> {
    const { entries, rejects, position } = batch;
    for (const reject of rejects) await this.#options.onReject?.(reject);
    this.#rejected += rejects.length;
    const read = entries.length + rejects.length;
    const prepared = prepare(entries, this.#options, this.#cache.clock.now());
    await this.#flights.room(prepared.keys);
    this.#throwFailure();
    this.#flights.start(prepared.keys, async () => {
      const written = await writeBatch(this.#cache, prepared, this.#options);
      written.counters.read = read;
      written.counters.rejected = rejects.length;
      return { ...written, position };
    });
    this.#checkRejects(rejects.at(-1));
  }

  #checkRejects(last: Reject | undefined): void {
    if (last === undefined || this.#rejected <= (this.#options.maxErrors ?? Number.POSITIVE_INFINITY)) return;
    throw new CacheError(
      "usage",
      "too-many-rejects",
      `stopped after ${this.#rejected} bad records, the last in ${last.source} at line ${last.line}: ${last.reason}`,
      { hint: "Correct them, or allow more." },
    );
  }

  /** Takes the ends of batches in order. What landed after a failure is reported, but no longer moves the checkpoint. */
  async #landed(landings: Landing<Written>[]): Promise<void> {
    const report = this.#report;
    let position: ReadPosition | undefined;
    for (const landing of landings) {
      if ("error" in landing) {
        report.unacknowledged += landing.entries;
        this.#failure ??= landing;
        continue;
      }
      const { counters, tooLargeKeys, otherTypeKeys, mismatchedKeys } = landing.result;
      addCounts(report, counters);
      addSamples(report.tooLargeKeys, tooLargeKeys);
      addSamples(report.otherTypeKeys, otherTypeKeys);
      addSamples(report.mismatchedKeys, mismatchedKeys);
      if (this.#failure !== undefined) continue;
      addCounts(this.#acknowledged, counters);
      position = landing.result.position;
    }
    try {
      if (position !== undefined) await this.#save(position);
      this.#tellProgress();
    } catch (error) {
      this.#failure ??= { error };
    }
  }

  async #save(position: ReadPosition): Promise<void> {
    const { checkpoint } = this.#options;
    const identity = this.#source?.identity;
    if (checkpoint === undefined || identity === undefined) return;
    await saveCheckpoint(checkpoint.path, {
      sources: this.#locations.map(labelOf),
      source: this.#index,
      identity,
      settings: settingsOf(this.#options),
      position,
      counters: this.#acknowledged,
    });
  }

  #tellProgress(): void {
    const source = this.#source;
    if (source === undefined) return;
    const { read: records, stored, rejected } = this.#report;
    const { name, totalBytes } = source;
    this.#options.onProgress?.({ records, stored, rejected, bytes: source.bytesRead(), totalBytes, source: name });
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  #finished(): WarmReport {
    this.#report.elapsed = this.#cache.clock.monotonic() - this.#started;
    return this.#report;
  }
}

type Written = WrittenBatch & { position: ReadPosition };

const MAX_SAMPLES = 10;

function addSamples(samples: string[], more: readonly string[]): void {
  samples.push(...more.slice(0, MAX_SAMPLES - samples.length));
}

function isFile(location: string): boolean {
  return location !== "-" && !isUrl(location);
}

/** A source in the checkpoint: without folder, which may be written in several ways, and without secrets. */
function labelOf(location: string): string {
  return isUrl(location) ? nameOfUrl(location) : basename(location);
}

/** What decides which entries are written and how, as text to compare. */
function settingsOf({ format, prefix, tags, ttl, ttlJitterPercent, ifAbsent, checkpoint }: WarmOptions): string {
  return JSON.stringify({ format, prefix, tags, ttl, ttlJitterPercent, ifAbsent, target: checkpoint?.target });
}

function checkFits(found: Checkpoint<WarmCounters>, locations: readonly string[], settings: string): void {
  const sources = locations.map(labelOf);
  const sameSources = JSON.stringify(found.sources) === JSON.stringify(sources) && found.source < sources.length;
  if (sameSources && found.settings === settings) return;
  const what = sameSources ? "settings or another store" : "sources";
  throw new CacheError("usage", "checkpoint-of-another-run", `the checkpoint was written by a run with other ${what}`, {
    hint: "Repeat the earlier command, or name another checkpoint file.",
  });
}

function checkOptions(locations: readonly string[], options: WarmOptions): void {
  const {
    batchSize = 500,
    concurrency = 4,
    ttlJitterPercent = 0,
    ttl,
    maxErrors = 0,
    tags = [],
    checkpoint,
    dryRun,
  } = options;
  if (locations.length === 0) throw wrong("there is nothing to read", "Name a file, a URL, or - for standard input.");
  const fromStdin = locations.filter((location) => location === "-").length;
  if (fromStdin > 1) throw wrong("standard input can be read once only", "Give - once.");
  checkRange("the batch size", batchSize, 1, 10_000);
  checkRange("the number of batches at once", concurrency, 1, 64);
  checkRange("the number of bad records allowed", maxErrors, 0, Number.MAX_SAFE_INTEGER);
  if (!(ttlJitterPercent >= 0 && ttlJitterPercent <= 100))
    throw wrong("the TTL jitter is no percentage", "Give 0 to 100.");
  if (typeof ttl === "number" && !(ttl > 0))
    throw wrong(`a TTL of ${ttl} ms would store nothing`, "Give a TTL above zero.");
  for (const tag of tags) checkTag(tag);
  if (checkpoint === undefined) return;
  if (fromStdin > 0) throw wrong("standard input can't be read again from a checkpoint", "Write it to a file first.");
  if (dryRun) throw wrong("a dry run has no checkpoint", "Leave one of the two out.");
}

function checkRange(what: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw wrong(`${what} can't be ${value}`, `Give a whole number from ${least} to ${most}.`);
}

function wrong(message: string, hint: string): CacheError {
  return new CacheError("usage", "invalid-warm-option", message, { hint });
}

import type { SetOutcome } from "../backends/backend.js";
import type { Cache } from "../cache/cache.js";
import { coverage } from "../changes.js";
import { CacheError, messageOf } from "../errors.js";
import type { Selector } from "../selector.js";
import { Flights, type Landing } from "./flights.js";

/** An entry to warm a cache with. */
export interface WarmEntry {
  key: string;
  value: unknown;
  /** Milliseconds, null = never; default that of the run. */
  ttl?: number | null;
  tags?: readonly string[];
}

/** Where entries come from: a list, a cursor of a database, or a function that begins anew each time it is called. */
export type WarmSource =
  | Iterable<WarmEntry>
  | AsyncIterable<WarmEntry>
  | (() => Iterable<WarmEntry> | AsyncIterable<WarmEntry>);

export interface WarmingOptions {
  /** Entries of one write, 1 to 10,000. Default 500. */
  batch?: number;
  /** Writes under way at once, 1 to 64. Default 4. */
  inFlight?: number;
  /** Milliseconds, null = never. Default: that of the cache. */
  ttl?: number | null;
  /** `if-absent`: what is there stays. Default `always`. */
  mode?: "always" | "if-absent";
  /** Do nothing unless the hit rate is below, 0 to 1; with fewer than 100 lookups so far it is taken for low. */
  ifHitRateBelow?: number;
  signal?: AbortSignal;
  onProgress?: (report: Readonly<WarmingReport>) => void;
}

/** `skipped`: the hit rate was good enough. `stopped`: by the signal. `failed`: see `error`; an open circuit breaker is one. */
export type WarmingEnd = "running" | "done" | "skipped" | "stopped" | "failed";

export interface WarmingReport {
  state: WarmingEnd;
  /** Entries taken from the source. */
  read: number;
  stored: number;
  /** Left as they were (`if-absent`), or changed by somebody else since they were read from the source. */
  kept: number;
  /** Larger than the store's bounds, or of another type there. */
  refused: number;
  error?: CacheError;
}

/** Lookups below which a hit rate says nothing. */
const MIN_LOOKUPS = 100;

/** A warming that runs in the background. */
export interface Warming {
  /** How far it is. */
  readonly report: Readonly<WarmingReport>;
  /** Resolves with the last report; never rejects. */
  readonly ended: Promise<Readonly<WarmingReport>>;
  /** Ends it after the batches that are under way. */
  stop(): Promise<void>;
}

/**
 * Fills a cache in the background, in batches. What others change or invalidate after a batch was begun to be read from the source is not overwritten by it. It stops
 * where the store fails or its circuit breaker is open: nobody waits for it, and the store has enough to do.
 * @throws CacheError `invalid-warming`
 */
export function startWarming(cache: Cache, source: WarmSource, options: WarmingOptions = {}): Warming {
  check("batch", options.batch ?? 500, 10_000);
  check("inFlight", options.inFlight ?? 4, 64);
  const run = new Run(cache, source, options);
  return { report: run.report, ended: run.run(), stop: () => run.stop() };
}

class Run {
  readonly report: WarmingReport = { state: "running", read: 0, stored: 0, kept: 0, refused: 0 };
  readonly #cache: Cache;
  readonly #source: WarmSource;
  readonly #options: WarmingOptions;
  readonly #flights: Flights<SetOutcome[]>;
  readonly #stop = new AbortController();
  #ended: Promise<Readonly<WarmingReport>> | undefined;

  constructor(cache: Cache, source: WarmSource, options: WarmingOptions) {
    this.#cache = cache;
    this.#source = source;
    this.#options = options;
    this.#flights = new Flights(options.inFlight ?? 4, async (landings) => this.#landed(landings));
  }

  run(): Promise<Readonly<WarmingReport>> {
    this.#ended ??= this.#run();
    return this.#ended;
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#ended;
  }

  get #isOver(): boolean {
    return this.#stop.signal.aborted || (this.#options.signal?.aborted ?? false) || this.report.error !== undefined;
  }

  async #run(): Promise<Readonly<WarmingReport>> {
    const { report } = this;
    try {
      if (await this.#isGoodEnough()) report.state = "skipped";
      else await this.#fill();
    } catch (error) {
      this.#fail(error);
    }
    await this.#flights.settle();
    if (report.error) report.state = "failed";
    else if (report.state === "running") report.state = this.#isOver ? "stopped" : "done";
    return report;
  }

  async #isGoodEnough(): Promise<boolean> {
    const { ifHitRateBelow } = this.#options;
    if (ifHitRateBelow === undefined) return false;
    const { counters, hitRate } = await this.#cache.stats();
    const lookups = (counters.hits ?? 0) + (counters.misses ?? 0);
    return hitRate !== undefined && lookups >= MIN_LOOKUPS && hitRate >= ifHitRateBelow;
  }

  async #fill(): Promise<void> {
    const source = typeof this.#source === "function" ? this.#source() : this.#source;
    let batch: WarmEntry[] = [];
    let since = await this.#cache.backend.position();
    for await (const entry of source) {
      this.report.read += 1;
      if (this.#isOver) return;
      batch.push(entry);
      if (batch.length < (this.#options.batch ?? 500)) continue;
      await this.#send(batch, since);
      batch = [];
      // Before the next entry is taken from its source.
      since = await this.#cache.backend.position();
    }
    if (batch.length > 0) await this.#send(batch, since);
  }

  async #send(batch: readonly WarmEntry[], since: string): Promise<void> {
    const keys = new Set(batch.map(({ key }) => key));
    await this.#flights.room(keys);
    if (this.#isOver) return;
    const { ttl, mode = "always" } = this.#options;
    this.#flights.start(keys, () =>
      this.#cache.setEach(
        batch.map((entry) => ({ ...entry, ...(entry.ttl === undefined && ttl !== undefined && { ttl }) })),
        { mode, since },
      ),
    );
  }

  #landed(landings: readonly Landing<SetOutcome[]>[]): void {
    for (const landing of landings) {
      if ("error" in landing) this.#fail(landing.error);
      else for (const outcome of landing.result) this.report[COUNTED[outcome]] += 1;
    }
    this.#options.onProgress?.(this.report);
  }

  #fail(error: unknown): void {
    this.report.error ??=
      error instanceof CacheError
        ? error
        : new CacheError("store", "warming-failed", messageOf(error), { cause: error });
  }
}

const COUNTED = { stored: "stored", condition: "kept", rejected: "refused", "other-type": "refused" } as const;

export interface KeepWarmOptions extends Omit<WarmingOptions, "onProgress"> {
  /** The entries that the source gives: it is called again when one of them is invalidated, by whatever process. */
  scope: Selector;
  /** Milliseconds without further invalidations before it is called; default 1,000. */
  quiet?: number;
  onWarmed?: (report: Readonly<WarmingReport>) => void;
}

/**
 * Warms a cache now, and again after each invalidation that concerns its entries.
 * @param source called for each run
 * @returns ends it
 */
export function keepWarm(
  cache: Cache,
  source: () => Iterable<WarmEntry> | AsyncIterable<WarmEntry>,
  options: KeepWarmOptions,
): () => Promise<void> {
  const stop = new AbortController();
  const signal = options.signal ? AbortSignal.any([stop.signal, options.signal]) : stop.signal;
  const ended = followAndWarm(cache, source, { ...options, signal });
  return async () => {
    stop.abort();
    await ended;
  };
}

/** Milliseconds before a log that can't be read is asked again. */
const AGAIN_MS = 1000;

async function followAndWarm(
  cache: Cache,
  source: () => Iterable<WarmEntry> | AsyncIterable<WarmEntry>,
  options: KeepWarmOptions & { signal: AbortSignal },
): Promise<void> {
  const { clock, backend } = cache;
  const { scope, quiet = 1000, onWarmed, signal, ...warming } = options;
  let due: number | undefined = clock.monotonic();
  let position: string | undefined;
  while (!signal.aborted) {
    try {
      position ??= await backend.position();
      for await (const page of backend.changes(position, signal)) {
        position = page.position;
        const concerned =
          page.gap || page.changes.some(({ op, selector }) => op !== "write" && mayMeet(selector, scope));
        if (concerned) due = clock.monotonic() + quiet;
        if (due === undefined || clock.monotonic() < due) continue;
        due = undefined;
        const report = await startWarming(cache, source, { ...warming, signal }).ended;
        onWarmed?.(report);
        if (report.state === "failed") due = clock.monotonic() + Math.max(quiet, AGAIN_MS);
      }
    } catch {
      // The log can't be read: whoever reads the cache meets the same store and is told; what was missed shows as a gap.
      await clock.sleep(AGAIN_MS, signal);
    }
  }
}

/** False only where no entry can be in both. */
function mayMeet(one: Selector, other: Selector): boolean {
  if ("keys" in one) return one.keys.some((key) => coverage(other)({ key }));
  if ("keys" in other) return mayMeet(other, one);
  const [a, b] = [prefixOf(one), prefixOf(other)];
  return a.startsWith(b) || b.startsWith(a);
}

const prefixOf = (selector: Selector) => ("prefix" in selector ? (selector.prefix ?? "") : "");

/**
 * Fills the upper tiers of a cache from what is in most use in its lowest one, or in the one named. Nothing is counted as a lookup.
 * @param limit entries at most, up to 10,000
 * @returns how many were copied
 * @throws CacheError `no-tiers` for a cache of one store
 */
export async function warmFromBelow(cache: Cache, limit: number, signal?: AbortSignal): Promise<number> {
  const call = signal ? { signal } : {};
  return cache.promote(await cache.backend.hottest(limit, call), call);
}

function check(name: string, value: number, most: number): void {
  if (Number.isInteger(value) && value >= 1 && value <= most) return;
  throw new CacheError("usage", "invalid-warming", `${name} can't be ${value}`, {
    hint: `Give ${name} from 1 to ${most}.`,
  });
}

import type { BackendInfo, Counters } from "../backends/backend.js";
import type { Clock } from "../clock.js";
import { CacheError, messageOf } from "../errors.js";
import { stepOf } from "./counter-steps.js";
import type { CacheStats } from "./options.js";

/** One store, or several together, between two looks. */
interface StoreReading {
  /** Counted since the look before that succeeded; all 0 at the first. */
  counters: Counters;
  /** The same a second. */
  rates: Rates;
  /** Hits among lookups since the look before, 0 to 1; undefined where nothing was looked up. */
  hitRate: number | undefined;
  /** Since counting began. */
  totals: Partial<Counters>;
  /** Live entries and the bytes of their values, where the store knows. */
  entries?: number;
  bytes?: number;
  connected: boolean;
  /** Where failures are watched. */
  breaker?: string;
}

export interface TierReading extends StoreReading {
  name: string;
}

/** Events a second. */
interface Rates extends Counters {
  lookups: number;
}

export interface Reading extends StoreReading {
  /** Epoch milliseconds. */
  at: number;
  /** Milliseconds since the look before that succeeded; 0 at the first. */
  elapsed: number;
  /** Milliseconds that the look took. */
  latency: number;
  /** `server` where the numbers are the store's own, about all its clients. */
  source: CacheStats["source"];
  /** Fastest first; one alone too. */
  tiers: readonly TierReading[];
  /** A fallback stands in for the store. */
  fallback: boolean;
}

/** A look that failed. */
export interface Outage {
  at: number;
  error: CacheError;
}

/** What the counters alone say, or with them what the store says of itself. */
export type Look = Pick<CacheStats, "store" | "counters" | "source" | "tiers"> & { info?: BackendInfo };

interface Before {
  at: number;
  totals: Partial<Counters>;
  tiers: ReadonlyMap<string, Partial<Counters>>;
}

/** An `info` is asked for only so often that it takes no more than this part of the time. */
const INFO_SHARE = 0.05;

/**
 * Looks at a store's figures again and again and says what came between. Describing a store may cost it a look through all entries of a namespace: that is made the
 * more seldom the longer it takes, and what it said is kept until then.
 */
export class Readings {
  readonly #counters: () => Promise<Look>;
  readonly #stats: () => Promise<Look & { info: BackendInfo }>;
  readonly #clock: Clock;
  #before: Before | undefined;
  #info: BackendInfo | undefined;
  #infoAgain = Number.NEGATIVE_INFINITY;

  /**
   * @param counters gives what is counted alone
   * @param stats gives the same and describes the store
   */
  constructor(counters: () => Promise<Look>, stats: () => Promise<Look & { info: BackendInfo }>, clock: Clock) {
    this.#counters = counters;
    this.#stats = stats;
    this.#clock = clock;
  }

  /** Never throws: a store that can't be looked at is an outage, and the next reading is about all the time since. */
  async take(): Promise<Reading | Outage> {
    const start = this.#clock.monotonic();
    const describes = start >= this.#infoAgain;
    try {
      const look = await (describes ? this.#stats() : this.#counters());
      const end = this.#clock.monotonic();
      if (look.info !== undefined) {
        this.#info = look.info;
        this.#infoAgain = end + (end - start) * (1 / INFO_SHARE - 1);
      }
      return this.#reading(look, end, end - start);
    } catch (thrown) {
      this.#infoAgain = Number.NEGATIVE_INFINITY;
      const error = thrown instanceof CacheError ? thrown : new CacheError("store", "unknown", messageOf(thrown));
      return { at: this.#clock.now(), error };
    }
  }

  #reading({ store, counters, source, tiers }: Look, now: number, latency: number): Reading {
    const info = this.#info;
    const elapsed = this.#before === undefined ? 0 : now - this.#before.at;
    const whole = between(this.#before?.totals, counters, elapsed, info);
    const each = tiers?.map(({ name, counters: totals }) => ({
      name,
      ...between(
        this.#before?.tiers.get(name),
        totals,
        elapsed,
        info?.tiers?.find((tier) => tier.name === name),
      ),
    }));
    this.#before = {
      at: now,
      totals: counters,
      tiers: new Map(tiers?.map(({ name, counters: totals }) => [name, totals])),
    };
    return {
      at: this.#clock.now(),
      elapsed,
      latency,
      source,
      ...whole,
      tiers: each ?? [{ name: store, ...whole }],
      fallback: info?.resilience?.fallback?.active ?? false,
    };
  }
}

function between(
  before: Partial<Counters> | undefined,
  totals: Partial<Counters>,
  elapsed: number,
  info: BackendInfo | undefined,
): StoreReading {
  const counters = stepOf(before, totals);
  const lookups = counters.hits + counters.misses;
  return {
    counters,
    rates: ratesOf(counters, elapsed),
    hitRate: lookups === 0 ? undefined : counters.hits / lookups,
    totals,
    ...(info?.entries !== undefined && { entries: info.entries }),
    ...(info?.bytes !== undefined && { bytes: info.bytes }),
    connected: info?.resilience?.connected ?? true,
    ...(info?.resilience !== undefined && { breaker: info.resilience.breaker }),
  };
}

function ratesOf(counters: Counters, elapsed: number): Rates {
  const perSecond = (count: number) => (elapsed > 0 ? (count / elapsed) * 1000 : 0);
  return {
    lookups: perSecond(counters.hits + counters.misses),
    hits: perSecond(counters.hits),
    misses: perSecond(counters.misses),
    sets: perSecond(counters.sets),
    deletes: perSecond(counters.deletes),
    expirations: perSecond(counters.expirations),
    evictions: perSecond(counters.evictions),
    errors: perSecond(counters.errors),
  };
}

import { type BackendInfo, type CounterReport, hasTiers, type TierInfo } from "../../backends/backend.js";
import type { Cache } from "../../cache/cache.js";
import type { Health } from "../../cache/inspection.js";
import type { CacheStats } from "../../cache/options.js";
import type { Clock } from "../../clock.js";

/** One store of a cache, as it was found. */
export interface TierLook {
  name: string;
  health: Health;
  counters: CounterReport["counters"];
  /** Absent where the store could not be asked. */
  info?: BackendInfo | TierInfo;
}

export interface StoreLook {
  /** Fastest first. */
  tiers: readonly TierLook[];
  /** Absent where the lowest store could not be asked. */
  stats: CacheStats | undefined;
}

/** Milliseconds that a look may take, and for which it is good: who scrapes often costs the stores no more. */
const PATIENCE_MS = 2000;
const GOOD_FOR_MS = 1000;

/** Looks at the stores of a cache: one look at a time, however many ask. */
export class StoreLooks {
  readonly #cache: Cache;
  readonly #clock: Clock;
  #last: { at: number; look: Promise<StoreLook> } | undefined;

  constructor(cache: Cache, clock: Clock) {
    this.#cache = cache;
    this.#clock = clock;
  }

  /** Never fails: what is not known is absent. */
  look(): Promise<StoreLook> {
    const at = this.#clock.monotonic();
    if (this.#last === undefined || at - this.#last.at >= GOOD_FOR_MS) this.#last = { at, look: this.#take() };
    return this.#last.look;
  }

  async #take(): Promise<StoreLook> {
    const { backend } = this.#cache;
    const names = hasTiers(backend) ? backend.tierNames : [backend.name];
    const call = { timeout: PATIENCE_MS };
    const health = (tier: string) => this.#cache.health(hasTiers(backend) ? { ...call, tier } : call);
    const [stats, ...healths] = await Promise.all([
      this.#cache.stats(call).catch(() => undefined),
      ...names.map(health),
    ]);
    const tiers = names.flatMap((name, i): TierLook[] => {
      const found = healths[i];
      return found ? [{ name, health: found, ...partOf(stats, name) }] : [];
    });
    return { tiers, stats };
  }
}

function partOf(stats: CacheStats | undefined, name: string): Pick<TierLook, "counters" | "info"> {
  if (stats === undefined) return { counters: {} };
  const counters = stats.tiers ? stats.tiers.find((tier) => tier.name === name)?.counters : stats.counters;
  const info = stats.info.tiers ? stats.info.tiers.find((tier) => tier.name === name) : stats.info;
  return { counters: counters ?? {}, ...(info && { info }) };
}

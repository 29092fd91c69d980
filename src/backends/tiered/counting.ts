import type { CounterReport, Counters } from "../backend.js";
import type { Stack } from "./stack.js";

/**
 * Who counts what: each tier its own hits and misses, in its own store; the lowest all else. Of all tiers together the hits are the sum, and the misses those of
 * the lowest.
 */
export class Counting {
  readonly #stack: Stack;

  constructor(stack: Stack) {
    this.#stack = stack;
  }

  async add(deltas: Partial<Counters>): Promise<void> {
    const { hits = 0, misses = 0, ...others } = deltas;
    const { lowest, uppers, lowestTally } = this.#stack;
    // The layer above reports its reads later than they were counted here, so what it reports beyond those is what it answered by itself.
    let seen = lowestTally.claim("hits", hits);
    for (const { tally } of uppers) seen += tally.claim("hits", hits - seen);
    const unseen = misses - lowestTally.claim("misses", misses);
    await lowest.count({ ...others, ...(hits > seen && { hits: hits - seen }), ...(unseen > 0 && { misses: unseen }) });
  }

  async report(): Promise<CounterReport> {
    const { lowest, lowestName, lowestTally, uppers } = this.#stack;
    await lowestTally.flush();
    const below = await lowest.counters();
    const tiers: NonNullable<CounterReport["tiers"]> = [];
    for (const tier of uppers) {
      await tier.tally.flush();
      const { counters, source } = await this.#countersOf(tier);
      tiers.push({ name: tier.name, counters, source });
    }
    if (tiers.length === 0) return below;
    tiers.push({ name: lowestName, ...below });
    if (below.source === "server") return { ...below, tiers };
    const sum = (name: "hits" | "errors") => tiers.reduce((total, { counters }) => total + (counters[name] ?? 0), 0);
    return { ...below, counters: { ...below.counters, hits: sum("hits"), errors: sum("errors") }, tiers };
  }

  async #countersOf(tier: Stack["uppers"][number]): Promise<CounterReport> {
    try {
      return await tier.backend.counters();
    } catch (error) {
      tier.failed(error);
      return { counters: {}, source: "cache" };
    }
  }

  async reset(): Promise<void> {
    const { lowest, lowestTally, uppers } = this.#stack;
    lowestTally.drop();
    await lowest.resetCounters();
    for (const tier of uppers) {
      tier.tally.drop();
      await tier.backend.resetCounters();
    }
  }
}

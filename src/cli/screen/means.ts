import type { Outage, Reading } from "../../cache/readings.js";

type CounterName = keyof Reading["counters"];

/**
 * Milliseconds over which a figure is a mean. Programs hand over what they counted every 5 s: what came between two looks would be nothing four times and then all at
 * once. Two handovers are in it.
 */
const SPAN_MS = 10_000;

/** Several readings taken together. */
export interface Mean {
  hitRate: number | undefined;
  perSecond: (name: CounterName) => number;
}

/**
 * Of each reading the mean with those before it; undefined where the store was away. The first, which is about no time, has none.
 */
export function meansOf(readings: readonly (Reading | Outage)[]): (Mean | undefined)[] {
  return readings.flatMap((one, i) => {
    if ("error" in one) return [undefined];
    return one.elapsed === 0 ? [] : [meanOf(spanOf(readings, i))];
  });
}

/** The readings that the figure at `index` is a mean of. The server's own counters are of the moment. */
export function spanOf(readings: readonly (Reading | Outage)[], index: number): Reading[] {
  const last = readings[index];
  if (last === undefined) return [];
  const span: Reading[] = [];
  for (let i = index; i >= 0; i--) {
    const one = readings[i];
    if (one === undefined || one.at <= last.at - SPAN_MS) break;
    if ("error" in one) continue;
    span.push(one);
    if (one.source === "server") break;
  }
  return span;
}

/** @param tier of one tier alone, by its name */
export function meanOf(readings: readonly (Reading | Outage)[], tier?: string): Mean {
  const sum = (name: CounterName) =>
    readings.reduce((total, one) => {
      if ("error" in one) return total;
      const { counters } = tier === undefined ? one : (one.tiers.find((each) => each.name === tier) ?? one);
      return total + counters[name];
    }, 0);
  const seconds = readings.reduce((total, one) => total + ("error" in one ? 0 : one.elapsed), 0) / 1000;
  const [hits, lookups] = [sum("hits"), sum("hits") + sum("misses")];
  return {
    hitRate: lookups === 0 ? undefined : hits / lookups,
    perSecond: (name) => (seconds > 0 ? sum(name) / seconds : 0),
  };
}

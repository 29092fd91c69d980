import type { CounterReport } from "../../backends/backend.js";
import type { Figures, TierFigures } from "../admin/tier-figures.js";
import type { TrafficFigures } from "../watching/traffic.js";
import type { OwnTier, WorkerFigures } from "./messages.js";

/** What goes through all workers; the first is the primary's own. Changes are heard by each of them, and counted once. */
export function sumTraffic(own: TrafficFigures, workers: readonly WorkerFigures[]): TrafficFigures {
  const { changes } = own;
  return { ...workers.reduce((sum, { traffic }) => added(sum, traffic), own), changes };
}

/** The figures of the store, with those of the memory that each worker has for itself. */
export function withOwnTiers<F extends Figures>(
  { all, tiers }: F,
  workers: readonly WorkerFigures[],
): Pick<F, "all"> & Figures {
  const own = workers.flatMap((worker) => worker.tiers);
  const summed = tiers.map((tier) =>
    withOwn(
      tier,
      own.filter(({ name }) => name === tier.name),
    ),
  );
  if (all === undefined) return { all, tiers: summed };
  // Of all tiers together the misses are those of the lowest, which all share.
  const hits = own.reduce((sum, { counters }) => sum + (counters.hits ?? 0), all.counters.hits ?? 0);
  const lookups = hits + (all.counters.misses ?? 0);
  const counters = { ...all.counters, hits };
  return { all: { ...all, counters, ...(lookups > 0 && { hitRate: hits / lookups }) }, tiers: summed };
}

/** What workers that have ended had counted. What they held ended with them. */
export function withPast(past: WorkerFigures | undefined, { traffic, tiers }: WorkerFigures): WorkerFigures {
  const ended = {
    traffic: { ...traffic, running: 0, connections: 0 },
    tiers: tiers.map((tier) => ({ ...tier, entries: 0, bytes: 0, usedBytes: 0 })),
  };
  return past ? added(past, ended) : ended;
}

/** What a worker has in its own memory. */
export function ownTiers({ tiers }: Figures): OwnTier[] {
  return tiers
    .filter(({ info }) => info?.kind === "memory")
    .map(({ name, counters, info }) => {
      const { entries = 0, bytes = 0, facts } = info ?? {};
      return { name, counters, entries, bytes, usedBytes: Number(facts?.usedBytes ?? bytes) };
    });
}

function withOwn(tier: TierFigures, own: readonly OwnTier[]): TierFigures {
  if (own.length === 0) return tier;
  const total = (name: "entries" | "bytes" | "usedBytes") => own.reduce((sum, one) => sum + one[name], 0);
  const counters = own.reduce<CounterReport["counters"]>((sum, one) => added(sum, one.counters), tier.counters);
  const { info } = tier;
  if (info === undefined) return { ...tier, counters };
  const facts = { ...info.facts, usedBytes: total("usedBytes") };
  return { ...tier, counters, info: { ...info, entries: total("entries"), bytes: total("bytes"), facts } };
}

/** Number by number; what is no number is the same in both. */
function added<T>(one: T, other: T): T {
  return sumOf(one, other) as T;
}

function sumOf(one: unknown, other: unknown): unknown {
  if (typeof one === "number" && typeof other === "number") return one + other;
  if (Array.isArray(one) && Array.isArray(other)) {
    const [longer, shorter] = one.length >= other.length ? [one, other] : [other, one];
    return longer.map((value, i) => (i < shorter.length ? sumOf(value, shorter[i]) : value));
  }
  if (typeof one === "object" && one !== null && typeof other === "object" && other !== null) {
    const [a, b] = [new Map(Object.entries(one)), new Map(Object.entries(other))];
    const names = new Set([...a.keys(), ...b.keys()]);
    return Object.fromEntries(
      [...names].map((name) => [
        name,
        a.has(name) ? (b.has(name) ? sumOf(a.get(name), b.get(name)) : a.get(name)) : b.get(name),
      ]),
    );
  }
  return one;
}

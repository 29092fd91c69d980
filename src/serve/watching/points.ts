import type { ServerPoint, TierPoint } from "../../api/events.js";
import { stepOf } from "../../cache/counter-steps.js";
import { spaceOf, type TierFigures } from "../admin/tier-figures.js";
import { BOUNDS_MS } from "./buckets.js";
import type { Seen } from "./family.js";
import { OUTCOMES } from "./traffic.js";

/** Counters as they stood at one moment. */
interface Totals {
  requests: Readonly<Record<string, number>>;
  durations: readonly number[];
  received: number;
  sent: number;
  counters: TierFigures["counters"];
  tiers: ReadonlyMap<string, Pick<TierFigures, "connected" | "counters">>;
}

/** What went on between two moments, in a form that two of them can be added in. */
export interface Span {
  point: Omit<ServerPoint, "p50" | "p99">;
  /** Requests by how long they took, as `BOUNDS_MS` has it. */
  durations: readonly number[];
}

/** A copy: what is counted goes on in the same objects. */
export function totalsOf({ traffic, store }: Seen): Totals {
  const durations = new Array<number>(BOUNDS_MS.length + 1).fill(0);
  const requests: Record<string, number> = {};
  for (const outcome of OUTCOMES) {
    const { answers, durations: seen } = traffic.requests[outcome];
    requests[outcome] = Object.values(answers).reduce((sum, count) => sum + count, 0);
    for (const [i, count] of seen.counts.entries()) durations[i] = (durations[i] ?? 0) + count;
  }
  const { received, sent } = traffic.bytes;
  const tiers = new Map(
    store.tiers.map(({ name, connected, counters }) => [name, { connected, counters: { ...counters } }]),
  );
  return { requests, durations, received, sent, counters: { ...store.all?.counters }, tiers };
}

/** @param seen at the second of both @param at that moment, epoch milliseconds @param ms between them */
export function spanBetween(
  [before, now]: readonly [Totals, Totals],
  { traffic, store }: Seen,
  at: number,
  ms: number,
): Span {
  const requests = Object.entries(now.requests).flatMap(([outcome, count]) => {
    const step = rise(before.requests[outcome], count);
    return step > 0 ? [[outcome, step]] : [];
  });
  const lowest = store.tiers.at(-1);
  const isSame = lowest !== undefined && known(before.tiers.get(lowest.name), lowest) !== undefined;
  const { hits, misses } = stepOf(isSame && isTold(before.counters) ? before.counters : undefined, now.counters);
  return {
    durations: now.durations.map((count, i) => rise(before.durations[i], count)),
    point: {
      ...{ at, ms, hits, misses },
      requests: Object.fromEntries(requests),
      running: traffic.running,
      connections: traffic.connections,
      received: rise(before.received, now.received),
      sent: rise(before.sent, now.sent),
      tiers: store.tiers.map((tier) => tierPoint(before.tiers.get(tier.name), tier)),
    },
  };
}

/** Two that follow each other as one. */
export function joined(first: Span, second: Span): Span {
  const [one, other] = [first.point, second.point];
  const requests = { ...one.requests };
  for (const [outcome, count] of Object.entries(other.requests)) requests[outcome] = (requests[outcome] ?? 0) + count;
  return {
    durations: second.durations.map((count, i) => count + (first.durations[i] ?? 0)),
    point: {
      ...other,
      requests,
      ms: one.ms + other.ms,
      received: one.received + other.received,
      sent: one.sent + other.sent,
      hits: one.hits + other.hits,
      misses: one.misses + other.misses,
      tiers: other.tiers.map((tier) => {
        const early = one.tiers.find(({ name }) => name === tier.name);
        if (!early) return tier;
        return {
          ...tier,
          hits: early.hits + tier.hits,
          misses: early.misses + tier.misses,
          evictions: early.evictions + tier.evictions,
          errors: early.errors + tier.errors,
        };
      }),
    },
  };
}

export function pointOf({ point, durations }: Span): ServerPoint {
  return { ...point, p50: quantile(durations, 0.5), p99: quantile(durations, 0.99) };
}

/** Milliseconds within which such a share was done: linear within a bucket, as Prometheus's `histogram_quantile` has it. */
export function quantile(counts: readonly number[], share: number): number | null {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return null;
  let left = total * share;
  for (const [i, count] of counts.entries()) {
    if (left <= count) {
      const [from, to] = [i === 0 ? 0 : BOUNDS_MS[i - 1], BOUNDS_MS[i]];
      // Longer than all bounds: how much longer is not known.
      if (from === undefined || to === undefined) break;
      return Math.round((from + (to - from) * (left / count)) * 1000) / 1000;
    }
    left -= count;
  }
  return BOUNDS_MS.at(-1) ?? null;
}

function tierPoint(before: Pick<TierFigures, "connected" | "counters"> | undefined, tier: TierFigures): TierPoint {
  const { name, counters, info, latency } = tier;
  const { hits, misses, evictions, errors } = stepOf(known(before, tier), counters);
  const bytes = spaceOf(info).memoryBytes;
  return {
    ...{ name, hits, misses, evictions, errors, latency },
    ...(info?.entries !== undefined && { entries: info.entries }),
    ...(bytes !== undefined && { bytes }),
  };
}

/** What was counted before, if the same store counted it: a fallback has counters of its own, and a store that is away tells none. */
function known(
  before: Pick<TierFigures, "connected" | "counters"> | undefined,
  { connected }: TierFigures,
): TierFigures["counters"] | undefined {
  return before?.connected === connected && isTold(before.counters) ? before.counters : undefined;
}

function isTold(counters: TierFigures["counters"]): boolean {
  return Object.keys(counters).length > 0;
}

/** A counter that was set back has counted what it shows. */
function rise(before: number | undefined, now: number): number {
  return before !== undefined && now >= before ? now - before : now;
}

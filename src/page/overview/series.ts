import type { ServerPoint, TierPoint } from "../../api/events.js";
import { showKey } from "../text.js";

/** A curve. */
export interface Series {
  label: string;
  /** A name of a colour in the style sheet. */
  colour: string;
  /** One for each moment; null where there is none. */
  values: readonly (number | null)[];
}

/** Curves over the same moments. */
export interface Curves {
  /** Epoch seconds. */
  times: readonly number[];
  series: readonly Series[];
}

const OUTCOME_COLOURS: Readonly<Record<string, string>> = {
  HIT: "green",
  STALE: "yellow",
  REVALIDATED: "blue",
  MISS: "orange",
  BYPASS: "purple",
  NONE: "grey",
};
const TIER_COLOURS = ["blue", "orange", "green", "purple", "yellow", "grey"];

/** The points of the last `spanMs`, with a point of nothing where there is a hole in time: no curve leads over it. */
export function withHoles(points: readonly ServerPoint[], spanMs: number): (ServerPoint | number)[] {
  const from = (points.at(-1)?.at ?? 0) - spanMs;
  const shown: (ServerPoint | number)[] = [];
  let end: number | undefined;
  for (const point of points) {
    if (point.at < from) continue;
    const start = point.at - point.ms;
    if (end !== undefined && start - end > 5000) shown.push(start);
    shown.push(point);
    end = point.at;
  }
  return shown;
}

/** A curve for each of some names, from points and holes. */
function curves(
  points: readonly (ServerPoint | number)[],
  names: readonly { label: string; colour: string; value: (point: ServerPoint) => number | null | undefined }[],
): Curves {
  return {
    times: points.map((point) => (typeof point === "number" ? point : point.at) / 1000),
    series: names.map(({ label, colour, value }) => ({
      label,
      colour,
      values: points.map((point) => (typeof point === "number" ? null : (value(point) ?? null))),
    })),
  };
}

/** Milliseconds that a hit rate is about at least: tiers add to their counters at different moments. */
const RATE_MS = 10_000;

/** Hits among lookups of the points up to this one, of each point. */
function sharesOf(points: readonly (ServerPoint | number)[], counts: (point: ServerPoint) => Counts | undefined) {
  const shares = new Map<ServerPoint, number | null>();
  for (const [i, last] of points.entries()) {
    if (typeof last === "number") continue;
    let [hits, misses, ms] = [0, 0, 0];
    for (let j = i; j >= 0 && ms < RATE_MS; j -= 1) {
      const point = points[j];
      if (point === undefined || typeof point === "number") break;
      const seen = counts(point);
      hits += seen?.hits ?? 0;
      misses += seen?.misses ?? 0;
      ms += point.ms;
    }
    shares.set(last, hits + misses === 0 ? null : hits / (hits + misses));
  }
  return (point: ServerPoint) => shares.get(point);
}

interface Counts {
  hits: number;
  misses: number;
}

const perSecond = (count: number, { ms }: ServerPoint) => (ms > 0 ? (count / ms) * 1000 : null);

export function hitRates(points: readonly (ServerPoint | number)[], tiers: readonly string[]): Curves {
  if (tiers.length === 1) {
    return curves(points, [{ label: "Hit rate", colour: "blue", value: sharesOf(points, (point) => point) }]);
  }
  const each = tiers.map((name, i) => ({
    label: showKey(name),
    colour: tierColour(i),
    value: sharesOf(points, (point) => tierIn(point, name)),
  }));
  return curves(points, [{ label: "Together", colour: "pink", value: sharesOf(points, (point) => point) }, ...each]);
}

/** Only outcomes that there were. */
export function requestRates(points: readonly (ServerPoint | number)[]): Curves {
  const seen = new Set(points.flatMap((point) => (typeof point === "number" ? [] : Object.keys(point.requests))));
  const names = Object.entries(OUTCOME_COLOURS).filter(([outcome]) => seen.has(outcome) || outcome === "HIT");
  return curves(
    points,
    names.map(([label, colour]) => ({
      ...{ label, colour },
      value: (point) => perSecond(point.requests[label] ?? 0, point),
    })),
  );
}

/** Of a cache that serves no clients itself. */
export function lookupRates(points: readonly (ServerPoint | number)[]): Curves {
  return curves(points, [
    { label: "Hits", colour: "green", value: (point) => perSecond(point.hits, point) },
    { label: "Misses", colour: "orange", value: (point) => perSecond(point.misses, point) },
  ]);
}

export function latencies(points: readonly (ServerPoint | number)[]): Curves {
  return curves(points, [
    { label: "p50", colour: "blue", value: ({ p50 }) => p50 },
    { label: "p99", colour: "orange", value: ({ p99 }) => p99 },
  ]);
}

export function roundTrips(points: readonly (ServerPoint | number)[], tiers: readonly string[]): Curves {
  return curves(
    points,
    tierNames(tiers, ({ latency }) => latency),
  );
}

export function bytesHeld(points: readonly (ServerPoint | number)[], tiers: readonly string[]): Curves {
  return curves(
    points,
    tierNames(tiers, ({ bytes }) => bytes),
  );
}

export function entriesHeld(points: readonly (ServerPoint | number)[], tiers: readonly string[]): Curves {
  return curves(
    points,
    tierNames(tiers, ({ entries }) => entries),
  );
}

export function evictionRates(points: readonly (ServerPoint | number)[], tiers: readonly string[]): Curves {
  return curves(
    points,
    tierNames(tiers, ({ evictions }, point) => perSecond(evictions, point)),
  );
}

/** A curve for each tier. */
function tierNames(
  tiers: readonly string[],
  value: (tier: TierPoint, point: ServerPoint) => number | null | undefined,
) {
  return tiers.map((name, i) => ({
    label: showKey(name),
    colour: tierColour(i),
    value: (point: ServerPoint) => {
      const tier = tierIn(point, name);
      return tier && value(tier, point);
    },
  }));
}

const tierColour = (i: number) => TIER_COLOURS[i % TIER_COLOURS.length] ?? "grey";

const tierIn = ({ tiers }: ServerPoint, name: string) => tiers.find((one) => one.name === name);

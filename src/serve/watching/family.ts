import type { Figures } from "../admin/tier-figures.js";
import { BOUNDS_MS, type BucketFigures } from "./buckets.js";
import type { TrafficFigures } from "./traffic.js";

/** What is shown of a running server, as it is at one moment. */
export interface Seen {
  traffic: TrafficFigures;
  store: Figures;
  /** The state of each circuit breaker that changed since the start, by the name of its tier. */
  breakers: ReadonlyMap<string, BreakerState>;
  /** Names of the alerts that there are, and whether each holds. */
  alerts: readonly { name: string; holds: boolean }[];
  /** Clients that listen to events. */
  listeners: number;
  /** Lines of the access log that could not be written; absent where there is none. */
  linesLost: number | undefined;
  version: string;
}

export type BreakerState = "closed" | "half-open" | "open" | "off";

export interface Point {
  labels: Readonly<Record<string, string>>;
  value: number;
}

export interface NumberFamily {
  name: string;
  help: string;
  labels: readonly string[];
  kind: "counter" | "gauge";
  points: (seen: Seen) => Point[];
}

interface DurationFamily {
  name: string;
  help: string;
  labels: readonly string[];
  kind: "histogram";
  series: (seen: Seen) => { labels: Point["labels"]; durations: BucketFigures }[];
}

/** Several figures of one name, told apart by labels. No label holds what a client sent. */
export type Family = NumberFamily | DurationFamily;

/** A figure without labels, where it is known. */
export function one(figure: (seen: Seen) => number | undefined): NumberFamily["points"] {
  return (seen) => {
    const value = figure(seen);
    return value === undefined ? [] : [{ labels: {}, value }];
  };
}

/** The series of a histogram as Prometheus wants it: counts up to each bound, their sum in seconds and their number. */
export function histogramPoints(name: string, labels: Point["labels"], { counts, sumMs }: BucketFigures): NamedPoint[] {
  let total = 0;
  const points = counts.map((count, i): NamedPoint => {
    total += count;
    const bound = BOUNDS_MS[i];
    const le = bound === undefined ? "+Inf" : String(bound / 1000);
    return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: total };
  });
  return [
    ...points,
    { metricName: `${name}_sum`, labels: { ...labels }, value: sumMs / 1000 },
    { metricName: `${name}_count`, labels: { ...labels }, value: total },
  ];
}

interface NamedPoint extends Point {
  metricName: string;
}

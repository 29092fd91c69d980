import type { Buckets } from "./buckets.js";
import { BOUNDS_MS } from "./buckets.js";
import type { StoreLook, TierLook } from "./store-look.js";
import { ANSWERS, OUTCOMES, type Traffic } from "./traffic.js";

/** What is shown of a running server, as it is at one moment. */
export interface Seen {
  traffic: Traffic;
  store: StoreLook;
  /** Names of the alerts that there are, and whether each holds. */
  alerts: readonly { name: string; holds: boolean }[];
  version: string;
}

export interface Point {
  labels: Readonly<Record<string, string>>;
  value: number;
}

interface NumberFamily {
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
  series: (seen: Seen) => { labels: Point["labels"]; durations: Buckets }[];
}

/** Several figures of one name, told apart by labels. No label holds what a client sent. */
export type Family = NumberFamily | DurationFamily;

const BREAKER_STATES = ["closed", "half-open", "open", "off"] as const;
const COUNTED = ["hits", "misses", "sets", "deletes", "expirations", "evictions", "errors"] as const;
const ATTEMPTS = ["failures", "retries", "timeouts"] as const;

/** A figure of each store that has it. */
function ofTiers(figure: (tier: TierLook) => number | undefined): NumberFamily["points"] {
  return ({ store }) =>
    store.tiers.flatMap((tier) => {
      const value = figure(tier);
      return value === undefined ? [] : [{ labels: { tier: tier.name }, value }];
    });
}

function one(figure: (seen: Seen) => number | undefined): NumberFamily["points"] {
  return (seen) => {
    const value = figure(seen);
    return value === undefined ? [] : [{ labels: {}, value }];
  };
}

const flag = (holds: boolean | undefined) => (holds === undefined ? undefined : Number(holds));
const inSeconds = (ms: number | undefined) => (ms === undefined ? undefined : ms / 1000);
const fallbackOf = ({ store }: Seen) => {
  for (const { info } of store.tiers) if (info?.resilience?.fallback) return info.resilience.fallback;
  return undefined;
};

/** Of the requests that the store might have answered, those that it did, without the origin. */
function hitRatio({ requests }: Traffic): number | undefined {
  const count = (outcome: keyof typeof requests) => {
    let sum = 0;
    for (const answer of ANSWERS) sum += requests[outcome].answers[answer];
    return sum;
  };
  const answered = count("HIT") + count("STALE");
  const all = answered + count("MISS") + count("REVALIDATED");
  return all === 0 ? undefined : answered / all;
}

/** Every metric of ours; those of the process are prom-client's. */
export const FAMILIES: readonly Family[] = [
  {
    name: "cache_build_info",
    help: "1, with the version of cachectl",
    labels: ["version"],
    kind: "gauge",
    points: ({ version }) => [{ labels: { version }, value: 1 }],
  },
  {
    name: "cache_http_requests_total",
    help: "Requests that have ended, by what became of them and the class of the status; cut: the connection ended first",
    labels: ["outcome", "status"],
    kind: "counter",
    points: ({ traffic }) =>
      OUTCOMES.flatMap((outcome) =>
        ANSWERS.map((status) => ({
          labels: { outcome, status },
          value: traffic.requests[outcome].answers[status],
        })),
      ),
  },
  {
    name: "cache_http_request_duration_seconds",
    help: "From the request to the end of its response",
    labels: ["outcome"],
    kind: "histogram",
    series: ({ traffic }) =>
      OUTCOMES.map((outcome) => ({ labels: { outcome }, durations: traffic.requests[outcome].durations })),
  },
  {
    name: "cache_http_requests_running",
    help: "Requests that have not ended",
    labels: [],
    kind: "gauge",
    points: one(({ traffic }) => traffic.running),
  },
  {
    name: "cache_http_connections",
    help: "Clients that are connected to the proxy",
    labels: [],
    kind: "gauge",
    points: one(({ traffic }) => traffic.connections),
  },
  {
    name: "cache_http_received_bytes_total",
    help: "Bytes from clients, heads included",
    labels: [],
    kind: "counter",
    points: one(({ traffic }) => traffic.bytes.received),
  },
  {
    name: "cache_http_sent_bytes_total",
    help: "Bytes to clients, heads included",
    labels: [],
    kind: "counter",
    points: one(({ traffic }) => traffic.bytes.sent),
  },
  {
    name: "cache_http_hit_ratio",
    help: "Share of the HIT, STALE, MISS and REVALIDATED that were HIT or STALE, since the start; absent before the first",
    labels: [],
    kind: "gauge",
    points: one(({ traffic }) => hitRatio(traffic)),
  },
  {
    name: "cache_origin_requests_total",
    help: "Requests to an origin, by the class of its status, or why there was none",
    labels: ["origin", "status"],
    kind: "counter",
    points: ({ traffic }) =>
      [...traffic.origins].flatMap(({ name, answers }) =>
        Object.entries(answers).map(([status, value]) => ({ labels: { origin: name, status }, value })),
      ),
  },
  {
    name: "cache_origin_duration_seconds",
    help: "From the request to an origin until the head of its response",
    labels: ["origin"],
    kind: "histogram",
    series: ({ traffic }) =>
      [...traffic.origins].map(({ name, durations }) => ({ labels: { origin: name }, durations })),
  },
  {
    name: "cache_store_failures_total",
    help: "Times that the store could not be read for a request, or did not keep a response",
    labels: [],
    kind: "counter",
    points: one(({ traffic }) => traffic.storeFailures),
  },
  {
    name: "cache_store_hit_ratio",
    help: "Share of the lookups in the whole store that found an entry, since its counters began",
    labels: [],
    kind: "gauge",
    points: one(({ store }) => store.stats?.hitRate),
  },
  {
    name: "cache_tier_operations_total",
    help: "What a tier has counted, over all processes that use it",
    labels: ["tier", "operation"],
    kind: "counter",
    points: ({ store }) =>
      store.tiers.flatMap(({ name, counters }) =>
        COUNTED.flatMap((operation) => {
          const value = counters[operation];
          return value === undefined ? [] : [{ labels: { tier: name, operation }, value }];
        }),
      ),
  },
  {
    name: "cache_tier_entries",
    help: "Live entries",
    labels: ["tier"],
    kind: "gauge",
    points: ofTiers(({ info }) => info?.entries),
  },
  {
    name: "cache_tier_bytes",
    help: "Bytes of the values of live entries",
    labels: ["tier"],
    kind: "gauge",
    points: ofTiers(({ info }) => info?.bytes),
  },
  {
    name: "cache_tier_up",
    help: "1 if the tier answers",
    labels: ["tier"],
    kind: "gauge",
    points: ofTiers(({ health }) => Number(health.ok)),
  },
  {
    name: "cache_tier_round_trip_seconds",
    help: "Time of one round trip, asked for when the metrics were",
    labels: ["tier"],
    kind: "gauge",
    points: ofTiers(({ health }) => (health.ok ? health.latency / 1000 : undefined)),
  },
  {
    name: "cache_tier_in_use",
    help: "1 if the tier answers reads; 0 while it might hold what is no longer current",
    labels: ["tier"],
    kind: "gauge",
    points: ofTiers(({ info }) => (info && "inUse" in info ? flag(info.inUse) : undefined)),
  },
  {
    name: "cache_tier_lag_seconds",
    help: "Time since the logs of the stores below were last known to be read to their end",
    labels: ["tier"],
    kind: "gauge",
    points: ofTiers(({ info }) => (info && "lagMs" in info ? inSeconds(info.lagMs) : undefined)),
  },
  {
    name: "cache_breaker_state",
    help: "1 for the state that the circuit breaker of a store is in",
    labels: ["tier", "state"],
    kind: "gauge",
    points: ({ store }) =>
      store.tiers.flatMap(({ name, info }) => {
        const breaker = info?.resilience?.breaker;
        if (breaker === undefined) return [];
        return BREAKER_STATES.map((state) => ({ labels: { tier: name, state }, value: Number(state === breaker) }));
      }),
  },
  {
    name: "cache_breaker_trips_total",
    help: "Times that the circuit breaker of a store opened",
    labels: ["tier"],
    kind: "counter",
    points: ofTiers(({ info }) => info?.resilience?.trips),
  },
  {
    name: "cache_store_attempts_total",
    help: "Attempts that a store failed, attempts after the first of a call, and calls whose deadline passed",
    labels: ["tier", "kind"],
    kind: "counter",
    points: ({ store }) =>
      store.tiers.flatMap(({ name, info }) => {
        const { resilience } = info ?? {};
        return resilience ? ATTEMPTS.map((kind) => ({ labels: { tier: name, kind }, value: resilience[kind] })) : [];
      }),
  },
  {
    name: "cache_fallback_active",
    help: "1 while the fallback stands in for the store",
    labels: [],
    kind: "gauge",
    points: one((seen) => flag(fallbackOf(seen)?.active)),
  },
  {
    name: "cache_fallback_reads_total",
    help: "Reads that the fallback answered",
    labels: ["result"],
    kind: "counter",
    points: (seen) => {
      const fallback = fallbackOf(seen);
      if (!fallback) return [];
      return [
        { labels: { result: "hit" }, value: fallback.hits },
        { labels: { result: "miss" }, value: fallback.misses },
      ];
    },
  },
  {
    name: "cache_fallback_writes_total",
    help: "Writes that the fallback took",
    labels: [],
    kind: "counter",
    points: one((seen) => fallbackOf(seen)?.writes),
  },
  {
    name: "cache_fallback_pending",
    help: "Changes that the store has yet to be told of",
    labels: [],
    kind: "gauge",
    points: one((seen) => fallbackOf(seen)?.pending),
  },
  {
    name: "cache_monitor_alert",
    help: "1 while the alert of the monitor holds",
    labels: ["alert"],
    kind: "gauge",
    points: ({ alerts }) => alerts.map(({ name, holds }) => ({ labels: { alert: name }, value: Number(holds) })),
  },
];

/** The series of a histogram as Prometheus wants it: counts up to each bound, their sum in seconds and their number. */
export function histogramPoints(name: string, labels: Point["labels"], { counts, sumMs }: Buckets): NamedPoint[] {
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

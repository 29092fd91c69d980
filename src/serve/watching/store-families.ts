import type { TierInfo } from "../../backends/backend.js";
import type { TierFigures } from "../admin/tier-figures.js";
import { type BreakerState, type Family, type NumberFamily, one, type Seen } from "./family.js";

const BREAKER_STATES: readonly BreakerState[] = ["closed", "half-open", "open", "off"];
const COUNTED = ["hits", "misses", "sets", "deletes", "expirations", "evictions", "errors"] as const;
const ATTEMPTS = ["failures", "retries", "timeouts"] as const;

/** A figure of each store that has it. */
function ofTiers(figure: (tier: TierFigures) => number | undefined): NumberFamily["points"] {
  return ({ store }) =>
    store.tiers.flatMap((tier) => {
      const value = figure(tier);
      return value === undefined ? [] : [{ labels: { tier: tier.name }, value }];
    });
}

/** A store that is the only one says less of itself. */
const asTier = (info: TierFigures["info"]): Partial<TierInfo> => info ?? {};

const flag = (holds: boolean | undefined) => (holds === undefined ? undefined : Number(holds));
const inSeconds = (ms: number | undefined) => (ms === undefined ? undefined : ms / 1000);
const fallbackOf = ({ store }: Seen) => {
  for (const { info } of store.tiers) if (info?.resilience?.fallback) return info.resilience.fallback;
  return undefined;
};

/** Of the store and its tiers. */
export const STORE_FAMILIES: readonly Family[] = [
  {
    name: "cache_store_failures_total",
    help: "Times that the store could not be read for a request, or did not keep a response",
    labels: [],
    kind: "counter",
    points: one(({ traffic }) => traffic.storeFailures),
  },
  {
    name: "cache_store_changes_total",
    help: "Changes that were heard of in the log of the store, whoever made them; one may be heard more than once",
    labels: ["op"],
    kind: "counter",
    points: ({ traffic }) => Object.entries(traffic.changes).map(([op, value]) => ({ labels: { op }, value })),
  },
  {
    name: "cache_purges_total",
    help: "Purges of responses that the admin API was asked for",
    labels: ["by"],
    kind: "counter",
    points: ({ traffic }) => Object.entries(traffic.purges).map(([by, value]) => ({ labels: { by }, value })),
  },
  {
    name: "cache_purged_entries_total",
    help: "Entries that these purges deleted, or marked stale",
    labels: ["how"],
    kind: "counter",
    points: ({ traffic }) => Object.entries(traffic.purged).map(([how, value]) => ({ labels: { how }, value })),
  },
  {
    name: "cache_store_hit_ratio",
    help: "Share of the lookups in the whole store that found an entry, since its counters began",
    labels: [],
    kind: "gauge",
    points: one(({ store }) => store.all?.hitRate),
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
    points: ofTiers(({ connected }) => Number(connected)),
  },
  {
    name: "cache_tier_round_trip_seconds",
    help: "Time of one round trip, asked for when the metrics were",
    labels: ["tier"],
    kind: "gauge",
    points: ofTiers(({ latency }) => inSeconds(latency ?? undefined)),
  },
  {
    name: "cache_tier_in_use",
    help: "1 if the tier answers reads; 0 while it might hold what is no longer current",
    labels: ["tier"],
    kind: "gauge",
    points: ofTiers(({ info }) => flag(asTier(info).inUse)),
  },
  {
    name: "cache_tier_lag_seconds",
    help: "Time since the logs of the stores below were last known to be read to their end",
    labels: ["tier"],
    kind: "gauge",
    points: ofTiers(({ info }) => inSeconds(asTier(info).lagMs)),
  },
  {
    name: "cache_breaker_state",
    help: "1 for the state that the circuit breaker of a store is in",
    labels: ["tier", "state"],
    kind: "gauge",
    points: ({ store, breakers }) =>
      store.tiers.flatMap(({ name, info }) => {
        // A store that is away says nothing of itself; its breaker has said so when it opened.
        const breaker = info?.resilience?.breaker ?? breakers.get(name);
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
];

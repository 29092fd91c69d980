import type { ServerHealth, TierState } from "../../api/events.js";
import type { TierInfo } from "../../backends/backend.js";
import { spaceOf, type TierFigures } from "../admin/tier-figures.js";
import type { Seen } from "./family.js";

/** How a server and its stores do, for who looks at it. */
export function healthOf(seen: Seen, at: number, proxies: boolean): ServerHealth {
  const { store, alerts, version } = seen;
  const { hits = 0, misses = 0, sets = 0 } = store.all?.counters ?? {};
  const fallback = store.tiers.map(({ info }) => info?.resilience?.fallback).find((one) => one !== undefined);
  return {
    ...{ at, version, proxies, totals: { hits, misses, sets } },
    alerts: alerts.filter(({ holds }) => holds).map(({ name }) => name),
    tiers: store.tiers.map((tier) => stateOf(tier, seen)),
    ...(fallback && { fallback }),
  };
}

function stateOf({ name, info, counters, connected, latency, error }: TierFigures, { breakers }: Seen): TierState {
  // A store that is the only one says less of itself.
  const { inUse = true, lagMs, owed }: Partial<TierInfo> = info ?? {};
  // A store that is away says nothing of itself; its breaker has said so when it opened.
  const breaker = info?.resilience?.breaker ?? breakers.get(name);
  const { hits = 0, misses = 0, evictions = 0, errors = 0 } = counters;
  const { memoryBytes: bytes, keys } = spaceOf(info);
  return {
    ...{ name, connected, latency, inUse, hits, misses, evictions, errors },
    kind: info?.kind ?? name.replace(/:\d+$/, ""),
    warnings: info?.warnings ?? [],
    ...(info && { target: info.target }),
    ...(error && { error: error.message }),
    ...(breaker !== undefined && { breaker }),
    ...(info?.resilience && { trips: info.resilience.trips }),
    ...(lagMs !== undefined && { lagMs }),
    ...(owed !== undefined && { owed }),
    ...(info?.entries !== undefined && { entries: info.entries }),
    ...(bytes !== undefined && { bytes }),
    ...(keys !== undefined && { keys }),
  };
}

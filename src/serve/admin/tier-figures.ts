import { type Backend, type BackendInfo, type CounterReport, hasTiers } from "../../backends/backend.js";
import type { Cache, CacheStats } from "../../cache/cache.js";
import type { CacheError } from "../../errors.js";
import { formatSize } from "../../units.js";

/** Milliseconds that a tier may take to answer before it counts as away. */
export const PATIENCE_MS = 1000;

/** How a tier does just now. */
export interface TierHealth {
  name: string;
  connected: boolean;
  /** Milliseconds of a round trip, null where there was none. */
  latency: number | null;
  /** Why there was none. */
  error?: CacheError;
}

/** What is known of a tier besides. */
export interface TierFigures extends TierHealth {
  counters: CounterReport["counters"];
  /** Undefined where it says nothing of itself just now. */
  info: BackendInfo | undefined;
}

/** Names of the tiers, fastest first; of a single store its kind. */
export function tierNames(backend: Backend): readonly string[] {
  return hasTiers(backend) ? backend.tierNames : [backend.name];
}

/** The `tier` of a call about a tier by its name, where there are several. */
export function callOfTier({ backend }: Cache, name: string): { tier?: string } {
  return hasTiers(backend) ? { tier: name } : {};
}

export async function healthOfTier(cache: Cache, name: string): Promise<TierHealth> {
  const health = await cache.health({ timeout: PATIENCE_MS, ...callOfTier(cache, name) });
  if (!health.ok) return { name, connected: false, latency: null, error: health.error };
  return { name, connected: true, latency: Math.round(health.latency * 1000) / 1000 };
}

/** What a look at all tiers found. A store that is away hides no other. */
export interface Figures {
  /** Of all together; undefined where the lowest is away. */
  all: CacheStats | undefined;
  tiers: TierFigures[];
}

export async function readFigures(cache: Cache): Promise<Figures> {
  const all = await statsOr(cache, {});
  const tiers = tierNames(cache.backend).map(async (name) => {
    const health = await healthOfTier(cache, name);
    const seen = all ? partOf(all, name) : await statsOr(cache, callOfTier(cache, name));
    return { ...health, counters: seen?.counters ?? {}, info: seen?.info };
  });
  return { all, tiers: await Promise.all(tiers) };
}

function partOf(all: CacheStats, name: string): Pick<TierFigures, "counters" | "info"> {
  if (all.tiers === undefined) return all;
  const { counters = {} } = all.tiers.find((tier) => tier.name === name) ?? {};
  return { counters, info: all.info.tiers?.find((tier) => tier.name === name) };
}

/** Why a store gives no figures is what its health says. */
async function statsOr(cache: Cache, call: { tier?: string }): Promise<CacheStats | undefined> {
  return cache.stats({ ...call, timeout: PATIENCE_MS }).catch(() => undefined);
}

/** Figures as `GET /cache/stats` shows them, by the kind of the store. */
export function shownFigures({ info, counters, connected, latency, name }: TierFigures) {
  const { hits = 0, misses = 0, errors = 0 } = counters;
  const kind = info?.kind ?? name.replace(/:\d+$/, "");
  const counted = { hitRate: rateOf(hits, misses), totalHits: hits, totalMisses: misses, errors, connected, latency };
  const size = info?.entries !== undefined && { size: info.entries };
  return {
    kind,
    ...size,
    ...counted,
    ...spaceOf(info),
    ...(kind === "redis" && { keyspace: keyspaceOf(info) }),
    ...(kind === "file" && size && { files: size.size }),
  };
}

/** 0 to 1, null where nothing was looked up. */
export function rateOf(hits: number, misses: number): number | null {
  return hits + misses === 0 ? null : hits / (hits + misses);
}

/** What the store takes: of a server its memory and keys, of others the bytes of their values. */
export function spaceOf(info: BackendInfo | undefined): { memory?: string; memoryBytes?: number; keys?: number } {
  const { used_memory: served, usedBytes: charged, keys } = info?.facts ?? {};
  const bytes = [served, charged, info?.bytes].find((value) => typeof value === "number");
  return {
    ...(typeof keys === "number" && { keys }),
    ...(bytes !== undefined && { memory: formatSize(bytes).replace(" ", ""), memoryBytes: bytes }),
  };
}

/** `{"db0": "keys=8934,expires=5621"}` */
function keyspaceOf(info: BackendInfo | undefined): Record<string, string> {
  const facts = Object.entries(info?.facts ?? {});
  return Object.fromEntries(facts.flatMap(([name, value]) => (/^db\d+$/.test(name) ? [[name, String(value)]] : [])));
}

import { type Backend, type BackendInfo, type CounterReport, hasTiers } from "../../backends/backend.js";
import type { Cache, CacheStats } from "../../cache/cache.js";
import { formatSize } from "../../units.js";

/** What is known of one tier just now. */
export interface TierFigures {
  name: string;
  info: BackendInfo | undefined;
  counters: CounterReport["counters"];
  /** 0 to 1, null before the first lookup. */
  hitRate: number | null;
  connected: boolean;
  /** Milliseconds of a round trip, null where there was none. */
  latency: number | null;
}

/** Milliseconds that a tier may take to answer before it counts as away. */
const PATIENCE_MS = 1000;

/** Names of the tiers, fastest first; of a single store its kind. */
export function tierNames(backend: Backend): readonly string[] {
  return hasTiers(backend) ? backend.tierNames : [backend.name];
}

/** The figures of every tier, fastest first. */
export async function figuresOf(cache: Cache, stats: CacheStats): Promise<TierFigures[]> {
  const names = tierNames(cache.backend);
  return Promise.all(names.map((name) => figuresOfTier(cache, name, stats)));
}

async function figuresOfTier(cache: Cache, name: string, stats: CacheStats): Promise<TierFigures> {
  const several = hasTiers(cache.backend);
  const health = await cache.health({ timeout: PATIENCE_MS, ...(several && { tier: name }) });
  const { counters } = stats.tiers?.find((tier) => tier.name === name) ?? stats;
  const info = several ? stats.info.tiers?.find((tier) => tier.name === name) : stats.info;
  const { hits = 0, misses = 0 } = counters;
  return {
    name,
    info,
    counters,
    hitRate: hits + misses === 0 ? null : hits / (hits + misses),
    connected: health.ok && (info?.resilience?.connected ?? true),
    latency: health.ok ? rounded(health.latency) : null,
  };
}

/** Milliseconds with three decimals. */
const rounded = (ms: number) => Math.round(ms * 1000) / 1000;

/** Figures as `GET /cache/stats` shows them, by the kind of the store. */
export function shownFigures({ info, counters, hitRate, connected, latency }: TierFigures) {
  const { hits = 0, misses = 0, errors = 0 } = counters;
  const counted = { hitRate, totalHits: hits, totalMisses: misses, errors, connected, latency };
  const bytes = memoryOf(info);
  const memory = bytes !== undefined && { memory: formatSize(bytes).replace(" ", ""), memoryBytes: bytes };
  const entries = info?.entries;
  const size = entries !== undefined && { size: entries };
  if (info?.kind === "redis") {
    const { keys } = info.facts;
    return { ...counted, ...(keys !== undefined && { keys }), ...memory, keyspace: keyspaceOf(info) };
  }
  return { ...size, ...counted, ...memory, ...(info?.kind === "file" && size && { files: entries }) };
}

/** Bytes that the store takes: of a server its memory, of a store on disk its values. */
function memoryOf(info: BackendInfo | undefined): number | undefined {
  const used = info?.facts.used_memory ?? info?.facts.usedBytes ?? info?.bytes;
  return typeof used === "number" ? used : undefined;
}

/** `{"db0": "keys=8934,expires=5621"}` */
function keyspaceOf({ facts }: BackendInfo): Record<string, string> {
  return Object.fromEntries(
    Object.entries(facts).flatMap(([name, value]) => (/^db\d+$/.test(name) ? [[name, String(value)]] : [])),
  );
}

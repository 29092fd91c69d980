import type { EntryInfo } from "../backends/backend.js";
import type { Selector } from "../selector.js";
import type { Cache, CallOptions } from "./cache.js";
import { Distinct } from "./distinct.js";

export interface PrefixGroup {
  /** The key up to and with its first `:`; empty for keys without one, `…` for all beyond the most that are told apart. */
  prefix: string;
  entries: number;
  bytes: number;
}

/** Prefixes that are told apart; what comes after is counted together. */
const MOST_GROUPS = 10_000;
const REST = "…";

/** How much of a store is looked through: default all of it, as fast as it goes. */
export interface SurveyOptions extends CallOptions {
  /** Entries at most. */
  limit?: number;
  /** Entries a second at most. */
  rate?: number;
  /** Sizes are not asked for, which a server would count as lookups: all bytes are 0. */
  keysOnly?: boolean;
}

/** Entries and bytes by the first part of the key, the largest first. Reads every entry's head once. */
export async function groupByPrefix(cache: Cache, selector: Selector, options: SurveyOptions): Promise<PrefixGroup[]> {
  const groups = new Map<string, PrefixGroup>();
  for await (const entry of heads(cache, selector, options)) {
    let prefix = entry.key.slice(0, entry.key.indexOf(":") + 1);
    if (!groups.has(prefix) && groups.size >= MOST_GROUPS) prefix = REST;
    const group = groups.get(prefix) ?? { prefix, entries: 0, bytes: 0 };
    group.entries += 1;
    group.bytes += entry.size ?? 0;
    groups.set(prefix, group);
  }
  return [...groups.values()].sort((a, b) => b.bytes - a.bytes || b.entries - a.entries);
}

export type TopBy = "size" | "age" | "ttl";

export interface TopEntry {
  key: string;
  size?: number;
  /** Epoch milliseconds. */
  createdAt?: number;
  expiresAt?: number;
}

/** The largest, the oldest, or those that expire next. Keeps no more than twice the limit in memory. */
export async function topEntries(
  cache: Cache,
  selector: Selector,
  options: CallOptions & { by: TopBy; limit: number },
): Promise<TopEntry[]> {
  const { by, limit, signal } = options;
  let best: TopEntry[] = [];
  const rank = ({ size = 0, createdAt = Number.POSITIVE_INFINITY, expiresAt = Number.POSITIVE_INFINITY }: TopEntry) =>
    by === "size" ? -size : by === "age" ? createdAt : expiresAt;
  const trim = () => {
    best.sort((a, b) => rank(a) - rank(b));
    best = best.slice(0, limit);
  };
  for await (const { key, size, createdAt, expiresAt } of heads(cache, selector, signal ? { signal } : {})) {
    const entry: TopEntry = { key };
    if (size !== undefined) entry.size = size;
    if (createdAt !== undefined) entry.createdAt = createdAt;
    if (expiresAt !== undefined) entry.expiresAt = expiresAt;
    best.push(entry);
    if (best.length >= limit * 2) trim();
  }
  trim();
  return best;
}

/** Every entry's head; one that the store repeats right after itself or within a million keys comes once. */
async function* heads(
  cache: Cache,
  selector: Selector,
  { signal, limit, rate, keysOnly = false }: SurveyOptions,
): AsyncGenerator<EntryInfo> {
  const distinct = new Distinct(cache.backend.capabilities.repeatsInScan);
  const bounds = {
    ...(signal && { signal }),
    ...(limit !== undefined && { limit }),
    ...(rate !== undefined && { rate }),
  };
  for await (const page of cache.scan(selector, { fields: keysOnly ? "key" : "all", ...bounds })) {
    for (const entry of page.entries) if (!distinct.isRepeat(entry.key)) yield entry;
  }
}

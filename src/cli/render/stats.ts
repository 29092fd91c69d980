import type { ChalkInstance } from "chalk";
import type { ResilienceInfo } from "../../backends/backend.js";
import type { CacheStats } from "../../cache/cache.js";
import type { PrefixGroup, TopBy, TopEntry } from "../../cache/survey.js";
import { showKey } from "../../key.js";
import { formatDuration, formatSize } from "../../units.js";
import { ttlText } from "./entry.js";
import { table } from "./table.js";

const percent = (share: number) => `${(share * 100).toFixed(1)}%`;

export function statsTable(stats: CacheStats, errorRate: number, from: string, style: ChalkInstance): string {
  const { counters, info, hitRate, source } = stats;
  const counted = source === "server" ? " (the server's own, all clients)" : "";
  const rows: [string, string][] = [
    ["store", from],
    ["connected", "yes"],
    ["hit rate", hitRate === undefined ? "no lookups yet" : `${percent(hitRate)}${counted}`],
  ];
  for (const [name, value] of Object.entries(counters)) rows.push([name, String(value)]);
  if (source === "cache") rows.push(["error rate", percent(errorRate)]);
  if (info.entries !== undefined) rows.push(["entries", String(info.entries)]);
  if (info.bytes !== undefined) rows.push(["size of values", formatSize(info.bytes)]);
  if (info.resilience) rows.push(...resilienceRows(info.resilience));
  for (const [name, value] of Object.entries(info.facts)) rows.push([name.replaceAll("_", " "), String(value)]);
  return table(undefined, rows, style);
}

/** 0 to 1; undefined where nothing was looked up. */
export function hitRateOf({ hits = 0, misses = 0 }: { hits?: number; misses?: number }): number | undefined {
  return hits + misses === 0 ? undefined : hits / (hits + misses);
}

export function tiersTable(tiers: NonNullable<CacheStats["tiers"]>, style: ChalkInstance): string {
  const rows = tiers.map(({ name, counters }) => {
    const rate = hitRateOf(counters);
    const { hits = 0, misses = 0, errors = 0 } = counters;
    return [name, String(hits), String(misses), rate === undefined ? "-" : percent(rate), String(errors)];
  });
  return table(["TIER", "HITS", "MISSES", "HIT RATE", "ERRORS"], rows, style);
}

function resilienceRows({ breaker, trips, retries, timeouts, fallback }: ResilienceInfo): [string, string][] {
  const rows: [string, string][] = [
    ["breaker", `${breaker}, opened ${trips} times`],
    ["retries", String(retries)],
    ["timeouts", String(timeouts)],
  ];
  if (fallback) {
    rows.push(["fallback", fallback.active ? "in use" : "not in use"]);
    rows.push(["fallback hits", String(fallback.hits)]);
    rows.push(["pending changes", fallback.overflowed ? "too many: all is deleted first" : String(fallback.pending)]);
  }
  return rows;
}

export function groupsTable(groups: readonly PrefixGroup[], style: ChalkInstance): string {
  const rows = groups.map(({ prefix, entries, bytes }) => [
    showKey(prefix) || "(none)",
    String(entries),
    formatSize(bytes),
  ]);
  return table(["PREFIX", "ENTRIES", "SIZE"], rows, style);
}

export function topTable(top: readonly TopEntry[], by: TopBy, now: number, style: ChalkInstance): string {
  const cell = ({ size, createdAt, expiresAt }: TopEntry) => {
    if (by === "size") return size === undefined ? "-" : formatSize(size);
    if (by === "age") return createdAt === undefined ? "-" : formatDuration(now - createdAt);
    return ttlText(expiresAt === undefined ? undefined : Math.max(0, expiresAt - now));
  };
  return table(
    [by.toUpperCase(), "KEY"],
    top.map((entry) => [cell(entry), showKey(entry.key)]),
    style,
  );
}

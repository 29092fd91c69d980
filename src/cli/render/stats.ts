import type { ChalkInstance } from "chalk";
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
  for (const [name, value] of Object.entries(info.facts)) rows.push([name.replaceAll("_", " "), String(value)]);
  return table(undefined, rows, style);
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

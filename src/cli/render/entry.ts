import type { EntryInfo, Stored } from "../../backends/backend.js";
import type { Clock } from "../../clock.js";
import { formatDuration, formatSize } from "../../units.js";
import { textOf } from "../../utf8.js";
import { escapeLine } from "./value.js";

/**
 * An entry's life and what is known of it, as JSON names them. Times are milliseconds. `valueType`, not `type`: a line of NDJSON says by
 * `type` what kind of line it is.
 */
export function metaOf(entry: Stored, clock: Clock, tier: string): Readonly<Record<string, unknown>> {
  const now = clock.now();
  const text = textOf(entry.value);
  return {
    ttl: entry.expiresAt === undefined ? null : Math.max(0, entry.expiresAt - now),
    expiresAt: entry.expiresAt === undefined ? null : new Date(entry.expiresAt).toISOString(),
    ...(entry.createdAt !== undefined && { age: Math.max(0, now - entry.createdAt) }),
    size: entry.size,
    tags: entry.tags ?? [],
    tier,
    encoding: text === undefined ? "binary" : looksLikeJson(text) ? "json" : "text",
    valueType: "string",
  };
}

/** The same of an entry of the store's own types, which has no value of bytes. */
export function metaOfForeign(entry: EntryInfo, clock: Clock, tier: string): Readonly<Record<string, unknown>> {
  const { expiresAt } = entry;
  return {
    ttl: expiresAt === undefined ? null : Math.max(0, expiresAt - clock.now()),
    expiresAt: expiresAt === undefined ? null : new Date(expiresAt).toISOString(),
    tier,
    valueType: entry.type ?? "unknown",
  };
}

function looksLikeJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** The same for people: one fact a line. */
export function metaLines(meta: Readonly<Record<string, unknown>>): string {
  const { ttl, age, size, tags, tier, encoding, valueType } = meta;
  const lines = [
    `ttl: ${ttlText(typeof ttl === "number" ? ttl : undefined)}`,
    ...(typeof age === "number" ? [`age: ${formatDuration(age)}`] : []),
    ...(typeof size === "number" ? [`size: ${formatSize(size)}`] : []),
    ...(Array.isArray(tags) ? [`tags: ${tags.map((tag) => escapeLine(String(tag))).join(", ") || "none"}`] : []),
    `tier: ${tier}`,
    ...(typeof encoding === "string" ? [`encoding: ${encoding}`] : []),
    `type: ${valueType}`,
  ];
  return lines.join("\n");
}

/** Time left for people: `never`, `59m 58s`. */
export function ttlText(ms: number | undefined): string {
  return ms === undefined ? "never" : formatDuration(ms);
}

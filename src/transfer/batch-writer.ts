import type { Cache, WriteEntry } from "../cache/cache.js";
import { NO_COUNTS, type WarmCounters } from "./warm-report.js";

/** What a warm needs of a cache. */
export type WarmTarget = Pick<Cache, "clock" | "readMany" | "writeMany">;

export interface WriteSettings {
  /** TTL of records without `ttl` and `expiresAt`, in milliseconds; null = never, undefined = the cache's default. */
  ttl?: number | null | undefined;
  /** 0 to 100: how much of a TTL in milliseconds may be taken off by chance, so that entries don't expire together. Deadlines are kept. */
  ttlJitterPercent?: number | undefined;
  /** Added to the tags of every record. */
  tags?: readonly string[] | undefined;
  /** Leave keys alone that are there. */
  ifAbsent?: boolean | undefined;
  /** Read and count, write nothing. */
  dryRun?: boolean | undefined;
  /** Read every entry back and compare it. */
  verify?: boolean | undefined;
  /** 0 to below 1, for the jitter. Default Math.random. */
  random?: (() => number) | undefined;
}

/** Entries ready to be written, each key once. */
export interface PreparedBatch {
  entries: WriteEntry[];
  keys: Set<string>;
  expired: number;
  duplicates: number;
}

export interface WrittenBatch {
  counters: WarmCounters;
  tooLargeKeys: string[];
  otherTypeKeys: string[];
  mismatchedKeys: string[];
}

/** Applies the settings to records, in place: what has expired is left out, and of a key's records one stays. */
export function prepare(records: WriteEntry[], settings: WriteSettings, now: number): PreparedBatch {
  const { ttl, tags, ttlJitterPercent = 0, random = Math.random } = settings;
  const keys = new Set<string>();
  let entries: WriteEntry[] = [];
  for (const record of records) {
    const { expiresAt } = record;
    if (typeof expiresAt === "number" && expiresAt <= now) continue;
    if (expiresAt === undefined) {
      if (record.ttl === undefined) record.ttl = ttl;
      if (ttlJitterPercent > 0 && typeof record.ttl === "number") {
        record.ttl = Math.max(1, Math.round(record.ttl * (1 - (ttlJitterPercent / 100) * random())));
      }
    }
    if (tags !== undefined && tags.length > 0)
      record.tags = record.tags === undefined ? tags : [...record.tags, ...tags];
    keys.add(record.key);
    entries.push(record);
  }
  const expired = records.length - entries.length;
  const duplicates = entries.length - keys.size;
  if (duplicates > 0) entries = settings.ifAbsent ? firstOfEach(entries) : firstOfEach(entries.reverse()).reverse();
  return { entries, keys, expired, duplicates };
}

function firstOfEach(entries: readonly WriteEntry[]): WriteEntry[] {
  const seen = new Set<string>();
  return entries.filter((entry) => seen.size < seen.add(entry.key).size);
}

/** Writes a batch, reads it back if asked to, and counts. */
export async function writeBatch(
  cache: WarmTarget,
  batch: PreparedBatch,
  settings: WriteSettings,
): Promise<WrittenBatch> {
  const written: WrittenBatch = { counters: { ...NO_COUNTS }, tooLargeKeys: [], otherTypeKeys: [], mismatchedKeys: [] };
  const { counters } = written;
  counters.expired = batch.expired;
  counters.duplicates = batch.duplicates;
  if (batch.entries.length === 0) return written;
  const now = cache.clock.now();
  const outcomes = settings.dryRun
    ? await rehearse(cache, batch.entries, settings)
    : await write(cache, batch.entries, settings);
  const stored: WriteEntry[] = [];
  batch.entries.forEach((entry, i) => {
    if (outcomes[i] === "stored") {
      stored.push(entry);
      counters.bytes += entry.value.length;
    } else if (outcomes[i] === "condition") counters.skipped += 1;
    else if (outcomes[i] === "other-type") {
      counters.otherType += 1;
      written.otherTypeKeys.push(entry.key);
    } else {
      counters.tooLarge += 1;
      written.tooLargeKeys.push(entry.key);
    }
  });
  counters.stored = stored.length;
  if (settings.verify && !settings.dryRun) await verify(cache, stored, now, written);
  return written;
}

function write(cache: WarmTarget, entries: readonly WriteEntry[], settings: WriteSettings) {
  return cache.writeMany(entries, { mode: settings.ifAbsent ? "if-absent" : "always" });
}

async function rehearse(cache: WarmTarget, entries: readonly WriteEntry[], settings: WriteSettings) {
  if (!settings.ifAbsent) return entries.map(() => "stored" as const);
  const found = await cache.readMany(
    entries.map((entry) => entry.key),
    { peek: true },
  );
  return found.map((entry) => (entry === undefined ? ("stored" as const) : ("condition" as const)));
}

async function verify(
  cache: WarmTarget,
  entries: readonly WriteEntry[],
  writtenAt: number,
  written: WrittenBatch,
): Promise<void> {
  const found = await cache.readMany(
    entries.map((entry) => entry.key),
    { peek: true },
  );
  const now = cache.clock.now();
  entries.forEach((entry, i) => {
    const there = found[i];
    if (there !== undefined && Buffer.compare(there.value, entry.value) === 0) written.counters.verified += 1;
    else if (there !== undefined || !mayHaveExpired(entry, writtenAt, now)) {
      written.counters.mismatched += 1;
      written.mismatchedKeys.push(entry.key);
    }
  });
}

function mayHaveExpired(entry: WriteEntry, writtenAt: number, now: number): boolean {
  if (typeof entry.expiresAt === "number") return entry.expiresAt <= now;
  return entry.expiresAt === undefined && typeof entry.ttl === "number" && writtenAt + entry.ttl <= now;
}

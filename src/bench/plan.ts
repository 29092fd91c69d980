import { CacheError } from "../errors.js";
import { formatSize } from "../units.js";
import type { Distribution } from "./random.js";

export const WORKLOADS = ["set", "get", "mixed", "batch"] as const;
export type Workload = (typeof WORKLOADS)[number];

/** What is measured by itself: `batch` is two. */
export type Measured = Exclude<Workload, "batch"> | "batch-set" | "batch-get";

export interface BenchSettings {
  workloads: readonly Workload[];
  /** Bytes, each 1 to {@link MAX_VALUE_BYTES}. */
  valueSizes: readonly number[];
  /** Callers at once, each 1 to {@link MAX_CONCURRENCY}. */
  concurrency: readonly number[];
  /** Keys in each store. Default {@link MOST_KEYS}, fewer of large values. */
  keys?: number;
  /** How long a measurement takes, over all its rounds. */
  length: { ms: number } | { ops: number };
  rounds: number;
  /** Milliseconds before the first round of each measurement, which are not counted. */
  warmUpMs: number;
  /** Part of reads in `mixed`, 0 to 1. */
  readShare: number;
  distribution: Distribution;
  seed: number;
}

/** One workload on values of one size by so many callers: measured on every store. */
export interface Cell {
  workload: Measured;
  valueSize: number;
  concurrency: number;
  /** Keys that are used. */
  keys: number;
  /** Keys in one call; 1 but for batches. */
  batch: number;
}

export const MAX_VALUE_BYTES = 64 * 1024 * 1024;
export const MAX_CONCURRENCY = 1024;
export const MAX_KEYS = 1_000_000;
/** Bytes of values that a store holds at most while it is measured. */
const MAX_STORE_BYTES = 1_000_000_000;

const MOST_KEYS = 1000;
/** Bytes of values in a store where nobody says how many keys. */
const USUAL_STORE_BYTES = 32_000_000;
/** Bytes of values under way at once. */
const MAX_UNDER_WAY = 512 * 1024 * 1024;
const BATCH_KEYS = 100;
const BATCHES_UNDER_WAY = 64 * 1024 * 1024;

const MEASURED: Record<Workload, readonly Measured[]> = {
  set: ["set"],
  get: ["get"],
  mixed: ["mixed"],
  batch: ["batch-set", "batch-get"],
};

/**
 * All that is measured, in order. Cells of one size follow each other, so that a store is filled once for all of them.
 * @throws CacheError `bench-too-large`
 */
export function cellsOf(settings: BenchSettings): Cell[] {
  const most = Math.max(...settings.concurrency);
  return settings.valueSizes.flatMap((valueSize) => {
    const keys = keysFor(valueSize, settings.keys);
    if (valueSize * most > MAX_UNDER_WAY) {
      throw tooLarge(`${most} values of ${formatSize(valueSize)} at once`, MAX_UNDER_WAY, "a lower --concurrency");
    }
    if (keys * valueSize > MAX_STORE_BYTES) {
      throw tooLarge(`${keys} keys of ${formatSize(valueSize)}`, MAX_STORE_BYTES, "fewer --keys");
    }
    const batch = Math.max(1, Math.min(BATCH_KEYS, keys, Math.floor(BATCHES_UNDER_WAY / (valueSize * most))));
    return settings.concurrency.flatMap((concurrency) =>
      settings.workloads
        .flatMap((workload) => MEASURED[workload])
        .map((workload) => ({
          workload,
          valueSize,
          concurrency,
          keys,
          batch: workload === "batch-set" || workload === "batch-get" ? batch : 1,
        })),
    );
  });
}

function keysFor(valueSize: number, asked: number | undefined): number {
  return asked ?? Math.max(1, Math.min(MOST_KEYS, Math.floor(USUAL_STORE_BYTES / valueSize)));
}

function tooLarge(what: string, most: number, instead: string): CacheError {
  return new CacheError("usage", "bench-too-large", `${what} are more than ${formatSize(most)}`, {
    hint: `Give a smaller --value-size, or ${instead}.`,
  });
}

/** What is in a store at most at any moment. */
export interface Need {
  entries: number;
  bytes: number;
}

export function needOf(cells: readonly Cell[]): Need {
  return {
    entries: Math.max(...cells.map(({ keys }) => keys)),
    bytes: Math.max(...cells.map(({ keys, valueSize }) => keys * valueSize)),
  };
}

/**
 * The order of the stores in each round: all of them in every round, and each round begins with another, so that what slows the machine down for a while, and
 * who comes after whom, hits all alike.
 */
export function interleaved(stores: number, rounds: number): number[][] {
  return Array.from({ length: rounds }, (_, round) =>
    Array.from({ length: stores }, (_, place) => (place + round) % stores),
  );
}

/** Of a measurement the part that one round takes; operations that can't be shared out evenly are made in the first rounds. @param round from 0 */
export function lengthOfRound({ length, rounds }: BenchSettings, round: number): { ms: number } | { ops: number } {
  if ("ms" in length) return { ms: length.ms / rounds };
  return { ops: Math.floor(length.ops / rounds) + (round < length.ops % rounds ? 1 : 0) };
}

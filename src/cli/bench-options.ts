import {
  type BenchSettings,
  MAX_CONCURRENCY,
  MAX_KEYS,
  MAX_VALUE_BYTES,
  WORKLOADS,
  type Workload,
} from "../bench/plan.js";
import { DISTRIBUTIONS, type Distribution } from "../bench/random.js";
import { located } from "../config/settings.js";
import { CacheError } from "../errors.js";
import { formatDuration, formatSize, parseDuration, parseSize } from "../units.js";
import { countFlag, Flags, percentFlag, repeatedFlag } from "./flags.js";
import { nearest } from "./nearest.js";

const DEFAULTS = { size: 1000, concurrency: [1, 64], ms: 600, warmUpMs: 100, rounds: 3, reads: 90, seed: 1 };
const MAX_OPS = 1_000_000_000;
const MAX_MS = 300_000;

export const benchFlags = {
  workload: repeatedFlag({
    summary: "set, get, mixed, batch (100 keys a call); several with commas [default: all]",
    helpValue: "NAME",
  }),
  "value-size": repeatedFlag({ summary: "bytes of a value: 100,1KB,100KB [default: 1KB]", helpValue: "SIZE" }),
  concurrency: repeatedFlag({ summary: "calls under way at once [default: 1,64]", helpValue: "N" }),
  duration: Flags.string({
    summary: "time for each store, workload, size and concurrency [default: 600ms]",
    helpValue: "DURATION",
  }),
  ops: countFlag("ops", { summary: "so many operations each instead of a time", max: MAX_OPS }),
  rounds: countFlag("rounds", { summary: "rounds of each, whose median counts [default: 3]", max: 100 }),
  "warm-up": Flags.string({
    summary: "time before the first round of each, not counted; 0 = none [default: 100ms]",
    helpValue: "DURATION",
  }),
  keys: countFlag("keys", { summary: "keys in each store [default: 1000, fewer of large values]", max: MAX_KEYS }),
  reads: percentFlag("reads", { summary: "part of reads in mixed [default: 90]" }),
  distribution: Flags.string({
    summary: "which keys are used: few of them most of the time, or all alike [default: zipf]",
    options: [...DISTRIBUTIONS],
  }),
  seed: countFlag("seed", { summary: "draws other keys and values [default: 1]", min: 0 }),
  compare: Flags.string({ summary: "an earlier report of --json, to tell what changed", helpValue: "FILE" }),
  html: Flags.string({ summary: "write the report with charts to this file too", helpValue: "FILE" }),
};

interface BenchInput {
  workload?: readonly string[] | undefined;
  "value-size"?: readonly string[] | undefined;
  concurrency?: readonly string[] | undefined;
  duration?: string | undefined;
  ops?: number | undefined;
  rounds?: number | undefined;
  "warm-up"?: string | undefined;
  keys?: number | undefined;
  reads?: number | undefined;
  distribution?: string | undefined;
  seed?: number | undefined;
}

/** @throws CacheError of the kind `usage`, naming the flag */
export function benchSettings(flags: BenchInput): BenchSettings {
  const { ops, rounds = DEFAULTS.rounds, keys, reads = DEFAULTS.reads, seed = DEFAULTS.seed } = flags;
  if (ops !== undefined && flags.duration !== undefined) {
    throw new CacheError("usage", "conflicting-flags", "--ops and --duration both say how long is measured", {
      hint: "Use one of them.",
    });
  }
  const warmUp = flags["warm-up"];
  return {
    workloads: listOf("--workload", flags.workload, [...WORKLOADS], workloadOf),
    valueSizes: listOf("--value-size", flags["value-size"], [DEFAULTS.size], sizeOf),
    concurrency: listOf("--concurrency", flags.concurrency, DEFAULTS.concurrency, callersOf),
    ...(keys !== undefined && { keys }),
    length: ops === undefined ? { ms: durationOf("--duration", flags.duration, DEFAULTS.ms, 1) } : { ops },
    rounds,
    warmUpMs: durationOf("--warm-up", warmUp, DEFAULTS.warmUpMs, 0),
    readShare: reads / 100,
    distribution: DISTRIBUTIONS.find((one): one is Distribution => one === flags.distribution) ?? "zipf",
    seed,
  };
}

/** What was given in several flags, or with commas in one; each but once. */
function listOf<T>(
  flag: string,
  given: readonly string[] | undefined,
  usual: readonly T[],
  parse: (text: string) => T,
): T[] {
  if (given === undefined) return [...usual];
  const parts = given.flatMap((text) => text.split(",")).map((text) => text.trim());
  return [...new Set(parts.map((text) => located(flag, () => parse(text))))];
}

function workloadOf(text: string): Workload {
  const found = WORKLOADS.find((one) => one === text);
  if (found) return found;
  const near = nearest(text, [...WORKLOADS]);
  throw new CacheError("usage", "unknown-workload", `there is no workload "${text}"`, {
    hint: near === undefined ? `Use ${WORKLOADS.join(", ")}.` : `Did you mean ${near}?`,
  });
}

function sizeOf(text: string): number {
  const bytes = parseSize(text);
  if (bytes >= 1 && bytes <= MAX_VALUE_BYTES) return bytes;
  throw new CacheError("usage", "invalid-size", `a value of ${text} can't be measured`, {
    hint: `Give 1 B to ${formatSize(MAX_VALUE_BYTES)}.`,
  });
}

function callersOf(text: string): number {
  const number = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= 1 && number <= MAX_CONCURRENCY) return number;
  throw new CacheError("usage", "invalid-number", `"${text}" is not a whole number from 1 to ${MAX_CONCURRENCY}`, {
    hint: `Give 1 to ${MAX_CONCURRENCY}, several with commas.`,
  });
}

function durationOf(flag: string, text: string | undefined, usual: number, least: number): number {
  if (text === undefined) return usual;
  return located(flag, () => {
    const ms = parseDuration(text);
    if (ms >= least && ms <= MAX_MS) return ms;
    throw new CacheError("usage", "invalid-duration", `${text} is no time to measure for`, {
      hint: `Give ${least === 0 ? "0" : "1ms"} to ${formatDuration(MAX_MS)}.`,
    });
  });
}

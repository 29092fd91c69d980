import type { CacheError } from "../errors.js";
import type { Latency, Round } from "./measure.js";
import type { Cell } from "./plan.js";

/** What an earlier run found in the same place. */
export interface Before {
  opsPerSecond: number;
  /** Operations a second now, as a part of those then. */
  ratio: number;
  /** No round of one run was as fast as any of the other: else nothing can be told from them. */
  differs: boolean;
}

/** A cell on one store: medians over its rounds. */
export interface BenchResult extends Cell {
  store: string;
  rounds: number;
  /** Over all rounds; of batches the calls. */
  ops: number;
  /** Operations a second. */
  opsPerSecond: number;
  /** The slowest round and the fastest. */
  opsPerSecondRange: [slowest: number, fastest: number];
  /** Bytes of values a second, read or written. */
  bytesPerSecond: number;
  /** Microseconds; `max` is that of all rounds. */
  latencyUs: Latency;
  /** Microseconds of this process's CPU time for one operation; what a server uses is not in it. */
  cpuUsPerOp: number;
  /** Keys that were not there when they were read. */
  missed: number;
  /** Writes that the store did not take. */
  rejected: number;
  /** How often each error came, by its code. */
  errors: Record<string, number>;
  /** Where it is compared with an earlier report that has the same. */
  before?: Before;
}

/** What became of a store. */
export interface StoreReport {
  name: string;
  target: string;
  /** Raw prefix of all that was written. */
  namespace: string;
  /** Others may use it, or its entries outlive the command. */
  lasting: boolean;
  state: "measured" | "failed" | "stopped";
  /** What its server or library says of itself. */
  facts?: Readonly<Record<string, string | number | boolean>>;
  error?: { code: string; message: string; hint?: string };
  /** Its entries could not be removed, for this reason: their own deadline ends them. */
  left?: string;
}

/** What measuring itself takes of one operation, which is in every figure. */
export interface Overhead {
  concurrency: number;
  nsPerOp: number;
}

export interface Machine {
  cpu: string;
  cores: number;
  memoryBytes: number;
  platform: string;
  node: string;
  /** Processes that wanted a core, over the last minute: before and after. */
  load: [before: number, after: number];
  /** Garbage collection in this process while it measured. */
  gc: { count: number; ms: number };
}

export interface BenchReport {
  /** Epoch milliseconds. */
  startedAt: number;
  ms: number;
  machine: Machine;
  overhead: Overhead[];
  stores: StoreReport[];
  interrupted: boolean;
}

/** Undefined where nothing was answered. */
export function resultOf(cell: Cell, store: string, rounds: readonly Round[]): BenchResult | undefined {
  const answered = rounds.flatMap(({ ops, ms, latency, cpuUs }) =>
    latency && ms > 0 ? [{ rate: (ops / ms) * 1000, latency, cpu: cpuUs / ops }] : [],
  );
  if (answered.length === 0) return undefined;
  const of = (pick: (one: (typeof answered)[number]) => number) => median(answered.map(pick));
  const rates = answered.map(({ rate }) => rate);
  const rare = answered.flatMap(({ latency: { p999 } }) => p999 ?? []);
  const opsPerSecond = median(rates);
  const errors: Record<string, number> = {};
  for (const round of rounds)
    for (const [code, times] of Object.entries(round.errors)) errors[code] = (errors[code] ?? 0) + times;
  return {
    ...cell,
    store,
    rounds: rounds.length,
    ops: sum(rounds.map(({ ops }) => ops)),
    opsPerSecond,
    opsPerSecondRange: [Math.min(...rates), Math.max(...rates)],
    bytesPerSecond: opsPerSecond * cell.batch * cell.valueSize,
    latencyUs: {
      p50: of(({ latency }) => latency.p50),
      p90: of(({ latency }) => latency.p90),
      p99: of(({ latency }) => latency.p99),
      // Medians of different rounds would be in no order.
      ...(rare.length === answered.length && { p999: median(rare) }),
      mean: of(({ latency }) => latency.mean),
      max: Math.max(...answered.map(({ latency }) => latency.max)),
    },
    cpuUsPerOp: of(({ cpu }) => cpu),
    missed: sum(rounds.map(({ missed }) => missed)),
    rejected: sum(rounds.map(({ rejected }) => rejected)),
    errors,
  };
}

export function errorOf({ code, message, hint }: CacheError): NonNullable<StoreReport["error"]> {
  return { code, message, ...(hint !== undefined && { hint }) };
}

/** The middle one, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return ((sorted[Math.floor(middle)] ?? 0) + (sorted[Math.ceil(middle)] ?? 0)) / 2;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

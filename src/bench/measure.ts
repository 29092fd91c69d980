import { createHistogram } from "node:perf_hooks";
import type { Clock } from "../clock.js";
import { CacheError, messageOf } from "../errors.js";

/** What is measured: made once more with each turn. */
export interface Operation {
  run(turn: number): Promise<unknown>;
  /** What of its result is not as it should be. */
  lacks?(result: unknown, into: Lacking): void;
}

export interface Lacking {
  /** Keys that were not there. */
  missed: number;
  /** Entries that the store did not take. */
  rejected: number;
}

/** Microseconds. */
export interface Latency {
  p50: number;
  p90: number;
  p99: number;
  /** Absent where there were too few operations to tell. */
  p999?: number;
  mean: number;
  max: number;
}

/** What one round on one store came to. */
export interface Round extends Lacking {
  ops: number;
  /** Milliseconds. */
  ms: number;
  /** Microseconds of CPU time of this whole process. */
  cpuUs: number;
  latency: Latency | undefined;
  /** How often each error came, by its code. */
  errors: Record<string, number>;
  /** Why the store is given up. */
  failure?: CacheError;
}

export interface RoundOptions {
  clock: Clock;
  concurrency: number;
  until: { ms: number } | { ops: number };
  /** The first turn. */
  from: number;
  signal?: AbortSignal | undefined;
}

/** Milliseconds after which signals, timers and sockets get their turn: a store in memory answers without any wait. */
const BREATH_MS = 10;
/** Errors one after the other after which a store is given up; at the first one where it can't be reached. */
const MAX_FAILURES = 3;
/** Fewer operations than this say nothing of the slowest in a thousand. */
const FOR_P999 = 1000;
/** One hour, in nanoseconds. */
const LONGEST_NS = 3_600_000_000_000;

/**
 * So many callers, each of which makes its next call when the last one was answered (a closed loop: who waits for a slow answer asks nothing meanwhile). The time of an
 * operation is from the answer before it to its own: one look at the clock, and what the loop itself takes is in it.
 *
 * Latencies go into Node's histogram of fixed size, exact to three digits (G. Tene's HdrHistogram). All operations that were begun have ended when the promise resolves.
 */
export async function measureRound(operation: Operation, options: RoundOptions): Promise<Round> {
  const { clock, concurrency, until, signal } = options;
  const histogram = createHistogram({ lowest: 1, highest: LONGEST_NS, figures: 3 });
  const lacking: Lacking = { missed: 0, rejected: 0 };
  const errors: Record<string, number> = {};
  const lastTurn = "ops" in until ? options.from + until.ops : Number.POSITIVE_INFINITY;
  let turn = options.from;
  let ops = 0;
  let failed = 0;
  let failure: CacheError | undefined;
  let pause: Promise<void> | undefined;
  const cpu = process.cpuUsage();
  const start = clock.monotonic();
  const end = "ms" in until ? start + until.ms : Number.POSITIVE_INFINITY;
  let pauseAt = start + BREATH_MS;
  const breathe = () => {
    pause ??= new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
      pause = undefined;
      pauseAt = clock.monotonic() + BREATH_MS;
    });
    return pause;
  };
  const caller = async () => {
    let last = clock.monotonic();
    while (turn < lastTurn && last < end && failure === undefined && signal?.aborted !== true) {
      let now: number;
      try {
        const result = await operation.run(turn++);
        now = clock.monotonic();
        histogram.record(Math.max(1, Math.round((now - last) * 1e6)));
        ops += 1;
        failed = 0;
        operation.lacks?.(result, lacking);
      } catch (error) {
        now = clock.monotonic();
        const known = asCacheError(error);
        errors[known.code] = (errors[known.code] ?? 0) + 1;
        failed += 1;
        if (isFinal(known) || failed >= MAX_FAILURES) failure ??= known;
      }
      if (now < pauseAt) last = now;
      else {
        await breathe();
        last = clock.monotonic();
      }
    }
  };
  await Promise.all(Array.from({ length: concurrency }, caller));
  const { user, system } = process.cpuUsage(cpu);
  const us = (ns: number) => ns / 1000;
  const percentile = (percent: number) => us(histogram.percentile(percent));
  return {
    ops,
    ms: clock.monotonic() - start,
    cpuUs: user + system,
    latency:
      ops === 0
        ? undefined
        : {
            p50: percentile(50),
            p90: percentile(90),
            p99: percentile(99),
            ...(ops >= FOR_P999 && { p999: percentile(99.9) }),
            mean: us(histogram.mean),
            max: us(histogram.max),
          },
    ...lacking,
    errors,
    ...(failure && { failure }),
  };
}

function isFinal({ kind }: CacheError): boolean {
  return kind === "connection" || kind === "authentication" || kind === "refused";
}

export function asCacheError(error: unknown): CacheError {
  if (error instanceof CacheError) return error;
  return new CacheError("store", "unexpected", messageOf(error), { cause: error });
}

/** What there is to measure of measuring: an operation that does nothing. */
export const NOTHING: Operation = { run: () => Promise.resolve() };

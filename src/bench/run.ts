import type { Cache } from "../cache/cache.js";
import type { Clock } from "../clock.js";
import type { CacheError } from "../errors.js";
import { watchMachine } from "./machine.js";
import { asCacheError, measureRound, NOTHING, type Round } from "./measure.js";
import { type BenchSettings, type Cell, cellsOf, interleaved, lengthOfRound } from "./plan.js";
import {
  type BenchReport,
  type BenchResult,
  errorOf,
  type Machine,
  median,
  type Overhead,
  resultOf,
  type StoreReport,
} from "./report.js";
import { Material } from "./workload.js";

/** A store that is to be measured. */
export interface Subject {
  name: string;
  target: string;
  /** Raw prefix of all that is written, this run's own. */
  namespace: string;
  /** Others may use it, or its entries outlive the command. */
  lasting: boolean;
  /** @throws CacheError where it can't be used */
  open(): Promise<Cache>;
  /**
   * Removes what there is of it besides entries. Called once all stores are closed, also where this one was never opened.
   * @param emptied it was used, and its entries are gone
   */
  dispose(emptied: boolean): Promise<void>;
}

export interface BenchContext {
  clock: Clock;
  /** When it is given, what is under way ends, all is removed, and what was measured is told. */
  signal: AbortSignal;
  /** @param share 0 to 1 @param ops made so far */
  onProgress(share: number, ops: number): void;
  /** A cell has been measured on all stores that still answer. */
  onResults(cell: Cell, results: readonly BenchResult[]): Promise<void>;
}

/** Milliseconds that an entry lives if nobody is left to remove it. */
const ENTRY_TTL_MS = 600_000;
/** Entries older than this are written anew before they are read. */
const REFILL_MS = ENTRY_TTL_MS / 2;
/** Milliseconds for which measuring is measured at a time, and how often after a first time that does not count. */
const OVERHEAD_MS = 8;
const OVERHEAD_ROUNDS = 5;

/** A subject, and how it goes with it. */
interface Measured {
  subject: Subject;
  cache?: Cache;
  /** Bytes of the values it is filled with, and the monotonic time when. */
  filled?: { valueSize: number; at: number };
  failure?: CacheError;
  report: StoreReport;
}

/**
 * Measures every cell on every store, round by round in turn. A store that fails is left out from then on. Whatever happens, the entries of this run are removed from every store that
 * takes it, and the stores are closed.
 * @returns also the errors of the stores that failed, in the order of the subjects
 * @throws CacheError of the kind `usage`, where a store can't be opened as it is asked for
 */
export async function runBench(
  subjects: readonly Subject[],
  settings: BenchSettings,
  context: BenchContext,
): Promise<{ report: BenchReport; failures: CacheError[] }> {
  const { clock, signal } = context;
  const startedAt = clock.now();
  const start = clock.monotonic();
  const watched = watchMachine();
  let machine: Machine;
  const cells = cellsOf(settings);
  const all = subjects.map(
    (subject): Measured => ({
      subject,
      report: {
        name: subject.name,
        target: subject.target,
        namespace: subject.namespace,
        lasting: subject.lasting,
        state: "measured",
      },
    }),
  );
  const overhead: Overhead[] = [];
  let ops = 0;
  try {
    await Promise.all(all.map((one) => guarded(one, () => open(one))));
    const unusable = all.find(({ failure }) => failure?.kind === "usage")?.failure;
    if (unusable) throw unusable;
    for (const concurrency of settings.concurrency) overhead.push(await overheadAt(concurrency, context));
    for (const [done, cell] of cells.entries()) {
      if (signal.aborted) break;
      await measureCell(cell, all, settings, context, (share, made) => {
        ops += made;
        context.onProgress((done + share) / cells.length, ops);
      });
    }
  } finally {
    machine = watched();
    await Promise.all(all.map((one) => withoutThrowing(one, () => removeEntries(one))));
    await Promise.all(all.map((one) => withoutThrowing(one, () => one.subject.dispose(isEmpty(one)))));
  }
  return {
    report: {
      startedAt,
      ms: clock.monotonic() - start,
      machine,
      overhead,
      stores: all.map(({ report, failure }) => ({
        ...report,
        state: failure ? "failed" : signal.aborted ? "stopped" : "measured",
        ...(failure && { error: errorOf(failure) }),
      })),
      interrupted: signal.aborted,
    },
    failures: all.flatMap(({ failure }) => failure ?? []),
  };
}

/** What the store fails with is its own affair: the others go on. */
async function guarded(one: Measured, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    one.failure ??= asCacheError(error);
  }
}

async function open(one: Measured): Promise<void> {
  one.cache = await one.subject.open();
  const { facts } = await one.cache.backend.describe();
  one.report.facts = facts;
}

async function overheadAt(concurrency: number, { clock, signal }: BenchContext): Promise<Overhead> {
  const found: number[] = [];
  for (let round = 0; round <= OVERHEAD_ROUNDS; round++) {
    const until = { ms: OVERHEAD_MS };
    const { latency } = await measureRound(NOTHING, { clock, concurrency, until, from: 0, signal });
    // Each waits for all others. What the machine does meanwhile is not in a median.
    if (round > 0 && latency) found.push((latency.p50 * 1000) / concurrency);
  }
  return { concurrency, nsPerOp: found.length === 0 ? 0 : median(found) };
}

async function measureCell(
  cell: Cell,
  all: readonly Measured[],
  settings: BenchSettings,
  { clock, signal, onResults }: BenchContext,
  onProgress: (share: number, made: number) => void,
): Promise<void> {
  const { concurrency } = cell;
  const material = new Material(cell, settings, ENTRY_TTL_MS);
  const rounds = new Map<Measured, Round[]>(all.map((one) => [one, []]));
  const warmUps = settings.warmUpMs > 0 ? 1 : 0;
  const orders = interleaved(all.length, warmUps + settings.rounds);
  for (const [number, order] of orders.entries()) {
    for (const [place, index] of order.entries()) {
      const one = all[index];
      if (one?.cache === undefined || one.failure || signal.aborted) continue;
      const { cache } = one;
      const isWarmUp = number < warmUps;
      let made = 0;
      await guarded(one, async () => {
        await fillIfNeeded(one, cache, material, clock, signal);
        if (signal.aborted) return;
        const until = isWarmUp ? { ms: settings.warmUpMs } : lengthOfRound(settings, number - warmUps);
        // Every store is asked for the same keys in the same order.
        const from = number * FIRST_TURNS;
        const round = await measureRound(material.operation(cache), { clock, concurrency, until, from, signal });
        made = round.ops;
        if (round.failure) one.failure = round.failure;
        if (!isWarmUp && !signal.aborted) rounds.get(one)?.push(round);
      });
      onProgress((number + (place + 1) / order.length) / orders.length, made);
    }
  }
  const results = [...rounds].flatMap(([{ subject }, its]) => resultOf(cell, subject.name, its) ?? []);
  if (results.length > 0) await onResults(cell, results);
}

/** Rounds begin at different places among the drawn keys. */
const FIRST_TURNS = 7919;

async function fillIfNeeded(
  one: Measured,
  cache: Cache,
  material: Material,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const { valueSize } = material.cell;
  const now = clock.monotonic();
  if (one.filled?.valueSize === valueSize && now - one.filled.at < REFILL_MS) return;
  await material.fill(cache, signal);
  one.filled = { valueSize, at: now };
}

/** What could not be removed is told; entries end by their own deadline. */
async function withoutThrowing({ report }: Measured, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    report.left ??= asCacheError(error).message;
  }
}

function isEmpty({ cache, report }: Measured): boolean {
  return cache !== undefined && report.left === undefined;
}

async function removeEntries({ subject, cache }: Measured): Promise<void> {
  if (!cache) return;
  try {
    if (subject.lasting) await removeAll(cache);
  } finally {
    await cache.close();
  }
}

async function removeAll(cache: Cache): Promise<void> {
  for (let cursor: string | undefined; ; ) {
    const report = await cache.clear(cursor === undefined ? {} : { cursor });
    if (report.complete || report.cursor === undefined) return;
    cursor = report.cursor;
  }
}

import type { CounterReport } from "../../backends/backend.js";
import type { Clock } from "../../clock.js";

type Counts = CounterReport["counters"];

/** What tiers had counted at a moment, by their names. */
interface Snapshot {
  /** Monotonic milliseconds. */
  at: number;
  tiers: ReadonlyMap<string, Counts>;
}

export interface RecentCounts {
  hits: number;
  misses: number;
  errors: number;
}

/** Milliseconds that count as recent, and between two snapshots at least. */
const RECENT_MS = 600_000;
const STEP_MS = 10_000;

/**
 * What tiers have counted of late: counters go on from process to process, and errors of last week say nothing of today. It keeps what it was shown, once in ten seconds at most.
 */
export class Recent {
  readonly #clock: Clock;
  readonly #snapshots: Snapshot[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** By the tier's name: since ten minutes ago, or since the first call. */
  since(tiers: ReadonlyMap<string, Counts>): ReadonlyMap<string, RecentCounts> {
    const at = this.#clock.monotonic();
    const snapshots = this.#snapshots;
    // The last that is older than that is where it begins.
    while ((snapshots[1]?.at ?? at) <= at - RECENT_MS) snapshots.shift();
    const last = snapshots.at(-1);
    if (last === undefined || at - last.at >= STEP_MS) snapshots.push({ at, tiers });
    const [first] = snapshots;
    return new Map([...tiers].map(([name, counts]) => [name, difference(counts, first?.tiers.get(name) ?? {})]));
  }
}

function difference(now: Counts, before: Counts): RecentCounts {
  const since = (name: keyof RecentCounts) => {
    const [value, last] = [now[name] ?? 0, before[name] ?? 0];
    // Counters that were set back to zero have counted what they show.
    return value >= last ? value - last : value;
  };
  return { hits: since("hits"), misses: since("misses"), errors: since("errors") };
}

import type { Backend, Counters } from "../backend.js";

/** Milliseconds between two notes of the counts in the store. */
const INTERVAL_MS = 5000;

type Counted = Pick<Counters, "hits" | "misses" | "errors">;

/** Counts in the process what one tier answered, and adds it to the counters of its store now and then. Best effort. */
export class ReadTally {
  readonly #backend: Backend;
  readonly #kept: boolean;
  #counts: Counted = none();
  #unclaimed: Counted = none();
  #timer: NodeJS.Timeout | undefined;

  /** @param writable the store may be written to */
  constructor(backend: Backend, writable: boolean) {
    this.#backend = backend;
    this.#kept = writable && backend.capabilities.counts;
  }

  add(name: keyof Counted, by: number): void {
    if (by <= 0 || !this.#kept) return;
    this.#counts[name] += by;
    this.#unclaimed[name] += by;
    this.#timer ??= setTimeout(() => void this.flush(), INTERVAL_MS).unref();
  }

  /** Of so many reads that somebody else counted too, how many are counted here; each is counted once. */
  claim(name: keyof Counted, most: number): number {
    const claimed = Math.min(most, this.#unclaimed[name]);
    this.#unclaimed[name] -= claimed;
    return claimed;
  }

  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const counts = this.#counts;
    if (counts.hits + counts.misses + counts.errors === 0) return;
    this.#counts = none();
    try {
      await this.#backend.count(counts);
    } catch {
      // Best effort by design: a store that can't take the counts fails the calls that matter by itself.
    }
  }

  drop(): void {
    this.#counts = none();
    this.#unclaimed = none();
  }
}

function none(): Counted {
  return { hits: 0, misses: 0, errors: 0 };
}

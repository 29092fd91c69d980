import type { Backend, CounterName, Counters } from "../backends/backend.js";

/**
 * Counts in the process and hands the store the differences, so that counting is never on the hot path: every `interval` ms while
 * there is something to hand over, and on close. Best effort: a count that can't be written is dropped, and nothing fails.
 */
export class Tally {
  readonly #backend: Backend | undefined;
  readonly #interval: number;
  #hits = 0;
  #misses = 0;
  #others: Partial<Counters> = {};
  #timer: NodeJS.Timeout | undefined;

  /** @param backend where the counts go; none = they are not kept */
  constructor(backend: Backend | undefined, interval: number) {
    this.#backend = backend;
    this.#interval = interval;
  }

  read(hit: boolean, times = 1): void {
    if (hit) this.#hits += times;
    else this.#misses += times;
    if (this.#timer === undefined) this.#schedule();
  }

  add(name: CounterName, by: number): void {
    if (by <= 0) return;
    this.#others[name] = (this.#others[name] ?? 0) + by;
    if (this.#timer === undefined) this.#schedule();
  }

  #schedule(): void {
    if (this.#interval <= 0 || this.#backend === undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.flush();
    }, this.#interval);
    this.#timer.unref();
  }

  async flush(): Promise<void> {
    const deltas: Partial<Counters> = { ...this.#others };
    if (this.#hits > 0) deltas.hits = (deltas.hits ?? 0) + this.#hits;
    if (this.#misses > 0) deltas.misses = (deltas.misses ?? 0) + this.#misses;
    this.drop();
    if (this.#backend === undefined || Object.keys(deltas).length === 0) return;
    try {
      await this.#backend.count(deltas);
    } catch {
      // Counting is best effort by design: a store that can't take the counts will fail the calls that matter by itself.
    }
  }

  drop(): void {
    this.#hits = 0;
    this.#misses = 0;
    this.#others = {};
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    await this.flush();
  }
}

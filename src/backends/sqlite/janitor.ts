import { isBusy } from "./failures.js";
import { hasGarbage, reclaimStep, shrinkStep } from "./garbage.js";
import type { Store } from "./store.js";
import { sweepStep } from "./streams.js";

/** Milliseconds between two steps, so that callers get their turn, and after a step that found the store locked. */
const PAUSE_MS = 5;
const BUSY_PAUSE_MS = 250;

export interface JanitorOptions {
  /** Bodies are names of files: takes those of removed entries. */
  discard?: (names: readonly string[]) => void;
}

/** Gives back the space of hidden entries in small steps in the background; it keeps no process alive and waits for no lock. */
export class Janitor {
  readonly #store: Store;
  readonly #options: JanitorOptions;
  #timer: NodeJS.Timeout | undefined;

  constructor(store: Store, options: JanitorOptions) {
    this.#store = store;
    this.#options = options;
  }

  /** To be called after whatever left something to reclaim. */
  wake(): void {
    this.#timer ??= this.#after(PAUSE_MS);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /**
   * One step.
   * @param all give all free pages back
   * @returns false when there was nothing to do
   */
  step(all = false): boolean {
    const { removed, released } = this.#store.run((link) => reclaimStep(link, this.#options.discard !== undefined));
    if (released.length > 0) this.#options.discard?.(released);
    if (removed > 0) return true;
    const swept = this.#store.run((link) => sweepStep(link, this.#store.clock.now()));
    if (swept.released.length > 0) this.#options.discard?.(swept.released);
    return swept.found || this.#store.run((link) => shrinkStep(link, all));
  }

  /** Steps until nothing is left to do or `ms` are over; a locked store is left alone. */
  finish(ms: number): void {
    this.stop();
    const { clock } = this.#store;
    const until = clock.monotonic() + ms;
    this.#withoutWaiting(() => {
      while (hasGarbage(this.#store.link, clock.now()) && this.step() && clock.monotonic() < until);
    });
  }

  #after(ms: number): NodeJS.Timeout {
    return setTimeout(() => {
      this.#timer = undefined;
      const outcome = this.#withoutWaiting(() => this.step());
      if (outcome === "busy") this.#timer = this.#after(BUSY_PAUSE_MS);
      else if (outcome === true) this.wake();
    }, ms).unref();
  }

  /** What can't be done now is left for later, or for whoever opens the store next: nothing but space depends on it. */
  #withoutWaiting<T>(work: () => T): T | "busy" | "failed" {
    try {
      return this.#store.waiting(0, work);
    } catch (error) {
      return isBusy(error) ? "busy" : "failed";
    }
  }
}

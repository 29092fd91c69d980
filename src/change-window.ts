import { type Change, type Concerned, coverage } from "./changes.js";

/** Keys that are remembered one by one; with more, every key counts as changed. */
const MAX_KEYS = 100_000;

/** Selectors that are remembered; with more, every entry counts as changed. Where something is always under way, they would never end. */
const MAX_SELECTORS = 1000;

/**
 * What changed since something began that takes its time (a load, a copy from a lower tier, a stream): its result may be kept only if nothing
 * that concerns it changed meanwhile. Costs nothing while nothing is under way.
 */
export class ChangeWindow {
  /** Counts changes. */
  #now = 0;
  #open = 0;
  /** By key, the number of its last change. */
  readonly #keys = new Map<string, number>();
  #selectors: { at: number; covers: (entry: Concerned) => boolean }[] = [];
  /** The last change that concerned everything. */
  #everything = 0;

  /** Begins to remember changes. Whoever opens must {@link Opening.close}. */
  open(): Opening {
    this.#open += 1;
    const from = this.#now;
    let closed = false;
    const window = this;
    return {
      get quiet() {
        return window.#now === from;
      },
      concerns: (entry) => this.#concerns(entry, from),
      close: () => {
        if (closed) return;
        closed = true;
        this.#open -= 1;
        if (this.#open === 0) this.#forget();
      },
    };
  }

  record({ selector }: Pick<Change, "selector">): void {
    if (this.#open === 0) return;
    this.#now += 1;
    if ("keys" in selector) {
      for (const key of selector.keys) this.#keys.set(key, this.#now);
      if (this.#keys.size > MAX_KEYS) this.recordAll();
    } else if ("all" in selector) this.recordAll();
    else {
      this.#selectors.push({ at: this.#now, covers: coverage(selector) });
      if (this.#selectors.length > MAX_SELECTORS) this.recordAll();
    }
  }

  /** Anything may have changed: a gap in the log, a store that was away. */
  recordAll(): void {
    this.#forget();
    this.#now += 1;
    this.#everything = this.#now;
  }

  #concerns(entry: Concerned, from: number): boolean {
    if (this.#everything > from || (this.#keys.get(entry.key) ?? 0) > from) return true;
    return this.#selectors.some(({ at, covers }) => at > from && covers(entry));
  }

  #forget(): void {
    this.#keys.clear();
    this.#selectors = [];
  }
}

export interface Opening {
  /** Nothing at all has changed since then: it concerns no entry. */
  readonly quiet: boolean;
  /** True if a change since then covers the entry. Its tags, where it has any, must be given: without them any tag counts as its own. */
  concerns(entry: Concerned): boolean;
  close(): void;
}

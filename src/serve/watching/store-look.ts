import type { Cache } from "../../cache/cache.js";
import type { Clock } from "../../clock.js";
import { type Figures, readFigures } from "../admin/tier-figures.js";

/** Milliseconds for which a look is good: who scrapes often costs the stores no more. */
const GOOD_FOR_MS = 1000;

/** Looks at the stores of a cache: one look at a time, however many ask. */
export class StoreLooks {
  readonly #cache: Cache;
  readonly #clock: Clock;
  #last: { at: number; figures: Promise<Figures> } | undefined;

  constructor(cache: Cache, clock: Clock) {
    this.#cache = cache;
    this.#clock = clock;
  }

  look(): Promise<Figures> {
    const at = this.#clock.monotonic();
    if (this.#last === undefined || at - this.#last.at >= GOOD_FOR_MS) {
      this.#last = { at, figures: readFigures(this.#cache) };
    }
    return this.#last.figures;
  }
}

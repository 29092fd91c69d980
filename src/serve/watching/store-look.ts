import type { Clock } from "../../clock.js";
import type { Figures } from "../admin/tier-figures.js";

/** Milliseconds for which a look is good: who scrapes often costs the stores no more. */
const GOOD_FOR_MS = 1000;

/** Looks at stores: one look at a time, however many ask. */
export class StoreLooks {
  readonly #read: () => Promise<Figures>;
  readonly #clock: Clock;
  #last: { at: number; figures: Promise<Figures> } | undefined;

  constructor(read: () => Promise<Figures>, clock: Clock) {
    this.#read = read;
    this.#clock = clock;
  }

  look(): Promise<Figures> {
    const at = this.#clock.monotonic();
    if (this.#last === undefined || at - this.#last.at >= GOOD_FOR_MS) {
      this.#last = { at, figures: this.#read() };
    }
    return this.#last.figures;
  }
}

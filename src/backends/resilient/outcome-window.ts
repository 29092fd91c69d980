import type { Clock } from "../../clock.js";

/** Parts of the window that are forgotten one at a time. */
const PARTS = 10;

interface Part {
  at: number;
  good: number;
  bad: number;
}

/** How attempts ended in the last while, to a tenth of it. */
export class OutcomeWindow {
  /** Good ones that nobody took the time of: reading the clock would cost a read from memory a third of its time. */
  untimed = 0;
  readonly #clock: Clock;
  readonly #partMs: number;
  #parts: Part[] = [];
  /** When `untimed` was last counted in; monotonic. */
  #seenAt: number;

  constructor(ms: number, clock: Clock) {
    this.#clock = clock;
    this.#partMs = ms / PARTS;
    this.#seenAt = clock.monotonic();
  }

  add(good: boolean): void {
    const part = this.#current(this.#clock.monotonic());
    if (good) part.good += 1;
    else part.bad += 1;
  }

  sums(): { all: number; bad: number } {
    const now = this.#clock.monotonic();
    this.#countUntimed(now);
    const first = Math.floor(now / this.#partMs) - PARTS;
    let all = 0;
    let bad = 0;
    for (const part of this.#parts) {
      if (part.at <= first) continue;
      all += part.good + part.bad;
      bad += part.bad;
    }
    return { all, bad };
  }

  clear(): void {
    this.#parts = [];
    this.untimed = 0;
    this.#seenAt = this.#clock.monotonic();
  }

  /** Taken as spread evenly over the time since the last look: of a long time only the end belongs to the window. */
  #countUntimed(now: number): void {
    const since = now - this.#seenAt;
    const share = Math.min(1, (this.#partMs * PARTS) / Math.max(1, since));
    if (this.untimed > 0) this.#current(now).good += Math.round(this.untimed * share);
    this.untimed = 0;
    this.#seenAt = now;
  }

  #current(now: number): Part {
    const at = Math.floor(now / this.#partMs);
    const last = this.#parts.at(-1);
    if (last?.at === at) return last;
    const part = { at, good: 0, bad: 0 };
    this.#parts.push(part);
    if (this.#parts.length > PARTS) this.#parts.shift();
    return part;
  }
}

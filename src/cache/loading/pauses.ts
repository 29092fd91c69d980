import type { Clock } from "../../clock.js";

/** Milliseconds between a failed load and the next try, while a stale value is given: doubled with each failure, up to the longest. */
const SHORTEST = 1000;
const LONGEST = 60_000;
/** Keys whose failures are remembered. */
const MOST = 10_000;

/** Keys whose loads failed while a stale value was there: they are left alone for a while. */
export class Pauses {
  readonly #clock: Clock;
  readonly #pauses = new Map<string, { until: number; ms: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  has(key: string): boolean {
    const pause = this.#pauses.get(key);
    return pause !== undefined && this.#clock.monotonic() < pause.until;
  }

  failed(key: string): void {
    const ms = Math.min(LONGEST, (this.#pauses.get(key)?.ms ?? SHORTEST / 2) * 2);
    this.#pauses.delete(key);
    this.#pauses.set(key, { until: this.#clock.monotonic() + ms, ms });
    if (this.#pauses.size <= MOST) return;
    const oldest = this.#pauses.keys().next();
    if (!oldest.done) this.#pauses.delete(oldest.value);
  }

  succeeded(key: string): void {
    this.#pauses.delete(key);
  }
}

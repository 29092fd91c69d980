import type { Clock } from "../../clock.js";

/** Retries allowed for each call: 10% of the traffic. */
const SHARE = 0.1;
/** What calls can have saved up. */
const MOST = 100;
/** Retries a second that are always allowed, or a call that is made alone could never be tried again. */
const FLOOR = 3;
const FLOOR_MS = 1000;

/**
 * How much of the traffic to a store may be retries: a token bucket, filled a little by each call and emptied by each retry, so that a store in trouble is not
 * drowned in them. Site Reliability Engineering (Beyer et al., 2016), chapter 21, "Handling Overload": a client retries up to 10% of its requests.
 */
export class RetryBudget {
  readonly #clock: Clock;
  #saved = 0;
  #floor = FLOOR;
  #floorAt = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @param calls that were made */
  earn(calls: number): void {
    this.#saved = Math.min(MOST, this.#saved + calls * SHARE);
  }

  /** True if one more retry may be made; it is then taken as made. */
  take(): boolean {
    const now = this.#clock.monotonic();
    if (now - this.#floorAt >= FLOOR_MS) {
      this.#floorAt = now;
      this.#floor = FLOOR;
    }
    if (this.#saved >= 1) this.#saved -= 1;
    else if (this.#floor > 0) this.#floor -= 1;
    else return false;
    return true;
  }
}

/**
 * Milliseconds before retry number `retry` (from 0): anything up to a limit that doubles, so that callers that failed together don't come back together.
 * "Full jitter" of Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
 * @param random 0 to 1
 */
export function backoffMs(retry: number, baseMs: number, capMs: number, random: () => number): number {
  return random() * Math.min(capMs, baseMs * 2 ** retry);
}

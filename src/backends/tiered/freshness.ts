import type { Clock } from "../../clock.js";

/** An instant on both clocks. */
export interface Instant {
  wall: number;
  monotonic: number;
}

/** How long ago something was last known to be so, by the clock that says longer: the monotonic one stops in suspend, the wall clock can be set back. */
export class Freshness {
  readonly #clock: Clock;
  #at: Instant = { wall: Number.NEGATIVE_INFINITY, monotonic: Number.NEGATIVE_INFINITY };
  #seen: Instant = { wall: Number.NaN, monotonic: 0 };

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  now(): Instant {
    return { wall: this.#clock.now(), monotonic: this.#clock.monotonic() };
  }

  set(at: Instant): void {
    this.#at = at;
  }

  /** Milliseconds; infinite before the first `set`. */
  age(): number {
    const wall = this.#clock.now();
    // Both clocks with every read of an entry would be dear; what the monotonic one says is at most one millisecond of the other old.
    if (wall !== this.#seen.wall) this.#seen = { wall, monotonic: this.#clock.monotonic() };
    return Math.max(wall - this.#at.wall, this.#seen.monotonic - this.#at.monotonic);
  }
}

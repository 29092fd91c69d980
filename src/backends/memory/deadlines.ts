import type { Clock } from "../../clock.js";
import type { Deadline, Times } from "./times.js";

const NEVER: Deadline = { wall: Number.POSITIVE_INFINITY, monotonic: Number.POSITIVE_INFINITY };

/** An instant on both clocks. */
export class Moment {
  readonly #clock: Clock;
  /** Epoch milliseconds. */
  readonly wall: number;
  #monotonic: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.wall = clock.now();
  }

  /** Read when it is first needed, which is within the same go. */
  get monotonic(): number {
    this.#monotonic ??= this.#clock.monotonic();
    return this.#monotonic;
  }
}

/**
 * Makes and judges deadlines. One is over when either clock says so: the monotonic one stops while the machine is
 * suspended, the wall clock can be set back.
 */
export class DeadlineClock {
  readonly #clock: Clock;
  #wall = Number.NaN;
  #monotonic = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Epoch milliseconds. */
  now(): number {
    return this.#clock.now();
  }

  /** For all that is written in one go: reading both clocks for each entry takes as long as storing it. */
  moment(): Moment {
    return new Moment(this.#clock);
  }

  /**
   * @param expiresAt epoch milliseconds; undefined or null = never
   * @param stayMs milliseconds until it ends here at the latest
   */
  deadlineAt(expiresAt: number | null | undefined, at = this.moment(), stayMs = Number.POSITIVE_INFINITY): Deadline {
    const own = expiresAt ?? Number.POSITIVE_INFINITY;
    const wall = at.wall + stayMs;
    if (wall < own) return { wall, monotonic: at.monotonic + stayMs, own };
    if (own === Number.POSITIVE_INFINITY) return NEVER;
    return { wall: own, monotonic: at.monotonic + (own - at.wall) };
  }

  /** Whether the entry in a slot has come to its end here. */
  isOver(times: Times, slot: number): boolean {
    const ends = times.wall(slot);
    if (ends === Number.POSITIVE_INFINITY) return false;
    const wall = this.#clock.now();
    if (wall >= ends) return true;
    // Reading both clocks every time would take a third of a read. The monotonic one is read again as soon as the wall
    // clock shows another millisecond, so what it says is never older than that.
    if (wall !== this.#wall) {
      this.#wall = wall;
      this.#monotonic = this.#clock.monotonic();
    }
    return this.#monotonic >= times.monotonic(slot);
  }
}

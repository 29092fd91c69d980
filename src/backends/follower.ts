import type { Clock } from "../clock.js";
import type { ChangeLog, ChangePage, Position } from "./backend.js";

/** Milliseconds after an error until the log is asked for again, at least and at most, doubling with full jitter. */
const FIRST_DELAY_MS = 20;
const LONGEST_DELAY_MS = 1000;

export interface Heard {
  /** From now on changes are heard; what was before is not known. */
  began(): void;
  /** Returns when nothing that the page is about is used any more. */
  page(page: ChangePage): void;
  /** The log was read to its end, or could not be read. */
  looked(): void;
}

/** Reads the log of one store for as long as it is open. */
export class Follower {
  readonly #log: ChangeLog;
  readonly #clock: Clock;
  readonly #heard: Heard;
  readonly #freshness: Freshness;
  /** Resolves when the log was asked for its end for the first time, whatever came of it. */
  readonly asked: Promise<void>;
  #answered = () => {};
  #position: Position | undefined;
  #failures = 0;
  #failure: unknown;

  constructor(log: ChangeLog, clock: Clock, heard: Heard) {
    this.#log = log;
    this.#clock = clock;
    this.#heard = heard;
    this.#freshness = new Freshness(clock);
    this.asked = new Promise((resolve) => {
      this.#answered = resolve;
    });
  }

  /** Up to where the log was heard; undefined before it could be read for the first time. */
  get position(): Position | undefined {
    return this.#position;
  }

  /**
   * Milliseconds for which changes may have gone unheard. Counted from when the last look that got to the end began: an answer can lie unread for as long
   * as this process was stopped.
   */
  age(): number {
    return this.#freshness.age();
  }

  /** Why the log could not be read the last time; undefined when it could. */
  get failure(): unknown {
    return this.#failure;
  }

  /** Follows until the signal is given; never throws. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#begin(signal);
        await this.#follow(signal);
      } catch (error) {
        this.#failures += 1;
        this.#failure = error;
      }
      this.#answered();
      this.#heard.looked();
      const most = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(this.#failures, 10));
      await this.#clock.sleep(FIRST_DELAY_MS + Math.random() * most, signal);
    }
  }

  async #begin(signal: AbortSignal): Promise<void> {
    if (this.#position !== undefined) return;
    const asked = this.#freshness.now();
    const position = await this.#log.position({ signal });
    this.#position = position;
    this.#heard.began();
    this.#freshness.set(asked);
    this.#answered();
    this.#heard.looked();
  }

  async #follow(signal: AbortSignal): Promise<void> {
    if (this.#position === undefined) return;
    const pages = this.#log.changes(this.#position, signal)[Symbol.asyncIterator]();
    try {
      while (!signal.aborted) {
        const asked = this.#freshness.now();
        const next = await pages.next();
        if (next.done === true || signal.aborted) return;
        this.#failures = 0;
        this.#failure = undefined;
        this.#heard.page(next.value);
        this.#position = next.value.position;
        if (next.value.more !== true) this.#freshness.set(asked);
        this.#heard.looked();
      }
    } finally {
      await pages.return?.();
    }
  }
}

/** An instant on both clocks. */
interface Instant {
  wall: number;
  monotonic: number;
}

/** How long ago something was last known to be so, by the clock that says longer: the monotonic one stops in suspend, the wall clock can be set back. */
class Freshness {
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

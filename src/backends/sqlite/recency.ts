import type { Clock } from "../../clock.js";
import type { Link } from "./link.js";

/** Reads remembered at most; beyond it the oldest are forgotten. */
const MOST = 10_000;

/**
 * When entries were last read, kept in the process and written now and then: writing it at each read would cost most of the speed of
 * reading. Times are microseconds, made from milliseconds and a count, so that no two reads or writes of a process are at the same one.
 */
export class Recency {
  readonly #clock: Clock;
  readonly #reads = new Map<number, number>();
  #last = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * A time after every one given before.
   * @param now epoch milliseconds
   */
  tick(now: number): number {
    this.#last = Math.max(this.#last + 1, Math.floor(now) * 1000);
    return this.#last;
  }

  /** Every tick from now on is after this one: what another process wrote before in the same millisecond is older. */
  startAfter(at: number): void {
    this.#last = Math.max(this.#last, at);
  }

  get size(): number {
    return this.#reads.size;
  }

  note(id: number): void {
    // Deleted first, so that the map stays in the order of the reads.
    this.#reads.delete(id);
    if (this.#reads.size >= MOST) {
      const oldest = this.#reads.keys().next();
      if (oldest.done !== true) this.#reads.delete(oldest.value);
    }
    this.#reads.set(id, this.tick(this.#clock.now()));
  }

  /** Writes what was noted, within the transaction of the caller; it is forgotten by {@link forget} once that holds. */
  write(link: Link): void {
    const update = link.action("UPDATE entries SET accessed_at = max(accessed_at, ?) WHERE id = ?");
    for (const [id, at] of this.#reads) update.run(at, id);
  }

  forget(): void {
    this.#reads.clear();
  }
}

import type { Clock } from "../../clock.js";

interface Waiting {
  due: number;
  expire: () => void;
}

/**
 * Many deadlines of the same length behind one timer: a timer each would cost a fast call more than the call. The timer keeps the process alive only
 * while somebody waits.
 */
export class Deadlines {
  readonly #clock: Clock;
  readonly #ms: number;
  /** In the order of their ends, since all are as long. */
  readonly #waiting = new Set<Waiting>();
  #timer: NodeJS.Timeout | undefined;

  /** @param ms 0 = none ever ends */
  constructor(ms: number, clock: Clock) {
    this.#clock = clock;
    this.#ms = ms;
  }

  /** Calls `expire` when the time is over. @returns what ends it before */
  begin(expire: () => void): () => void {
    if (this.#ms === 0) return nothing;
    const one: Waiting = { due: this.#clock.monotonic() + this.#ms, expire };
    this.#waiting.add(one);
    if (this.#timer === undefined) this.#schedule(this.#ms);
    else if (this.#waiting.size === 1) this.#timer.ref();
    return () => {
      if (this.#waiting.delete(one) && this.#waiting.size === 0) this.#timer?.unref();
    };
  }

  #schedule(ms: number): void {
    // Answers that came while this process was busy are read first.
    this.#timer = setTimeout(() => setImmediate(() => this.#look()), ms);
  }

  #look(): void {
    this.#timer = undefined;
    const now = this.#clock.monotonic();
    for (const one of this.#waiting) {
      if (one.due > now) {
        this.#schedule(Math.max(1, one.due - now));
        return;
      }
      this.#waiting.delete(one);
      one.expire();
    }
  }
}

const nothing = () => undefined;

/** One deadline that is moved on whenever there is progress. */
export class Countdown {
  readonly #timer: NodeJS.Timeout | undefined;
  #moved = 0;
  #over = false;

  /** @param ms 0 = it never ends */
  constructor(ms: number, expire: () => void) {
    if (ms === 0) return;
    this.#timer = setTimeout(() => {
      const seen = this.#moved;
      // As above: progress that was made meanwhile is heard of first.
      setImmediate(() => {
        if (this.#over || seen !== this.#moved) return;
        this.#over = true;
        expire();
      });
    }, ms);
  }

  moveOn(): void {
    if (this.#over) return;
    this.#moved += 1;
    this.#timer?.refresh();
  }

  end(): void {
    this.#over = true;
    clearTimeout(this.#timer);
  }
}

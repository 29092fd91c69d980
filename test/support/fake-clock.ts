import type { Clock } from "../../src/clock.js";

interface Sleeper {
  due: number;
  wake: () => void;
}

/** A clock that stands still until a test moves it. */
export class FakeClock implements Clock {
  #wall: number;
  #monotonic = 1000;
  #sleepers = new Set<Sleeper>();

  /** @param start wall time, milliseconds since the epoch; default a fixed instant in 2023 */
  constructor(start = 1_700_000_000_000) {
    this.#wall = start;
  }

  now(): number {
    return this.#wall;
  }

  monotonic(): number {
    return this.#monotonic;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (ms <= 0 || signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const sleeper: Sleeper = {
        due: this.#monotonic + ms,
        wake: () => {
          this.#sleepers.delete(sleeper);
          signal?.removeEventListener("abort", sleeper.wake);
          resolve();
        },
      };
      this.#sleepers.add(sleeper);
      signal?.addEventListener("abort", sleeper.wake, { once: true });
    });
  }

  /** How many calls of `sleep` are waiting. */
  get sleepers(): number {
    return this.#sleepers.size;
  }

  /** Both clocks go on by `ms`; who slept until then is woken, the earliest first. */
  advance(ms: number): void {
    this.#wall += ms;
    this.#monotonic += ms;
    const due = [...this.#sleepers].filter((sleeper) => sleeper.due <= this.#monotonic);
    for (const sleeper of due.sort((a, b) => a.due - b.due)) sleeper.wake();
  }

  /** The wall clock alone is moved, as by suspend (forward) or by NTP (either way). */
  shiftWall(ms: number): void {
    this.#wall += ms;
  }

  /** The monotonic clock alone goes on, as when the wall clock was set back meanwhile. */
  shiftMonotonic(ms: number): void {
    this.#monotonic += ms;
  }
}

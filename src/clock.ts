/** Time as the core sees it. Tests pass a clock that they move by hand. */
export interface Clock {
  /** Wall time, milliseconds since the epoch. */
  now(): number;
  /** Monotonic time in milliseconds from an arbitrary start; it may stop while the machine is suspended. */
  monotonic(): number;
  /**
   * Resolves after `ms`, however many (`Infinity`: never), or at once when the signal is aborted.
   * @param idle nobody waits for it: it keeps no process alive
   */
  sleep(ms: number, signal?: AbortSignal, idle?: boolean): Promise<void>;
}

/** Why a sleep is ended early, for `abort`: without a reason Node makes an error with its stack each time, some 2 KB. */
export const AWAKE = "awake";

/** The longest time that a timer of Node can be set to, in milliseconds: 24.8 days. A longer one fires at once. */
export const LONGEST_TIMER_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  // Not performance.now(): the first use of it loads a module, 1 ms of every start.
  monotonic: () => {
    const [seconds, nanoseconds] = process.hrtime();
    return seconds * 1000 + nanoseconds / 1e6;
  },
  sleep: (ms, signal, idle = false) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const done = () => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", done);
        resolve();
      };
      let timer: NodeJS.Timeout;
      let left = ms;
      const next = () => {
        const slice = Math.min(left, LONGEST_TIMER_MS);
        left -= slice;
        timer = setTimeout(left > 0 ? next : done, slice);
        if (idle) timer.unref();
      };
      next();
      signal?.addEventListener("abort", done, { once: true });
    }),
};

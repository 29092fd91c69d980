import type { Line } from "./records.js";

/** Milliseconds between two looks at the clock. */
const TICK_MS = 10;
/** Milliseconds by which a timer may be late without a word. */
const USUAL_MS = 5;

/** Milliseconds of CLOCK_MONOTONIC, which all processes of a machine share. */
export const monotonic = (): number => Number(process.hrtime.bigint()) / 1e6;

/** Watches by how much the event loop of this process is late: on a busy machine that is no fault of what runs on it. */
export class Lateness {
  readonly #seen: { at: number; ms: number }[] = [];
  #last = monotonic();
  readonly #timer: NodeJS.Timeout;

  constructor(tell: (line: Line) => void) {
    this.#timer = setInterval(() => {
      const at = monotonic();
      const ms = at - this.#last - TICK_MS;
      this.#last = at;
      if (ms <= USUAL_MS) return;
      this.#seen.push({ at, ms });
      if (this.#seen.length > 200) this.#seen.shift();
      tell({ t: "lag", at, ms });
    }, TICK_MS);
    this.#timer.unref();
  }

  /** Milliseconds that were lost since an instant, up to now. */
  since(start: number): number {
    const lost = this.#seen.reduce((sum, { at, ms }) => (at > start ? sum + ms : sum), 0);
    return lost + Math.max(0, monotonic() - this.#last - TICK_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

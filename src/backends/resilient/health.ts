import type { Supervisor } from "./supervisor.js";

/** Between two looks at a store whose probe somebody else is making. */
const SHORTEST_MS = 20;

/**
 * Asks a store that nobody else asks whether it is there, and one that failed as soon as its breaker lets a probe through, so that it is known to be back
 * before a caller needs it. Keeps no process alive.
 */
export class HealthCheck {
  readonly #supervisor: Supervisor;
  readonly #intervalMs: number;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(supervisor: Supervisor) {
    this.#supervisor = supervisor;
    this.#intervalMs = supervisor.settings.healthIntervalMs;
    this.schedule();
  }

  /** Also called when the breaker has changed its state. */
  schedule(): void {
    clearTimeout(this.#timer);
    if (this.#stopped || this.#intervalMs === 0) return;
    const { breaker } = this.#supervisor;
    const ms = breaker.closed ? this.#intervalMs : Math.min(this.#intervalMs, breaker.waitMs);
    this.#timer = setTimeout(() => void this.#look(), Math.max(SHORTEST_MS, ms)).unref();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  async #look(): Promise<void> {
    const { breaker, heardAt, clock } = this.#supervisor;
    const asked = breaker.closed && clock.monotonic() - heardAt < this.#intervalMs;
    if (!asked) {
      const ping = this.#supervisor.pursue({ attempt: (backend) => backend.ping(), idempotent: false });
      // The supervisor has heard of a failure; there is nobody else to be told.
      await ping.catch(() => undefined);
    }
    this.schedule();
  }
}

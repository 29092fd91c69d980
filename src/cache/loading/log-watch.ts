import type { ChangeLog, ChangePage, Position } from "../../backends/backend.js";
import { coverage } from "../../changes.js";
import type { Clock } from "../../clock.js";
import type { Flight } from "./flight.js";
import type { StoreFaults } from "./store-faults.js";

/** Milliseconds that a load takes at least to be watched: what is over sooner can't be joined long after a change. */
const SLOW = 40;
/** Milliseconds before a log that could not be read is tried again. */
const RETRY = 500;

/**
 * Watches the log of the store while loads are under way, so that what another process changes sends later callers to a load of their own: they
 * do not join one that read its source before the change.
 */
export class LogWatch {
  readonly #log: ChangeLog;
  readonly #clock: Clock;
  readonly #faults: StoreFaults;
  readonly #flights = new Set<Flight>();
  #over: AbortController | undefined;

  constructor(log: ChangeLog, clock: Clock, faults: StoreFaults) {
    this.#log = log;
    this.#clock = clock;
    this.#faults = faults;
  }

  /** @param since where the log ended when the load began @returns to be called when it is over */
  watch(flight: Flight, since: Position): () => void {
    this.#flights.add(flight);
    if (this.#over === undefined) {
      this.#over = new AbortController();
      void this.#follow(since, this.#over.signal);
    }
    return () => {
      this.#flights.delete(flight);
      if (this.#flights.size > 0) return;
      this.#over?.abort();
      this.#over = undefined;
    };
  }

  async #follow(since: Position, signal: AbortSignal): Promise<void> {
    let position = since;
    let wait = SLOW;
    for (;;) {
      await this.#clock.sleep(wait, signal, true);
      if (signal.aborted) return;
      try {
        for await (const page of this.#log.changes(position, signal, true)) {
          position = page.position;
          this.#tell(page);
        }
      } catch (error) {
        if (!signal.aborted) this.#faults.note(error);
      }
      wait = RETRY;
    }
  }

  #tell({ changes, gap }: ChangePage): void {
    const all = gap ? [{ all: true } as const] : changes.map(({ selector }) => selector);
    for (const selector of all) {
      const covers = coverage(selector);
      for (const flight of this.#flights) flight.heed(covers);
    }
  }
}

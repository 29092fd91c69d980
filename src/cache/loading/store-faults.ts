import type { Clock } from "../../clock.js";
import { messageOf } from "../../errors.js";
import type { Listener } from "../../events.js";
import { showKey } from "../../key.js";
import type { LoadCounts } from "../options.js";
import type { Tally } from "../tally.js";

/** Milliseconds between two warnings: a store that is away fails every call. */
const QUIET = 1000;

/** Failures of the store that cost no caller anything, since a loader gave the value: counted, and told now and then. */
export class StoreFaults {
  readonly #clock: Clock;
  readonly #tally: Tally;
  readonly #counts: LoadCounts;
  readonly #emit: Listener | undefined;
  #toldAt = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, tally: Tally, counts: LoadCounts, emit: Listener | undefined) {
    this.#clock = clock;
    this.#tally = tally;
    this.#counts = counts;
    this.#emit = emit;
  }

  readonly note = (error: unknown): void => {
    this.#tally.add("errors", 1);
    this.#counts.storeFailures += 1;
    this.#tell("cache-bypassed", `the cache could not be used: ${messageOf(error)}`);
  };

  brokenEntry(key: string, why: string): void {
    this.#tally.add("errors", 1);
    this.#tell("broken-entry", `the entry of ${showKey(key)} is a miss, and removed: ${why}`);
  }

  /** A loader that failed while its stale value was given. */
  refreshFailed(key: string, error: unknown): void {
    this.#tell("refresh-failed", `${showKey(key)} could not be loaded anew: ${messageOf(error)}`);
  }

  #tell(code: string, message: string): void {
    const now = this.#clock.monotonic();
    if (now - this.#toldAt < QUIET) return;
    this.#toldAt = now;
    this.#emit?.({ type: "warning", code, message });
  }
}

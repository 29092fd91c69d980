/** One batch on its way to the store. */
interface Flight<Result> {
  keys: ReadonlySet<string>;
  landed: Promise<Landing<Result>>;
  /** True once `landed` has resolved. */
  done: boolean;
}

/** How a batch ended; `entries` is what it was to write. */
export type Landing<Result> = { result: Result } | { error: unknown; entries: number };

/**
 * Batches on their way to the store, a bounded number at once. They are given back in the order they were sent, and two
 * that hold the same key are never under way together, so that the later one wins.
 */
export class Flights<Result> {
  readonly #limit: number;
  readonly #onLanded: (landings: Landing<Result>[]) => Promise<void>;
  readonly #flights: Flight<Result>[] = [];

  /**
   * @param limit batches at once, those included whose end `onLanded` has not been told
   * @param onLanded is told the ends of batches, in order; awaited before there is room again, and must not throw
   */
  constructor(limit: number, onLanded: (landings: Landing<Result>[]) => Promise<void>) {
    this.#limit = limit;
    this.#onLanded = onLanded;
  }

  /** Waits until there is room for one more and none under way holds one of its keys. */
  async room(keys: ReadonlySet<string>): Promise<void> {
    while (this.#flights.length >= this.#limit || this.#shares(keys)) await this.#land();
  }

  /** Starts a batch; to be called when there is room. */
  start(keys: ReadonlySet<string>, write: () => Promise<Result>): void {
    const flight: Flight<Result> = {
      keys,
      done: false,
      // A failure becomes a result, so that it waits for its turn instead of going unhandled.
      landed: write()
        .then(
          (result): Landing<Result> => ({ result }),
          (error: unknown): Landing<Result> => ({ error, entries: keys.size }),
        )
        .finally(() => {
          flight.done = true;
        }),
    };
    this.#flights.push(flight);
  }

  /** Waits for all that are under way. */
  async settle(): Promise<void> {
    while (this.#flights.length > 0) await this.#land();
  }

  #shares(keys: ReadonlySet<string>): boolean {
    for (const flight of this.#flights) {
      for (const key of keys) if (flight.keys.has(key)) return true;
    }
    return false;
  }

  /** Waits for the oldest, and takes all with it that are done up to the first that is not. */
  async #land(): Promise<void> {
    const landings: Landing<Result>[] = [];
    do {
      const oldest = this.#flights.shift();
      if (oldest !== undefined) landings.push(await oldest.landed);
    } while (this.#flights[0]?.done === true);
    await this.#onLanded(landings);
  }
}

import { abortedBy, CacheError } from "../errors.js";
import type { EntryWriter, Lease, RangeOptions, SetOutcome } from "./backend.js";

/**
 * Refuses a part of a value that can't be one, whatever its size.
 * @throws CacheError `invalid-range`
 */
export function checkRange({ start = 0, end = 0 }: RangeOptions): void {
  for (const place of [start, end]) {
    if (Number.isSafeInteger(place) && place >= 0) continue;
    throw new CacheError("usage", "invalid-range", `a range of bytes can't begin or end at ${place}`, {
      hint: "Give whole numbers from zero on.",
    });
  }
}

/** What a writer answers that is over. */
export function closedWriter(key: string): CacheError {
  return new CacheError("usage", "writer-closed", "the value was committed or given up already", {
    key,
    hint: "Open another writer.",
  });
}

/**
 * Hands on one call after the other: who does not wait for a `write` before the next must not find his pieces out of order, and a `commit` holds all that was written
 * before it. What waits when the value is given up is refused, and so is everything once the signal is given.
 */
export class OrderedWriter implements EntryWriter {
  readonly #writer: EntryWriter;
  readonly #key: string;
  readonly #signal: AbortSignal | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #givenUp = false;

  constructor(writer: EntryWriter, key: string, signal?: AbortSignal) {
    this.#writer = writer;
    this.#key = key;
    this.#signal = signal;
  }

  write(piece: Uint8Array): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#givenUp) throw closedWriter(this.#key);
      if (this.#signal?.aborted) throw abortedBy(this.#signal);
      await this.#writer.write(piece);
    });
  }

  commit(lease?: Lease): Promise<SetOutcome> {
    return this.#inTurn(async () => {
      if (this.#givenUp) throw closedWriter(this.#key);
      if (!this.#signal?.aborted) return this.#writer.commit(lease);
      // The caller is told of his signal; what can't be removed now is swept later.
      await this.#writer.abort().catch(() => undefined);
      throw abortedBy(this.#signal);
    });
  }

  abort(): Promise<void> {
    this.#givenUp = true;
    return this.#inTurn(() => this.#writer.abort());
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    // A failure is its caller's; the writer knows what comes of it for the next.
    this.#last = done.catch(() => undefined);
    return done;
  }
}

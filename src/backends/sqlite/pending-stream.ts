import { streamLost } from "./failures.js";
import type { Store } from "./store.js";
import { addPiece, beginStream, dropStream, STREAM_SIGN_MS, touchStream } from "./streams.js";

/** A value that is being written and belongs to no entry yet; it gives signs of life until it is ended. */
export class PendingStream {
  readonly id: number;
  readonly #store: Store;
  readonly #key: string;
  readonly #timer: NodeJS.Timeout;
  #chunks = 0;

  private constructor(store: Store, key: string, id: number) {
    this.#store = store;
    this.#key = key;
    this.id = id;
    this.#timer = setInterval(() => this.#sign(), STREAM_SIGN_MS).unref();
  }

  /** @param name the file that it is written to, where values are files */
  static async begin(store: Store, key: string, name: string | null): Promise<PendingStream> {
    return new PendingStream(store, key, await store.change((link) => beginStream(link, name, store.clock.now())));
  }

  #sign(): void {
    try {
      this.#store.write((link) => touchStream(link, this.id, this.#store.clock.now()));
    } catch {
      // There are six chances an hour; a stream that was given up meanwhile fails at its next piece, or when it is committed.
    }
  }

  /**
   * Writes the next piece as rows.
   * @throws CacheError `stream-lost`
   */
  async add(piece: Uint8Array): Promise<void> {
    this.#chunks += await this.#store.change((link) => {
      if (!touchStream(link, this.id, this.#store.clock.now())) throw streamLost(this.#key);
      return addPiece(link, this.id, this.#chunks, piece);
    });
  }

  /** No more signs: it was committed, or is left to whoever removes what was given up. */
  end(): void {
    clearInterval(this.#timer);
  }

  /** Gives it up. */
  async drop(): Promise<void> {
    this.end();
    await this.#store.change((link) => dropStream(link, this.id));
  }
}

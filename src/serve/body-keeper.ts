import { type HttpCache, type NewResponse, type ResponseWriter, WHOLE_BODY_BYTES } from "../http/http-cache.js";

export interface KeeperOptions {
  /** Bytes of the smallest body that is kept, and of the largest. */
  minBytes: number;
  maxBytes: number;
  /** Is told when the store failed; the body is not kept then. */
  onFailure: (error: unknown) => void;
}

/** Takes the body of a response as it passes, and keeps it: a small one as a whole, a larger one piece by piece. Never fails. */
export class BodyKeeper {
  readonly #store: HttpCache;
  readonly #fresh: NewResponse;
  readonly #options: KeeperOptions;
  #pieces: Uint8Array[] = [];
  #writer: ResponseWriter | undefined;
  #size = 0;
  #givenUp = false;
  #removed: Promise<undefined> = Promise.resolve(undefined);

  constructor(store: HttpCache, fresh: NewResponse, options: KeeperOptions) {
    this.#store = store;
    this.#fresh = fresh;
    this.#options = options;
  }

  /** Nothing will be kept. */
  get givenUp(): boolean {
    return this.#givenUp;
  }

  /** Resolves when the store took the piece, or it waits here for more. */
  async take(piece: Uint8Array): Promise<void> {
    if (this.#givenUp) return;
    this.#size += piece.length;
    if (this.#size > this.#options.maxBytes) {
      this.giveUp();
      return;
    }
    if (this.#writer === undefined) {
      this.#pieces.push(piece);
      if (this.#size <= WHOLE_BODY_BYTES) return;
    }
    await this.#guarded(async () => {
      this.#writer ??= await this.#store.openStore(this.#fresh);
      const waiting = this.#pieces.length > 0 ? this.#pieces : [piece];
      this.#pieces = [];
      for (const one of waiting) await this.#writer.write(one);
    });
  }

  /**
   * The body has ended.
   * @returns the whole body, where it is small, whether or not the store kept it; `stored` where it is large and can be read from there; else undefined
   */
  async finish(): Promise<Uint8Array | "stored" | undefined> {
    if (this.#size < this.#options.minBytes) this.giveUp();
    if (this.#givenUp) return this.#removed;
    const writer = this.#writer;
    if (writer === undefined) {
      const [only = NO_BYTES] = this.#pieces;
      const body = this.#pieces.length > 1 ? Buffer.concat(this.#pieces) : only;
      await this.#guarded(() => this.#store.store(this.#fresh, body));
      return body;
    }
    return (await this.#guarded(() => writer.commit())) ? "stored" : undefined;
  }

  /**
   * Nothing more is taken. Nobody who sends the body on should wait for what is left of it to be removed.
   * @returns what resolves then
   */
  giveUp(): Promise<undefined> {
    this.#givenUp = true;
    this.#pieces = [];
    const writer = this.#writer;
    this.#writer = undefined;
    if (writer) this.#removed = this.#removing(writer);
    return this.#removed;
  }

  async #removing(writer: ResponseWriter): Promise<undefined> {
    try {
      await writer.abort();
    } catch (error) {
      this.#options.onFailure(error);
    }
  }

  async #guarded<T>(act: () => Promise<T>): Promise<T | undefined> {
    try {
      return await act();
    } catch (error) {
      this.#options.onFailure(error);
      this.giveUp();
      return undefined;
    }
  }
}

const NO_BYTES = new Uint8Array(0);

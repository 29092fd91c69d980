import type { Backend } from "../backend.js";
import { closedError } from "./failures.js";

/** The wrapped backend, or how to open it: at the first call, and again at a later one if that failed. */
export class Source {
  /** Once it is open, until it is closed. */
  backend: Backend | undefined;
  /** The same, also after it was closed: what it is can still be asked. */
  known: Backend | undefined;
  readonly #open: (() => Promise<Backend>) | undefined;
  #opening: Promise<Backend> | undefined;
  #closed = false;

  constructor(given: Backend | (() => Promise<Backend>)) {
    if (typeof given === "function") this.#open = given;
    else this.backend = given;
    this.known = this.backend;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** @throws CacheError `closed`, or what opening it fails with */
  async opened(): Promise<Backend> {
    if (this.backend !== undefined) return this.backend;
    if (this.#closed || this.#open === undefined) throw closedError("behind it");
    this.#opening ??= this.#openOnce(this.#open).finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  async #openOnce(open: () => Promise<Backend>): Promise<Backend> {
    const backend = await open();
    if (this.#closed) {
      await backend.close();
      throw closedError("behind it");
    }
    this.backend = backend;
    this.known = backend;
    return backend;
  }

  /** Also what is being opened just now. */
  async close(): Promise<void> {
    this.#closed = true;
    const { backend } = this;
    this.backend = undefined;
    await backend?.close();
    // Whoever waits for it is told; here only its end matters.
    await this.#opening?.catch(() => undefined);
  }
}

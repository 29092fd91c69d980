import type { Backend } from "../backend.js";
import { closedError } from "./failures.js";

/** @param signal ends the attempt: nobody wants the backend any more */
export type OpenBackend = (signal: AbortSignal) => Promise<Backend>;

/** The wrapped backend, or how to open it: at the first call, and again at a later one if that failed. */
export class Source {
  /** Once it is open, until it is closed. */
  backend: Backend | undefined;
  /** The same, also after it was closed: what it is can still be asked. */
  known: Backend | undefined;
  readonly #open: OpenBackend | undefined;
  readonly #over = new AbortController();
  #opening: Promise<Backend> | undefined;

  constructor(given: Backend | OpenBackend) {
    if (typeof given === "function") this.#open = given;
    else this.backend = given;
    this.known = this.backend;
  }

  get closed(): boolean {
    return this.#over.signal.aborted;
  }

  /** @throws CacheError `closed`, or what opening it fails with */
  async opened(): Promise<Backend> {
    if (this.backend !== undefined) return this.backend;
    if (this.closed || this.#open === undefined) throw closedError("behind it");
    this.#opening ??= this.#openOnce(this.#open).finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  async #openOnce(open: OpenBackend): Promise<Backend> {
    const backend = await open(this.#over.signal).catch((error: unknown) => {
      throw this.closed ? closedError("behind it") : error;
    });
    if (this.closed) {
      await backend.close();
      throw closedError("behind it");
    }
    this.backend = backend;
    this.known = backend;
    return backend;
  }

  /** Also what is being opened just now: a store that says nothing is not waited for. */
  async close(): Promise<void> {
    this.#over.abort();
    const { backend } = this;
    this.backend = undefined;
    await backend?.close();
    // Whoever waits for it is told; here only its end matters.
    await this.#opening?.catch(() => undefined);
  }
}

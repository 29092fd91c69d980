import type { Clock } from "../../clock.js";
import { abortedBy, isServerReply, isTimeout } from "./errors.js";

/** After the signal, a server that has said nothing for so long is left. */
const SILENCE_MS = 500;

/** How long the answers of one server are waited for, and whether it gives any. */
export class Patience {
  readonly #clock: Clock;
  readonly #signal: AbortSignal | undefined;
  readonly #leave: () => void;
  /** Aborted when nothing is waited for any more: closed, or left. */
  readonly #over = new AbortController();
  readonly #onAbort = () => void this.#watch();
  /** Requests that were not answered yet. */
  #pending = 0;
  /** When an answer came, or the first of the pending requests went out; monotonic. */
  #heardAt = 0;
  #silent = false;
  #watching = false;

  /** @param leave called when the server says nothing after the signal */
  constructor(clock: Clock, signal: AbortSignal | undefined, leave: () => void) {
    this.#clock = clock;
    // One of its own: of more than ten listeners to one signal Node warns, and a cluster may have more nodes.
    this.#signal = signal && AbortSignal.any([signal]);
    this.#leave = leave;
    this.#signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  get isOver(): boolean {
    return this.#over.signal.aborted;
  }

  get isBusy(): boolean {
    return this.#pending > 0;
  }

  /** The last request was not answered in time. */
  get isSilent(): boolean {
    return this.#silent;
  }

  /** @throws CacheError `aborted` when nothing is waited for any more */
  check(): void {
    if (this.isOver) throw abortedBy(this.#signal);
  }

  end(): void {
    this.#over.abort();
    this.#signal?.removeEventListener("abort", this.#onAbort);
  }

  /** The work, which is a request to the server. */
  async answered<T>(work: () => Promise<T>): Promise<T> {
    if (this.#pending++ === 0) this.#heardAt = this.#clock.monotonic();
    if (this.#signal?.aborted) void this.#watch();
    try {
      const answer = await work();
      this.#heard();
      return answer;
    } catch (error) {
      if (isServerReply(error)) this.#heard();
      else if (isTimeout(error)) this.#silent = true;
      throw error;
    } finally {
      this.#pending -= 1;
    }
  }

  /** The work, or the failure when it takes longer than `ms`, or when nothing is waited for any more. */
  async within<T>(ms: number, work: Promise<T>, late: () => Error): Promise<T> {
    const done = new AbortController();
    const timer = AbortSignal.any([done.signal, this.#over.signal]);
    const end = this.#clock.sleep(Math.max(0, ms), timer).then(() => {
      if (!done.signal.aborted) throw late();
    });
    try {
      await Promise.race([work, end]);
      return await work;
    } finally {
      done.abort();
    }
  }

  #heard(): void {
    this.#heardAt = this.#clock.monotonic();
    this.#silent = false;
  }

  /** After the signal: leaves the server as soon as it has been silent for too long with requests pending. */
  async #watch(): Promise<void> {
    if (this.#watching) return;
    this.#watching = true;
    while (this.#pending > 0 && !this.isOver) {
      const left = this.#heardAt + SILENCE_MS - this.#clock.monotonic();
      await this.#clock.sleep(Math.max(0, left), this.#over.signal);
      // Answers that came while this process was busy are read first.
      await new Promise(setImmediate);
      if (this.#pending === 0 || this.#clock.monotonic() - this.#heardAt < SILENCE_MS) continue;
      this.#leave();
    }
    this.#watching = false;
  }
}

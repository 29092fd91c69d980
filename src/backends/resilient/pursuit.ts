import type { Clock } from "../../clock.js";
import { abortedBy, CacheError } from "../../errors.js";
import type { Awaitable, Backend } from "../backend.js";
import type { Permit } from "./breaker.js";
import type { RetryBudget } from "./budget.js";
import { Countdown, type Deadlines } from "./deadlines.js";
import { deadlineError } from "./failures.js";
import type { ResilienceSettings } from "./options.js";
import type { Source } from "./source.js";

/** What is asked of the store. */
export interface Operation<T> {
  /**
   * @param signal ends with the call: the caller's own, or one that the deadline ends too
   * @param advance moves the deadline on, of an operation with `patienceMs`
   */
  attempt(backend: Backend, signal: AbortSignal | undefined, advance: () => void): Awaitable<T>;
  /** It may be made again: twice has the effect of once. */
  idempotent: boolean;
  /** The caller's. */
  signal?: AbortSignal | undefined;
  /** The backend ends by itself at a safe point when the caller's signal is given, and has something to say then. */
  endsItself?: boolean;
  /** It is given a signal that the deadline ends: what nobody waits for any more should not be done either. */
  stoppable?: boolean;
  /** Milliseconds without progress, instead of a deadline for the whole. */
  patienceMs?: number;
  /** What goes on in any state of the breaker, such as the next piece of a stream. */
  admitted?: boolean;
  /** Says nothing about the store to the breaker. */
  uncounted?: boolean;
}

/** Who lets attempts through, and is told how they ended. */
export interface Overseer {
  readonly settings: ResilienceSettings;
  readonly source: Source;
  readonly clock: Clock;
  readonly budget: RetryBudget;
  readonly deadlines: Deadlines;
  readonly counts: { retries: number; timeouts: number };
  readonly target: string;
  /** @throws CacheError `closed`, `breaker-open` */
  admit(operation: Pick<Operation<unknown>, "admitted" | "uncounted">): Permit | undefined;
  backoffMs(retry: number): number;
  noteSuccess(permit: Permit | undefined): void;
  noteEnd(error: unknown, permit: Permit | undefined): void;
}

/** One call on its way: attempts, one after another, until one is answered, none is left, the deadline passes or the caller gives up. */
export class Pursuit<T> {
  readonly answer: Promise<T>;
  readonly #overseer: Overseer;
  readonly #operation: Operation<T>;
  readonly #onAbort = () => this.#aborted();
  #resolve: (value: T) => void = () => undefined;
  #reject: (error: unknown) => void = () => undefined;
  #permit: Permit | undefined;
  /** Ends the attempt that is under way and the wait for the next one. */
  #stop: AbortController | undefined;
  #countdown: Countdown | undefined;
  #endDeadline: () => void = () => undefined;
  #until = Number.POSITIVE_INFINITY;
  #retries = 0;
  #opening = false;
  /** What the last attempt failed with. */
  #earlier: unknown;
  #over = false;

  /** @param stop what ends the attempt that is under way already */
  constructor(overseer: Overseer, operation: Operation<T>, stop?: AbortController) {
    this.#overseer = overseer;
    this.#operation = operation;
    this.#stop = stop;
    this.answer = new Promise<T>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    const { patienceMs, signal } = operation;
    if (patienceMs !== undefined) this.#countdown = new Countdown(patienceMs, () => this.#expired(patienceMs));
    else {
      const { timeoutMs } = overseer.settings;
      if (timeoutMs > 0) this.#until = overseer.clock.monotonic() + timeoutMs;
      this.#endDeadline = overseer.deadlines.begin(() => this.#expired(timeoutMs));
    }
    signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  /** @param permit of the attempt that is under way */
  follow(attempt: Promise<T>, permit: Permit | undefined): this {
    this.#permit = permit;
    if (this.#operation.signal?.aborted) this.#aborted();
    attempt.then(
      (value) => this.#succeeded(value),
      (error: unknown) => this.#failed(error),
    );
    return this;
  }

  begin(permit: Permit | undefined): this {
    return this.follow(this.#ask(), permit);
  }

  async #ask(): Promise<T> {
    const { attempt, stoppable, signal, patienceMs } = this.#operation;
    const own = stoppable === true || patienceMs !== undefined;
    if (own) this.#stop = new AbortController();
    if (own && signal?.aborted) this.#stop?.abort(signal.reason);
    const { source } = this.#overseer;
    this.#opening = source.backend === undefined;
    const backend = source.backend ?? (await source.opened());
    this.#opening = false;
    return attempt(backend, this.#stop?.signal ?? signal, () => this.#advanced());
  }

  #succeeded(value: T): void {
    if (this.#over) return;
    this.#overseer.noteSuccess(this.#permit);
    this.#end();
    this.#resolve(value);
  }

  #failed(error: unknown): void {
    if (this.#over) return;
    this.#overseer.noteEnd(error, this.#permit);
    const pause = this.#pauseBefore(error);
    if (pause === undefined) {
      this.#end();
      this.#reject(error);
      return;
    }
    this.#earlier = error;
    this.#stop = new AbortController();
    const again = () => {
      if (!this.#over) this.#retry();
    };
    this.#overseer.clock.sleep(pause, this.#stop.signal).then(again, again);
  }

  /** Milliseconds before the next attempt; undefined if there is to be none. */
  #pauseBefore(error: unknown): number | undefined {
    const { idempotent, signal } = this.#operation;
    if (!(error instanceof CacheError) || !error.retryable || error.code === "breaker-open") return undefined;
    // What failed before it was asked for can be asked for again, whatever it is.
    if (!idempotent && !this.#opening) return undefined;
    const { settings, clock, budget } = this.#overseer;
    if (this.#retries >= settings.retries || signal?.aborted) return undefined;
    const pause = this.#overseer.backoffMs(this.#retries);
    if (clock.monotonic() + pause >= this.#until || !budget.take()) return undefined;
    this.#retries += 1;
    return pause;
  }

  #retry(): void {
    try {
      this.#permit = this.#overseer.admit(this.#operation);
    } catch {
      // The breaker has opened meanwhile: what the store failed with says more.
      this.#end();
      this.#reject(this.#earlier);
      return;
    }
    this.#overseer.counts.retries += 1;
    this.begin(this.#permit);
  }

  #advanced(): void {
    this.#retries = 0;
    this.#countdown?.moveOn();
  }

  #expired(ms: number): void {
    if (this.#over) return;
    const error = deadlineError(this.#overseer.target, ms, this.#earlier);
    this.#overseer.counts.timeouts += 1;
    this.#overseer.noteEnd(error, this.#permit);
    this.#end();
    this.#stop?.abort(error);
    this.#reject(error);
  }

  #aborted(): void {
    if (this.#over) return;
    const { signal, endsItself } = this.#operation;
    const stop = this.#stop;
    if (endsItself !== true) {
      const error = abortedBy(signal);
      this.#overseer.noteEnd(error, this.#permit);
      this.#end();
      this.#reject(error);
    }
    stop?.abort(signal?.reason);
  }

  #end(): void {
    this.#over = true;
    this.#endDeadline();
    this.#countdown?.end();
    this.#operation.signal?.removeEventListener("abort", this.#onAbort);
  }
}

import { setMaxListeners } from "node:events";
import type { Awaitable } from "../backends/backend.js";
import type { Clock } from "../clock.js";
import { abortedBy, CacheError } from "../errors.js";
import type { CallOptions } from "./options.js";

/** Callers may give one signal to as many calls as they like: no warning is to be made of its listeners. */
export function listenedByMany(signal: AbortSignal): void {
  // One that is made elsewhere has no such warnings.
  if (signal instanceof EventTarget) setMaxListeners(0, signal);
}

/** The promise, or the end of waiting for it when the signal is given first. */
export function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(abortedBy(signal));
    const done = () => signal.removeEventListener("abort", stop);
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
    work.then(
      (value) => {
        done();
        resolve(value);
      },
      (error) => {
        done();
        reject(error);
      },
    );
  });
}

/**
 * Runs a call under its caller's signal and deadline: it ends with either, whatever the store does.
 * @throws CacheError `aborted`, `call-timeout`, `invalid-timeout`
 */
export async function within<T>(
  clock: Clock,
  { signal, timeout }: CallOptions,
  run: (signal: AbortSignal | undefined) => Awaitable<T>,
): Promise<T> {
  if (signal?.aborted) throw abortedBy(signal);
  if (signal !== undefined) listenedByMany(signal);
  if (timeout === undefined) return run(signal);
  const deadline = new Deadline(clock, timeout, signal);
  try {
    return await untilAborted(Promise.resolve(run(deadline.signal)), deadline.signal);
  } finally {
    deadline.end();
  }
}

/** A signal that is given when time is over, or when the caller's own is. */
export class Deadline {
  readonly #cut = new AbortController();
  readonly #over = new AbortController();
  readonly #caller: AbortSignal | undefined;
  readonly #forward = () => this.#cut.abort(this.#caller?.reason);

  constructor(clock: Clock, timeout: number, signal?: AbortSignal) {
    if (!(timeout > 0)) {
      throw new CacheError("usage", "invalid-timeout", `a timeout of ${timeout} ms leaves no time for anything`, {
        hint: "Give a timeout above zero, or none.",
      });
    }
    this.#caller = signal;
    if (signal?.aborted) this.#forward();
    else if (signal !== undefined) {
      listenedByMany(signal);
      signal.addEventListener("abort", this.#forward, { once: true });
    }
    if (timeout === Number.POSITIVE_INFINITY) return;
    void clock.sleep(timeout, this.#over.signal).then(() => {
      if (this.#over.signal.aborted) return;
      this.#cut.abort(new CacheError("timeout", "call-timeout", `the call took longer than ${timeout} ms`));
    });
  }

  get signal(): AbortSignal {
    return this.#cut.signal;
  }

  /** To be called when the work is done: the timer ends, and the caller's signal is let go. */
  end(): void {
    this.#over.abort();
    this.#caller?.removeEventListener("abort", this.#forward);
  }
}

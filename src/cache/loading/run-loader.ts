import type { Clock } from "../../clock.js";
import { abortedBy, CacheError } from "../../errors.js";
import { checkTtl, uniqueTags } from "../new-entry.js";
import { LOAD_TIMEOUT, type LoadContext, type Loader } from "./options.js";

/** What a loader gave, with what it said about it. */
export interface Loaded<T> {
  value: T | undefined;
  /** Milliseconds, null = for ever; undefined = nothing was said. */
  ttl: number | null | undefined;
  tags: readonly string[] | undefined;
  keep: boolean;
}

export interface LoaderCall<T> {
  key: string;
  stale: T | undefined;
  /** Milliseconds; default 30,000. */
  timeout: number | undefined;
  clock: Clock;
  /** Given when nobody waits any more. */
  signal: AbortSignal;
  /** Nobody waits from the start: a loader that never ends must keep no process alive. */
  idle: boolean;
}

/** The signal of the load whose loader is being called in this very moment: what is asked now is asked by it. */
let beingCalled: AbortSignal | undefined;

/**
 * Refuses a loader that asks for its own key before it waits for anything else: it would wait for itself until its time is over. One that does so later is not found out, for
 * following a loader through all it waits for (`AsyncLocalStorage`) makes every promise of the process slower.
 * @param signal of the load that it would join
 * @throws CacheError `load-of-itself`
 */
export function checkOther(key: string, signal: AbortSignal): void {
  if (signal !== beingCalled) return;
  throw new CacheError(
    "usage",
    "load-of-itself",
    `the loader of "${key}" asks for "${key}", and would wait for itself`,
    {
      key,
      hint: "Let it get the value from where it comes from.",
    },
  );
}

/**
 * Runs a loader to its end, but no longer than its time: then its signal is given and it is left to itself.
 * @throws CacheError `load-timeout`, `aborted`; whatever the loader throws
 */
export function runLoader<T>(loader: Loader<T>, call: LoaderCall<T>): Promise<Loaded<T>> {
  const { key, stale, timeout = LOAD_TIMEOUT, clock, signal, idle } = call;
  const said: Omit<Loaded<T>, "value"> = { ttl: undefined, tags: undefined, keep: true };
  const cut = new AbortController();
  const over = new AbortController();
  const context: LoadContext = {
    key,
    signal: cut.signal,
    stale,
    setTtl: (ttl) => {
      said.ttl = ttl === null ? null : checkTtl(ttl, key);
    },
    setTags: (tags) => {
      said.tags = uniqueTags(tags);
    },
    dontStore: () => {
      said.keep = false;
    },
  };
  return new Promise<Loaded<T>>((resolve, reject) => {
    const end = () => {
      over.abort();
      signal.removeEventListener("abort", leave);
    };
    const stop = (error: CacheError) => {
      end();
      reject(error);
      cut.abort(error);
    };
    const leave = () => stop(abortedBy(signal));
    if (signal.aborted) return leave();
    signal.addEventListener("abort", leave, { once: true });
    if (timeout !== Number.POSITIVE_INFINITY) {
      void clock.sleep(timeout, over.signal, idle).then(() => {
        if (!over.signal.aborted) stop(tooLong(key, timeout));
      });
    }
    // `async`, so that a loader that throws at once is like one that rejects.
    entering(signal, async () => loader(context)).then(
      (value) => {
        end();
        resolve({ value, ...said });
      },
      (error) => {
        end();
        reject(error);
      },
    );
  });
}

function entering<T>(signal: AbortSignal, call: () => T): T {
  const outer = beingCalled;
  beingCalled = signal;
  try {
    return call();
  } finally {
    beingCalled = outer;
  }
}

function tooLong(key: string, timeout: number): CacheError {
  return new CacheError("timeout", "load-timeout", `loading "${key}" took longer than ${timeout} ms`, {
    key,
    hint: "Let the loader heed its signal, or give it a longer loadTimeout. One that asks for its own key waits for itself.",
  });
}

import type { Awaitable } from "../../backends/backend.js";
import { CacheError } from "../../errors.js";
import { untilAborted } from "../call.js";
import type { LoadContext, LoadOptions } from "./options.js";
import type { ReadThrough } from "./read-through.js";

/** What a loader of many keys is told. */
export interface LoadManyContext {
  /** Given when the load takes too long, or when nobody waits for any of its keys. */
  readonly signal: AbortSignal;
}

/**
 * Gives the values of keys from where they come from: in their order, or by key. A key without a value is `undefined`, or missing.
 */
export type ManyLoader<T> = (
  keys: readonly string[],
  context: LoadManyContext,
) => Awaitable<readonly (T | undefined)[] | ReadonlyMap<string, T | undefined>>;

/** Many keys read through: one read of the store, and one call of the loader for all that are missing. */
export async function readManyThrough<T>(
  reader: ReadThrough,
  keys: readonly string[],
  loadMany: ManyLoader<T>,
  options: LoadOptions<T>,
): Promise<unknown[]> {
  const wanted = new Map<string, Promise<unknown>>();
  const unique = new Set(keys);
  for (const key of unique) {
    const flight = reader.join(key, options);
    if (flight !== undefined) wanted.set(key, flight);
  }
  const rest = [...unique].filter((key) => !wanted.has(key));
  const batch = new Batch(loadMany, rest);
  // Without a key nobody would wait for the answer, nor for its failure.
  const found = rest.length === 0 ? [] : reader.read(rest);
  rest.forEach((key, i) => {
    const own = Array.isArray(found) ? [found[i]] : Promise.resolve(found).then((entries) => [entries[i]]);
    const value = reader.begin<T>(
      key,
      own,
      (context) => batch.ask(context),
      options,
      () => batch.decided(key),
    );
    wanted.set(key, value);
    const decided = () => batch.decided(key);
    value.then(decided, decided);
  });
  // All are waited for together: the first failure is the call's, and none of the others goes unhandled.
  return Promise.all(keys.map((key) => wanted.get(key)));
}

interface Asked<T> {
  context: LoadContext;
  resolve: (value: T | undefined) => void;
  reject: (error: unknown) => void;
}

/** Collects the keys whose turn it is, and asks for them at once as soon as it is known of every key whether it has to be loaded. */
class Batch<T> {
  readonly #load: ManyLoader<T>;
  readonly #undecided: Set<string>;
  #asked: Asked<T>[] = [];

  constructor(load: ManyLoader<T>, keys: readonly string[]) {
    this.#load = load;
    this.#undecided = new Set(keys);
  }

  ask(context: LoadContext): Promise<T | undefined> {
    return new Promise((resolve, reject) => {
      this.#asked.push({ context, resolve, reject });
      this.decided(context.key);
    });
  }

  /** The key is asked for, was answered, or waits for another process. */
  decided(key: string): void {
    this.#undecided.delete(key);
    if (this.#undecided.size > 0 || this.#asked.length === 0) return;
    const asked = this.#asked;
    this.#asked = [];
    void this.#run(asked);
  }

  async #run(asked: readonly Asked<T>[]): Promise<void> {
    const cut = new AbortController();
    let waiting = asked.length;
    const leave = ({ context: { signal } }: Asked<T>) => {
      waiting -= 1;
      if (waiting === 0) cut.abort(signal.reason);
    };
    for (const one of asked) {
      if (one.context.signal.aborted) leave(one);
      else one.context.signal.addEventListener("abort", () => leave(one), { once: true });
    }
    const keys = asked.map(({ context }) => context.key);
    try {
      const values = await untilAborted((async () => this.#load([...keys], { signal: cut.signal }))(), cut.signal);
      const find = lookup(values, keys);
      for (const [i, { context, resolve }] of asked.entries()) resolve(find(context.key, i));
    } catch (error) {
      for (const { reject } of asked) reject(error);
    }
  }
}

function lookup<T>(
  values: readonly (T | undefined)[] | ReadonlyMap<string, T | undefined>,
  keys: readonly string[],
): (key: string, i: number) => T | undefined {
  if (values instanceof Map) return (key) => values.get(key);
  if (Array.isArray(values) && values.length === keys.length) return (_, i) => values[i];
  const what = Array.isArray(values) ? `${values.length} values` : typeof values;
  throw new CacheError("usage", "invalid-load-result", `a loader of ${keys.length} keys gave ${what}`, {
    hint: "Give one value for each key, in their order and undefined where there is none, or a Map by key.",
  });
}

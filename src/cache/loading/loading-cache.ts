import type { Backend } from "../../backends/backend.js";
import type { ChangeWindow } from "../../change-window.js";
import type { Clock } from "../../clock.js";
import { CacheError, messageOf } from "../../errors.js";
import type { Listener } from "../../events.js";
import { checkKeyTypes } from "../../key.js";
import { checkIsFunction, checkIsObject } from "../../option-checks.js";
import type { Selector } from "../../selector.js";
import { Deadline } from "../call.js";
import type { Codec } from "../codec.js";
import type { LoadCounts } from "../options.js";
import type { Tally } from "../tally.js";
import { type ManyLoader, readManyThrough } from "./many.js";
import type { Loader, LoadOptions } from "./options.js";
import { ReadThrough } from "./read-through.js";
import { StoreFaults } from "./store-faults.js";

export interface LoadingParts {
  clock: Clock;
  window: ChangeWindow;
  tally: Tally;
  defaultTtl: number | null;
  readOnly: boolean;
  emit: Listener | undefined;
  random: () => number;
  /** The backend of a call. @throws CacheError `unknown-tier` */
  at: (tier: string | undefined) => Backend;
}

/** Reading through of one cache: by tier where a call names one, within the call's deadline, and what is known of all of it. */
export class LoadingCache {
  readonly counts: LoadCounts = {
    loads: 0,
    joined: 0,
    failed: 0,
    timedOut: 0,
    overtaken: 0,
    waitedOut: 0,
    stale: 0,
    storeFailures: 0,
  };
  readonly #parts: LoadingParts;
  readonly #faults: StoreFaults;
  readonly #readers = new Map<string | undefined, ReadThrough>();
  #closed = false;

  constructor(parts: LoadingParts) {
    this.#parts = parts;
    this.#faults = new StoreFaults(parts.clock, parts.tally, this.counts, parts.emit);
  }

  /** A read that failed outside of a load. */
  readonly readFailed = (error: unknown): void => this.#faults.note(error);

  get<T>(codec: Codec, key: string, loader: Loader<T>, options: LoadOptions<T>): Promise<unknown> {
    try {
      checkLoad(loader, options);
    } catch (error) {
      return Promise.reject(error);
    }
    if (options.timeout !== undefined) {
      return this.#within(options, (bounded) => this.get(codec, key, loader, bounded));
    }
    try {
      return this.#reader(codec, options.tier).get(key, loader, options);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async getMany<T>(
    codec: Codec,
    keys: readonly string[],
    loadMany: ManyLoader<T>,
    options: LoadOptions<T>,
  ): Promise<unknown[]> {
    checkLoad(loadMany, options);
    checkKeyTypes(keys);
    if (options.timeout !== undefined) {
      return this.#within(options, (bounded) => this.getMany(codec, keys, loadMany, bounded));
    }
    return readManyThrough(this.#reader(codec, options.tier), keys, loadMany, options);
  }

  /** Removes an entry whose bytes don't decode, unless another one is there by now, and counts it. */
  async discard(key: string, bytes: Uint8Array, error: unknown, tier: string | undefined): Promise<void> {
    this.#faults.brokenEntry(key, messageOf(error));
    if (this.#parts.readOnly) return;
    try {
      const backend = this.#parts.at(tier);
      const [entry] = await backend.getMany([key], { want: "all", peek: true });
      if (entry?.version === undefined || Buffer.compare(entry.value, bytes) !== 0) return;
      await backend.deleteMany([key], { versions: [entry.version] });
    } catch (failure) {
      this.#faults.note(failure);
    }
  }

  /** What this cache changed, when that has been recorded. */
  changed(selector: Selector): void {
    for (const reader of this.#readers.values()) reader.changed(selector);
  }

  /** Ends what is under way; what is asked for later is refused. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#readers.values()].map((reader) => reader.close()));
  }

  async #within<T, R>(options: LoadOptions<T>, run: (bounded: LoadOptions<T>) => Promise<R>): Promise<R> {
    const { timeout = Number.POSITIVE_INFINITY, ...rest } = options;
    const deadline = new Deadline(this.#parts.clock, timeout, options.signal);
    try {
      return await run({ ...rest, signal: deadline.signal });
    } finally {
      deadline.end();
    }
  }

  #reader(codec: Codec, tier: string | undefined): ReadThrough {
    if (this.#closed)
      throw new CacheError("usage", "closed", "the cache is closed", { hint: "Open it again to use it." });
    const known = this.#readers.get(tier);
    if (known !== undefined) return known;
    const { at, ...parts } = this.#parts;
    const reader = new ReadThrough({
      ...parts,
      backend: at(tier),
      codec,
      counts: this.counts,
      faults: this.#faults,
      discard: (key, bytes, error) => this.discard(key, bytes, error, tier),
    });
    this.#readers.set(tier, reader);
    return reader;
  }
}

/** @throws CacheError `invalid-load-options`, `invalid-function` */
function checkLoad(loader: unknown, options: unknown): void {
  checkIsObject("reading through", options, "invalid-load-options");
  checkIsFunction("a loader", loader);
}

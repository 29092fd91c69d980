import type { Awaitable, DeleteReport } from "../backends/backend.js";
import { type Concerned, coverage } from "../changes.js";
import type { Clock } from "../clock.js";
import { CacheError, messageOf } from "../errors.js";
import type { Listener } from "../events.js";
import { checkIsFunction } from "../option-checks.js";
import { checkSelector, type Selection, type Selector } from "../selector.js";

/** What invalidations need of a cache. */
export interface Invalidator {
  readonly clock: Clock;
  readonly emit: Listener;
  invalidate(selector: Selector): Promise<DeleteReport>;
}

/** Invalidations that are to be made together. */
export interface Invalidations {
  /** Of single entries. @throws CacheError `invalid-key` */
  delete(...keys: readonly string[]): void;
  /** @throws CacheError `empty-selector`, `invalid-selector`, `invalid-glob`, `invalid-key`: now, while the work can still fail */
  invalidate(selector: Selection): void;
}

/** Collects invalidations, keys among them as one. */
export class Collected implements Invalidations {
  readonly #keys = new Set<string>();
  readonly #selectors: Selector[] = [];

  delete(...keys: readonly string[]): void {
    this.invalidate({ keys });
  }

  invalidate(selector: Selection): void {
    checkSelector(selector);
    if ("keys" in selector) for (const key of selector.keys) this.#keys.add(key);
    else this.#selectors.push(selector);
  }

  get selectors(): readonly Selector[] {
    return this.#keys.size === 0 ? this.#selectors : [{ keys: [...this.#keys] }, ...this.#selectors];
  }
}

/** Milliseconds before what could not be invalidated is tried again: from the first to the last, doubling. */
const RETRY_FROM = 1000;
const RETRY_TO = 60_000;

/**
 * Makes invalidations that follow a write which has already happened, and so may not fail it: what the store does not take is told, tried again until it does,
 * and known meanwhile, so that nobody need be given what should be gone.
 */
export class Invalidating {
  readonly #cache: Invalidator;
  readonly #end = new AbortController();
  #missed: { selector: Selector; covers: (entry: Concerned) => boolean }[] = [];
  #retrying: Promise<void> | undefined;

  constructor(cache: Invalidator) {
    this.#cache = cache;
  }

  /** True while an invalidation that concerns the entry could not be made. */
  owes(entry: Concerned): boolean {
    return this.#missed.some(({ covers }) => covers(entry));
  }

  /** Resolves when each was made or noted down; never rejects. */
  async make(selectors: readonly Selector[]): Promise<void> {
    const owed = selectors.map((selector) => ({ selector, covers: coverage(selector) }));
    // Known before the first answer: who reads meanwhile could be given the old value, and a load keep it.
    this.#missed.push(...owed);
    for (const one of owed) {
      const failure = await this.#attempt(one);
      if (failure !== undefined) this.#tell(failure.error);
    }
    if (this.#missed.length > 0) this.#retrying ??= this.#retry();
  }

  /** Ends trying again. */
  async close(): Promise<void> {
    this.#end.abort();
    await this.#retrying;
  }

  async #retry(): Promise<void> {
    for (let pause = RETRY_FROM; this.#missed.length > 0; pause = Math.min(pause * 2, RETRY_TO)) {
      await this.#cache.clock.sleep(pause, this.#end.signal);
      if (this.#end.signal.aborted) return;
      for (const one of [...this.#missed]) {
        // Told when it was missed; what is still owed is tried again after a longer pause.
        if ((await this.#attempt(one)) !== undefined) break;
      }
    }
    this.#retrying = undefined;
  }

  /** What is still owed says why. */
  async #attempt(one: { selector: Selector }): Promise<{ error: unknown } | undefined> {
    try {
      await this.#cache.invalidate(one.selector);
    } catch (error) {
      if (!isUsage(error)) return { error };
      // It will never be made: who owed it for ever would read from the source for ever.
      const message = `an invalidation was refused: ${error.message}`;
      this.#cache.emit({
        type: "warning",
        code: "invalidation-refused",
        message,
        ...(error.hint && { hint: error.hint }),
      });
    }
    this.#settle(one);
    return undefined;
  }

  #settle(one: { selector: Selector }): void {
    this.#missed = this.#missed.filter((other) => other !== one);
  }

  #tell(error: unknown): void {
    this.#cache.emit({
      type: "warning",
      code: "invalidation-missed",
      message: `what was written could not be invalidated yet: ${messageOf(error)}`,
      hint: "It is tried again; until then these entries are read from their source.",
    });
  }
}

const isUsage = (error: unknown): error is CacheError => error instanceof CacheError && error.kind === "usage";

/**
 * Runs `work`, and makes the invalidations that it collected when it has succeeded; when it fails they are dropped, and its error is thrown.
 * Afterwards the work stands whatever becomes of the invalidations, see {@link Invalidating}.
 */
export async function transaction<T>(
  invalidating: Invalidating,
  work: (invalidations: Invalidations) => Awaitable<T>,
): Promise<T> {
  checkIsFunction("the work of a transaction", work);
  const collected = new Collected();
  const result = await work(collected);
  await invalidating.make(collected.selectors);
  return result;
}

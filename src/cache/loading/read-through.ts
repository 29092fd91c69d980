import type { Awaitable, ReadOptions, Stored, UnreadableEntry } from "../../backends/backend.js";
import { abortedBy, CacheError } from "../../errors.js";
import { checkKey } from "../../key.js";
import type { Selector } from "../../selector.js";
import { Flight, type Landing, type Purpose } from "./flight.js";
import { Keeper } from "./keeper.js";
import { allowsStale, checkLoadOptions, type Loader, type LoadOptions, staleWindows } from "./options.js";
import type { LoadParts } from "./parts.js";
import { Pauses } from "./pauses.js";
import { checkOther } from "./run-loader.js";

/** Milliseconds that loads have to come to their end when the cache is closed. */
const CLOSE_WAIT = 1000;

/** What one read gave: the entry, or undefined. */
export type Found = Awaitable<readonly (Stored | undefined)[]>;

type Read = { entry: Stored | undefined; failed: boolean };

/**
 * Reads through to a loader: one flight a key in this process, one load over all processes where the store outlives them. What a change
 * overtook goes to those who asked before it, and is not kept.
 */
export class ReadThrough {
  readonly #parts: LoadParts;
  readonly #keeper: Keeper;
  readonly #flights = new Map<string, Flight>();
  /** Loads that nobody waits for, while a stale value is given. */
  readonly #refreshes = new Map<string, Flight>();
  readonly #pauses: Pauses;
  readonly #freshness: ReadOptions;

  constructor(parts: LoadParts) {
    this.#parts = parts;
    this.#keeper = new Keeper(parts);
    this.#pauses = new Pauses(parts.clock);
    // One entry that can't be read here, and is about to be replaced, is no failure of the store for the others.
    const onUnreadable = ({ error }: UnreadableEntry) => {
      if (error !== undefined) parts.faults.note(error);
    };
    this.#freshness = { want: "freshness", onUnreadable };
  }

  /** @throws CacheError `aborted`, `load-timeout`, `invalid-key`, `invalid-ttl`, `invalid-load-options`; whatever the loader throws */
  get<T>(key: string, loader: Loader<T>, options: LoadOptions<T>): Promise<unknown> {
    return this.join(key, options) ?? this.begin(key, this.#readFreshness([key]), loader, options);
  }

  /** The flight that is under way for a key, if there is one that will do; undefined: {@link begin} one. */
  join<T>(key: string, options: LoadOptions<T>): Promise<unknown> | undefined {
    const { signal } = options;
    if (signal?.aborted) return Promise.reject(abortedBy(signal));
    const flight = this.#flights.get(key);
    if (flight === undefined || flight.overtaken) return undefined;
    // Who allows no stale value must not get one because another does.
    if (flight.mayBeStale && !allowsStale(options)) return undefined;
    checkOther(key, flight.signal);
    return flight.join(signal);
  }

  /** Many keys in one read. */
  read(keys: readonly string[]): Found {
    return this.#readFreshness(keys);
  }

  /**
   * @param found the read of the key, begun in this very moment
   * @param onWait called before each wait for another process
   */
  begin<T>(
    key: string,
    found: Found,
    loader: Loader<T>,
    options: LoadOptions<T>,
    onWait?: () => void,
  ): Promise<unknown> {
    // Memory has answered already: a fresh value needs no flight.
    const entry = Array.isArray(found) ? found[0] : undefined;
    if (entry !== undefined && !this.#isStale(entry)) {
      const landing = this.#keeper.landingOf(key, entry);
      if (landing) {
        this.#parts.tally.read(true);
        return Promise.resolve(landing.give());
      }
    }
    try {
      checkKey(key);
      checkLoadOptions(key, options);
    } catch (error) {
      // The read is under way, and nobody is left whom it would tell of its failure.
      if (found instanceof Promise) found.catch(() => undefined);
      return Promise.reject(error);
    }
    const run = (flight: Flight) => this.#answer(flight, found, loader, options, onWait);
    const flight = new Flight(purposeOf(key, options), this.#parts.window, run, (ended, landing) => {
      if (this.#flights.get(key) === ended) this.#flights.delete(key);
      this.#parts.tally.read(landing?.hit ?? false, ended.callers);
      if (landing?.hit !== true) this.#parts.counts.joined += Math.max(0, ended.callers - 1);
    });
    this.#flights.set(key, flight);
    return flight.join(options.signal);
  }

  /** What this process changed, when that has been recorded. */
  changed(selector: Selector): void {
    for (const flights of [this.#flights, this.#refreshes]) {
      if ("keys" in selector) for (const key of selector.keys) flights.get(key)?.heedOwn();
      else for (const flight of flights.values()) flight.heedOwn();
    }
  }

  /** Ends what is under way: loaders get their signal, their callers the error `closed`. */
  async close(): Promise<void> {
    const flights = [...this.#flights.values(), ...this.#refreshes.values()];
    const closed = new CacheError("usage", "closed", "the cache was closed while a value was loaded");
    for (const flight of flights) flight.cancel(closed);
    // They have a lease to give back; a store that does not answer is not waited for longer.
    const waiting = new AbortController();
    const enough = this.#parts.clock.sleep(CLOSE_WAIT, waiting.signal);
    if (flights.length > 0) await Promise.race([Promise.all(flights.map(({ done }) => done)), enough]);
    waiting.abort();
  }

  async #answer<T>(
    flight: Flight,
    found: Found,
    loader: Loader<T>,
    options: LoadOptions<T>,
    onWait: (() => void) | undefined,
  ): Promise<Landing | undefined> {
    const { key } = flight;
    const { entry, failed } = await this.#settle(found);
    // A store that could not be read is not asked for a lease either: its caller has waited once.
    if (failed) return this.#keeper.loadOnly(flight, undefined, loader, options);
    const atOnce = Array.isArray(found);
    const answer = entry && this.#usable(key, entry, loader, options, atOnce);
    if (answer) return answer;
    const refresh = this.#refreshes.get(key);
    if (refresh !== undefined && !refresh.overtaken) {
      const landing = await refresh.landed.catch(() => undefined);
      if (landing) return landing;
    }
    const answers = (other: Stored) =>
      !this.#isStale(other) || this.#age(other) < this.#windows(options).whileRevalidate;
    try {
      const turn = { over: await this.#whole(key, entry), answers, onWait, atOnce };
      const landing = await this.#keeper.load(flight, turn, loader, options);
      this.#pauses.succeeded(key);
      return landing;
    } catch (error) {
      const fallback = flight.signal.aborted ? undefined : await this.#afterFailure(flight, entry, options);
      if (fallback === undefined) throw error;
      this.#pauses.failed(key);
      return fallback;
    }
  }

  /** What the entry is good for by itself: a fresh value, or a stale one where that is allowed before anything is tried. */
  #usable<T>(
    key: string,
    entry: Stored,
    loader: Loader<T>,
    options: LoadOptions<T>,
    atOnce: boolean,
  ): Landing | undefined {
    if (!this.#isStale(entry)) return this.#keeper.landingOf(key, entry);
    const { whileRevalidate, ifError } = this.#windows(options);
    const age = this.#age(entry);
    const paused = this.#pauses.has(key);
    if (age >= whileRevalidate && !(paused && age < ifError)) return undefined;
    const landing = this.#keeper.landingOf(key, entry);
    if (landing === undefined) return undefined;
    this.#parts.counts.stale += 1;
    if (!paused) this.#refresh(key, loader, options, atOnce);
    return landing;
  }

  /** Loads a key anew while its stale value is given; one at a time, in all processes. */
  #refresh<T>(key: string, loader: Loader<T>, options: LoadOptions<T>, atOnce: boolean): void {
    const running = this.#refreshes.get(key);
    if (running !== undefined && !running.overtaken) return;
    const run = async (flight: Flight): Promise<Landing | undefined> => {
      try {
        const over = await this.#readWhole(key);
        if (over !== undefined && !this.#isStale(over)) return this.#keeper.landingOf(key, over);
        const landing = await this.#keeper.refresh(flight, { over, atOnce }, loader, options);
        this.#pauses.succeeded(key);
        return landing;
      } catch (error) {
        this.#pauses.failed(key);
        if (!flight.signal.aborted) this.#parts.faults.refreshFailed(key, error);
        throw error;
      }
    };
    const flight = new Flight(purposeOf(key, options), this.#parts.window, run, (ended) => {
      if (this.#refreshes.get(key) === ended) this.#refreshes.delete(key);
    });
    this.#refreshes.set(key, flight);
  }

  /** A stale value in place of one that could not be loaded; read again, since it may have been deleted meanwhile. */
  async #afterFailure<T>(
    flight: Flight,
    seen: Stored | undefined,
    options: LoadOptions<T>,
  ): Promise<Landing | undefined> {
    const { ifError } = this.#windows(options);
    if (seen === undefined || ifError === 0) return undefined;
    const { entry, failed } = await this.#settle(this.#readFreshness([flight.key]));
    const last = failed && !flight.concerned(seen.tags ?? []) ? seen : entry;
    if (last === undefined || (this.#isStale(last) && this.#age(last) >= ifError)) return undefined;
    const landing = this.#keeper.landingOf(flight.key, last);
    if (landing) this.#parts.counts.stale += 1;
    return landing;
  }

  #windows<T>(options: LoadOptions<T>) {
    return staleWindows(options, this.#parts.defaultTtl);
  }

  #isStale({ staleAt }: Stored): boolean {
    return staleAt !== undefined && staleAt <= this.#parts.clock.now();
  }

  /** Milliseconds since the entry went stale. */
  #age({ staleAt = 0 }: Stored): number {
    return this.#parts.clock.now() - staleAt;
  }

  #readFreshness(keys: readonly string[]): Found {
    try {
      return this.#parts.backend.getMany(keys, this.#freshness);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** The entry with its version and tags, if the first read saw one and gave less. */
  async #whole(key: string, seen: Stored | undefined): Promise<Stored | undefined> {
    return seen === undefined || seen.version !== undefined ? seen : this.#readWhole(key);
  }

  async #readWhole(key: string): Promise<Stored | undefined> {
    return (await this.#settle(this.#keeper.readWhole(key))).entry;
  }

  async #settle(found: Found): Promise<Read> {
    try {
      return { entry: (await found)[0], failed: false };
    } catch (error) {
      this.#parts.faults.note(error);
      return { entry: undefined, failed: true };
    }
  }
}

function purposeOf<T>(key: string, options: LoadOptions<T>): Purpose {
  const { tags } = options;
  const mayBeStale = allowsStale(options);
  return tags === undefined || typeof tags === "function" ? { key, mayBeStale } : { key, mayBeStale, tags };
}

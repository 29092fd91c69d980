import type { Awaitable, Lease, Leasing, NewEntry, Stored, UnreadableEntry } from "../../backends/backend.js";
import { CacheError } from "../../errors.js";
import { nothing } from "../codec.js";
import { uniqueTags } from "../new-entry.js";
import { type Flight, Landing } from "./flight.js";
import { awaitTurn, keepRenewing, type Seen, type Turn } from "./lease-turn.js";
import { LoadTimes } from "./load-times.js";
import { LogWatch } from "./log-watch.js";
import { type Deadlines, deadlinesOf, LOCK_WAIT, type Loader, type LoadOptions } from "./options.js";
import type { LoadParts } from "./parts.js";
import { type Loaded, runLoader } from "./run-loader.js";

/** How a load begins. */
export interface LoadTurn {
  /** The entry that is to be replaced, with its version. */
  over: Stored | undefined;
  /** Another process's entry that would do instead of loading. */
  answers: (entry: Stored) => boolean;
  onWait: (() => void) | undefined;
  /** The store answers in the moment it is asked: nothing can come between a look at what changed and a write. */
  atOnce: boolean;
}

interface Result {
  landing: Landing;
  /** What is to be kept; undefined: nothing. */
  entry: NewEntry | undefined;
}

/** Runs loaders, and keeps what they give: unless a change overtook it, and only in one process at a time. */
export class Keeper {
  readonly #parts: LoadParts;
  readonly #leasing: Leasing | undefined;
  readonly #watch: LogWatch;
  readonly #times = new LoadTimes();

  constructor(parts: LoadParts) {
    this.#parts = parts;
    const { backend, clock, faults, readOnly } = parts;
    this.#leasing = readOnly ? undefined : backend;
    this.#watch = new LogWatch(backend, clock, faults);
  }

  /** Loads when it is our turn, or gives what another process stored meanwhile. */
  async load<T>(flight: Flight, turn: LoadTurn, loader: Loader<T>, options: LoadOptions<T>): Promise<Landing> {
    const leasing = this.#leasingFor(turn);
    if (leasing === undefined) return this.#loadAndSet(flight, turn.over, loader, options);
    const got = await this.#turn(leasing, flight, turn, options.lockWait ?? LOCK_WAIT);
    if (got?.outcome === "ours") return this.#loadLeased(leasing, got.lease, flight, got.over, loader, options);
    const found = got?.outcome === "found" ? this.landingOf(flight.key, got.entry) : undefined;
    if (found) return found;
    if (got?.outcome === "waited-out") this.#parts.counts.waitedOut += 1;
    return this.loadOnly(flight, turn.over, loader, options);
  }

  /** The value of an entry; undefined for bytes that don't decode: they are removed, and it is a miss. */
  landingOf(key: string, entry: Stored): Landing | undefined {
    try {
      return Landing.from(entry.value, this.#parts.codec, true);
    } catch (error) {
      void this.#parts.discard(key, entry.value, error);
      return undefined;
    }
  }

  /** Loads in place of a stale entry; undefined where another process does, or has done. */
  async refresh<T>(
    flight: Flight,
    given: Pick<LoadTurn, "over" | "atOnce">,
    loader: Loader<T>,
    options: LoadOptions<T>,
  ): Promise<Landing | undefined> {
    const turn: LoadTurn = { ...given, answers: () => true, onWait: undefined };
    const leasing = this.#leasingFor(turn);
    if (leasing === undefined) return this.#loadAndSet(flight, turn.over, loader, options);
    const got = await this.#turn(leasing, flight, turn, 0);
    if (got?.outcome !== "ours") return undefined;
    return this.#loadLeased(leasing, got.lease, flight, got.over, loader, options);
  }

  /** What ends with the process and answers at once has nobody to share a load with: the flight is enough. */
  #leasingFor({ atOnce }: LoadTurn): Leasing | undefined {
    return atOnce && !this.#parts.backend.capabilities.persistent ? undefined : this.#leasing;
  }

  /** Loads and keeps nothing. */
  async loadOnly<T>(
    flight: Flight,
    over: Stored | undefined,
    loader: Loader<T>,
    options: LoadOptions<T>,
  ): Promise<Landing> {
    const loaded = await this.#run(flight, over, loader, options);
    return this.#resultOf(flight.key, { ...loaded, keep: false }, options).landing;
  }

  /** The entry with all that is known of it. */
  async readWhole(key: string): Promise<readonly (Stored | undefined)[]> {
    return this.#parts.backend.getMany([key], { want: "all" });
  }

  /** Undefined where the store failed. */
  async #turn(leasing: Leasing, flight: Flight, turn: LoadTurn, lockWait: number): Promise<Turn | undefined> {
    const { clock, random, faults } = this.#parts;
    const { key, signal } = flight;
    const leaseMs = this.#times.leaseFor(key);
    const read = async (): Promise<Seen> => {
      let unreadable: string | undefined;
      const onUnreadable = ({ version }: UnreadableEntry) => {
        unreadable = version;
      };
      const [entry] = await this.#parts.backend.getMany([key], { want: "all", onUnreadable });
      return { entry, version: entry === undefined ? unreadable : entry.version };
    };
    try {
      return await awaitTurn(leasing, { key, leaseMs, lockWait, clock, random, signal, read, ...turn });
    } catch (error) {
      if (!signal.aborted) faults.note(error);
      return undefined;
    }
  }

  async #loadLeased<T>(
    leasing: Leasing,
    lease: Lease,
    flight: Flight,
    over: Stored | undefined,
    loader: Loader<T>,
    options: LoadOptions<T>,
  ): Promise<Landing> {
    const { clock, faults, tally, counts } = this.#parts;
    const done = new AbortController();
    keepRenewing(leasing, lease, this.#times.leaseFor(flight.key), clock, done.signal).catch(faults.note);
    const unwatch = this.#watch.watch(flight, lease.since);
    let kept: boolean | undefined = false;
    let isOurs = true;
    const giveBack = async () => {
      if (!isOurs) return;
      isOurs = false;
      await this.#try(() => leasing.release(lease));
    };
    flight.whenDoomed(giveBack);
    try {
      const { landing, entry } = this.#resultOf(flight.key, await this.#run(flight, over, loader, options), options);
      if (entry === undefined) {
        await this.#dropOutdated(flight, over);
        return landing;
      }
      kept = await this.#try(() => isOurs && !this.#isOvertaken(flight, entry) && leasing.commit(entry, lease));
      if (kept) tally.add("sets", 1);
      else if (kept === false) counts.overtaken += 1;
      return landing;
    } finally {
      done.abort();
      unwatch();
      if (!kept) await giveBack();
    }
  }

  async #loadAndSet<T>(
    flight: Flight,
    over: Stored | undefined,
    loader: Loader<T>,
    options: LoadOptions<T>,
  ): Promise<Landing> {
    const { backend, tally, counts } = this.#parts;
    const { landing, entry } = this.#resultOf(flight.key, await this.#run(flight, over, loader, options), options);
    if (entry === undefined) {
      await this.#dropOutdated(flight, over);
      return landing;
    }
    if (this.#isOvertaken(flight, entry)) {
      counts.overtaken += 1;
      return landing;
    }
    const outcomes = await this.#try(() => backend.setMany([entry]));
    if (outcomes?.[0] === "stored") tally.add("sets", 1);
    // What is too large for the store must not leave the old value in its place.
    if (outcomes?.[0] === "rejected") await this.#dropOutdated(flight, over);
    return landing;
  }

  /** A load that succeeded, and of which nothing is kept, ends the stale value that it was for: where it came from there is none, or another one. */
  async #dropOutdated(flight: Flight, over: Stored | undefined): Promise<void> {
    const { backend, readOnly } = this.#parts;
    const { version, tags = [] } = over ?? {};
    if (version === undefined || readOnly || flight.concerned(tags)) return;
    await this.#try(() => backend.deleteMany([flight.key], { versions: [version] }));
  }

  #isOvertaken(flight: Flight, entry: NewEntry): boolean {
    return flight.concerned(entry.tags ?? []);
  }

  async #run<T>(
    flight: Flight,
    over: Stored | undefined,
    loader: Loader<T>,
    options: LoadOptions<T>,
  ): Promise<Loaded<T>> {
    const { clock, counts } = this.#parts;
    const { key, signal } = flight;
    const stale = this.#staleValue<T>(over);
    const started = clock.monotonic();
    counts.loads += 1;
    try {
      const idle = flight.callers === 0;
      const loaded = await runLoader(loader, { key, stale, timeout: options.loadTimeout, clock, signal, idle });
      this.#times.record(key, clock.monotonic() - started);
      return loaded;
    } catch (error) {
      counts.failed += 1;
      if (error instanceof CacheError && error.code === "load-timeout" && error.key === key) counts.timedOut += 1;
      throw error;
    }
  }

  #staleValue<T>(over: Stored | undefined): T | undefined {
    if (over === undefined) return undefined;
    try {
      return this.#parts.codec.decode(over.value) as T | undefined;
    } catch {
      // What can't be read is no help to a loader; it is about to be replaced.
      return undefined;
    }
  }

  /** What callers get, and what is kept. A value that can't be kept is no failure of its load: it is noted, and given as it is. */
  #resultOf<T>(key: string, loaded: Loaded<T>, options: LoadOptions<T>): Result {
    const { value, keep } = loaded;
    const { codec, faults, readOnly } = this.#parts;
    const keeps = keep && !readOnly;
    if (value === undefined) {
      const landing = Landing.of(undefined);
      const { negativeTtl: ttl, ttlJitter = 0, tags } = options;
      if (!keeps || ttl === undefined) return { landing, entry: undefined };
      const tagged = loaded.tags ?? (typeof tags === "function" ? [] : tags);
      const deadlines = this.#deadlines({ ttl, ttlJitter }, undefined);
      return { landing, entry: entryOf(key, nothing(), deadlines, tagged) };
    }
    try {
      const bytes = codec.encode(value, key);
      const landing = Landing.from(bytes, codec, false);
      if (!keeps) return { landing, entry: undefined };
      const tagged = loaded.tags ?? (typeof options.tags === "function" ? options.tags(value) : options.tags);
      return { landing, entry: entryOf(key, bytes, this.#deadlines(options, loaded.ttl), tagged) };
    } catch (error) {
      if (keeps) faults.note(error);
      return { landing: Landing.of(value), entry: undefined };
    }
  }

  #deadlines<T>(options: LoadOptions<T>, said: number | null | undefined): Deadlines {
    const { clock, random, defaultTtl } = this.#parts;
    return deadlinesOf(options, said, defaultTtl, clock.now(), random());
  }

  /** A step of the store whose failure costs no caller its value: undefined where it failed. */
  async #try<R>(step: () => Awaitable<R>): Promise<R | undefined> {
    try {
      return await step();
    } catch (error) {
      this.#parts.faults.note(error);
      return undefined;
    }
  }
}

function entryOf(key: string, value: Uint8Array, deadlines: Deadlines, tags: readonly string[] = []): NewEntry {
  return { key, value, ...deadlines, ...(tags.length > 0 && { tags: uniqueTags(tags) }) };
}

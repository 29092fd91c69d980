import { setMaxListeners } from "node:events";
import { ChangeWindow } from "../../change-window.js";
import type { Clock } from "../../clock.js";
import type { Listener } from "../../events.js";
import { filterOf, type Selector } from "../../selector.js";
import type { Awaitable, Backend, ChangePage, Position } from "../backend.js";
import { Follower } from "../follower.js";
import { Operations } from "./operations.js";
import { ReadTally } from "./read-tally.js";
import { UpperTier } from "./upper-tier.js";

export interface TierOptions {
  /** `memory`, `redis:1`. */
  name: string;
  backend: Backend;
  /** Milliseconds that an entry lives in this tier at most, on top of its own deadline; null or absent: no cap. The lowest tier has none. */
  ttlMs?: number | null;
}

export interface TieredContext {
  clock: Clock;
  emit: Listener;
  /** Nothing is copied into stores that outlive the process. */
  readOnly?: boolean;
  /** What every tier was opened for. Without one, an upper tier that outlives the process is never emptied, and read only if it was empty. */
  namespace?: string;
  /** When it is aborted, stores are no longer waited for. */
  signal?: AbortSignal;
}

/** Milliseconds for which `close` waits for copies and logs that don't end. */
const CLOSE_MS = 1000;

/** The stores one above the other, what is known of their changes, and what goes on by itself. */
export class Stack {
  /** Fastest first. */
  readonly uppers: readonly UpperTier[];
  readonly lowest: Backend;
  readonly lowestName: string;
  readonly lowestTally: ReadTally;
  readonly window = new ChangeWindow();
  readonly operations = new Operations();
  readonly clock: Clock;
  readonly readOnly: boolean;
  /** Resolves when every log was asked where it ends: from then on copies may be written, where it could say. */
  readonly ready: Promise<void>;
  readonly #over = new AbortController();
  readonly #work = new Set<Promise<void>>();

  constructor(tiers: readonly TierOptions[], lowest: TierOptions, context: TieredContext) {
    const { clock, emit, readOnly = false, namespace, signal } = context;
    this.clock = clock;
    this.readOnly = readOnly;
    this.lowest = lowest.backend;
    this.lowestName = lowest.name;
    this.lowestTally = new ReadTally(lowest.backend, !readOnly);
    const over = signal ? AbortSignal.any([signal, this.#over.signal]) : this.#over.signal;
    // As many as there are deletions of copies under way: Node would warn of a leak.
    setMaxListeners(0, over);
    const upper = tiers.slice(0, -1);
    // What a tier cuts short, it and all above it take for the end of the entry.
    const keepsDeadlines = ({ ttlMs, backend }: TierOptions) =>
      (ttlMs ?? undefined) === undefined || backend.capabilities.takesCopies === true;
    this.uppers = upper.map(
      ({ name, backend, ttlMs }, level) =>
        new UpperTier({
          name,
          backend,
          ttlMs: ttlMs ?? undefined,
          knowsDeadlines: upper.slice(level).every(keepsDeadlines),
          clock,
          emit,
          readOnly,
          emptiable: !readOnly && (namespace ?? "") !== "",
          origin: this.operations.copying,
          signal: over,
          track: (work) => this.track(work),
        }),
    );
    const followers = tiers.map(({ backend }, level) => new Follower(backend, clock, this.#listenerAt(level)));
    // A fastest tier that is ours alone is changed by nobody else; a single tier has no copies above it.
    const isFollowed = (level: number) => level > 0 || this.uppers[0]?.isPrivate === false;
    for (const [level, tier] of this.uppers.entries()) {
      tier.follow(followers.slice(level + 1), isFollowed(level) ? followers[level] : undefined);
    }
    const followed = followers.filter((_, level) => isFollowed(level));
    for (const follower of followed) this.track(follower.run(over));
    this.ready = Promise.all(followed.map(({ asked }) => asked)).then(() => undefined);
  }

  /** Up to where the log of each upper tier was heard. */
  positions(): (Position | undefined)[] {
    return this.uppers.map(({ since }) => since);
  }

  /** Work that goes on by itself and never fails; `close` waits for it. */
  track(work: Promise<void>): void {
    this.#work.add(work);
    void work.finally(() => this.#work.delete(work));
  }

  /**
   * Something changed, or may just be changing, in the tier at `level` or elsewhere: copies above it are dropped, and what is being read is not kept.
   * @returns a promise where a tier takes its time; until then nothing old is read from it
   */
  forget(selector: Selector, level = this.uppers.length): Awaitable<void> {
    this.window.record({ selector });
    const coarse = coarseOf(selector);
    const waits: Promise<void>[] = [];
    for (const tier of this.uppers.slice(0, level).reverse()) {
      const wait = tier.drop(coarse);
      if (wait instanceof Promise) waits.push(wait);
    }
    return waits.length === 0 ? undefined : Promise.all(waits).then(() => undefined);
  }

  #listenerAt(level: number) {
    const above = () => this.uppers.slice(0, level);
    return {
      began: () => {
        this.window.recordAll();
        for (const tier of above()) if (tier.isPrivate) tier.distrust();
      },
      page: (page: ChangePage) => this.#obey(page, level),
      looked: () => {
        for (const tier of above()) {
          tier.settle();
          tier.isUsable();
        }
      },
    };
  }

  #obey({ changes, gap }: ChangePage, level: number): void {
    if (gap) {
      this.window.recordAll();
      for (const tier of this.uppers.slice(0, level)) tier.distrust();
    }
    const keys = new Set<string>();
    const others = new Map<string, Selector>();
    for (const { selector, origin } of changes) {
      if (this.operations.isDealtWith(origin)) continue;
      if ("keys" in selector) for (const key of selector.keys) keys.add(key);
      else others.set(JSON.stringify(selector), selector);
    }
    if (keys.size > 0) void this.forget({ keys: [...keys] }, level);
    for (const selector of others.values()) void this.forget(selector, level);
  }

  /** Ends what goes on by itself, then closes the stores. @throws the first failure, when all were closed */
  async close(): Promise<void> {
    const patience = new AbortController();
    const waited = this.clock.sleep(CLOSE_MS, patience.signal);
    this.#over.abort();
    await Promise.race([Promise.all(this.#work), waited]);
    patience.abort();
    await Promise.all([this.lowestTally, ...this.uppers.map(({ tally }) => tally)].map((tally) => tally.flush()));
    const closed = await Promise.allSettled(
      [...this.uppers.map(({ backend }) => backend), this.lowest].map((one) => one.close()),
    );
    for (const result of closed) if (result.status === "rejected") throw result.reason;
  }
}

/** A selector by what is surely known of a copy: it may hold more. */
export function coarseOf(selector: Selector): Selector {
  if ("keys" in selector) return { keys: selector.keys };
  const { prefix, match, tags, tagMode } = filterOf(selector);
  if (prefix === undefined && match === undefined && tags === undefined) return { all: true };
  return {
    ...(prefix !== undefined && { prefix }),
    ...(match !== undefined && { match }),
    ...(tags !== undefined && { tags }),
    ...(tagMode !== undefined && { tagMode }),
  };
}

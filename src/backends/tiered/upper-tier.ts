import type { Opening } from "../../change-window.js";
import type { Concerned } from "../../changes.js";
import type { Clock } from "../../clock.js";
import { messageOf } from "../../errors.js";
import type { Listener } from "../../events.js";
import type { Selector } from "../../selector.js";
import type { Awaitable, Backend, NewEntry, Position, Want } from "../backend.js";
import type { Follower } from "../follower.js";
import { Debts } from "./debts.js";
import { ReadTally } from "./read-tally.js";

/**
 * Milliseconds after which a change that was not heard of must have ended every copy of what it replaced: 2 s, less what an answer that is under way may take.
 */
const TRUST_MS = 1750;

/** Milliseconds after opening until a tier that outlives processes is emptied: who is gone by then did not need it. */
const SETTLE_AFTER_MS = 2000;

/** Milliseconds until that is tried again. */
const SETTLE_AGAIN_MS = 1000;

/** Bytes of a value that a copy is made of, at most. */
export const MAX_COPY_BYTES = 1024 * 1024;

export interface UpperTierOptions {
  name: string;
  backend: Backend;
  /** Milliseconds that a copy lives at most. */
  ttlMs: number | undefined;
  /** Its copies have the deadlines of the entries, however long they live themselves. */
  knowsDeadlines: boolean;
  clock: Clock;
  emit: Listener;
  readOnly: boolean;
  /** Everything of the namespace may be deleted here. */
  emptiable: boolean;
  /** Names changes of its copies in its own log. */
  origin: string;
  signal: AbortSignal;
  track: (work: Promise<void>) => void;
}

/** A store that holds copies of what the stores below it hold, and is read only while it is known that they are current. */
export class UpperTier {
  readonly name: string;
  readonly backend: Backend;
  readonly tally: ReadTally;
  readonly #options: UpperTierOptions;
  readonly #debts: Debts;
  readonly #openedAt: number;
  /** How long it is told to keep copies, where it can be told. */
  readonly #stayMs: number | undefined;
  /** Of the stores below. */
  #below: readonly Follower[] = [];
  /** Of itself; none for a store in this process that no tier lies above. */
  #own: Follower | undefined;
  /** Nothing from before our time is in it. */
  #settled: boolean;
  #settling = false;
  /** It can't be emptied. */
  #hopeless = false;
  /** Counts the times at which trust was lost. */
  #doubts = 0;
  #used = false;
  #told = false;
  #failing = false;
  #bypassedSince: number | undefined;

  constructor(options: UpperTierOptions) {
    this.#options = options;
    this.name = options.name;
    this.backend = options.backend;
    this.tally = new ReadTally(options.backend, !options.readOnly || !options.backend.capabilities.persistent);
    this.#debts = new Debts(options.backend, options);
    this.#openedAt = options.clock.monotonic();
    this.#stayMs = options.backend.capabilities.takesCopies ? options.ttlMs : undefined;
    this.#settled = this.isPrivate;
  }

  follow(below: readonly Follower[], own: Follower | undefined): void {
    this.#below = below;
    this.#own = own;
  }

  /** Nobody but this process writes to it, and it began empty. */
  get isPrivate(): boolean {
    return !this.backend.capabilities.persistent;
  }

  /** False where it can't answer as much as is wanted of an entry as the lowest tier would. */
  knows(want: Want | undefined): boolean {
    if (want === undefined || want === "value" || want === "freshness") return true;
    return want !== "all" && this.#options.knowsDeadlines;
  }

  /** It takes copies at once: what they are made of may change as soon as {@link store} returns. */
  get takesCopies(): boolean {
    return this.backend.capabilities.takesCopies === true;
  }

  /** Up to where its own log was heard: a copy is not stored after a change that came later. */
  get since(): Position | undefined {
    return this.#own?.position;
  }

  /** Milliseconds for which a change below may have gone unheard. */
  get lagMs(): number {
    let age = 0;
    for (const follower of this.#below) age = Math.max(age, follower.age());
    return age;
  }

  /** Deletions that are not confirmed. */
  get owed(): number {
    return this.#debts.size;
  }

  get bypassedSince(): number | undefined {
    return this.isUsable() ? undefined : this.#bypassedSince;
  }

  /** True if it may answer reads, of keys for which nothing is owed. */
  isUsable(): boolean {
    const usable = this.#settled && this.lagMs <= TRUST_MS;
    if (usable !== this.#used || !(usable || this.#told)) this.#notice(usable);
    return usable;
  }

  /** True if what it has under this key may have to go. */
  owes(key: string): boolean {
    return this.#debts.concern(key);
  }

  /** Every change from now on is going to be heard. */
  get isFollowing(): boolean {
    return this.#below.every(({ position }) => position !== undefined);
  }

  #notice(usable: boolean): void {
    const { clock, emit } = this.#options;
    if (usable) {
      this.#used = true;
      this.#bypassedSince = undefined;
      if (!this.#told) return;
      this.#told = false;
      emit({ type: "warning", code: "tier-in-use", message: `${this.name} is read again` });
      return;
    }
    this.#used = false;
    this.#bypassedSince ??= clock.now();
    // At the start it takes a moment until changes are heard; that is nothing to tell.
    if (!this.#settled || clock.monotonic() - this.#openedAt <= TRUST_MS) return;
    this.#told = true;
    const failure = this.#below.map((follower) => follower.failure).find((error) => error !== undefined);
    const why = failure === undefined ? "" : `: ${messageOf(failure)}`;
    const message = `${this.name} is not read until the changes below it can be heard again${why}`;
    emit({ type: "warning", code: "tier-bypassed", message });
  }

  /** A call that it failed: told once, until it answers again. */
  failed(error: unknown): void {
    this.tally.add("errors", 1);
    if (this.#failing) return;
    this.#failing = true;
    const message = `${this.name} fails, what is below it is used: ${messageOf(error)}`;
    this.#options.emit({ type: "warning", code: "tier-failing", message });
  }

  answered(): void {
    if (!this.#failing) return;
    this.#failing = false;
    this.#options.emit({ type: "warning", code: "tier-answering", message: `${this.name} answers again` });
  }

  /** Deletes what the selector may hold; until that is done, it is not read from here. */
  drop(selector: Selector): Awaitable<void> {
    if ("keys" in selector && selector.keys.length === 0) return undefined;
    return this.#debts.owe(selector);
  }

  /** Changes below may have gone unheard: nothing that is in it may be read any more. */
  distrust(): void {
    if (this.isPrivate) void this.drop({ all: true });
    else {
      this.#settled = false;
      this.#doubts += 1;
      this.settle();
    }
  }

  /** Begins to trust a store that outlives processes, once changes are heard: when it is empty, or was emptied. */
  settle(): void {
    if (this.#settled || this.#settling || this.#hopeless || !this.isFollowing) return;
    // A last look at the logs as all is closed.
    if (this.#options.signal.aborted) return;
    this.#settling = true;
    this.#options.track(
      this.#settle()
        .catch((error) => {
          // Closed while it was asked: that is no failure of its own.
          if (this.#options.signal.aborted) return;
          this.failed(error);
          return this.#options.clock.sleep(SETTLE_AGAIN_MS, this.#options.signal);
        })
        .finally(() => {
          this.#settling = false;
        }),
    );
  }

  async #settle(): Promise<void> {
    const { clock, signal, emptiable, emit } = this.#options;
    for (let doubts = -1; doubts !== this.#doubts; ) {
      doubts = this.#doubts;
      if (await this.#isEmpty()) continue;
      if (!emptiable) {
        const message = `${this.name} may hold copies from before, and is not read`;
        const hint = "Give the cache a namespace of its own, in which they can be deleted.";
        this.#hopeless = true;
        return emit({ type: "warning", code: "tier-not-emptied", message, hint });
      }
      await clock.sleep(SETTLE_AFTER_MS - (clock.monotonic() - this.#openedAt), signal);
      if (signal.aborted) return;
      void this.drop({ all: true });
    }
    if (!signal.aborted) this.#settled = true;
  }

  async #isEmpty(): Promise<boolean> {
    const { signal } = this.#options;
    for await (const { entries } of this.backend.scan({ all: true }, { limit: 1, signal }))
      if (entries.length > 0) return false;
    return !signal.aborted;
  }

  /**
   * Stores copies of entries that no change concerned since the window was opened. Never fails.
   * @param since what {@link since} was when the opening was made
   * @param mustDrop where no copy is stored, none is to stay; else what is there stays
   */
  store(
    entries: readonly NewEntry[],
    opening: Opening,
    since: Position | undefined,
    mustDrop: boolean,
  ): Awaitable<void> {
    const good: NewEntry[] = [];
    const gone: string[] = [];
    const now = this.#options.clock.now();
    const isHeard = this.#own === undefined || since !== undefined;
    const { quiet } = opening;
    for (const entry of entries) {
      const copy = isHeard ? this.#copyOf(entry, now) : undefined;
      const isCurrent = (quiet || !opening.concerns(concernedBy(entry))) && !this.owes(entry.key);
      if (copy !== undefined && isCurrent) good.push(copy);
      else gone.push(entry.key);
    }
    const dropping = mustDrop ? this.drop({ keys: gone }) : undefined;
    if (good.length === 0) return dropping;
    let answer: Awaitable<unknown>;
    try {
      answer = this.backend.setMany(good, {
        origin: this.#options.origin,
        ...(since !== undefined && { since }),
        ...(this.#stayMs !== undefined && { stayMs: this.#stayMs }),
      });
    } catch (error) {
      answer = Promise.reject(error);
    }
    if (!(answer instanceof Promise)) return dropping;
    return this.#afterStore(answer, good, opening, mustDrop).then(() => dropping);
  }

  async #afterStore(
    answer: Promise<unknown>,
    entries: readonly NewEntry[],
    opening: Opening,
    mustDrop: boolean,
  ): Promise<void> {
    try {
      const outcomes = await answer;
      const refused = (i: number) => Array.isArray(outcomes) && outcomes[i] !== "stored";
      const gone = entries.filter((entry, i) => (mustDrop && refused(i)) || opening.concerns(concernedBy(entry)));
      await this.drop({ keys: gone.map(({ key }) => key) });
    } catch {
      // No copy is no failure of what it was made for.
      this.tally.add("errors", 1);
      // A copy that arrives late is refused for what changed since, where it is stored with a position.
      if (mustDrop || this.#own === undefined) await this.drop({ keys: entries.map(({ key }) => key) });
    }
  }

  /** The entry as this tier may keep it; undefined where it may not. @param now epoch milliseconds */
  #copyOf(entry: NewEntry, now: number): NewEntry | undefined {
    const { key, value, expiresAt: given = Number.POSITIVE_INFINITY, staleAt, tags, meta, keepDeadline } = entry;
    if (keepDeadline || value.length > MAX_COPY_BYTES || given <= now) return undefined;
    const { ttlMs } = this.#options;
    if (ttlMs === undefined || this.#stayMs !== undefined || given <= now + ttlMs) return entry;
    const expiresAt = now + ttlMs;
    return {
      key,
      value,
      expiresAt,
      ...(staleAt !== undefined && staleAt < expiresAt && { staleAt }),
      ...(tags !== undefined && { tags }),
      ...(meta !== undefined && { meta }),
    };
  }
}

function concernedBy({ key, tags = [] }: NewEntry): Concerned {
  return { key, tags };
}

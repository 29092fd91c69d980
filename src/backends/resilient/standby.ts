import { randomUUID } from "node:crypto";
import { type CacheError, messageOf } from "../../errors.js";
import type { Awaitable, Backend, FallbackInfo } from "../backend.js";
import { isStoreFailure } from "./failures.js";
import type { Journal, Missed, Waiting } from "./journal.js";
import type { ResilienceContext } from "./options.js";
import { type Owed, replay } from "./replay.js";

/** Milliseconds that a call waits at most while the store is taken back. */
const HOLD_MS = 1000;

/** Replays that are made while new changes are still noted down; after so many, those wait. */
const OPEN_REPLAYS = 3;

export interface StandbySettings {
  /** Milliseconds between two attempts to take the store back. */
  recheckMs: number;
  /** There is a journal of an earlier process: the store is not trusted before it was replayed. */
  distrust: boolean;
  /**
   * The first calls wait for as long as that replay goes on, of a process that is over before it would be done: one that is cut is begun anew by the next, which would come no
   * further. A store that stops answering ends it.
   */
  patient: boolean;
}

/**
 * Decides whether the store or its fallback is used. The store is left at its first failure, and taken back when it answers, has been told of all that it missed,
 * and the fallback has forgotten all that it took.
 */
export class Standby {
  readonly counts = { hits: 0, misses: 0, writes: 0 };
  trusted: boolean;
  /** Counts the times that the store was left. */
  absence = 0;
  readonly #store: Backend;
  readonly #fallback: Backend;
  readonly #journal: Journal;
  readonly #context: ResilienceContext;
  readonly #recheckMs: number;
  readonly #patient: boolean;
  readonly #origin = `replay:${randomUUID()}`;
  #distrust: boolean;
  #starting: Promise<void> | undefined;
  /** Somebody was told that the store is away. */
  #told = false;
  #timer: NodeJS.Timeout | undefined;
  #recovering: Promise<void> | undefined;
  /** Ends when the changes that wait may go on. */
  #hold: Promise<void> | undefined;
  /** Changes that the fallback is making just now. */
  readonly #underWay = new Set<Missed>();
  /** What the fallback must forget before it is used again. */
  #dirt: Owed | undefined;
  /** Why the store could not be taken back, as it was told last. */
  #obstacle: string | undefined;
  #stopped = false;
  /** The store has answered since it was left. */
  #answers = false;

  constructor(
    store: Backend,
    fallback: Backend,
    journal: Journal,
    { recheckMs, distrust, patient }: StandbySettings,
    context: ResilienceContext,
  ) {
    this.#store = store;
    this.#fallback = fallback;
    this.#journal = journal;
    this.#recheckMs = recheckMs;
    this.#patient = patient;
    this.#distrust = distrust;
    this.trusted = !distrust;
    this.#context = context;
  }

  info(): FallbackInfo {
    const { pending, overflowed } = this.#journal;
    return { active: !this.trusted, ...this.counts, pending, overflowed };
  }

  /** What the store has still to be told, whoever noted it down. @throws CacheError `journal-not-read` */
  waiting(): Promise<Waiting> {
    return this.#journal.waiting();
  }

  /** The store has failed. */
  leave(error: CacheError): void {
    if (!this.trusted) return;
    this.trusted = false;
    this.absence += 1;
    this.#tell(`: ${error.message}`);
    this.#schedule();
  }

  /** Reads from one or the other. */
  async read<T>(onStore: () => Awaitable<T>, onFallback: () => Awaitable<T>): Promise<T> {
    const answer = await this.#tryStore(onStore);
    return answer === undefined ? onFallback() : answer.value;
  }

  /**
   * Changes one or the other. The fallback does so when it is noted down that the store has missed it.
   * @throws CacheError `journal-full`, `journal-not-written`
   */
  async change<T>(missed: Missed, onStore: () => Awaitable<T>, onFallback: () => Awaitable<T>): Promise<T> {
    if (this.#hold !== undefined) await this.#atMost(this.#hold);
    // Between the decision and the first step of the journal nothing else may happen: what is pending keeps the store from being trusted.
    do {
      const answer = await this.#tryStore(onStore);
      if (answer !== undefined) return answer.value;
    } while (this.trusted);
    this.#underWay.add(missed);
    try {
      await this.#journal.add(missed);
      this.counts.writes += 1;
      return await onFallback();
    } finally {
      this.#underWay.delete(missed);
    }
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  /** What the store answers, if it is the one to be asked; undefined: the fallback, which is then fit to be used. */
  async #tryStore<T>(onStore: () => Awaitable<T>): Promise<{ value: T } | undefined> {
    while (await this.#isTrusted()) {
      try {
        return { value: await onStore() };
      } catch (error) {
        if (!isStoreFailure(error)) throw error;
        this.leave(error);
      }
    }
    return undefined;
  }

  async #isTrusted(): Promise<boolean> {
    if (this.#distrust) {
      this.#starting ??= this.#start();
      await this.#starting;
    }
    while (!this.trusted && this.#dirt !== undefined) await this.#clean(this.#dirt);
    return this.trusted;
  }

  /** With a journal of an earlier process: if the store is there, replaying takes a moment, and the first calls wait for it. */
  async #start(): Promise<void> {
    const recovery = this.#recover();
    await this.#atMost(recovery);
    if (this.#patient && this.#answers) await recovery;
    this.#distrust = false;
    if (!this.trusted) this.#tell("");
  }

  #tell(why: string): void {
    this.#told = true;
    this.#emit("fallback-on", `the store is away, and ${this.#fallback.name} stands in for it${why}`);
  }

  #emit(code: "fallback-on" | "fallback-off", message: string): void {
    this.#context.emit({ type: "store", code, store: this.#context.target ?? this.#store.name, message });
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    if (!this.#stopped) this.#timer = setTimeout(() => void this.#recover(), this.#recheckMs).unref();
  }

  #recover(): Promise<void> {
    this.#recovering ??= this.#tryToRecover().finally(() => {
      this.#recovering = undefined;
      if (!this.trusted) this.#schedule();
    });
    return this.#recovering;
  }

  /** Never fails. */
  async #tryToRecover(): Promise<void> {
    let release: () => void = () => undefined;
    try {
      this.#answers = false;
      await this.#store.ping();
      this.#answers = true;
      for (let round = 0; !this.trusted && !this.#stopped; round++) {
        if (round === OPEN_REPLAYS) release = this.#holdChanges();
        await this.#makeGood();
        if (this.#journal.pending === 0) this.#trust();
      }
    } catch (error) {
      this.#notYet(error);
    } finally {
      release();
    }
  }

  #holdChanges(): () => void {
    let release: () => void = () => undefined;
    this.#hold = new Promise((resolve) => {
      release = () => {
        this.#hold = undefined;
        resolve();
      };
    });
    return release;
  }

  async #makeGood(): Promise<void> {
    const batch = await this.#journal.take();
    const owed: Owed = { changes: batch.changes, everything: batch.overflowed };
    if (owed.changes.length > 0 || owed.everything) {
      await replay(this.#store, owed, this.#origin);
      // A fallback that fails now is no reason to do without the store; but what it took may never be seen again.
      await this.#clean(owed).catch(() => this.#soil(owed));
    }
    await batch.forget();
  }

  #trust(): void {
    this.trusted = true;
    this.#obstacle = undefined;
    // What the fallback has been told to do and not done yet, it does after it was told to forget it.
    if (this.#underWay.size > 0) this.#soil({ changes: [...this.#underWay], everything: false });
    if (this.#told) this.#emit("fallback-off", "the store is back, and has been told of all that it missed");
    this.#told = false;
  }

  #soil({ changes, everything }: Owed): void {
    const before = this.#dirt;
    this.#dirt = {
      changes: [...(before?.changes ?? []), ...changes],
      everything: everything || before?.everything === true,
    };
  }

  async #clean(owed: Owed): Promise<void> {
    const changes = owed.changes.filter(({ announce }) => announce === undefined);
    await replay(this.#fallback, { ...owed, changes }, this.#origin);
    if (owed === this.#dirt) this.#dirt = undefined;
  }

  /** A store that is still away says so by itself; what stops the replay of one that answers must be told, once. */
  #notYet(error: unknown): void {
    const message = messageOf(error);
    if (this.#stopped || isStoreFailure(error) || this.#obstacle === message) return;
    this.#obstacle = message;
    this.#context.emit({ type: "warning", code: "store-not-back", message: `the store can't be used yet: ${message}` });
  }

  async #atMost(work: Promise<void>): Promise<void> {
    const over = new AbortController();
    await Promise.race([work, this.#context.clock.sleep(HOLD_MS, over.signal)]);
    over.abort();
  }
}

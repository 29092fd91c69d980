import {
  type Awaitable,
  type Backend,
  type DeleteReport,
  type EntryReader,
  type EntryWriter,
  hasTiers,
  type NewEntry,
  type Position,
  type RangeOptions,
  type SetOutcome,
  type Stored,
  type Touch,
} from "../backends/backend.js";
import type { ChangeOp } from "../changes.js";
import type { Clock } from "../clock.js";
import { CacheError } from "../errors.js";
import { checkKeyType, checkKeyTypes } from "../key.js";
import { checkOptions } from "../option-checks.js";
import { checkSelector, type Selector } from "../selector.js";
import { storeOverAbsences, unlessAbsence } from "./absences.js";
import { within } from "./call.js";
import type { ChangeFeed } from "./change-feed.js";
import { NOTHING_BYTES } from "./codec.js";
import { checkSteps, checkTouches, checkWriteEntries } from "./entry-checks.js";
import { checkTouch, newEntryOf } from "./new-entry.js";
import { CALL, INVALIDATE, RANGE, READ, WRITE, WRITER } from "./option-forms.js";
import type {
  CallOptions,
  InvalidateOptions,
  ReadOptions,
  ReadRangeOptions,
  WriteEntry,
  WriteOptions,
  WriterOptions,
} from "./options.js";
import { watchedWriter } from "./streams.js";
import type { Tally } from "./tally.js";

export interface EntriesParts {
  backend: Backend;
  clock: Clock;
  /** Is told of a change before it is made, and again when it is made or has failed. */
  onChange: (selector: Selector, op: ChangeOp) => void;
  /** Names changes, so that those who follow the log are told of each once. */
  feed: ChangeFeed;
  tally: Tally;
  defaultTtl: number | null;
  readOnly: boolean;
  /** Is told when a read fails, which is a miss then; absent: the caller is. */
  onFailedRead?: ((error: unknown) => void) | undefined;
}

/** The entries of a cache as bytes: calls with their deadlines and tiers, checked and counted, and every change told to the loads that are under way. */
export class Entries {
  readonly #parts: EntriesParts;

  constructor(parts: EntriesParts) {
    this.#parts = parts;
  }

  /** The backend of a call. @throws CacheError `unknown-tier` */
  at(tier: string | undefined): Backend {
    const { backend } = this.#parts;
    if (tier === undefined) return backend;
    if (hasTiers(backend)) return backend.tier(tier);
    throw new CacheError(
      "usage",
      "unknown-tier",
      `there is no tier "${tier}": this cache has one store, ${backend.name}`,
    );
  }

  /** In the order of the keys; memory answers at once. */
  read(keys: readonly string[], options?: ReadOptions): Awaitable<(Stored | undefined)[]> {
    if (this.#parts.onFailedRead === undefined) return this.#read(keys, options);
    const miss = (error: unknown) => {
      this.#noteMiss(error);
      return keys.map(() => undefined);
    };
    try {
      const found = this.#read(keys, options);
      return found instanceof Promise ? found.catch(miss) : found;
    } catch (error) {
      return miss(error);
    }
  }

  /**
   * One entry, and what is made of it. It is all one promise: with one for each step, many reads at once take a tenth longer.
   * @param use what it throws fails the read
   */
  readOne<T>(
    key: string,
    options: ReadOptions | undefined,
    use: (entry: Stored | undefined) => Awaitable<T>,
  ): Promise<T> {
    const miss = (error: unknown) => {
      this.#noteMiss(error);
      return use(undefined);
    };
    try {
      const found = this.#attempt(key, options);
      return found instanceof Promise ? found.then(([entry]) => use(entry), miss) : Promise.resolve(use(found[0]));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** What fails before there is anything to wait for fails in the promise too. */
  #attempt(key: string, options: ReadOptions | undefined): Awaitable<(Stored | undefined)[]> {
    try {
      return this.#read([key], options);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** @throws the failure, unless it is to be a miss */
  #noteMiss(error: unknown): void {
    const { onFailedRead } = this.#parts;
    if (onFailedRead === undefined || !isAway(error)) throw error;
    onFailedRead(error);
  }

  #read(keys: readonly string[], options?: ReadOptions): Awaitable<(Stored | undefined)[]> {
    checkKeyTypes(keys);
    // The hottest path: no options, and memory answers with the array itself.
    if (options === undefined) return this.#parts.backend.getMany(keys);
    checkOptions("a read", options, READ);
    const { signal, timeout, tier, ...rest } = options;
    if (signal === undefined && timeout === undefined) return this.at(tier).getMany(keys, rest);
    return this.#within(options, (call) => this.at(tier).getMany(keys, { ...rest, ...call }));
  }

  /** Everything is checked before the store is touched. */
  async write(entries: readonly WriteEntry[], options: WriteOptions = {}): Promise<SetOutcome[]> {
    this.checkWritable();
    checkOptions("a write", options, WRITE);
    checkWriteEntries(entries);
    const { clock, defaultTtl, tally } = this.#parts;
    const now = clock.now();
    const fresh = entries.map((entry) => newEntryOf(entry, defaultTtl, now));
    const { mode, since, tier, onPending } = options;
    const conditions = {
      ...(mode && { mode }),
      ...(since !== undefined && { since }),
      ...(onPending && { onPending }),
    };
    const keys = fresh.map(({ key }) => key);
    const outcomes = await this.#changing("write", { keys }, (named) =>
      this.#within(options, (call) => storeOverAbsences(this.at(tier), fresh, { ...call, ...named, ...conditions })),
    );
    let stored = 0;
    for (const outcome of outcomes) if (outcome === "stored") stored += 1;
    tally.add("sets", stored);
    return outcomes;
  }

  /** The end of the log of the store. */
  async position(options: CallOptions = {}): Promise<Position> {
    checkOptions("a call", options, CALL);
    return this.#within(options, (call) => this.at(options.tier).position(call));
  }

  /** Into the upper tiers. @throws CacheError `no-tiers` */
  async promote(keys: readonly string[], options: CallOptions = {}): Promise<number> {
    checkOptions("a call", options, CALL);
    checkKeyTypes(keys);
    const { backend } = this.#parts;
    if (hasTiers(backend)) return this.#within(options, (call) => backend.promote(keys, call));
    throw new CacheError("usage", "no-tiers", "this cache has one store: there is no tier to fill from another", {
      hint: "Open it with several stores, fastest first.",
    });
  }

  /** All or nothing. */
  async atomic(steps: readonly ({ set: WriteEntry } | { delete: string })[], options: CallOptions = {}): Promise<void> {
    this.checkWritable();
    checkOptions("a batch", options, CALL);
    checkSteps(steps, false);
    const { clock, defaultTtl, tally } = this.#parts;
    const now = clock.now();
    const ready = steps.map((step) => ("set" in step ? { set: newEntryOf(step.set, defaultTtl, now) } : step));
    const keys = ready.map((step) => ("set" in step ? step.set.key : step.delete));
    checkKeyTypes(keys);
    await this.#changing("delete", { keys }, (named) =>
      this.#within(options, (call) => this.at(options.tier).atomic(ready, { ...call, ...named })),
    );
    const sets = ready.filter((step) => "set" in step).length;
    tally.add("sets", sets);
    tally.add("deletes", ready.length - sets);
  }

  async delete(keys: readonly string[], options: CallOptions = {}): Promise<boolean[]> {
    this.checkWritable();
    checkKeyTypes(keys);
    checkOptions("a deletion", options, CALL);
    const existed = await this.#changing("delete", { keys }, (named) =>
      this.#within(options, (call) => this.at(options.tier).deleteMany(keys, { ...call, ...named })),
    );
    this.#parts.tally.add("deletes", existed.filter(Boolean).length);
    return existed;
  }

  async touch(changes: readonly Touch[], options: CallOptions = {}): Promise<boolean[]> {
    this.checkWritable();
    checkTouches(changes);
    for (const change of changes) checkTouch(change);
    const keys = changes.map(({ key }) => key);
    checkKeyTypes(keys);
    checkOptions("a touch", options, CALL);
    return this.#changing("write", { keys }, (named) =>
      this.#within(options, (call) => this.at(options.tier).touchMany(changes, { ...call, ...named })),
    );
  }

  async deleteWhere(selector: Selector, options: InvalidateOptions = {}): Promise<DeleteReport> {
    this.checkWritable();
    checkSelector(selector);
    checkOptions("an invalidation", options, INVALIDATE);
    const { signal: _, timeout: __, tier, ...rest } = options;
    const report = await this.#changing(options.soft ? "soften" : "delete", selector, (named) =>
      this.#within(options, (call) => this.at(tier).deleteWhere(selector, { ...rest, ...call, ...named })),
    );
    this.#parts.tally.add("deletes", report.deleted);
    return report;
  }

  /** The timeout is that of opening; reading on is bounded by the signal. */
  async openRead(key: string, options: ReadRangeOptions = {}): Promise<EntryReader | undefined> {
    checkKeyType(key);
    checkOptions("a read", options, RANGE);
    const { signal, timeout: _, tier, ...rest } = options;
    const { start: _start, end: _end, ...whole } = rest;
    const open = (range: RangeOptions) => this.at(tier).openRead(key, { ...range, ...(signal && { signal }) });
    const reader = await this.#within(options, async () => {
      for (;;) {
        const found = await open(rest);
        if (found?.head.size !== NOTHING_BYTES) return found;
        found.close();
        const all = await open({ ...whole, peek: true });
        if (all === undefined || all.head.size === NOTHING_BYTES) return all && unlessAbsence(all, rest);
        // It was replaced meanwhile.
        all.close();
      }
    });
    if (options.peek !== true) this.#parts.tally.read(reader !== undefined);
    return reader;
  }

  async openWrite(key: string, options: WriterOptions = {}): Promise<EntryWriter> {
    this.checkWritable();
    checkOptions("a write", options, WRITER);
    const { clock, defaultTtl, tally } = this.#parts;
    const { ttl, tags, expiresAt, staleAt, meta, mode, since, signal, tier } = options;
    const own = { tags, expiresAt, staleAt, meta };
    const given: WriteEntry = { key, value: NO_BYTES, ttl: ttl === undefined ? defaultTtl : ttl, ...own };
    const { value: _, ...head }: NewEntry = newEntryOf(given, defaultTtl, clock.now());
    const writer = await this.#within(options, () =>
      this.at(tier).openWrite(head, {
        ...(mode && { mode }),
        ...(since !== undefined && { since }),
        ...(signal && { signal }),
        ...this.#name(),
      }),
    );
    const around = <T>(keys: readonly string[], act: () => Promise<T>) => this.#changing("write", { keys }, act);
    return watchedWriter(writer, head, around, () => tally.add("sets", 1));
  }

  /** @throws CacheError `read-only` */
  checkWritable(): void {
    if (!this.#parts.readOnly) return;
    throw new CacheError("refused", "read-only", "this cache is opened read-only", {
      hint: "Leave out --read-only, or use a profile that may write.",
    });
  }

  #within<T>(options: CallOptions, run: (call: { signal?: AbortSignal }) => Awaitable<T>): Promise<T> {
    return within(this.#parts.clock, options, (signal) => run(signal === undefined ? {} : { signal }));
  }

  /**
   * A change, told before it and after it: loads that began before it may not keep what they bring, and who asks once it was made may not be given what a
   * load that began meanwhile read of the old state.
   * @param act is given what names the change in the log
   */
  async #changing<T>(op: ChangeOp, selector: Selector, act: (named: { origin?: string }) => Promise<T>): Promise<T> {
    const { onChange, feed } = this.#parts;
    onChange(selector, op);
    try {
      return await act(this.#name());
    } catch (error) {
      feed.failed();
      throw error;
    } finally {
      onChange(selector, op);
    }
  }

  #name(): { origin?: string } {
    const { origin } = this.#parts.feed;
    return origin === undefined ? {} : { origin };
  }
}

/** The store did not answer; the caller's own signal and deadline are no failure of it. */
function isAway(error: unknown): boolean {
  if (!(error instanceof CacheError)) return false;
  return error.kind === "connection" || (error.kind === "timeout" && !["aborted", "call-timeout"].includes(error.code));
}

const NO_BYTES = new Uint8Array(0);

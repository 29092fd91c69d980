import type { ChangeOp } from "../../changes.js";
import { CacheError } from "../../errors.js";
import type { Selector } from "../../selector.js";
import {
  type AtomicStep,
  type Awaitable,
  type Backend,
  type BackendInfo,
  type BackendKind,
  type Call,
  type Capabilities,
  type ChangePage,
  type CounterReport,
  type Counters,
  type DeleteOptions,
  type DeleteReport,
  type EntryReader,
  type EntryWriter,
  type ForeignEntry,
  type ForeignReader,
  type KeyDeletion,
  type Lease,
  type LeaseAnswer,
  type LeaseOptions,
  type NewEntry,
  type Position,
  type RangeOptions,
  type ReadOptions,
  type ResilienceInfo,
  readsForeign,
  type ScanOptions,
  type ScanPage,
  type SetOptions,
  type SetOutcome,
  type Stored,
  type Touch,
  type WriteCall,
} from "../backend.js";
import { isPromise } from "./awaitable.js";
import { isStoreFailure } from "./failures.js";
import { FallbackLeases } from "./fallback-leases.js";
import { FallbackPositions, refusingWriter } from "./fallback-positions.js";
import type { Missed } from "./journal.js";
import type { Standby } from "./standby.js";

/** A store that tells how it is. */
export type Watched = Backend & { state(): ResilienceInfo };

/** Begins the cursors of listings in the fallback. */
const ELSEWHERE = "~";

/** A store with another one that stands in for it while it is away; see `withFallback`. */
export class FallbackBackend implements Backend, ForeignReader {
  readonly #store: Watched;
  readonly #fallback: Backend;
  readonly #standby: Standby;
  readonly #leases: FallbackLeases;
  readonly #positions: FallbackPositions;
  readonly #lost: (pending: number) => void;
  #closing: Promise<void> | undefined;

  /** @param lost is called at the end with the number of changes that the store will never hear of */
  constructor(store: Watched, fallback: Backend, standby: Standby, lost: (pending: number) => void) {
    this.#store = store;
    this.#fallback = fallback;
    this.#standby = standby;
    this.#leases = new FallbackLeases(fallback);
    this.#positions = new FallbackPositions(fallback, standby);
    this.#lost = lost;
  }

  get name(): BackendKind {
    return this.#store.name;
  }

  get capabilities(): Capabilities {
    return this.#store.capabilities;
  }

  /** The fallback is what callers are served from. */
  get degraded(): boolean {
    return !this.#standby.trusted;
  }

  state(): ResilienceInfo {
    return { ...this.#store.state(), fallback: this.#standby.info() };
  }

  getMany(keys: readonly string[], options?: ReadOptions): Awaitable<(Stored | undefined)[]> {
    return this.#read(
      () => this.#store.getMany(keys, options),
      async () => {
        const found = await this.#fallback.getMany(keys, options);
        for (const entry of found) this.#countRead(entry !== undefined);
        return found;
      },
    );
  }

  /** What was read at some position of one log can't be checked against the other: it is not kept. */
  setMany(entries: readonly NewEntry[], options?: SetOptions): Awaitable<SetOutcome[]> {
    const refused = () => entries.map((): SetOutcome => "condition");
    return this.#change(
      missedKeys(entries.map(({ key }) => key)),
      () => (this.#positions.isOne(options?.since) ? refused() : this.#store.setMany(entries, options)),
      () => {
        const inner = this.#forFallback(options);
        return inner === undefined ? refused() : this.#fallback.setMany(entries, inner);
      },
      options,
    );
  }

  /** Undefined where what is asked can't hold there. */
  #forFallback(options: SetOptions = {}): SetOptions | undefined {
    const { since, ...rest } = options;
    if (since === undefined) return rest;
    const inner = this.#positions.inner(since);
    return inner === undefined ? undefined : { ...rest, since: inner };
  }

  touchMany(changes: readonly Touch[], options?: WriteCall): Awaitable<boolean[]> {
    return this.#change(
      missedKeys(changes.map(({ key }) => key)),
      () => this.#store.touchMany(changes, options),
      () => this.#touchFallback(changes, options),
      options,
    );
  }

  /** A version may be one of the store, which in the fallback names something else, if anything: by version nothing is changed there. */
  async #touchFallback(changes: readonly Touch[], options: WriteCall | undefined): Promise<boolean[]> {
    const free = changes.filter(({ ifVersion }) => ifVersion === undefined);
    const done = await this.#fallback.touchMany(free, options);
    let next = 0;
    return changes.map(({ ifVersion }) => (ifVersion === undefined ? (done[next++] ?? false) : false));
  }

  deleteMany(keys: readonly string[], options?: KeyDeletion): Awaitable<boolean[]> {
    return this.#change(
      missedKeys(keys),
      () => this.#store.deleteMany(keys, options),
      () => this.#fallback.deleteMany(keys, options),
      options,
    );
  }

  /** With a limit it can't be said now which entries would go: while the store is away that fails. */
  async deleteWhere(selector: Selector, options: DeleteOptions = {}): Promise<DeleteReport> {
    const { limit, cursor, soft, ...rest } = options;
    const onStore = () => this.#store.deleteWhere(selector, options);
    if (limit !== undefined) return onStore();
    // A cursor is of the store: what it has left out before was deleted there, and is deleted again.
    const onFallback = async (): Promise<DeleteReport> => {
      const { deleted, softened } = await this.#fallback.deleteWhere(selector, { ...rest, ...(soft && { soft }) });
      return { deleted, softened, complete: false, pending: true };
    };
    return this.#change({ selector, ...(soft && { soft }) }, onStore, onFallback, options);
  }

  async *scan(selector: Selector, options: ScanOptions = {}): AsyncGenerator<ScanPage> {
    const { cursor } = options;
    if (cursor?.startsWith(ELSEWHERE)) {
      if (this.#standby.trusted) throw listingOver();
      return yield* this.#scanFallback(selector, { ...options, cursor: cursor.slice(ELSEWHERE.length) });
    }
    const pages = this.#store.scan(selector, options)[Symbol.asyncIterator]();
    try {
      // Where another listing left off, the fallback can't go on.
      let next =
        cursor === undefined
          ? await this.#read<FirstPage>(
              () => pages.next(),
              () => undefined,
            )
          : await pages.next();
      if (next === undefined) return yield* this.#scanFallback(selector, options);
      for (; !next.done; next = await pages.next()) yield next.value;
    } finally {
      await pages.return?.();
    }
  }

  async *#scanFallback(selector: Selector, options: ScanOptions): AsyncGenerator<ScanPage> {
    for await (const { entries, cursor } of this.#fallback.scan(selector, options)) {
      yield cursor === undefined ? { entries } : { entries, cursor: ELSEWHERE + cursor };
    }
  }

  count(deltas: Partial<Counters>): Awaitable<void> {
    return this.#read(
      () => this.#store.count(deltas),
      () => this.#fallback.count(deltas),
    );
  }

  counters(): Awaitable<CounterReport> {
    return this.#read(
      () => this.#store.counters(),
      () => this.#fallback.counters(),
    );
  }

  resetCounters(): Awaitable<void> {
    return this.#store.resetCounters();
  }

  async describe(): Promise<BackendInfo> {
    const info = await this.#read(
      () => this.#store.describe(),
      async () => {
        const standIn = await this.#fallback.describe();
        const warning = "The store is away: this is what stands in for it.";
        return { ...standIn, warnings: [warning, ...standIn.warnings] };
      },
    );
    const fallback = { ...this.#standby.info(), ...(await this.#standby.waiting()) };
    return { ...info, resilience: { ...this.state(), fallback } };
  }

  /** Of the store itself: who asks wants to know how it is. */
  ping(options?: Call): Promise<number> {
    return this.#store.ping(options);
  }

  async prune(): Promise<number> {
    return this.#read(
      () => this.#store.prune(),
      () => this.#fallback.prune(),
    );
  }

  async announce(op: ChangeOp, selector: Selector, options?: WriteCall): Promise<void> {
    const missed = { selector, announce: op };
    return this.#change(
      missed,
      () => this.#store.announce(op, selector, options),
      () => this.#fallback.announce(op, selector, options),
      options,
    );
  }

  /** While the store is away one of the fallback's log, for who fills it. */
  position(options?: Call): Awaitable<Position> {
    return this.#read(
      () => this.#store.position(options),
      () => this.#positions.end(),
    );
  }

  /** The log is that of the store alone: while it is away, who holds copies must do without. Who began in that of the fallback has missed what was before. */
  async *changes(after: Position, signal: AbortSignal): AsyncGenerator<ChangePage> {
    let position = after;
    if (this.#positions.isOne(after)) {
      position = await this.#store.position({ signal });
      yield { changes: [], position, gap: true };
    }
    yield* this.#store.changes(position, signal);
  }

  lease(key: string, ms: number, options?: LeaseOptions): Awaitable<LeaseAnswer> {
    return this.#read(
      () => this.#store.lease(key, ms, options),
      () => this.#leases.take(key, ms, options),
    );
  }

  async renew(lease: Lease, ms: number): Promise<boolean> {
    const inner = this.#leases.inner(lease);
    if (inner !== undefined) return this.#standby.trusted ? false : this.#fallback.renew(inner, ms);
    return this.#read<boolean>(
      () => this.#store.renew(lease, ms),
      () => false,
    );
  }

  async release(lease: Lease): Promise<void> {
    const inner = this.#leases.inner(lease);
    if (inner !== undefined) return this.#fallback.release(inner);
    // One that the store can't be given back ends there by itself.
    return this.#read<void>(
      () => this.#store.release(lease),
      () => undefined,
    );
  }

  /** A lease of the one is worth nothing in the other. */
  async commit(entry: NewEntry, lease: Lease, options?: WriteCall): Promise<boolean> {
    const inner = this.#leases.inner(lease);
    if (inner === undefined) {
      return this.#read<boolean>(
        () => this.#store.commit(entry, lease, options),
        () => false,
      );
    }
    if (this.#standby.trusted) return false;
    return this.#change<boolean>(
      missedKeys([entry.key]),
      () => false,
      () => this.#fallback.commit(entry, inner, options),
      options,
    );
  }

  async openRead(key: string, options?: RangeOptions): Promise<EntryReader | undefined> {
    return this.#read(
      () => this.#store.openRead(key, options),
      async () => {
        const reader = await this.#fallback.openRead(key, options);
        this.#countRead(reader !== undefined);
        return reader;
      },
    );
  }

  async openWrite(head: Omit<NewEntry, "value">, options?: SetOptions): Promise<EntryWriter> {
    return this.#read(
      () => (this.#positions.isOne(options?.since) ? refusingWriter() : this.#store.openWrite(head, options)),
      async () => {
        const inner = this.#forFallback(options);
        if (inner === undefined) return refusingWriter();
        return this.#notingWriter(head.key, await this.#fallback.openWrite(head, inner), options);
      },
    );
  }

  /** A writer in the fallback, whose entry the store is to miss when it is there to be seen. */
  #notingWriter(key: string, writer: EntryWriter, options: SetOptions | undefined): EntryWriter {
    const refused = async (): Promise<SetOutcome> => {
      await writer.abort();
      return "condition";
    };
    return {
      write: (piece) => writer.write(piece),
      abort: () => writer.abort(),
      commit: async (lease) => {
        const inner = lease && this.#leases.inner(lease);
        if (lease !== undefined && inner === undefined) return refused();
        const onFallback = () => (this.#forFallback(options) === undefined ? refused() : writer.commit(inner));
        return this.#change(missedKeys([key]), refused, onFallback, options);
      },
    };
  }

  atomic(steps: readonly AtomicStep[], options?: WriteCall): Awaitable<void> {
    return this.#change(
      missedKeys(steps.map((step) => ("set" in step ? step.set.key : step.delete))),
      () => this.#store.atomic(steps, options),
      () => this.#fallback.atomic(steps, options),
      options,
    );
  }

  async hottest(limit: number, options?: Call): Promise<string[]> {
    return this.#read(
      () => this.#store.hottest(limit, options),
      () => this.#fallback.hottest(limit, options),
    );
  }

  async readForeign(key: string, limit: number): Promise<ForeignEntry | undefined> {
    const store = this.#store;
    if (!readsForeign(store)) return undefined;
    // Of the store's own types the fallback can have taken none.
    return this.#read<ForeignEntry | undefined>(
      () => store.readForeign(key, limit),
      () => undefined,
    );
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#standby.stop();
    const { pending } = this.#standby.info();
    if (pending > 0) this.#lost(pending);
    await this.#store.close();
    await this.#fallback.close();
  }

  #countRead(hit: boolean): void {
    this.#standby.counts[hit ? "hits" : "misses"] += 1;
  }

  #read<T>(onStore: () => Awaitable<T>, onFallback: () => Awaitable<T>): Awaitable<T> {
    return this.#tryStore(onStore, () => this.#standby.read(onStore, onFallback));
  }

  #change<T>(
    missed: Missed,
    onStore: () => Awaitable<T>,
    onFallback: () => Awaitable<T>,
    options: WriteCall | undefined,
  ): Awaitable<T> {
    const pending = async () => {
      const answer = await onFallback();
      options?.onPending?.();
      return answer;
    };
    return this.#tryStore(onStore, () => this.#standby.change(missed, onStore, pending));
  }

  /** Answers at once where the store does. */
  #tryStore<T>(onStore: () => Awaitable<T>, otherwise: () => Promise<T>): Awaitable<T> {
    if (!this.#standby.trusted) return otherwise();
    const left = (error: unknown) => {
      if (!isStoreFailure(error)) throw error;
      this.#standby.leave(error);
      return otherwise();
    };
    try {
      const answer = onStore();
      return isPromise(answer) ? answer.catch(left) : answer;
    } catch (error) {
      return left(error);
    }
  }
}

/** Undefined where the store can't be asked. */
type FirstPage = IteratorResult<ScanPage> | undefined;

function listingOver(): CacheError {
  return new CacheError("usage", "invalid-cursor", "the listing began in what stood in for the store, which is back", {
    hint: "Begin the listing again.",
  });
}

const missedKeys = (keys: readonly string[]): Missed => ({ selector: { keys: [...keys] } });

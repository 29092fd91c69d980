import { setImmediate as nextTurn } from "node:timers/promises";
import { type ChangeOp, type Concerned, scopeOf } from "../../changes.js";
import type { Selector } from "../../selector.js";
import {
  type AtomicStep,
  type Awaitable,
  type BackendInfo,
  type Call,
  checkMeta,
  type DeleteOptions,
  type DeleteReport,
  type EntryWriter,
  type KeyDeletion,
  type Lease,
  type NewEntry,
  type ScanOptions,
  type ScanPage,
  type SetOptions,
  type SetOutcome,
  type Touch,
  type WriteCall,
} from "../backend.js";
import { andThen } from "./awaitable.js";
import { BATCH_ROWS } from "./batches.js";
import { type Bounds, checkBounds, isLru } from "./bounds.js";
import { BRIEF_WAIT_MS, type CoreOptions, settingsOf } from "./core-options.js";
import { deleteKeys, deleteWhere } from "./deletion.js";
import { describeStore } from "./facts.js";
import { checkSignal } from "./failures.js";
import { type Follower, followerOf } from "./following.js";
import { hasGarbage, hide } from "./garbage.js";
import { Janitor, type JanitorOptions } from "./janitor.js";
import { endLease, endLeases, isStillOver } from "./leases.js";
import { Leases } from "./leasing.js";
import type { Link } from "./link.js";
import { list } from "./listing.js";
import { dropUnheard, Log, Watch } from "./log.js";
import { hottest } from "./ranking.js";
import { Recency } from "./recency.js";
import { Store } from "./store.js";
import { addToCounter } from "./sums.js";
import { type Item, tooLarge, Writer } from "./writer.js";

/** Milliseconds that closing spends on giving space back. */
const CLOSE_MS = 50;
/** Reads after which their times are written, and milliseconds. */
const RECENCY_READS = 1000;
const RECENCY_MS = 2000;

export interface CoreSetup extends JanitorOptions {
  kind: "sqlite" | "file";
  /** The store for people. */
  target: string;
  /** The database file. */
  path: string;
  applicationId: number;
}

/** Everything that is the same whether values lie in rows or in files: keys, deadlines, tags, bounds, counters. */
export class Core {
  readonly store: Store;
  readonly recency: Recency;
  /** Reads are to be noted. */
  readonly lru: boolean;
  readonly namespace: string;
  readonly bounds: Bounds;
  readonly log: Log;
  readonly follower: Follower;
  readonly leases: Leases;
  /** Those that have begun a large value. */
  readonly writers = new Set<EntryWriter>();
  readonly #setup: CoreSetup;
  readonly #janitor: Janitor;
  #recencyTimer: NodeJS.Timeout | undefined;
  #looked = false;
  #closing: Promise<void> | undefined;

  private constructor(store: Store, options: CoreOptions, setup: CoreSetup) {
    this.store = store;
    this.namespace = options.namespace;
    this.bounds = options;
    this.log = new Log(options.namespace);
    this.follower = followerOf(store, this.log);
    this.leases = new Leases(store, options.namespace, this.log);
    this.#setup = setup;
    this.lru = isLru(options) && !store.readOnly;
    this.recency = new Recency(store.clock);
    if (this.lru) {
      this.recency.startAfter(
        store.run((link) => link.column<number>("SELECT max(accessed_at) FROM entries").get()) ?? 0,
      );
    }
    this.#janitor = new Janitor(store, setup);
  }

  static async open(options: CoreOptions, setup: CoreSetup): Promise<Core> {
    checkBounds(options);
    const store = await Store.open(settingsOf(options, setup, isLru(options)), options);
    return new Core(store, options, setup);
  }

  /** An entry was read: moves its recency, some time later. */
  noteRead(id: number): void {
    this.recency.note(id);
    this.#recencyTimer ??= setTimeout(() => this.#writeRecency(), RECENCY_MS).unref();
    if (this.recency.size === RECENCY_READS) setImmediate(() => this.#writeRecency());
  }

  #writeRecency(): void {
    clearTimeout(this.#recencyTimer);
    this.#recencyTimer = undefined;
    try {
      if (this.recency.size > 0) this.store.write((link) => this.recency.write(link));
      this.recency.forget();
    } catch {
      // Recency is a hint: what could not be written is kept and tried with the next read, and a store that fails will fail the
      // calls that matter by itself.
    }
  }

  /** What goes with all transactions of one call of {@link set}. */
  watch({ since }: SetOptions): Watch | undefined {
    return since === undefined ? undefined : new Watch(this.log, since);
  }

  /** Writes entries in one transaction, with its row in the log. */
  set(items: readonly Item[], options: SetOptions, watch = this.watch(options)): Awaitable<SetOutcome[]> {
    const { mode = "always", origin, signal } = options;
    return this.#write(signal, (writer, link, now) => {
      const isOvertaken = watch?.look(link);
      const outcomes = items.map((item): SetOutcome => {
        if (isOvertaken?.(concernedBy(item)) !== true) return writer.put(item, mode);
        writer.refuse(item);
        return "condition";
      });
      if (outcomes.some((outcome) => outcome !== "condition")) {
        const written = () => items.filter((_, i) => outcomes[i] !== "condition").map(({ entry }) => entry.key);
        this.log.append(link, "write", () => scopeOf(written()), origin, now);
      }
      watch?.pass(link);
      return outcomes;
    });
  }

  /** Writes an entry if the lease allows it, and ends the lease. */
  commit(item: Item, lease: Lease, { origin, signal }: WriteCall): Awaitable<SetOutcome> {
    return this.#write(signal, (writer, link, now) => {
      const isOurs = endLease(link, this.namespace, lease, now) && lease.key === item.entry.key;
      const isCurrent = isOurs && isStillOver(link, this.namespace, lease, now);
      if (!isCurrent || this.log.since(link, lease.since)(concernedBy(item))) {
        writer.refuse(item);
        return "condition";
      }
      const outcome = writer.put(item, "always");
      this.log.append(link, "write", () => ({ keys: [lease.key] }), origin, now);
      return outcome;
    });
  }

  /**
   * All steps in one transaction; of steps on the same key the last counts.
   * @param items what is to be written for each step that sets
   */
  atomic(steps: readonly AtomicStep[], items: ReadonlyMap<AtomicStep, Item>, options: WriteCall): Awaitable<void> {
    return this.#write(options.signal, (writer, link, now) => {
      for (const step of steps) {
        const item = items.get(step);
        if (item !== undefined) writer.put(item, "always");
        else if ("delete" in step && step.delete.isWellFormed()) writer.remove(step.delete);
      }
      const keys = steps.map((step) => ("set" in step ? step.set.key : step.delete));
      if (keys.length > 0) this.log.append(link, "write", () => scopeOf(keys), options.origin, now);
    });
  }

  /** @throws CacheError `value-too-large` for a value beyond the bounds of the store */
  checkBounds(entries: readonly NewEntry[]): void {
    const { maxBytes = Number.POSITIVE_INFINITY } = this.bounds;
    for (const { key, value } of entries) if (value.length > maxBytes) throw tooLarge(key, value.length, maxBytes);
  }

  #write<T>(signal: AbortSignal | undefined, work: (writer: Writer, link: Link, now: number) => T): Awaitable<T> {
    const written = this.store.change((link) => {
      const now = this.store.clock.now();
      const { namespace, bounds, recency } = this;
      const named = this.#setup.discard !== undefined;
      const writer = new Writer(link, { namespace, bounds, recency, named }, now);
      const result = work(writer, link, now);
      writer.finish();
      return { writer, result };
    }, signal);
    return andThen(written, ({ writer, result }) => {
      if (this.lru) this.recency.forget();
      if (writer.released.length > 0) this.#setup.discard?.(writer.released);
      if (writer.dropped) this.#janitor.wake();
      this.#lookForGarbage();
      return result;
    });
  }

  async touchMany(changes: readonly Touch[], options: WriteCall = {}): Promise<boolean[]> {
    this.store.checkWritable();
    for (const { key, meta } of changes) checkMeta(meta, key);
    const done: boolean[] = [];
    for (let i = 0; i < changes.length; i += BATCH_ROWS) {
      if (i > 0) await nextTurn();
      checkSignal(options.signal);
      const batch = changes.slice(i, i + BATCH_ROWS);
      const touched = await this.#write(options.signal, (writer, link, now) => {
        const outcomes = batch.map((change) => writer.touch(change));
        const keys = batch.filter((_, at) => outcomes[at]).map(({ key }) => key);
        if (keys.length > 0) this.log.append(link, "write", () => scopeOf(keys), options.origin, now);
        return outcomes;
      });
      done.push(...touched);
    }
    return done;
  }

  async deleteMany(keys: readonly string[], options: KeyDeletion = {}): Promise<boolean[]> {
    this.store.checkWritable();
    const done: boolean[] = [];
    for (let i = 0; i < keys.length; i += BATCH_ROWS) {
      if (i > 0) await nextTurn();
      checkSignal(options.signal);
      const batch = keys.slice(i, i + BATCH_ROWS);
      const versions = options.versions?.slice(i, i + BATCH_ROWS);
      const deleted = await this.store.change((link) => {
        const now = this.store.clock.now();
        const existed = deleteKeys(link, this.namespace, batch, versions, now);
        // Also keys that are not there: who loads one of them now must hear of it. What is deleted by its version takes nothing else back.
        const named = versions === undefined ? batch : batch.filter((_, at) => existed[at]);
        if (named.length > 0) this.log.append(link, "delete", () => scopeOf(named), options.origin, now);
        return existed;
      }, options.signal);
      done.push(...deleted);
    }
    this.#janitor.wake();
    return done;
  }

  /** Logged before its first step and after its last: it is done in many transactions. */
  async deleteWhere(selector: Selector, options: DeleteOptions = {}): Promise<DeleteReport> {
    this.store.checkWritable();
    const announce = () => this.announce(options.soft === true ? "soften" : "delete", selector, options);
    try {
      return await deleteWhere(this.store, this.namespace, selector, options, announce);
    } finally {
      this.#janitor.wake();
    }
  }

  announce(op: ChangeOp, selector: Selector, { origin }: WriteCall = {}): Awaitable<void> {
    this.store.checkWritable();
    const scope = () => ("keys" in selector ? scopeOf(selector.keys) : selector);
    if ("keys" in selector && selector.keys.length === 0) return;
    return this.store.change((link) => this.log.append(link, op, scope, origin, this.store.clock.now()));
  }

  scan(selector: Selector, options: ScanOptions = {}): AsyncGenerator<ScanPage> {
    return list(this.store, this.namespace, selector, options);
  }

  hottest(limit: number, options?: Call): Promise<string[]> {
    if (this.lru) this.#writeRecency();
    return hottest(this.store, this.namespace, limit, this.lru, options);
  }

  async describe(): Promise<BackendInfo> {
    return describeStore(this.store, this.namespace, this.#setup, this.bounds);
  }

  async ping(): Promise<number> {
    const start = this.store.clock.monotonic();
    this.store.run((link) => link.column<number>("SELECT entries FROM totals").get());
    return this.store.clock.monotonic() - start;
  }

  /** Removes what has expired, of every namespace: nobody can see it any more. */
  async prune(): Promise<number> {
    this.store.checkWritable();
    let removed = 0;
    for (;;) {
      const batch = await this.store.change((link) => {
        const now = this.store.clock.now();
        const ids = link
          .column<number>("SELECT id FROM entries WHERE expires_at <= ? ORDER BY expires_at LIMIT ?")
          .all(now, BATCH_ROWS);
        return ids.length > 0 ? hide(link, ids, now) : 0;
      });
      if (batch === 0) break;
      removed += batch;
      await nextTurn();
    }
    await this.store.change((link) => {
      const now = this.store.clock.now();
      endLeases(link, now);
      dropUnheard(link, now);
    });
    while (this.#janitor.step(true)) await nextTurn();
    // Who reads a large value just now keeps the log from being emptied, maybe for long.
    this.store.run(() => this.store.waiting(BRIEF_WAIT_MS, ({ db }) => db.pragma("wal_checkpoint(TRUNCATE)")));
    return removed;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    // Whoever writes a value piece by piece now is stopped; what can't be removed is left as by a process that was killed.
    if (this.writers.size > 0) await Promise.allSettled([...this.writers].map((writer) => writer.abort()));
    clearTimeout(this.#recencyTimer);
    if (this.lru) this.#writeRecency();
    if (!this.store.readOnly) this.#janitor.finish(CLOSE_MS);
    const stopped = this.store.stop();
    this.store.close();
    await stopped;
  }

  /** Removes an entry whose value is lost, and counts the error. Others may have replaced it: an id is one write. */
  dropBroken(id: number): Awaitable<void> {
    const dropped = this.store.change((link) => {
      if (hide(link, [id]) > 0) addToCounter(link, this.namespace, "errors", 1);
    });
    return andThen(dropped, () => this.#janitor.wake());
  }

  /** Something was left to be removed in the background. */
  wakeJanitor(): void {
    this.#janitor.wake();
  }

  /** Of these names of files those that belong to no entry, hidden ones included, and that nobody is writing. */
  unnamed(names: readonly string[]): string[] {
    return this.store.run((link) => {
      const find = link.column<number>(
        "SELECT EXISTS (SELECT 1 FROM bodies WHERE body = ?) OR EXISTS (SELECT 1 FROM streams WHERE name = ?)",
      );
      return names.filter((name) => find.get(name, name) === 0);
    });
  }

  /** Once, with the first write: what an earlier process hid and had no time to remove. */
  #lookForGarbage(): void {
    if (this.#looked) return;
    this.#looked = true;
    if (this.store.run((link) => hasGarbage(link, this.store.clock.now()))) this.#janitor.wake();
  }
}

function concernedBy({ entry: { key, tags = [] } }: Item): Concerned {
  return { key, tags };
}

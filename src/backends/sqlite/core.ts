import { statSync } from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Selector } from "../../selector.js";
import {
  type Backend,
  type BackendContext,
  type BackendInfo,
  type Call,
  type Capabilities,
  COUNTER_NAMES,
  type Counters,
  type DeleteOptions,
  type DeleteReport,
  type NewEntry,
  type ScanOptions,
  type ScanPage,
  type SetMode,
  type SetOutcome,
  type Touch,
} from "../backend.js";
import { BATCH_ROWS } from "./batches.js";
import { type Bounds, checkBounds } from "./bounds.js";
import { deleteWhere } from "./deletion.js";
import { checkSignal } from "./failures.js";
import { hasGarbage, hide } from "./garbage.js";
import { Janitor, type JanitorOptions } from "./janitor.js";
import { rangeOfPrefix } from "./key-range.js";
import type { Link } from "./link.js";
import { list } from "./listing.js";
import { Recency } from "./recency.js";
import { Store } from "./store.js";
import { addToCounter, Writer } from "./writer.js";

/** Milliseconds that closing spends on giving space back. */
const CLOSE_MS = 50;
/** Reads after which their times are written, and milliseconds. */
const RECENCY_READS = 1000;
const RECENCY_MS = 2000;

/** What the backends on SQLite are opened with. */
export interface CoreOptions extends BackendContext, Bounds {
  /** Milliseconds to wait for a lock that another process holds; default 5,000. */
  busyTimeoutMs?: number;
}

export interface CoreSetup extends JanitorOptions {
  kind: "sqlite" | "file";
  /** The store for people. */
  target: string;
  /** The database file. */
  path: string;
  applicationId: number;
}

const CAPABILITIES: Capabilities = {
  persistent: true,
  shared: false,
  repeatsInScan: false,
  keepsExpired: true,
  knowsAge: true,
  counts: true,
};

/** Everything that is the same whether values lie in rows or in files: keys, deadlines, tags, bounds, counters. */
export class Core {
  readonly store: Store;
  readonly recency: Recency;
  /** Reads are to be noted. */
  readonly lru: boolean;
  readonly #namespace: string;
  readonly #bounds: Bounds;
  readonly #setup: CoreSetup;
  readonly #janitor: Janitor;
  #recencyTimer: NodeJS.Timeout | undefined;
  #looked = false;
  #closed = false;

  private constructor(store: Store, options: CoreOptions, setup: CoreSetup) {
    this.store = store;
    this.#namespace = options.namespace;
    this.#bounds = options;
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
    const readOnly = options.readOnly ?? false;
    const store = await Store.open(
      {
        path: setup.path,
        applicationId: setup.applicationId,
        readOnly,
        busyTimeoutMs: options.busyTimeoutMs ?? 5000,
        recency: isLru(options) && !readOnly,
      },
      options,
    );
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

  /**
   * Writes entries in one transaction.
   * @param bodies the names that stand for the values, where they are in files
   */
  set(entries: readonly NewEntry[], mode: SetMode, bodies?: readonly string[]): SetOutcome[] {
    const { writer, result } = this.#write((writer) => writer.set(entries, mode, bodies));
    if (this.lru) this.recency.forget();
    if (writer.released.length > 0) this.#setup.discard?.(writer.released);
    this.#lookForGarbage();
    return result;
  }

  #write<T>(work: (writer: Writer) => T): { writer: Writer; result: T } {
    return this.store.write((link) => {
      const writer = new Writer(
        link,
        {
          namespace: this.#namespace,
          bounds: this.#bounds,
          recency: this.recency,
          named: this.#setup.discard !== undefined,
        },
        this.store.clock.now(),
      );
      const result = work(writer);
      writer.finish();
      return { writer, result };
    });
  }

  async touchMany(changes: readonly Touch[], options: Call = {}): Promise<boolean[]> {
    this.store.checkWritable();
    const done: boolean[] = [];
    for (let i = 0; i < changes.length; i += BATCH_ROWS) {
      if (i > 0) await nextTurn();
      checkSignal(options.signal);
      const { result } = this.#write((writer) => writer.touch(changes.slice(i, i + BATCH_ROWS)));
      done.push(...result);
    }
    return done;
  }

  async deleteMany(keys: readonly string[], options: Call = {}): Promise<boolean[]> {
    this.store.checkWritable();
    const done: boolean[] = [];
    for (let i = 0; i < keys.length; i += BATCH_ROWS) {
      if (i > 0) await nextTurn();
      checkSignal(options.signal);
      done.push(...this.store.write((link) => this.#deleteKeys(link, keys.slice(i, i + BATCH_ROWS))));
    }
    this.#janitor.wake();
    return done;
  }

  #deleteKeys(link: Link, keys: readonly string[]): boolean[] {
    const now = this.store.clock.now();
    const find = link.rows<[id: number, expiresAt: number | null]>("SELECT id, expires_at FROM entries WHERE k = ?");
    const ids = new Set<number>();
    const existed = keys.map((key) => {
      const row = key.isWellFormed() ? find.get(this.#namespace + key) : undefined;
      if (row === undefined || ids.has(row[0])) return false;
      ids.add(row[0]);
      return row[1] === null || row[1] > now;
    });
    if (ids.size > 0) hide(link, [...ids]);
    return existed;
  }

  async deleteWhere(selector: Selector, options: DeleteOptions = {}): Promise<DeleteReport> {
    this.store.checkWritable();
    const report = await deleteWhere(this.store, this.#namespace, selector, options);
    this.#janitor.wake();
    return report;
  }

  scan(selector: Selector, options: ScanOptions = {}): AsyncGenerator<ScanPage> {
    return list(this.store, this.#namespace, selector, options);
  }

  count(deltas: Partial<Counters>): void {
    this.store.checkWritable();
    const changed = COUNTER_NAMES.filter((name) => (deltas[name] ?? 0) !== 0);
    if (changed.length === 0) return;
    this.store.write((link) => {
      for (const name of changed) addToCounter(link, this.#namespace, name, deltas[name] ?? 0);
    });
  }

  counters(): { counters: Counters; source: "cache" } {
    const counters: Counters = { hits: 0, misses: 0, sets: 0, deletes: 0, expirations: 0, evictions: 0, errors: 0 };
    const rows = this.store.run((link) =>
      link.rows<[string, number]>("SELECT name, value FROM counters WHERE namespace = ?").all(this.#namespace),
    );
    for (const name of COUNTER_NAMES) counters[name] = rows.find(([found]) => found === name)?.[1] ?? 0;
    return { counters, source: "cache" };
  }

  resetCounters(): void {
    this.store.checkWritable();
    this.store.write((link) => link.action("DELETE FROM counters WHERE namespace = ?").run(this.#namespace));
  }

  async describe(): Promise<BackendInfo> {
    const { kind, target } = this.#setup;
    const [entries, bytes] = this.store.run((link) => this.#liveTotals(link));
    const { maxEntries, maxBytes, policy = "fifo" } = this.#bounds;
    const facts = this.store.run((link) => ({
      sqlite_version: link.column<string>("SELECT sqlite_version()").get() ?? "",
      journal_mode: String(link.db.pragma("journal_mode", { simple: true })),
      file_bytes: sizeOf(this.store.path) + sizeOf(`${this.store.path}-wal`),
      free_bytes:
        Number(link.db.pragma("freelist_count", { simple: true })) *
        Number(link.db.pragma("page_size", { simple: true })),
    }));
    const bounds = {
      ...(maxEntries !== undefined && { max_entries: maxEntries }),
      ...(maxBytes !== undefined && { max_bytes: maxBytes }),
    };
    const bounded = Object.keys(bounds).length > 0;
    return { kind, target, entries, bytes, facts: { ...facts, ...bounds, ...(bounded && { policy }) }, warnings: [] };
  }

  #liveTotals(link: Link): [entries: number, bytes: number] {
    const now = this.store.clock.now();
    const sums = "count(*), coalesce(sum(size), 0)";
    if (this.#namespace === "") {
      // The totals are kept; only what has expired, which an index finds, is to be taken off.
      const [entries, bytes] = link.rows<[number, number]>("SELECT entries, bytes FROM totals").get() ?? [0, 0];
      const over = link.rows<[number, number]>(`SELECT ${sums} FROM entries WHERE expires_at <= ?`).get(now) ?? [0, 0];
      return [entries - over[0], bytes - over[1]];
    }
    const { from, to } = rangeOfPrefix(this.#namespace);
    const before = to === undefined ? "" : " AND k < ?";
    const sql = `SELECT ${sums} FROM entries WHERE (expires_at IS NULL OR expires_at > ?) AND k >= ?${before}`;
    return link.rows<[number, number]>(sql).get(...[now, from, ...(to === undefined ? [] : [to])]) ?? [0, 0];
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
      const batch = this.store.write((link) => {
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
    while (this.#janitor.step(true)) await nextTurn();
    this.store.run((link) => link.db.pragma("wal_checkpoint(TRUNCATE)"));
    return removed;
  }

  close(): void {
    if (this.#closed) return;
    clearTimeout(this.#recencyTimer);
    if (this.lru) this.#writeRecency();
    if (!this.store.readOnly) this.#janitor.finish(CLOSE_MS);
    this.#closed = true;
    this.store.close();
  }

  /** Removes an entry whose value is lost, and counts the error. Others may have replaced it: an id is one write. */
  dropBroken(id: number): void {
    this.store.write((link) => {
      if (hide(link, [id]) > 0) addToCounter(link, this.#namespace, "errors", 1);
    });
    this.#janitor.wake();
  }

  /** Of these bodies those that belong to no entry, hidden ones included. */
  unnamed(names: readonly string[]): string[] {
    return this.store.run((link) => {
      const find = link.column<number>("SELECT 1 FROM bodies WHERE body = ?");
      return names.filter((name) => find.get(name) === undefined);
    });
  }

  /** Once, with the first write: what an earlier process hid and had no time to remove. */
  #lookForGarbage(): void {
    if (this.#looked) return;
    this.#looked = true;
    if (this.store.run(hasGarbage)) this.#janitor.wake();
  }
}

function isLru({ maxEntries, maxBytes, policy }: Bounds): boolean {
  return policy === "lru" && (maxEntries !== undefined || maxBytes !== undefined);
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** What a backend takes from the core as it is: everything but the values. */
export function operationsOf(core: Core): Omit<Backend, "name" | "getMany" | "setMany"> {
  return {
    capabilities: CAPABILITIES,
    touchMany: (changes, options) => core.touchMany(changes, options),
    deleteMany: (keys, options) => core.deleteMany(keys, options),
    deleteWhere: (selector, options) => core.deleteWhere(selector, options),
    scan: (selector, options) => core.scan(selector, options),
    count: (deltas) => core.count(deltas),
    counters: () => core.counters(),
    resetCounters: () => core.resetCounters(),
    describe: () => core.describe(),
    ping: () => core.ping(),
    prune: () => core.prune(),
    close: async () => core.close(),
  };
}

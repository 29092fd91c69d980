import { setImmediate as nextTurn } from "node:timers/promises";
import type { Selector } from "../../selector.js";
import type {
  Backend,
  BackendInfo,
  Counters,
  DeleteOptions,
  NewEntry,
  ReadOptions,
  ScanOptions,
  SetOptions,
  SetOutcome,
  Stored,
  Touch,
} from "../backend.js";
import { batchesOf, isOneBatch } from "./batches.js";
import { CAPABILITIES, Core, type CoreOptions } from "./core.js";
import { checkSignal } from "./failures.js";
import type { Link, ValueRow } from "./link.js";
import { type FullRow, readFull, storedOf } from "./read-full.js";
import { STORE_APPLICATION_ID } from "./schema.js";
import { checkEntries } from "./writer.js";

export interface SqliteOptions extends CoreOptions {
  /** The database file; it and its folder are made where they are not there. */
  path: string;
}

/**
 * Opens a store in one SQLite file. A file that is damaged or no database is moved aside to `<path>.corrupt-<timestamp>`, and a new one
 * begun, with the warning `store-quarantined`; read-only it is an error.
 * @throws CacheError `foreign-database`, `newer-database`, `network-filesystem`, `store-is-directory`, `store-permission`, `store-busy`,
 * `store-corrupt`, `disk-full`, `invalid-bounds`
 */
export async function openSqlite(options: SqliteOptions): Promise<Backend> {
  const setup = { path: options.path, applicationId: STORE_APPLICATION_ID };
  return new SqliteBackend(await Core.open(options, setup), options);
}

class SqliteBackend implements Backend {
  readonly name = "sqlite";
  readonly capabilities = CAPABILITIES;
  readonly #core: Core;
  readonly #options: SqliteOptions;
  readonly #namespace: string;

  constructor(core: Core, options: SqliteOptions) {
    this.#core = core;
    this.#options = options;
    this.#namespace = options.namespace;
  }

  getMany(keys: readonly string[], options?: ReadOptions): (Stored | undefined)[] {
    const { store } = this.#core;
    const link = store.link;
    try {
      // The hottest path: one key, no closure, no transaction.
      if (options === undefined && keys.length === 1) return [this.#readValue(link, keys[0] ?? "", false)];
      return this.#read(link, keys, options);
    } catch (error) {
      return this.#read(store.replaceDamaged(error, link), keys, options);
    }
  }

  #read(link: Link, keys: readonly string[], options: ReadOptions = {}): (Stored | undefined)[] {
    checkSignal(options.signal);
    const { want = "value", peek = false } = options;
    if (want === "value") return keys.map((key) => this.#readValue(link, key, peek));
    return keys.map((key) => this.#readAll(link, key, peek));
  }

  #readValue(link: Link, key: string, peek: boolean): Stored | undefined {
    if (!key.isWellFormed()) return undefined;
    const row: ValueRow | undefined = link.value.get(this.#namespace + key);
    if (row === undefined) return undefined;
    const [value, expiresAt, id] = row;
    if (expiresAt !== null && expiresAt <= this.#options.clock.now()) return undefined;
    if (this.#core.lru && !peek) this.#core.noteRead(id);
    return { value: value as Uint8Array, size: value.length };
  }

  #readAll(link: Link, key: string, peek: boolean): Stored | undefined {
    const row: FullRow | undefined = readFull(link, this.#namespace, key, this.#options.clock.now());
    if (row === undefined) return undefined;
    if (this.#core.lru && !peek) this.#core.noteRead(row[0]);
    return storedOf(row, row[1] as Uint8Array);
  }

  setMany(entries: readonly NewEntry[], options?: SetOptions): SetOutcome[] | Promise<SetOutcome[]> {
    this.#core.store.checkWritable();
    checkSignal(options?.signal);
    checkEntries(entries);
    const mode = options?.mode ?? "always";
    return isOneBatch(entries) ? this.#core.set(entries, mode) : this.#setBatches(entries, mode, options?.signal);
  }

  async #setBatches(
    entries: readonly NewEntry[],
    mode: NonNullable<SetOptions["mode"]>,
    signal: AbortSignal | undefined,
  ): Promise<SetOutcome[]> {
    const outcomes: SetOutcome[] = [];
    for (const batch of batchesOf(entries)) {
      if (outcomes.length > 0) await nextTurn();
      checkSignal(signal);
      for (const outcome of this.#core.set(batch, mode)) outcomes.push(outcome);
    }
    return outcomes;
  }

  touchMany(changes: readonly Touch[], options?: { signal?: AbortSignal }): Promise<boolean[]> {
    return this.#core.touch(changes, options?.signal);
  }

  deleteMany(keys: readonly string[], options?: { signal?: AbortSignal }): Promise<boolean[]> {
    return this.#core.delete(keys, options?.signal);
  }

  deleteWhere(selector: Selector, options: DeleteOptions = {}) {
    return this.#core.deleteWhere(selector, options);
  }

  scan(selector: Selector, options: ScanOptions = {}) {
    return this.#core.scan(selector, options);
  }

  count(deltas: Partial<Counters>): void {
    this.#core.count(deltas);
  }

  counters() {
    return this.#core.counters();
  }

  resetCounters(): void {
    this.#core.resetCounters();
  }

  describe(): Promise<BackendInfo> {
    return this.#core.describe("sqlite", `sqlite:${this.#options.path}`);
  }

  ping(): Promise<number> {
    return this.#core.ping();
  }

  prune(): Promise<number> {
    return this.#core.prune();
  }

  async close(): Promise<void> {
    this.#core.close();
  }
}

import { setImmediate as nextTurn } from "node:timers/promises";
import type { Backend, NewEntry, ReadOptions, SetMode, SetOptions, SetOutcome, Stored } from "../backend.js";
import { batchesOf, isOneBatch } from "./batches.js";
import { Core, type CoreOptions, operationsOf } from "./core.js";
import { checkSignal } from "./failures.js";
import type { Link } from "./link.js";
import { readFull, storedOf } from "./read-full.js";
import { STORE_APPLICATION_ID } from "./schema.js";
import { checkEntries } from "./writer.js";

export interface SqliteOptions extends CoreOptions {
  /** The database file; it and its folder are made where they are not there. */
  path: string;
}

/**
 * Opens a store in one SQLite file. A file that is damaged or no database is moved aside to `<path>.corrupt-<timestamp>`, and a new one
 * begun, with the warning `store-quarantined`; read-only it is an error.
 * @throws CacheError `foreign-database`, `newer-database`, `network-filesystem`, `store-is-directory`, `store-permission`,
 * `store-cannot-open`, `store-busy`, `store-corrupt`, `disk-full`, `invalid-bounds`
 */
export async function openSqlite(options: SqliteOptions): Promise<Backend> {
  const { path } = options;
  const core = await Core.open(options, {
    kind: "sqlite",
    target: `sqlite:${path}`,
    path,
    applicationId: STORE_APPLICATION_ID,
  });
  const rows = new RowValues(core, options);
  return {
    ...operationsOf(core),
    name: "sqlite",
    getMany: (keys, call) => rows.getMany(keys, call),
    setMany: (entries, call) => rows.setMany(entries, call),
  };
}

/** Values in rows of the database; reads, and writes of one batch, answer synchronously. */
class RowValues {
  readonly #core: Core;
  readonly #clock: SqliteOptions["clock"];
  readonly #namespace: string;

  constructor(core: Core, options: SqliteOptions) {
    this.#core = core;
    this.#clock = options.clock;
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
      const fresh = store.replaceDamaged(error, link);
      return store.run(() => this.#read(fresh, keys, options));
    }
  }

  #read(link: Link, keys: readonly string[], options: ReadOptions = {}): (Stored | undefined)[] {
    checkSignal(options.signal);
    const { want = "value", peek = false } = options;
    if (want === "value") return keys.map((key) => this.#readValue(link, key, peek));
    return keys.map((key) => this.#readAll(link, key, peek));
  }

  #readValue(link: Link, key: string, peek: boolean): Stored | undefined {
    // SQLite would read a lone surrogate as the replacement character, which is another key.
    if (!key.isWellFormed()) return undefined;
    const row = link.value.get(this.#namespace + key);
    if (row === undefined) return undefined;
    const [value, expiresAt, id] = row;
    if (expiresAt !== null && expiresAt <= this.#clock.now()) return undefined;
    if (this.#core.lru && !peek) this.#core.noteRead(id);
    return { value: value as Uint8Array, size: value.length };
  }

  #readAll(link: Link, key: string, peek: boolean): Stored | undefined {
    const row = readFull(link, this.#namespace, key, this.#clock.now());
    if (row === undefined) return undefined;
    if (this.#core.lru && !peek) this.#core.noteRead(row[0]);
    return storedOf(row, row[1] as Uint8Array);
  }

  setMany(entries: readonly NewEntry[], options: SetOptions = {}): SetOutcome[] | Promise<SetOutcome[]> {
    this.#core.store.checkWritable();
    checkSignal(options.signal);
    checkEntries(entries);
    const { mode = "always", signal } = options;
    return isOneBatch(entries) ? this.#core.set(entries, mode) : this.#setBatches(entries, mode, signal);
  }

  async #setBatches(
    entries: readonly NewEntry[],
    mode: SetMode,
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
}

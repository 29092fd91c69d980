import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Backend, NewEntry, ReadOptions, SetMode, SetOptions, SetOutcome, Stored } from "../backend.js";
import { batchesOf } from "../sqlite/batches.js";
import { Core, type CoreOptions, operationsOf } from "../sqlite/core.js";
import { checkSignal, explain } from "../sqlite/failures.js";
import { type FullRow, readFull, storedOf } from "../sqlite/read-full.js";
import { INDEX_APPLICATION_ID } from "../sqlite/schema.js";
import { checkEntries } from "../sqlite/writer.js";
import { inParallel, ValueFiles } from "./value-files.js";

export interface FileOptions extends CoreOptions {
  /** The folder of the store; made where it is not there. */
  path: string;
}

/** A file without an entry may be a value that is just being written; after this many milliseconds it is rubbish. */
const ORPHAN_AGE_MS = 3_600_000;
/** How often a value that was replaced while it was being read is looked for again. */
const READ_TRIES = 3;

/**
 * Opens a store in a folder: a file a value under `values/`, and an index in SQLite (`index.db`), which makes prefixes, tags, deadlines
 * and counting the same as in the SQLite store. A damaged index is moved aside as there, and its values are removed by `prune`.
 * @throws CacheError as `openSqlite`, and `store-not-directory`
 */
export async function openFile(options: FileOptions): Promise<Backend> {
  const { path } = options;
  const files = new ValueFiles(join(path, "values"));
  const core = await Core.open(options, {
    kind: "file",
    target: `file:${path}`,
    path: join(path, "index.db"),
    applicationId: INDEX_APPLICATION_ID,
    discard: (names) => files.discard(names),
  });
  const values = new FileValues(core, files, options);
  return {
    ...operationsOf(core),
    name: "file",
    getMany: (keys, call) => values.getMany(keys, call),
    setMany: (entries, call) => values.setMany(entries, call),
    prune: async () => {
      const removed = await core.prune();
      await values.removeOrphans();
      return removed;
    },
  };
}

/** Values in files. A file is whole before its entry is written, and removed after its entry is. */
class FileValues {
  readonly #core: Core;
  readonly #files: ValueFiles;
  readonly #options: FileOptions;

  constructor(core: Core, files: ValueFiles, options: FileOptions) {
    this.#core = core;
    this.#files = files;
    this.#options = options;
  }

  async getMany(keys: readonly string[], options: ReadOptions = {}): Promise<(Stored | undefined)[]> {
    checkSignal(options.signal);
    const rows = keys.map((key) => this.#find(key));
    const found = new Array<Stored | undefined>(keys.length).fill(undefined);
    await this.#explained(() =>
      inParallel(keys, async (key, i) => {
        const row = rows[i];
        if (row === undefined) return;
        found[i] = await this.#read(key, row);
        if (found[i] !== undefined && this.#core.lru && options.peek !== true) this.#core.noteRead(row[0]);
      }),
    );
    return found;
  }

  #find(key: string): FullRow | undefined {
    const { namespace, clock } = this.#options;
    return this.#core.store.run((link) => readFull(link, namespace, key, clock.now()));
  }

  async #read(key: string, first: FullRow): Promise<Stored | undefined> {
    let row: FullRow | undefined = first;
    for (let tries = 0; row !== undefined && tries < READ_TRIES; tries++) {
      const value = await this.#files.read(String(row[1]), row[5]);
      if (value !== undefined) return storedOf(row, value);
      const again = this.#find(key);
      if (again?.[0] === row[0]) {
        // Not replaced: the file itself is lost or cut.
        if (!this.#core.store.readOnly) this.#core.dropBroken(row[0]);
        return undefined;
      }
      row = again;
    }
    return undefined;
  }

  async setMany(entries: readonly NewEntry[], options: SetOptions = {}): Promise<SetOutcome[]> {
    this.#core.store.checkWritable();
    checkEntries(entries);
    const { mode = "always", signal } = options;
    const outcomes: SetOutcome[] = [];
    for (const batch of batchesOf(entries)) {
      if (outcomes.length > 0) await nextTurn();
      checkSignal(signal);
      for (const outcome of await this.#setBatch(batch, mode)) outcomes.push(outcome);
    }
    return outcomes;
  }

  async #setBatch(batch: readonly NewEntry[], mode: SetMode): Promise<SetOutcome[]> {
    const { namespace, maxBytes = Number.POSITIVE_INFINITY } = this.#options;
    const named = batch.map(({ key, value }) => ({ name: this.#files.nameFor(namespace + key), value }));
    const names = named.map(({ name }) => name);
    await this.#explained(() => this.#files.write(named.filter(({ value }) => value.length <= maxBytes)));
    try {
      return this.#core.set(batch, mode, names);
    } catch (error) {
      this.#files.discard(names);
      throw error;
    }
  }

  /** Removes files that no entry names: what a process left that was killed between the two. */
  async removeOrphans(): Promise<void> {
    const { clock } = this.#options;
    await this.#explained(async () => {
      for await (const names of this.#files.old(clock.now() - ORPHAN_AGE_MS)) {
        this.#files.discard(this.#core.unnamed(names));
      }
    });
  }

  async #explained<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw explain(error, this.#options.path);
    }
  }
}

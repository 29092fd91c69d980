import { readSync } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { setImmediate as nextTurn } from "node:timers/promises";
import type {
  AtomicStep,
  EntryReader,
  EntryWriter,
  Lease,
  NewEntry,
  RangeOptions,
  ReadOptions,
  SetOptions,
  SetOutcome,
  Stored,
  WriteCall,
} from "../backend.js";
import { batchesOf } from "../sqlite/batches.js";
import type { Core } from "../sqlite/core.js";
import { checkSignal, explain } from "../sqlite/failures.js";
import { PendingStream } from "../sqlite/pending-stream.js";
import { pieceReader, rangeOf } from "../sqlite/piece-reader.js";
import { type Outlet, PieceWriter } from "../sqlite/piece-writer.js";
import { type FullRow, headOf, readFull, storedOf } from "../sqlite/read-full.js";
import { checkEntries, type EntryHead, type Item } from "../sqlite/writer.js";
import { inParallel, SMALL_BYTES, type ValueFiles } from "./value-files.js";

/** A file without an entry may be a value that is just being written; after this many milliseconds it is rubbish. */
const ORPHAN_AGE_MS = 3_600_000;
/** Bytes that are read of a longer file at once. For larger buffers the memory allocator asks the system each time, page by page: that takes longer than reading them. */
const READ_BYTES = 65_536;
/** How often a value that was replaced while it was being read is looked for again. */
const READ_TRIES = 3;

/** Values in files. A file is whole before its entry is written, and removed after its entry is. */
export class FileValues {
  readonly #core: Core;
  readonly #files: ValueFiles;
  /** The folder, for messages. */
  readonly #path: string;

  constructor(core: Core, files: ValueFiles, path: string) {
    this.#core = core;
    this.#files = files;
    this.#path = path;
  }

  async getMany(keys: readonly string[], options: ReadOptions = {}): Promise<(Stored | undefined)[]> {
    checkSignal(options.signal);
    const rows = keys.map((key) => this.#find(key));
    const found = new Array<Stored | undefined>(keys.length).fill(undefined);
    await this.#explained(() =>
      inParallel(keys, async (key, i) => {
        const row = rows[i];
        if (row === undefined) return;
        found[i] = await this.#read(key, row, async (row) => {
          const value = await this.#files.read(nameOf(row), row[5]);
          return value && storedOf(row, value);
        });
        if (found[i] !== undefined) this.#noteRead(row, options);
      }),
    );
    return found;
  }

  #find(key: string): FullRow | undefined {
    const { store, namespace } = this.#core;
    return store.run((link) => readFull(link, namespace, key, store.clock.now()));
  }

  #noteRead([id]: FullRow, { peek }: ReadOptions): void {
    if (this.#core.lru && peek !== true) this.#core.noteRead(id);
  }

  /** What `read` makes of the file of an entry, or of the one that has taken its place by then. */
  async #read<T>(key: string, first: FullRow, read: (row: FullRow) => Promise<T | undefined>): Promise<T | undefined> {
    let row: FullRow | undefined = first;
    for (let tries = 0; row !== undefined && tries < READ_TRIES; tries++) {
      const found = await read(row);
      if (found !== undefined) return found;
      const again = this.#find(key);
      if (again?.[0] === row[0]) {
        // Not replaced: the file itself is lost or cut.
        if (!this.#core.store.readOnly) await this.#core.dropBroken(row[0]);
        return undefined;
      }
      row = again;
    }
    return undefined;
  }

  async setMany(entries: readonly NewEntry[], options: SetOptions = {}): Promise<SetOutcome[]> {
    this.#core.store.checkWritable();
    checkEntries(entries);
    const outcomes: SetOutcome[] = [];
    const watch = this.#core.watch(options);
    for (const batch of batchesOf(entries)) {
      if (outcomes.length > 0) await nextTurn();
      checkSignal(options.signal);
      const stored = await this.#written(batch, (items) => this.#core.set(items, options, watch));
      for (const outcome of stored) outcomes.push(outcome);
    }
    return outcomes;
  }

  /** Writes the files of entries and then, by `store`, the entries; where that fails the files are removed again. */
  async #written<T>(entries: readonly NewEntry[], store: (items: Item[]) => T | Promise<T>): Promise<T> {
    const { maxBytes = Number.POSITIVE_INFINITY } = this.#core.bounds;
    const items = entries.map((entry) => this.#itemOf(entry, entry.value.length));
    const files = items.map(({ body }, i) => ({ name: body, value: entries[i]?.value ?? new Uint8Array() }));
    await this.#explained(() => this.#files.write(files.filter(({ value }) => value.length <= maxBytes)));
    try {
      return await store(items);
    } catch (error) {
      this.#files.discard(files.map(({ name }) => name));
      throw error;
    }
  }

  #itemOf(entry: EntryHead, size: number): Item & { body: string } {
    return { entry, size, body: this.#files.nameFor(this.#core.namespace + entry.key) };
  }

  async commit(entry: NewEntry, lease: Lease, options: WriteCall = {}): Promise<boolean> {
    this.#core.store.checkWritable();
    checkSignal(options.signal);
    checkEntries([entry]);
    return this.#written([entry], async ([item]) => {
      return item !== undefined && (await this.#core.commit(item, lease, options)) === "stored";
    });
  }

  async atomic(steps: readonly AtomicStep[], options: WriteCall = {}): Promise<void> {
    this.#core.store.checkWritable();
    checkSignal(options.signal);
    const sets = steps.filter((step) => "set" in step);
    const entries = sets.map(({ set }) => set);
    checkEntries(entries);
    this.#core.checkBounds(entries);
    await this.#written(entries, (items) => {
      const byStep = new Map<AtomicStep, Item>();
      for (const [i, item] of items.entries()) {
        const step = sets[i];
        if (step !== undefined) byStep.set(step, item);
      }
      return this.#core.atomic(steps, byStep, options);
    });
  }

  async openWrite(entry: EntryHead, options: SetOptions = {}): Promise<EntryWriter> {
    this.#core.store.checkWritable();
    checkSignal(options.signal);
    return new PieceWriter(this.#core, this, entry, options);
  }

  async whole(entry: EntryHead, value: Uint8Array): Promise<Item> {
    const item = this.#itemOf(entry, value.length);
    await this.#explained(() => this.#files.write([{ name: item.body, value }]));
    return item;
  }

  /** A file that grows. */
  async open(key: string): Promise<Outlet> {
    const name = this.#files.nameFor(this.#core.namespace + key);
    const pending = await PendingStream.begin(this.#core.store, key, name);
    const file = await this.#created(name, pending);
    return {
      add: (piece) => this.#explained(() => writeAll(file, piece)),
      finish: async (entry, size) => {
        await this.#explained(() => file.close());
        return { entry, size, body: name, stream: pending.id };
      },
      end: () => pending.end(),
      drop: async () => {
        await this.#explained(() => file.close());
        this.#files.discard([name]);
        await pending.drop();
      },
    };
  }

  async #created(name: string, pending: PendingStream): Promise<FileHandle> {
    try {
      return await this.#explained(() => this.#files.create(name));
    } catch (error) {
      await pending.drop();
      throw error;
    }
  }

  async openRead(key: string, options: RangeOptions = {}): Promise<EntryReader | undefined> {
    checkSignal(options.signal);
    const row = this.#find(key);
    if (row === undefined) return undefined;
    const reader = await this.#explained(() => this.#read(key, row, (row) => this.#opened(row, options)));
    if (reader !== undefined) this.#noteRead(row, options);
    return reader;
  }

  async #opened(row: FullRow, options: RangeOptions): Promise<EntryReader | undefined> {
    const range = rangeOf(options, row[5]);
    if (row[5] <= SMALL_BYTES) {
      const value = await this.#files.read(nameOf(row), row[5]);
      if (value === undefined) return undefined;
      return pieceReader(headOf(row), range, (start, length) => value.subarray(start, start + length), DONE);
    }
    const file = await this.#files.open(nameOf(row), row[5]);
    if (file === undefined) return undefined;
    const read = (start: number, length: number) =>
      this.#explained(async () => {
        const piece = Buffer.allocUnsafe(length);
        return piece.subarray(0, readSync(file.fd, piece, 0, length, start));
      });
    const release = () => {
      // Nothing was written to it, so that it can't be closed says nothing of the value.
      file.close().catch(() => undefined);
    };
    return pieceReader(headOf(row), range, read, release, READ_BYTES);
  }

  /** Removes files that no entry names: what a process left that was killed between the two. */
  async removeOrphans(): Promise<void> {
    const { clock } = this.#core.store;
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
      throw explain(error, this.#path);
    }
  }
}

const DONE = () => {};
const nameOf = (row: FullRow) => String(row[1]);

/** A write may take less than it was given. */
async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; ) at += (await file.write(bytes, at)).bytesWritten;
}

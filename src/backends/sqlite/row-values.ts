import { setImmediate as nextTurn } from "node:timers/promises";
import type {
  AtomicStep,
  Awaitable,
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
import { andThen } from "./awaitable.js";
import { batchesOf, isLarge, isOneBatch } from "./batches.js";
import type { Core } from "./core.js";
import { checkSignal } from "./failures.js";
import type { Link } from "./link.js";
import { PendingStream } from "./pending-stream.js";
import { pieceReader, rangeOf } from "./piece-reader.js";
import { type Outlet, PieceWriter, writeWhole } from "./piece-writer.js";
import { type FullRow, headOf, readFull, storedOf } from "./read-full.js";
import { chunkBytesOf, chunkOf, chunksOf } from "./streams.js";
import { checkEntries, type EntryHead, type Item } from "./writer.js";

/** Stands for a value that is not to be read at once. */
const LARGE = Symbol("large");
type Found = Stored | typeof LARGE;

/** Chunks that are read at a time where a value is wanted whole. */
const CHUNKS_AT_ONCE = 64;

/** Values in rows of the database; reads, and writes of one batch, answer synchronously where no other process is in the way and no value is large. */
export class RowValues {
  readonly #core: Core;
  readonly #clock: Core["store"]["clock"];
  readonly #namespace: string;

  constructor(core: Core) {
    this.#core = core;
    this.#clock = core.store.clock;
    this.#namespace = core.namespace;
  }

  getMany(keys: readonly string[], options?: ReadOptions): Awaitable<(Stored | undefined)[]> {
    const { store } = this.#core;
    const link = store.link;
    let found: (Found | undefined)[];
    try {
      // The hottest path: one key, no closure, no transaction.
      if (options === undefined && keys.length === 1) found = [this.#readValue(link, keys[0] ?? "", false)];
      else found = this.#read(link, keys, options);
    } catch (error) {
      const fresh = store.replaceDamaged(error, link);
      found = store.run(() => this.#read(fresh, keys, options));
    }
    return isAllStored(found) ? found : this.#withLarge(keys, found, options);
  }

  #read(link: Link, keys: readonly string[], options: ReadOptions = {}): (Found | undefined)[] {
    checkSignal(options.signal);
    const { want = "value", peek = false } = options;
    if (want === "value") return keys.map((key) => this.#readValue(link, key, peek));
    return keys.map((key) => this.#readAll(link, key, peek));
  }

  #readValue(link: Link, key: string, peek: boolean): Found | undefined {
    // SQLite would read a lone surrogate as the replacement character, which is another key.
    if (!key.isWellFormed()) return undefined;
    const row = link.value.get(this.#namespace + key);
    if (row === undefined) return undefined;
    const [value, expiresAt, id] = row;
    if (expiresAt !== null && expiresAt <= this.#clock.now()) return undefined;
    if (typeof value === "number") return this.#readAll(link, key, peek);
    if (this.#core.lru && !peek) this.#core.noteRead(id);
    return { value: value as Uint8Array, size: value.length };
  }

  #readAll(link: Link, key: string, peek: boolean): Found | undefined {
    const row = readFull(link, this.#namespace, key, this.#clock.now());
    if (row === undefined) return undefined;
    if (this.#core.lru && !peek) this.#core.noteRead(row[0]);
    if (typeof row[1] !== "number") return storedOf(row, row[1] as Uint8Array);
    return isLarge(row[5]) ? LARGE : this.#readStreamed(link, key);
  }

  /** One large value after the other, so that memory holds no more than what is asked for. */
  async #withLarge(
    keys: readonly string[],
    found: readonly (Found | undefined)[],
    { signal }: ReadOptions = {},
  ): Promise<(Stored | undefined)[]> {
    const all: (Stored | undefined)[] = [];
    for (const [i, one] of found.entries()) {
      all.push(one === LARGE ? await this.#readInPieces(keys[i] ?? "", signal) : one);
    }
    return all;
  }

  async #readInPieces(key: string, signal: AbortSignal | undefined): Promise<Stored | undefined> {
    try {
      const reader = this.#openStreamed(key, {});
      return reader && { ...reader.head, value: await readToEnd(reader, signal) };
    } catch {
      checkSignal(signal);
      // Read at once it fails in the same way; there a damaged store is replaced, and a broken entry removed.
      return this.#core.store.run((link) => this.#readStreamed(link, key));
    }
  }

  /** Looked up again: entry and chunks must be of the same moment. */
  #readStreamed(link: Link, key: string): Stored | undefined {
    let broken: number | undefined;
    const stored = link.read(() => {
      const row = readFull(link, this.#namespace, key, this.#clock.now());
      if (row === undefined) return undefined;
      if (typeof row[1] !== "number") return storedOf(row, row[1] as Uint8Array);
      const value = wholeOf(link, row[1], row[5]);
      if (value === undefined) broken = row[0];
      return value && storedOf(row, value);
    });
    if (broken !== undefined && !this.#core.store.readOnly) void this.#core.dropBroken(broken);
    return stored;
  }

  setMany(entries: readonly NewEntry[], options: SetOptions = {}): Awaitable<SetOutcome[]> {
    this.#core.store.checkWritable();
    checkSignal(options.signal);
    checkEntries(entries);
    return isOneBatch(entries) ? this.#core.set(entries.map(itemOf), options) : this.#setBatches(entries, options);
  }

  async #setBatches(entries: readonly NewEntry[], options: SetOptions): Promise<SetOutcome[]> {
    const outcomes: SetOutcome[] = [];
    const watch = this.#core.watch(options);
    for (const batch of batchesOf(entries)) {
      if (outcomes.length > 0) await nextTurn();
      checkSignal(options.signal);
      const [entry] = batch;
      if (entry !== undefined && this.#goesInPieces(entry)) {
        outcomes.push(await writeWhole(new PieceWriter(this.#core, this, entry, options, watch), entry.value));
      } else for (const outcome of await this.#core.set(batch.map(itemOf), options, watch)) outcomes.push(outcome);
    }
    return outcomes;
  }

  /** It may be stored, and is large; then it is alone in its batch. */
  #goesInPieces({ value }: NewEntry): boolean {
    return isLarge(value.length) && value.length <= (this.#core.bounds.maxBytes ?? Number.POSITIVE_INFINITY);
  }

  commit(entry: NewEntry, lease: Lease, options: WriteCall = {}): Awaitable<boolean> {
    this.#core.store.checkWritable();
    checkSignal(options.signal);
    checkEntries([entry]);
    const outcome = this.#goesInPieces(entry)
      ? writeWhole(new PieceWriter(this.#core, this, entry, options), entry.value, lease)
      : this.#core.commit(itemOf(entry), lease, options);
    return andThen(outcome, (outcome) => outcome === "stored");
  }

  atomic(steps: readonly AtomicStep[], options: WriteCall = {}): Awaitable<void> {
    this.#core.store.checkWritable();
    checkSignal(options.signal);
    const items = new Map<AtomicStep, Item>();
    for (const step of steps) {
      if (!("set" in step)) continue;
      checkEntries([step.set]);
      this.#core.checkBounds([step.set]);
      items.set(step, itemOf(step.set));
    }
    return this.#core.atomic(steps, items, options);
  }

  async openWrite(entry: EntryHead, options: SetOptions = {}): Promise<EntryWriter> {
    this.#core.store.checkWritable();
    checkSignal(options.signal);
    return new PieceWriter(this.#core, this, entry, options);
  }

  async whole(entry: EntryHead, value: Uint8Array): Promise<Item> {
    return { entry, size: value.length, body: value };
  }

  /** A stream of rows. */
  async open(key: string): Promise<Outlet> {
    const pending = await PendingStream.begin(this.#core.store, key, null);
    return {
      add: (piece) => pending.add(piece),
      finish: async (entry, size) => ({ entry, size, body: pending.id, stream: pending.id }),
      end: () => pending.end(),
      drop: () => pending.drop(),
    };
  }

  async openRead(key: string, options: RangeOptions = {}): Promise<EntryReader | undefined> {
    checkSignal(options.signal);
    const row = this.#core.store.run((link) => readFull(link, this.#namespace, key, this.#clock.now()));
    if (row === undefined) return undefined;
    if (this.#core.lru && options.peek !== true) this.#core.noteRead(row[0]);
    return typeof row[1] === "number" ? this.#openStreamed(key, options) : openWhole(row, options);
  }

  /** From a connection of its own, for which nothing is deleted or replaced. */
  #openStreamed(key: string, options: RangeOptions): EntryReader | undefined {
    const { store } = this.#core;
    const { link, close } = store.snapshots.take();
    try {
      const row = readFull(link, this.#namespace, key, this.#clock.now());
      const stream = row?.[1];
      if (row === undefined || typeof stream !== "number") {
        close();
        return row && openWhole(row, options);
      }
      const bytes = chunkBytesOf(link, stream);
      const read = (start: number, length: number) =>
        store.reading(() => {
          const chunk = chunkOf(link, stream, Math.floor(start / bytes)) ?? new Uint8Array();
          return chunk.subarray(start % bytes, (start % bytes) + length);
        });
      return pieceReader(headOf(row), rangeOf(options, row[5]), read, close);
    } catch (error) {
      close();
      throw error;
    }
  }
}

function isAllStored(found: (Found | undefined)[]): found is (Stored | undefined)[] {
  return !found.includes(LARGE);
}

const itemOf = (entry: NewEntry): Item => ({ entry, size: entry.value.length, body: entry.value });

function openWhole(row: FullRow, options: RangeOptions): EntryReader {
  const value = row[1] as Uint8Array;
  const read = (start: number, length: number) => value.subarray(start, start + length);
  return pieceReader(headOf(row), rangeOf(options, value.length), read, () => {});
}

async function readToEnd(reader: EntryReader, signal: AbortSignal | undefined): Promise<Buffer> {
  try {
    const value = Buffer.allocUnsafe(reader.head.size);
    let at = 0;
    for await (const piece of reader.body) {
      checkSignal(signal);
      value.set(piece, at);
      at += piece.length;
    }
    return value;
  } finally {
    reader.close();
  }
}

/** All of a stream, undefined where it is not as long as it was. */
function wholeOf(link: Link, id: number, size: number): Buffer | undefined {
  const value = Buffer.allocUnsafe(size);
  let at = 0;
  for (let n = 0; at < size; n += CHUNKS_AT_ONCE) {
    const pieces = chunksOf(link, id, n, CHUNKS_AT_ONCE);
    if (pieces.length === 0) return undefined;
    for (const piece of pieces) {
      if (at + piece.length > size) return undefined;
      value.set(piece, at);
      at += piece.length;
    }
  }
  return value;
}

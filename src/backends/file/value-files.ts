import { createHash, randomBytes } from "node:crypto";
import { readFileSync, unlinkSync, writeFileSync } from "node:fs";
import { type FileHandle, open, opendir, readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { codeOf } from "../../errors.js";
import { makeFolder } from "../../new-folder.js";
import { CHUNK_BYTES } from "../backend.js";

/** Files that are read or written at the same time. */
const CONCURRENCY = 16;
/** Bytes of the values that are read and written synchronously, as SQLite does with its own of that size: asking a thread takes several times as long. */
export const SMALL_BYTES = CHUNK_BYTES;
/** Small values that are written before others get a turn. */
const SMALL_AT_ONCE = 64;
/** One that nobody else has written, for its owner alone. */
const NEW_FILE = { flag: "wx", mode: 0o600 };
/** The name of a value file, with the folder that its first two letters name. */
const NAME = /^[0-9a-f]{64}-[0-9a-f]{16}$/;

/** One file a value, under a name that was never used before and says nothing of the key. */
export class ValueFiles {
  readonly #folder: string;

  /** @param folder where they are; made with the first value */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** A new name for a value of a key. */
  nameFor(namespacedKey: string): string {
    return `${createHash("sha256").update(namespacedKey).digest("hex")}-${randomBytes(8).toString("hex")}`;
  }

  #pathOf(name: string): string {
    return join(this.#folder, name.slice(0, 2), name);
  }

  /** Writes values; where one fails, those written so far are removed. */
  async write(values: readonly { name: string; value: Uint8Array }[]): Promise<void> {
    try {
      await this.#writeSmall(values.filter(({ value }) => value.length <= SMALL_BYTES));
      const large = values.filter(({ value }) => value.length > SMALL_BYTES);
      await inParallel(large, ({ name, value }) => this.#writeOne(name, value));
    } catch (error) {
      this.discard(values.map(({ name }) => name));
      throw error;
    }
  }

  async #writeSmall(values: readonly { name: string; value: Uint8Array }[]): Promise<void> {
    for (const [i, { name, value }] of values.entries()) {
      if (i > 0 && i % SMALL_AT_ONCE === 0) await nextTurn();
      this.#writeAtOnce(this.#pathOf(name), value);
    }
  }

  #writeAtOnce(path: string, value: Uint8Array): void {
    try {
      writeFileSync(path, value, NEW_FILE);
    } catch (error) {
      if (codeOf(error) !== "ENOENT") throw error;
      makeFolder(dirname(path));
      writeFileSync(path, value, NEW_FILE);
    }
  }

  async #writeOne(name: string, value: Uint8Array): Promise<void> {
    const file = await this.create(name);
    try {
      await file.writeFile(value);
    } finally {
      await file.close();
    }
  }

  /** A new file for a value, to be closed by the caller. */
  async create(name: string): Promise<FileHandle> {
    const path = this.#pathOf(name);
    try {
      return await open(path, NEW_FILE.flag, NEW_FILE.mode);
    } catch (error) {
      if (codeOf(error) !== "ENOENT") throw error;
      makeFolder(dirname(path));
      return await open(path, NEW_FILE.flag, NEW_FILE.mode);
    }
  }

  /** The bytes of a value, undefined where the file is not there or not as long as it was. */
  async read(name: string, size: number): Promise<Buffer | undefined> {
    try {
      const value = size <= SMALL_BYTES ? readFileSync(this.#pathOf(name)) : await readFile(this.#pathOf(name));
      return value.length === size ? value : undefined;
    } catch (error) {
      if (codeOf(error) === "ENOENT") return undefined;
      throw error;
    }
  }

  /** A value to be read, also after its file was removed; undefined where the file is not there or not as long as it was. To be closed by the caller. */
  async open(name: string, size: number): Promise<FileHandle | undefined> {
    const file = await orIfMissing(open(this.#pathOf(name), "r"), undefined);
    if (file === undefined) return undefined;
    let isWhole = false;
    try {
      isWhole = (await file.stat()).size === size;
    } finally {
      if (!isWhole) await file.close();
    }
    return isWhole ? file : undefined;
  }

  /** Removes files that nothing refers to any more; one that can't be removed now is left to {@link old}. */
  discard(names: readonly string[]): void {
    for (const name of names) {
      try {
        unlinkSync(this.#pathOf(name));
      } catch {
        // Gone already, or an orphan from now on: either way no reader can see it.
      }
    }
  }

  /** Names of files last written before `before` (epoch milliseconds), in groups. */
  async *old(before: number): AsyncGenerator<string[]> {
    for (const shard of await namesIn(this.#folder)) {
      const names = (await namesIn(join(this.#folder, shard))).filter((name) => NAME.test(name));
      const old: string[] = [];
      await inParallel(names, async (name) => {
        if ((await changedAt(this.#pathOf(name))) < before) old.push(name);
      });
      if (old.length > 0) yield old;
    }
  }
}

/** Runs the work on all, some at a time; after a failure no more is begun, and it is thrown when what had begun is over. */
export async function inParallel<T>(
  items: readonly T[],
  work: (item: T, index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  let failure: { error: unknown } | undefined;
  const worker = async () => {
    while (next < items.length && failure === undefined) {
      const index = next++;
      try {
        await work(items[index] as T, index);
      } catch (error) {
        failure ??= { error };
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(CONCURRENCY, items.length) }, worker));
  if (failure !== undefined) throw failure.error;
}

async function namesIn(folder: string): Promise<string[]> {
  const names: string[] = [];
  const entries = await orIfMissing(opendir(folder), undefined);
  if (entries === undefined) return names;
  for await (const entry of entries) names.push(entry.name);
  return names;
}

/** Epoch milliseconds; infinite where there is no such file any more. */
async function changedAt(path: string): Promise<number> {
  return (await orIfMissing(stat(path), undefined))?.mtimeMs ?? Number.POSITIVE_INFINITY;
}

async function orIfMissing<T, D>(work: Promise<T>, otherwise: D): Promise<T | D> {
  try {
    return await work;
  } catch (error) {
    if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return otherwise;
    throw error;
  }
}

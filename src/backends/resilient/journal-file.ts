import { randomUUID } from "node:crypto";
import { readdirSync } from "node:fs";
import { mkdir, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { CacheError, codeOf, messageOf } from "../../errors.js";
import type { Listener } from "../../events.js";
import { type Batch, type Journal, type JournalBounds, journalFull, type Missed, Noted, sizeOf } from "./journal.js";
import { EVERYTHING, lineOf, readLines } from "./journal-lines.js";

interface Line {
  change: Missed;
  text: string;
  settle: (error?: unknown) => void;
}

/** Times that a line is written again because the file was taken away meanwhile. */
const MOVES = 100;

/**
 * A journal in a file that only its owner may read, for all processes that use one store and namespace, and for those after them. Each change is a line with a
 * checksum, and is forced to the disk before it counts as noted down. Whoever replays it takes the file away under another name first; a writer looks
 * after each line whether the file is still in its place, and else writes the line again, so that none falls between two.
 */
export class JournalFile implements Journal {
  readonly #path: string;
  readonly #bounds: JournalBounds;
  readonly #emit: Listener;
  readonly #noted = new Noted();
  #taken = 0;
  #overflowed = false;
  #lines: Line[] = [];
  #writing: Promise<void> | undefined;

  constructor(path: string, bounds: JournalBounds, emit: Listener) {
    this.#path = path;
    this.#bounds = bounds;
    this.#emit = emit;
  }

  /** True if there is something to replay. */
  exists(): boolean {
    try {
      return readdirSync(dirname(this.#path)).some((name) => this.#isOurs(name));
    } catch (error) {
      if (codeOf(error) === "ENOENT") return false;
      throw notRead(this.#path, error);
    }
  }

  get pending(): number {
    return this.#noted.size + this.#taken;
  }

  get overflowed(): boolean {
    return this.#overflowed;
  }

  async add(change: Missed): Promise<void> {
    const fresh = this.#noted.fresh(change);
    // Who added it first may still be waiting for the disk.
    if (fresh === undefined) return this.#writing;
    if (this.#noted.size + sizeOf(fresh) > this.#bounds.maxKeys && !this.#bounds.whole) throw journalFull();
    this.#noted.add(fresh);
    return new Promise((resolve, reject) => {
      const settle = (error?: unknown) => (error === undefined ? resolve() : reject(error));
      this.#lines.push({ change: fresh, text: lineOf(fresh), settle });
      this.#writing ??= this.#writeAll().finally(() => {
        this.#writing = undefined;
      });
    });
  }

  /** What is added while the disk is busy goes to it together. */
  async #writeAll(): Promise<void> {
    while (this.#lines.length > 0) {
      const lines = this.#lines.splice(0);
      const failure = await this.#append(lines.map(({ text }) => text).join("")).then(
        () => undefined,
        (error: unknown) => (error instanceof CacheError ? error : notWritten(this.#path, error)),
      );
      for (const { change, settle } of lines) {
        if (failure !== undefined) this.#noted.remove(change);
        settle(failure);
      }
    }
  }

  async #append(text: string): Promise<void> {
    const { maxBytes, maxKeys, whole } = this.#bounds;
    await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 });
    for (let move = 0; move < MOVES; move++) {
      const file = await open(this.#path, "a", 0o600);
      try {
        const { ino, size } = await file.stat();
        if (size + Buffer.byteLength(text) > maxBytes || this.#noted.size > maxKeys) {
          if (!whole) throw journalFull();
          return await this.#overflow();
        }
        await file.writeFile(text);
        await file.datasync();
        if (size === 0) await syncFolder(this.#path);
        if ((await inodeOf(this.#path)) === ino) return;
      } finally {
        await file.close();
      }
    }
    throw new Error("it is taken away again and again");
  }

  /** One line in place of all. */
  async #overflow(): Promise<void> {
    this.#overflowed = true;
    const draft = `${this.#path}.draft`;
    const file = await open(draft, "w", 0o600);
    try {
      await file.writeFile(EVERYTHING);
      await file.datasync();
    } finally {
      await file.close();
    }
    await rename(draft, this.#path).catch((error: unknown) => {
      // Another process has put the same line in its place.
      if (codeOf(error) !== "ENOENT") throw error;
    });
    await syncFolder(this.#path);
  }

  async take(): Promise<Batch> {
    await this.#writing;
    const folder = dirname(this.#path);
    await this.#setAside();
    this.#taken += this.#noted.size;
    this.#noted.clear();
    const names = await readdir(folder).catch((error: unknown) => {
      if (codeOf(error) === "ENOENT") return [];
      throw notRead(this.#path, error);
    });
    const batch: Batch = { changes: [], overflowed: false, forget: () => this.#forget(paths) };
    const paths = names.filter((name) => this.#isAside(name)).map((name) => join(folder, name));
    let bytes = 0;
    for (const path of paths) {
      const text = await readFile(path).catch((error: unknown) => {
        // Another process has replayed it meanwhile.
        if (codeOf(error) === "ENOENT") return Buffer.alloc(0);
        throw notRead(path, error);
      });
      bytes += text.length;
      this.#read(text, batch);
    }
    batch.overflowed ||= bytes > this.#bounds.maxBytes && this.#bounds.whole;
    return batch;
  }

  #read(text: Buffer, batch: Batch): void {
    const { changes, overflowed, damaged } = readLines(text);
    for (const change of changes) batch.changes.push(change);
    batch.overflowed ||= overflowed || (damaged > 0 && this.#bounds.whole);
    if (damaged === 0) return;
    const message = `${damaged} lines of the journal ${this.#path} are damaged`;
    const hint = this.#bounds.whole
      ? "The whole namespace is deleted, since what they named is not known."
      : "Entries that were to be deleted may still be in the store: delete what must not stay.";
    this.#emit({ type: "warning", code: "journal-damaged", message, hint });
  }

  async #setAside(): Promise<void> {
    await rename(this.#path, `${this.#path}.replay-${randomUUID()}`).catch((error: unknown) => {
      if (codeOf(error) !== "ENOENT") throw notRead(this.#path, error);
    });
  }

  async #forget(paths: readonly string[]): Promise<void> {
    for (const path of paths) await rm(path, { force: true });
    this.#taken = 0;
    this.#overflowed = false;
  }

  #isOurs(name: string): boolean {
    return name === basename(this.#path) || this.#isAside(name);
  }

  #isAside(name: string): boolean {
    return name.startsWith(`${basename(this.#path)}.replay-`);
  }
}

async function inodeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).ino;
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** A new name is safe when its folder is. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(dirname(path), "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function notWritten(path: string, cause: unknown): CacheError {
  const message = `the store is away, and the change can't be noted down in ${path}: ${messageOf(cause)}`;
  return new CacheError("connection", "journal-not-written", message, {
    cause,
    hint: "Bring the store back, or check the journal's folder, its permissions and the space on its disk.",
  });
}

function notRead(path: string, cause: unknown): CacheError {
  return new CacheError("store", "journal-not-read", `the journal ${path} can't be read: ${messageOf(cause)}`, {
    cause,
    hint: "Check its permissions: the store is not used before what is noted there was done.",
  });
}

import { randomUUID } from "node:crypto";
import { readdirSync } from "node:fs";
import { open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { CacheError, codeOf, messageOf } from "../../errors.js";
import type { Listener } from "../../events.js";
import { makeFolder } from "../../new-folder.js";
import {
  type Batch,
  type Journal,
  type JournalBounds,
  journalFull,
  type Missed,
  Noted,
  sizeOf,
  type Waiting,
} from "./journal.js";
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
  /** What is safe on the disk, and in no batch yet. */
  readonly #noted = new Noted();
  /** Changes in a batch that was not forgotten yet. */
  #taken = 0;
  #lost = { fresh: false, taken: false };
  #lines: Line[] = [];
  /** Changes on their way to the disk. */
  #underWay = 0;
  #writing = false;
  /** The lines that are being written: why they could not be. */
  #turn: Promise<CacheError | undefined> | undefined;

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
    return this.#noted.size + this.#underWay + this.#taken + (this.overflowed ? 1 : 0);
  }

  get overflowed(): boolean {
    return this.#lost.fresh || this.#lost.taken;
  }

  async add(change: Missed): Promise<void> {
    const fresh = this.#noted.fresh(change);
    if (fresh === undefined) return;
    this.#underWay += 1;
    try {
      await new Promise<void>((resolve, reject) => {
        const settle = (error?: unknown) => (error === undefined ? resolve() : reject(error));
        this.#lines.push({ change: fresh, text: lineOf(fresh), settle });
        if (!this.#writing) void this.#writeAll();
      });
    } finally {
      this.#underWay -= 1;
    }
  }

  /** What is added while the disk is busy goes to it together. Never fails. */
  async #writeAll(): Promise<void> {
    this.#writing = true;
    while (this.#lines.length > 0) {
      const lines = this.#lines.splice(0);
      const count = lines.reduce((sum, { change }) => sum + sizeOf(change), 0);
      this.#turn = this.#append(lines.map(({ text }) => text).join(""), count).then(
        () => undefined,
        (error: unknown) => (error instanceof CacheError ? error : notWritten(this.#path, error)),
      );
      const failure = await this.#turn;
      for (const { change, settle } of lines) {
        // Where one line stands for everything, single ones need not be remembered.
        if (failure === undefined && !this.#lost.fresh) this.#noted.add(change);
        settle(failure);
      }
    }
    this.#writing = false;
  }

  async #append(text: string, count: number): Promise<void> {
    const { maxBytes, maxKeys, whole } = this.#bounds;
    makeFolder(dirname(this.#path));
    for (let move = 0; move < MOVES; move++) {
      const file = await open(this.#path, "a", 0o600);
      try {
        const { ino, size } = await file.stat();
        if (size + Buffer.byteLength(text) > maxBytes || this.#noted.size + count > maxKeys) {
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
    this.#lost.fresh = true;
    this.#noted.clear();
  }

  async take(): Promise<Batch> {
    // A file that is taken away while it is written to is written again: who does both must not take it from himself.
    await this.#turn;
    // In the same step: what is safe by now is in the file that is set aside, and what comes to it later stays pending.
    this.#taken += this.#noted.size;
    this.#lost = { fresh: false, taken: this.overflowed };
    this.#noted.clear();
    await this.#setAside();
    const paths = await this.#paths((name) => this.#isAside(name));
    const batch: Batch = { changes: [], overflowed: false, forget: () => this.#forget(paths) };
    let bytes = 0;
    for (const path of paths) {
      const text = await textOf(path);
      bytes += text.length;
      this.#read(text, batch);
    }
    batch.overflowed ||= bytes > this.#bounds.maxBytes && this.#bounds.whole;
    return batch;
  }

  async waiting(): Promise<Waiting> {
    const noted = new Noted();
    let everything = false;
    for (const path of await this.#paths((name) => this.#isOurs(name))) {
      const { changes, overflowed } = readLines(await textOf(path));
      for (const change of changes) noted.add(change);
      everything ||= overflowed;
    }
    return { pending: noted.size + (everything ? 1 : 0), overflowed: everything };
  }

  async #paths(isMeant: (name: string) => boolean): Promise<string[]> {
    const folder = dirname(this.#path);
    try {
      return (await readdir(folder)).filter(isMeant).map((name) => join(folder, name));
    } catch (error) {
      if (codeOf(error) === "ENOENT") return [];
      throw notRead(this.#path, error);
    }
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
    this.#lost.taken = false;
  }

  #isOurs(name: string): boolean {
    return name === basename(this.#path) || this.#isAside(name);
  }

  #isAside(name: string): boolean {
    return name.startsWith(`${basename(this.#path)}.replay-`);
  }
}

/** Nothing where another process has replayed it meanwhile. */
async function textOf(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return Buffer.alloc(0);
    throw notRead(path, error);
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

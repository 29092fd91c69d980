import { statSync } from "node:fs";
import { createRequire } from "node:module";
import type { Worker } from "node:worker_threads";

/** Writes of this process between two looks at the size of the log. */
const LOOK_EVERY = 16;
/** Bytes from which on the log is to be taken into the database and begun anew. */
const FULL_BYTES = 4 * 1024 * 1024;
/** Bytes from which on writers hold back, so that there is a moment in which nobody writes, and milliseconds for which. */
const REST_BYTES = 16 * 1024 * 1024;
const REST_MS = 8;
/** Milliseconds that the thread waits for readers, while it lets nobody write. */
const THREAD_WAIT_MS = 20;

/**
 * What the thread runs: the most of the log is taken over while others write; then the rest, which nobody can add to meanwhile. It opens the file each time, since
 * another may lie there by then. A failure here is nobody's: what was written is written, and what is wrong with the disk is told to whoever writes next.
 */
const THREAD = `
const { parentPort, workerData } = require("node:worker_threads");
const Sqlite = require(workerData.driver);
parentPort.on("message", () => {
  let db;
  try {
    db = new Sqlite(workerData.path, { fileMustExist: true, timeout: ${THREAD_WAIT_MS} });
    db.pragma("synchronous = NORMAL");
    db.pragma("wal_checkpoint(PASSIVE)");
    db.pragma("wal_checkpoint(RESTART)");
  } catch {}
  try {
    db?.close();
  } catch {}
  parentPort.postMessage("done");
});
`;

/**
 * Takes the write-ahead log into the database in a thread of its own, since that waits for the disk; and keeps it small where several processes write all
 * the time: SQLite itself begins it anew only when nobody has written meanwhile, and it would grow to hundreds of megabytes.
 */
export class LogKeeper {
  readonly #path: string;
  #writes = 0;
  #thread: Worker | undefined;
  #isBusy = false;
  #isClosed = false;
  #hasFailed = false;
  readonly #onFailure: () => void;

  /**
   * @param path of the database
   * @param onFailure called when there can be no thread: the log is to be kept otherwise
   */
  constructor(path: string, onFailure: () => void) {
    this.#path = path;
    this.#onFailure = onFailure;
  }

  /** To be called after a write; the milliseconds that the writer should wait before its next one. */
  tend(): number {
    this.#writes += 1;
    if (this.#writes % LOOK_EVERY !== 0 || this.#hasFailed) return 0;
    const size = statSync(`${this.#path}-wal`, { throwIfNoEntry: false })?.size ?? 0;
    if (size < FULL_BYTES) return 0;
    if (!this.#isBusy) {
      this.#isBusy = true;
      void this.#take();
    }
    return size < REST_BYTES ? 0 : 1 + Math.random() * REST_MS;
  }

  async #take(): Promise<void> {
    try {
      this.#thread ??= await this.#start();
      if (!this.#isClosed) this.#thread.postMessage("take");
      else await this.#thread.terminate();
    } catch {
      this.#fail();
    }
  }

  async #start(): Promise<Worker> {
    const { Worker } = await import("node:worker_threads");
    const { resolve } = createRequire(import.meta.url);
    const workerData = { driver: resolve("better-sqlite3"), path: this.#path };
    const thread = new Worker(THREAD, { eval: true, workerData });
    thread.unref();
    thread.on("message", () => {
      this.#isBusy = false;
    });
    thread.on("error", () => this.#fail());
    return thread;
  }

  #fail(): void {
    this.#hasFailed = true;
    if (!this.#isClosed) this.#onFailure();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#thread?.terminate();
  }
}

import { appendFile, close, openSync } from "node:fs";
import { promisify } from "node:util";
import { CacheError, codeOf } from "../../errors.js";

/** What is used of a stream that is not ours to close. */
export interface LineStream {
  /** False: full, wait for `drain`. */
  write(lines: Uint8Array): boolean;
  on(event: "drain" | "close" | "error", listener: () => void): unknown;
  off(event: "drain" | "close" | "error", listener: () => void): unknown;
}

/** Where lines go. */
interface Sink {
  write(lines: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

/** Lines that wait, as bytes: text that is put together would be copied by every collection of garbage until it is written. */
interface Batch {
  bytes: Buffer;
  used: number;
  lines: number;
}

/** Batches that wait to be written at most: what comes while a disk is full is dropped, not kept in memory. */
const MOST_WAITING = 64;
/** Bytes that are worth a write of their own, and milliseconds that fewer wait. */
const WORTH_WRITING = 128 * 1024;
const LONGEST_WAIT_MS = 500;
/** Bytes of UTF-8 that a character takes at most. */
const MOST_OF_A_CHARACTER = 3;

/** Lines for a file that others may move away, written in the background; whoever gives them never waits. */
export class LineFile {
  readonly #path: string | undefined;
  readonly #failed: (error: CacheError) => void;
  #sink: Sink;
  #batch: Batch | undefined;
  #waiting: Batch[] = [];
  #writing: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #lost = 0;
  #failing = false;
  #closed = false;

  /**
   * @param failed is told once when lines are lost, until some could be written again
   * @throws CacheError `cannot-write`
   */
  constructor(to: string | LineStream, failed: (error: CacheError) => void) {
    this.#path = typeof to === "string" ? to : undefined;
    this.#sink = typeof to === "string" ? fileSink(to) : streamSink(to);
    this.#failed = failed;
  }

  /** Lines that could not be written. */
  get lost(): number {
    return this.#lost;
  }

  /** @param line with its end */
  write(line: string): void {
    if (this.#closed || this.#waiting.length >= MOST_WAITING) {
      this.#lost += 1;
      return;
    }
    const most = line.length * MOST_OF_A_CHARACTER;
    if (this.#batch && this.#batch.used + most > this.#batch.bytes.length) this.#begin();
    this.#batch ??= { bytes: Buffer.allocUnsafeSlow(Math.max(WORTH_WRITING, most)), used: 0, lines: 0 };
    this.#batch.used += this.#batch.bytes.write(line, this.#batch.used);
    this.#batch.lines += 1;
    this.#timer ??= setTimeout(() => this.#begin(), LONGEST_WAIT_MS).unref();
  }

  /** Resolves when all that was given is written, or lost. */
  async flush(): Promise<void> {
    this.#begin();
    await this.#writing;
  }

  /** Goes on in a new file of that name, after the old one was moved away; in the old one where that can't be made. */
  reopen(): void {
    if (this.#path === undefined || this.#closed) return;
    const old = this.#sink;
    try {
      this.#sink = fileSink(this.#path);
      void old.close().catch((error: unknown) => this.#failed(cannotWrite(this.#path, error)));
    } catch (error) {
      this.#failed(cannotWrite(this.#path, error));
    }
  }

  /** What is given afterwards is dropped. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.flush();
    await this.#sink.close();
  }

  #begin(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#batch) this.#waiting.push(this.#batch);
    this.#batch = undefined;
    if (this.#waiting.length > 0) this.#writing ??= this.#drain();
  }

  async #drain(): Promise<void> {
    for (let next = this.#waiting.shift(); next; next = this.#waiting.shift()) {
      try {
        await this.#sink.write(next.bytes.subarray(0, next.used));
        this.#failing = false;
      } catch (error) {
        this.#lost += next.lines;
        if (!this.#failing) this.#failed(cannotWrite(this.#path, error));
        this.#failing = true;
      }
    }
    this.#writing = undefined;
  }
}

const append = promisify(appendFile);

/** @throws CacheError `cannot-write` */
function fileSink(path: string): Sink {
  let file: number;
  try {
    file = openSync(path, "a", 0o600);
  } catch (error) {
    throw cannotWrite(path, error);
  }
  let last = Promise.resolve();
  return {
    write(lines) {
      last = append(file, lines);
      return last;
    },
    async close() {
      // Whoever gave it was told if it failed.
      await last.catch(() => {});
      await promisify(close)(file);
    },
  };
}

function streamSink(stream: LineStream): Sink {
  return {
    async write(lines) {
      if (stream.write(lines)) return;
      await new Promise<void>((resolve) => {
        const events = ["drain", "close", "error"] as const;
        const done = () => {
          for (const event of events) stream.off(event, done);
          resolve();
        };
        for (const event of events) stream.on(event, done);
      });
    },
    close: async () => {},
  };
}

function cannotWrite(path: string | undefined, error: unknown): CacheError {
  if (error instanceof CacheError) return error;
  const where = path ?? "standard output";
  return new CacheError("usage", "cannot-write", `cannot write the access log to ${where}: ${codeOf(error)}`, {
    cause: error,
    hint: "Name a file in a folder that this user may write to, with --access-log.",
  });
}

import { appendFile, close, openSync } from "node:fs";
import { promisify } from "node:util";
import { CacheError, codeOf } from "../../errors.js";

/** What is used of a stream that is not ours to close. */
export interface LineStream {
  /** False: full, wait for `drain`. */
  write(text: string): boolean;
  on(event: "drain" | "close" | "error", listener: () => void): unknown;
  off(event: "drain" | "close" | "error", listener: () => void): unknown;
}

/** Where lines go. */
interface Sink {
  write(text: string): Promise<void>;
  close(): Promise<void>;
}

/** Characters that wait to be written at most: what comes while a disk is full is dropped, not kept in memory. */
const MOST_WAITING = 8 * 1024 * 1024;
/** Characters that are worth a write of their own, and milliseconds that fewer wait. */
const WORTH_WRITING = 128 * 1024;
const LONGEST_WAIT_MS = 500;

/** Lines for a file that others may move away, written in the background; whoever gives them never waits. */
export class LineFile {
  readonly #path: string | undefined;
  readonly #failed: (error: CacheError) => void;
  #sink: Sink;
  #waiting = "";
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
    if (this.#closed || this.#waiting.length + line.length > MOST_WAITING) {
      this.#lost += 1;
      return;
    }
    this.#waiting += line;
    if (this.#writing) return;
    if (this.#waiting.length >= WORTH_WRITING) this.#begin();
    else this.#timer ??= setTimeout(() => this.#begin(), LONGEST_WAIT_MS).unref();
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
    if (!this.#writing && this.#waiting !== "") this.#writing = this.#drain();
  }

  async #drain(): Promise<void> {
    while (this.#waiting !== "") {
      const text = this.#waiting;
      this.#waiting = "";
      try {
        await this.#sink.write(text);
        this.#failing = false;
      } catch (error) {
        this.#lost += text.split("\n").length - 1;
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
    write(text) {
      last = append(file, text);
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
    async write(text) {
      if (stream.write(text)) return;
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

import { fstatSync, writeSync } from "node:fs";
import type { Sink, SinkEvent } from "./io.js";

/**
 * Standard output or error without Node's stream as long as that is not needed: making the stream is a tenth of what a short command takes. What is written to a file, a pipe or a
 * socket goes to the descriptor in that moment, which is how Node's streams write there too (but for TCP, and on Windows). Where that fails or would block, and for terminals, the
 * stream is made and gets the rest, and everything that follows: it tells of failures and full pipes as always.
 */
export class StandardSink implements Sink {
  readonly #descriptor: number;
  readonly #open: () => Sink;
  readonly #listeners = new Set<readonly [SinkEvent, (error: Error) => void]>();
  #stream: Sink | undefined;

  /** @param open makes the stream of the descriptor */
  constructor(descriptor: number, open: () => Sink) {
    this.#descriptor = descriptor;
    this.#open = open;
    if (!isWrittenAtOnce(descriptor)) this.#stream = this.#opened();
  }

  get isTTY(): boolean {
    return this.#stream?.isTTY === true;
  }

  get columns(): number | undefined {
    return this.#stream?.columns;
  }

  get rows(): number | undefined {
    return this.#stream?.rows;
  }

  write(data: string | Uint8Array): boolean {
    if (this.#stream !== undefined) return this.#stream.write(data);
    const bytes = typeof data === "string" ? Buffer.from(data) : data;
    const rest = this.#writeAtOnce(bytes);
    if (rest.length === 0) return true;
    this.#stream = this.#opened();
    return this.#stream.write(rest);
  }

  on(event: SinkEvent, listener: (error: Error) => void): void {
    if (this.#stream !== undefined) this.#stream.on(event, listener);
    else this.#listeners.add([event, listener]);
  }

  off(event: SinkEvent, listener: (error: Error) => void): void {
    this.#stream?.off(event, listener);
    for (const known of this.#listeners) if (known[0] === event && known[1] === listener) this.#listeners.delete(known);
  }

  /** What was not taken. Why it was not, the stream finds out again and tells. */
  #writeAtOnce(bytes: Uint8Array): Uint8Array {
    let done = 0;
    try {
      while (done < bytes.length) {
        const taken = writeSync(this.#descriptor, bytes, done);
        if (taken === 0) break;
        done += taken;
      }
    } catch {
      return bytes.subarray(done);
    }
    return bytes.subarray(done);
  }

  #opened(): Sink {
    const stream = this.#open();
    // Failures are told where it is written; one that comes after the last write is a reader that has gone.
    stream.on("error", () => undefined);
    for (const [event, listener] of this.#listeners) stream.on(event, listener);
    this.#listeners.clear();
    return stream;
  }
}

function isWrittenAtOnce(descriptor: number): boolean {
  if (process.platform === "win32") return false;
  try {
    const stat = fstatSync(descriptor);
    return stat.isFile() || stat.isFIFO() || stat.isSocket();
  } catch {
    // Closed: the stream knows how to be nothing.
    return false;
  }
}

import { type FileHandle, open } from "node:fs/promises";
import { CacheError, codeOf } from "../errors.js";
import type { Reject } from "../transfer/batch.js";
import type { Output } from "./output.js";
import { escapeLine } from "./render/value.js";

/** Bad records that are told one by one; the rest are counted. */
const MOST_TOLD = 10;

/** Tells bad records on stderr, and keeps them whole in a file: each as it was, ended by a line feed. */
export class RejectLog {
  readonly #out: Output;
  readonly #file: FileHandle | undefined;
  #count = 0;

  private constructor(out: Output, file: FileHandle | undefined) {
    this.#out = out;
    this.#file = file;
  }

  /** @throws CacheError `unwritable-file` */
  static async open(out: Output, path: string | undefined): Promise<RejectLog> {
    if (path === undefined) return new RejectLog(out, undefined);
    try {
      return new RejectLog(out, await open(path, "a", 0o600));
    } catch (error) {
      throw new CacheError("usage", "unwritable-file", `${path} can't be written (${codeOf(error)})`, {
        cause: error,
        hint: "Check the path and its permissions.",
      });
    }
  }

  async add(reject: Reject): Promise<void> {
    this.#count += 1;
    if (this.#count <= MOST_TOLD) {
      const place = `${escapeLine(reject.source)}, line ${reject.line}, offset ${reject.offset}`;
      this.#out.note(`${this.#out.errStyle.yellow("bad record:")} ${place}: ${escapeLine(reject.reason)}`);
    } else if (this.#count === MOST_TOLD + 1) this.#out.note("more bad records are only counted");
    if (!this.#file) return;
    const text = reject.text.at(-1) === 0x0a ? reject.text : Buffer.concat([reject.text, Buffer.from("\n")]);
    await this.#file.appendFile(text);
  }

  async close(): Promise<void> {
    await this.#file?.close();
  }
}

import { pipeline, type Readable, type Transform } from "node:stream";
import { constants, createBrotliCompress, createGzip } from "node:zlib";
import type { Coding } from "../http/content-coding.js";

/** Contents that are compressed at once: each takes about a megabyte, and all share the four threads of Node. */
const MOST_AT_ONCE = 64;

/** Compresses contents while they pass, few at a time. */
export class Compressing {
  #running = 0;

  /** Undefined where enough are under way: the content is then kept as it is. Fails like the body where that is cut short. */
  start(body: Readable, coding: Coding): Readable | undefined {
    if (this.#running >= MOST_AT_ONCE) return undefined;
    this.#running += 1;
    const coder = coderOf(coding);
    pipeline(body, coder, () => {
      // Who reads it is told of a failure.
      this.#running -= 1;
    });
    return coder;
  }
}

/** As thorough as is worth it for what is sent many times, and made while somebody waits. */
function coderOf(coding: Coding): Transform {
  if (coding === "gzip") return createGzip({ level: 6 });
  // A window of 512 KiB: the 4 MiB of the default would be for each content that is under way.
  const params = { [constants.BROTLI_PARAM_QUALITY]: 5, [constants.BROTLI_PARAM_LGWIN]: 19 };
  return createBrotliCompress({ params });
}

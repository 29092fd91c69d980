import { setImmediate as nextTurn } from "node:timers/promises";
import { CacheError } from "../../errors.js";
import { CHUNK_BYTES, type EntryReader, type Head, type RangeOptions } from "../backend.js";
import { checkRange } from "../streaming.js";

/** The bytes from `start` on, before `end`. */
export interface Range {
  start: number;
  end: number;
}

/**
 * The part of a value of `size` bytes that is asked for; what lies beyond its end is left out.
 * @throws CacheError `invalid-range`
 */
export function rangeOf(options: RangeOptions, size: number): Range {
  checkRange(options);
  const { start = 0, end } = options;
  const last = Math.min(end ?? size, size);
  return { start: Math.min(start, last), end: last };
}

/** Gives the bytes of a value from `start` on, as many as it likes up to `length`; none is the end of what is there. */
export type ReadPart = (start: number, length: number) => Uint8Array | Promise<Uint8Array>;

/**
 * A reader over a value that is read part by part.
 * @param release called once, when it is read to its end or closed
 * @param most bytes of a part, at most {@link CHUNK_BYTES}
 */
export function pieceReader(
  head: Head,
  range: Range,
  read: ReadPart,
  release: () => void,
  most = CHUNK_BYTES,
): EntryReader {
  let isOpen = true;
  const close = () => {
    if (!isOpen) return;
    isOpen = false;
    release();
  };
  async function* body(): AsyncGenerator<Uint8Array> {
    try {
      for (let at = range.start; at < range.end; ) {
        if (!isOpen) throw closedReader();
        const piece = await read(at, Math.min(most, range.end - at));
        if (piece.length === 0) throw cutShort(at);
        at += piece.length;
        yield piece;
        // Others get their turn, also where all is done synchronously.
        await nextTurn();
      }
    } finally {
      close();
    }
  }
  return { head, body: body(), close };
}

function closedReader(): CacheError {
  return new CacheError("usage", "reader-closed", "the value was closed before it was read to its end", {
    hint: "Open it again.",
  });
}

function cutShort(at: number): CacheError {
  return new CacheError("store", "value-cut", `the value ends after ${at} bytes, before it should`, {
    hint: "Write the entry again.",
  });
}

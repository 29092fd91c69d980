import { abortedBy } from "../../errors.js";
import type { EntryReader, EntryWriter, Lease, NewEntry, RangeOptions, SetOptions, SetOutcome } from "../backend.js";
import { checkRange, closedWriter } from "../streaming.js";
import { type Body, headOf, type MemoryEntry, NO_BYTES } from "./entry.js";
import { PieceCollector, Pieces } from "./pieces.js";
import type { Times } from "./times.js";

/**
 * The bytes of an entry as it is now, also when it is gone later.
 * @throws CacheError `invalid-range`
 */
export function readerOf(entry: MemoryEntry, times: Times, options: RangeOptions): EntryReader {
  checkRange(options);
  const { start = 0, end = entry.size, signal } = options;
  const { body: kept } = entry;
  const pieces = kept instanceof Uint8Array ? new Pieces([kept]) : kept;
  let closed = false;
  async function* body(): AsyncGenerator<Uint8Array> {
    for (const piece of pieces.slices(start, end)) {
      if (closed) return;
      // What simply ended here would look like the end of the value.
      if (signal?.aborted) throw abortedBy(signal);
      yield piece;
    }
  }
  return {
    head: headOf(entry, times),
    body: body(),
    close: () => {
      closed = true;
    },
  };
}

/**
 * Collects a value and hands it over at `commit`.
 * @param most bytes that the store can hold; a longer value is not kept, and rejected
 * @param check throws when the store can't be written to any more
 */
export function writerInto(
  { key }: Pick<NewEntry, "key">,
  { signal }: SetOptions,
  most: number,
  check: () => void,
  store: (body: Body, size: number, lease: Lease | undefined) => SetOutcome,
): EntryWriter {
  const collected = new PieceCollector(most);
  let ended = false;
  const checkUsable = () => {
    check();
    if (ended) throw closedWriter(key);
    if (signal?.aborted) throw abortedBy(signal);
  };
  return {
    async write(piece) {
      checkUsable();
      collected.add(piece);
    },
    async commit(lease) {
      checkUsable();
      ended = true;
      const pieces = collected.take();
      const body = pieces.list.length > 1 ? pieces : (pieces.list[0] ?? NO_BYTES);
      return store(body, collected.size, lease);
    },
    async abort() {
      ended = true;
      collected.drop();
    },
  };
}

import type { EntryReader, EntryWriter, Lease, NewEntry, RangeOptions, SetOptions } from "../backend.js";
import { checkRange } from "../streaming.js";
import type { Stack } from "./stack.js";
import { MAX_COPY_BYTES } from "./upper-tier.js";
import { asCopy } from "./version.js";
import type { Writing } from "./writing.js";

/** Reads a value in pieces from the first tier that has it. A whole one of at most 1 MiB is copied into the tiers above when it was read to its end. */
export async function openRead(
  stack: Stack,
  key: string,
  options: RangeOptions = {},
): Promise<EntryReader | undefined> {
  // An upper tier that refused it would pass for one that fails.
  checkRange(options);
  const { uppers, window, lowest, lowestTally } = stack;
  const opening = window.open();
  const positions = stack.positions();
  let handedOver = false;
  const copied = (reader: EntryReader, level: number): EntryReader => {
    const above = uppers.slice(0, level);
    const whole = options.start === undefined && options.end === undefined && reader.head.size <= MAX_COPY_BYTES;
    if (!whole || options.peek || !above.some((tier) => tier.isUsable())) return reader;
    handedOver = true;
    return collecting(key, reader, (entry) => {
      if (entry === undefined) return opening.close();
      const work = above.map((tier, i) => tier.isUsable() && tier.store([entry], opening, positions[i], false));
      stack.track(Promise.all(work).then(() => opening.close()));
    });
  };
  try {
    for (const [level, tier] of uppers.entries()) {
      if (!tier.isUsable() || tier.owes(key) || !tier.knows(options.want)) continue;
      try {
        const reader = await tier.backend.openRead(key, level > 0 ? { ...options, want: "all" } : options);
        if (!options.peek) tier.tally.add(reader ? "hits" : "misses", 1);
        if (reader && !tier.owes(key) && tier.isUsable()) {
          return copied({ head: asCopy(reader.head), body: reader.body, close: () => reader.close() }, level);
        }
        reader?.close();
      } catch (error) {
        if (options.signal?.aborted) throw error;
        tier.failed(error);
      }
    }
    const reader = await lowest.openRead(key, uppers.length > 0 ? { ...options, want: "all" } : options);
    if (!options.peek) lowestTally.add(reader ? "hits" : "misses", 1);
    return reader && copied(reader, uppers.length);
  } finally {
    if (!handedOver) opening.close();
  }
}

/** @param done called once: with the entry when all of it was read, else without */
function collecting(key: string, reader: EntryReader, done: (entry: NewEntry | undefined) => void): EntryReader {
  const { head } = reader;
  let ended = false;
  const end = (entry?: NewEntry) => {
    if (ended) return;
    ended = true;
    done(entry);
  };
  async function* body(): AsyncGenerator<Uint8Array> {
    const value = new Uint8Array(head.size);
    let filled = 0;
    for await (const piece of reader.body) {
      if (filled + piece.length <= value.length) value.set(piece, filled);
      filled += piece.length;
      yield piece;
    }
    const { expiresAt, staleAt, tags, meta } = head;
    if (filled !== head.size) return end();
    end({
      key,
      value,
      ...(expiresAt !== undefined && { expiresAt }),
      ...(staleAt !== undefined && { staleAt }),
      ...(tags !== undefined && { tags }),
      ...(meta !== undefined && { meta: new Uint8Array(meta) }),
    });
  }
  return {
    head,
    body: body(),
    close: () => {
      end();
      reader.close();
    },
  };
}

/** Writes a value in pieces into the lowest tier; copies of what it replaces are dropped at `commit`. */
export async function openWrite(
  stack: Stack,
  writing: Writing,
  head: Omit<NewEntry, "value">,
  options?: SetOptions,
): Promise<EntryWriter> {
  const operation = stack.operations.begin();
  const call = writing.callOf(operation, options);
  const writer = await stack.lowest.openWrite(head, { ...options, ...call });
  const drop = { keys: [head.key] };
  return {
    write: (piece) => writer.write(piece),
    commit: (lease?: Lease) =>
      writing.change(
        drop,
        options,
        () => writer.commit(lease),
        () => ({ keep: [], drop }),
        operation,
      ),
    abort: () => writer.abort(),
  };
}

import { pipeline } from "node:stream";
import { CacheError } from "../../errors.js";
import { showKey } from "../../key.js";
import type { EntryReader, Head, RangeOptions, Streaming } from "../backend.js";
import { messageBytes, SEGMENT_BYTES, type Segments, STORED_SEGMENT_BYTES, segmentsIn, TAG_BYTES } from "./cipher.js";
import { decompressor, isDamage } from "./compression.js";
import { type Algorithm, isTransformed, MAX_HEADER_BYTES, type ParsedHeader } from "./header.js";
import { CONTENT_DAMAGED, HEADER_DAMAGED, LARGEST_MESSAGE, NOT_AUTHENTIC, type Sealer, Unreadable } from "./sealer.js";

/** Opens anew when the entry was replaced between a look at its header and the reading of a part; then it reads from the start. */
const ATTEMPTS = 3;

export interface ReadContext {
  inner: Streaming;
  sealer: Sealer;
  /** Is told of a value that can't be read; where `reader.head.version` is known it names the write. */
  onUnreadable(unreadable: Unreadable, version: string | undefined): Promise<void>;
}

/** Thrown inside a body, so that it ends; who reads gets a `CacheError` for it. */
class Damage extends Error {
  readonly unreadable: Unreadable;

  constructor(unreadable: Unreadable) {
    super(unreadable.reason);
    this.unreadable = unreadable;
  }
}

type Pieces = AsyncGenerator<Uint8Array, void, undefined>;

/**
 * An entry piece by piece, whatever was done to its value. Of a value that was encrypted in pieces and not compressed, only the segments of the range are
 * read; a compressed one is read from its start. Memory holds a few pieces.
 */
export async function openTransformed(
  context: ReadContext,
  key: string,
  options: RangeOptions = {},
): Promise<EntryReader | undefined> {
  const { start = 0, end } = options;
  if (start === 0 && end === undefined) return openWhole(context, key, options);
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const look = await context.inner.openRead(key, {
      ...options,
      want: "all",
      peek: true,
      start: 0,
      end: MAX_HEADER_BYTES,
    });
    if (!look) return undefined;
    let header: ParsedHeader | Unreadable | undefined;
    try {
      const held = await begin(look.body);
      header = isTransformed(held.start) ? context.sealer.readHeader(key, held.start) : undefined;
    } finally {
      look.close();
    }
    if (header instanceof Unreadable) {
      await context.onUnreadable(header, look.head.version);
      return undefined;
    }
    if (header && (header.algorithm !== undefined || header.encryption?.segmented === false)) break;
    const part = await openPart(context, key, options, look.head, header);
    if (part !== "replaced") return part;
  }
  return openWhole(context, key, options);
}

/** From the start to the end of what is stored, of which the range is given. */
async function openWhole(context: ReadContext, key: string, options: RangeOptions): Promise<EntryReader | undefined> {
  const { start = 0, end, ...rest } = options;
  const reader = await context.inner.openRead(key, { ...rest, want: "all" });
  if (!reader) return undefined;
  try {
    const held = await begin(reader.body);
    const header = isTransformed(held.start) ? context.sealer.readHeader(key, held.start) : undefined;
    if (header instanceof Unreadable) throw new Damage(header);
    const skip = header?.bytes.length ?? 0;
    const storedBytes = reader.head.size - skip;
    const size = header ? sizeOf(header, storedBytes) : storedBytes;
    const decoded = header
      ? decode(context.sealer, key, header, restOf(held, skip), storedBytes, size)
      : restOf(held, 0);
    return await started(context, key, reader, size, slice(decoded, start, Math.min(end ?? size, size)));
  } catch (error) {
    reader.close();
    if (!(error instanceof Damage)) throw error;
    await context.onUnreadable(error.unreadable, reader.head.version);
    return undefined;
  }
}

/** The part of the stored bytes that holds the range. */
async function openPart(
  context: ReadContext,
  key: string,
  options: RangeOptions,
  head: Head,
  header: ParsedHeader | undefined,
): Promise<EntryReader | undefined | "replaced"> {
  const skip = header?.bytes.length ?? 0;
  const storedBytes = head.size - skip;
  const size = header ? sizeOf(header, storedBytes) : storedBytes;
  const start = Math.min(options.start ?? 0, size);
  const end = Math.max(start, Math.min(options.end ?? size, size));
  const segments = header && context.sealer.segmentsOf(key, header);
  const first = Math.min(Math.floor(start / SEGMENT_BYTES), segmentsIn(storedBytes) - 1);
  const after = Math.max(first + 1, Math.ceil(end / SEGMENT_BYTES));
  const range = segments
    ? { start: skip + first * STORED_SEGMENT_BYTES, end: skip + after * STORED_SEGMENT_BYTES }
    : { start: skip + start, end: skip + end };
  const reader = await context.inner.openRead(key, { ...options, want: "all", ...range });
  if (!reader) return undefined;
  if (reader.head.version !== head.version) {
    reader.close();
    return "replaced";
  }
  try {
    const raw = restOf(await begin(reader.body), 0);
    const offset = first * SEGMENT_BYTES;
    const body = segments
      ? slice(openSegments(segments, raw, first, after, segmentsIn(storedBytes)), start - offset, end - offset)
      : slice(raw, 0, end - start);
    return await started(context, key, reader, size, body);
  } catch (error) {
    reader.close();
    if (!(error instanceof Damage)) throw error;
    await context.onUnreadable(error.unreadable, reader.head.version);
    return undefined;
  }
}

/** A reader whose first piece is there: what can't be decrypted shows before anything was given to anybody, and is a miss. */
async function started(
  context: ReadContext,
  key: string,
  reader: EntryReader,
  size: number,
  body: Pieces,
): Promise<EntryReader> {
  const first = await body.next();
  async function* pieces(): Pieces {
    try {
      if (first.done) return;
      yield first.value;
      yield* body;
    } catch (error) {
      if (!(error instanceof Damage)) throw error;
      await context.onUnreadable(error.unreadable, reader.head.version);
      throw new CacheError("serialization", "damaged-value", `the value of "${showKey(key)}" ${error.message}`, {
        key,
        hint: "Write the entry again.",
      });
    } finally {
      reader.close();
    }
  }
  const close = () => {
    reader.close();
    // Ends what decompresses. Nobody reads any more, so nobody is there for what it may say.
    body.return().catch(() => undefined);
  };
  return { head: { ...reader.head, size }, body: pieces(), close };
}

function sizeOf({ size, encryption }: ParsedHeader, storedBytes: number): number {
  return size ?? (encryption?.segmented ? Math.max(0, messageBytes(storedBytes)) : storedBytes);
}

/** Decrypted, then decompressed, and of the size that it should have. */
function decode(
  sealer: Sealer,
  key: string,
  header: ParsedHeader,
  body: Pieces,
  storedBytes: number,
  size: number,
): Pieces {
  const segments = sealer.segmentsOf(key, header);
  const message = segments
    ? openSegments(segments, body, 0, segmentsIn(storedBytes), segmentsIn(storedBytes))
    : header.encryption
      ? openMessage(sealer, key, header, body, storedBytes)
      : body;
  return checked(header.algorithm ? inflate(header.algorithm, key, message) : message, size);
}

/** Segments `first` to before `after`, of `count`. */
async function* openSegments(segments: Segments, body: Pieces, first: number, after: number, count: number): Pieces {
  let number = first;
  for await (const stored of blocks(body, STORED_SEGMENT_BYTES)) {
    const message = segments.open(number, number === count - 1, stored);
    if (!message) throw new Damage(NOT_AUTHENTIC);
    number += 1;
    if (message.length > 0) yield message;
  }
  if (number < after) throw new Damage(NOT_AUTHENTIC);
}

/** One message that was encrypted as a whole: never a long one. */
async function* openMessage(
  sealer: Sealer,
  key: string,
  header: ParsedHeader,
  body: Pieces,
  storedBytes: number,
): Pieces {
  if (storedBytes < TAG_BYTES || storedBytes > LARGEST_MESSAGE + TAG_BYTES) throw new Damage(HEADER_DAMAGED);
  for await (const block of blocks(body, storedBytes)) {
    const message = sealer.message(key, header, block);
    if (message instanceof Unreadable) throw new Damage(message);
    yield message;
  }
}

async function* inflate(algorithm: Algorithm, key: string, message: Pieces): Pieces {
  // Its failure is that of the loop over what it gives.
  const inflated = pipeline(message, decompressor(algorithm, key), () => undefined);
  try {
    for await (const piece of inflated) if (piece instanceof Uint8Array) yield piece;
  } catch (error) {
    throw error instanceof Damage || !isDamage(error) ? error : new Damage(CONTENT_DAMAGED);
  } finally {
    inflated.destroy();
  }
}

/** The pieces as they are, if they are `size` bytes together. */
async function* checked(body: Pieces, size: number): Pieces {
  let length = 0;
  for await (const piece of body) {
    length += piece.length;
    if (length > size) throw new Damage(CONTENT_DAMAGED);
    yield piece;
  }
  if (length < size) throw new Damage(CONTENT_DAMAGED);
}

/** Bytes `start` to `end` of what the pieces are together; nothing is read beyond them. */
async function* slice(body: Pieces, start: number, end: number): Pieces {
  let at = 0;
  // An empty value is read to its end all the same: that is where its tag is.
  for await (const piece of body) {
    const from = Math.max(0, start - at);
    const part = piece.subarray(from, Math.max(from, end - at));
    at += piece.length;
    if (part.length > 0) yield part;
    if (at > end) return;
  }
}

/** What the pieces are together, in blocks of one size; the last may be shorter. */
async function* blocks(body: Pieces, size: number): Pieces {
  let held: Uint8Array[] = [];
  let length = 0;
  for await (const piece of body) {
    let rest = piece;
    while (length + rest.length >= size) {
      const taken = size - length;
      yield held.length === 0 ? rest.subarray(0, taken) : Buffer.concat([...held, rest.subarray(0, taken)]);
      rest = rest.subarray(taken);
      held = [];
      length = 0;
    }
    if (rest.length > 0) held.push(rest);
    length += rest.length;
  }
  if (length > 0) yield Buffer.concat(held);
}

/** The pieces that were read to see how a value begins, and where the others come from. */
interface Begun {
  start: Buffer;
  held: Uint8Array[];
  others: AsyncIterator<Uint8Array>;
}

async function begin(body: AsyncIterable<Uint8Array>): Promise<Begun> {
  const others = body[Symbol.asyncIterator]();
  const held: Uint8Array[] = [];
  let length = 0;
  while (length < MAX_HEADER_BYTES) {
    const next = await others.next();
    if (next.done) break;
    held.push(next.value);
    length += next.value.length;
  }
  return { start: Buffer.concat(held.map((piece) => piece.subarray(0, MAX_HEADER_BYTES))), held, others };
}

async function* restOf({ held, others }: Begun, skip: number): Pieces {
  let left = skip;
  for (const piece of held) {
    const part = piece.subarray(left);
    left = Math.max(0, left - piece.length);
    if (part.length > 0) yield part;
  }
  held.length = 0;
  try {
    for (let next = await others.next(); !next.done; next = await others.next()) yield next.value;
  } finally {
    await others.return?.();
  }
}

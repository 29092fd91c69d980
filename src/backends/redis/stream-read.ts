import { CacheError } from "../../errors.js";
import { CHUNK_BYTES, type EntryReader, type Head, type RangeOptions } from "../backend.js";
import { envelopeBytes, HEADER_BYTES, readEnvelope } from "../envelope.js";
import { checkRange } from "../streaming.js";
import type { Command } from "./connection.js";
import { isReply, mapError } from "./errors.js";
import { markOf } from "./marks.js";
import { readPiece } from "./pieces.js";
import { Pieces, type Reader } from "./read.js";
import { asBuffer, asInteger, asOptionalBuffer } from "./reply.js";
import { readSidecar } from "./sidecar.js";
import { checkSignal, type Store, untilAborted } from "./store.js";

/** Bytes up to which a value that is one string is read at once, so that who writes it meanwhile does no harm. */
const WHOLE_BYTES = 4 * 1024 * 1024;

/** Bytes from a place on, in pieces of at most {@link CHUNK_BYTES}. */
type ReadAt = (from: number, to: number) => Promise<Uint8Array>;

/** See `Streaming`. A string of others that is larger than {@link WHOLE_BYTES} and is replaced while it is being read ends the reading with an error. */
export async function openRead(
  store: Store,
  reader: Reader,
  key: string,
  options: RangeOptions,
): Promise<EntryReader | undefined> {
  checkSignal(options.signal);
  checkRange(options);
  store.connection.checkOpen();
  return untilAborted(open(store, reader, key, options), options.signal);
}

async function open(store: Store, reader: Reader, key: string, range: RangeOptions): Promise<EntryReader | undefined> {
  const { connection, names } = store;
  const full = names.full(key);
  const [length, start] = await connection.pipelineRaw([
    ["STRLEN", full],
    ["GETRANGE", full, 0, HEADER_BYTES - 1],
  ]);
  for (const reply of [length, start]) {
    if (reply instanceof Error && isReply(reply, "WRONGTYPE")) return undefined;
    if (reply instanceof Error) throw mapError(reply, connection.target, key);
  }
  if (asInteger(length) > WHOLE_BYTES && markOf(asBuffer(start)) === undefined) {
    return openLarge(store, key, asBuffer(start), asInteger(length), range);
  }
  const [found] = await reader.find([key], "all");
  if (!found) return undefined;
  if (!(found instanceof Pieces)) {
    const { value, ...head } = found;
    return readerOf(head, range, async (from, to) => value.slice(from, to));
  }
  const { list, head } = found;
  return readerOf(head, range, async (from, to) => {
    const piece = await readPiece(store, list, Math.floor(from / CHUNK_BYTES));
    if (!piece) throw changed(store, key);
    const offset = from % CHUNK_BYTES;
    return piece.subarray(offset, offset + to - from);
  });
}

async function openLarge(
  store: Store,
  key: string,
  start: Buffer,
  length: number,
  range: RangeOptions,
): Promise<EntryReader | undefined> {
  const { connection, names, clock } = store;
  const full = names.full(key);
  const fingerprint: Command[] = [
    ["STRLEN", full],
    ["GETRANGE", full, 0, Math.max(HEADER_BYTES, envelopeBytes(start)) - 1],
    ["GETRANGE", full, length - HEADER_BYTES, -1],
  ];
  const [, beginning, end, ttl, sidecar] = await connection.pipeline([
    ...fingerprint,
    ["PTTL", full],
    ["GET", names.sidecar(key)],
  ]);
  const left = asInteger(ttl);
  if (left === -2) return undefined;
  const envelope = readEnvelope(asBuffer(beginning));
  const offset = envelope?.headerBytes ?? 0;
  const head: Head = { size: length - offset };
  if (envelope?.staleAt !== undefined) head.staleAt = envelope.staleAt;
  if (envelope?.meta) head.meta = envelope.meta;
  if (left >= 0) head.expiresAt = clock.now() + left;
  // Whether the value is the one that was tagged would take its digest, and with that as long as reading it.
  const beside = readSidecar(asOptionalBuffer(sidecar ?? null));
  if (beside) {
    head.tags = beside.t;
    head.createdAt = beside.c;
  }
  return readerOf(head, range, async (from, to) => {
    const piece: Command = ["GETRANGE", full, offset + from, offset + to - 1];
    const [bytes, size, ...edges] = await connection.pipelineRaw([piece, ...fingerprint]);
    const same = size === length && [beginning, end].every((edge, i) => isSame(edge, edges[i]));
    if (!same || !Buffer.isBuffer(bytes)) throw changed(store, key);
    return bytes;
  });
}

const isSame = (a: unknown, b: unknown) => Buffer.isBuffer(a) && Buffer.isBuffer(b) && a.equals(b);

function readerOf(head: Head, { start = 0, end = head.size, signal }: RangeOptions, readAt: ReadAt): EntryReader {
  let closed = false;
  async function* pieces(): AsyncGenerator<Uint8Array> {
    const last = Math.min(end, head.size);
    for (let from = Math.max(0, start); from < last && !closed; ) {
      checkSignal(signal);
      // As the pieces lie in the store.
      const to = Math.min(last, from - (from % CHUNK_BYTES) + CHUNK_BYTES);
      yield await readAt(from, to);
      from = to;
    }
  }
  return {
    head,
    body: pieces(),
    close: () => {
      closed = true;
    },
  };
}

function changed(store: Store, key: string): CacheError {
  return new CacheError(
    "store",
    "changed-while-reading",
    `${store.connection.target}: the value was replaced or removed while it was being read`,
    { key, retryable: true, hint: "Read it again." },
  );
}

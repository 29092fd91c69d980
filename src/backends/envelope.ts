import { crc32 } from "node:zlib";
import { CacheError } from "../errors.js";
import { checkMeta, MAX_META_BYTES } from "./backend.js";

/**
 * The wrapping of a value that needs more than bytes, tags and a TTL, in stores that hold one string per key.
 *
 * | offset | bytes | |
 * |---|---|---|
 * | 0 | 8 | magic, which is no valid UTF-8 |
 * | 8 | 1 | version, 1 |
 * | 9 | 1 | flags: 1 = has a soft deadline, 2 = has meta, 4 = the magic is escaped, 64 = a placeholder, 128 = the value lies in pieces |
 * | 10 | 2 | reserved, 0 |
 * | 12 | 4 | length of meta, big endian |
 * | 16 | 4 | CRC-32 of bytes 0 to 15 and of meta |
 * | 20 | 8 | soft deadline, epoch milliseconds as a big-endian double; outside the checksum, so that it can be rewritten in place |
 * | 28 | … | meta, then the value |
 *
 * A placeholder stands for an entry that somebody is loading: to readers there is none. Of a value in pieces these bytes say where they are. Both belong to the
 * one backend that writes them.
 *
 * Compression and encryption have a header of their own in every store, inside this one where both are needed (`transform/header.ts`); it begins with
 * {@link TRANSFORM_MAGIC}, so that neither layer takes the other's bytes for its own.
 */
export const MAGIC = Buffer.from([0xff, 0x63, 0x61, 0x63, 0xfe, 0x0d, 0x0a, 0xc0]);
/** {@link MAGIC} but for its last byte. */
export const TRANSFORM_MAGIC = Buffer.from([0xff, 0x63, 0x61, 0x63, 0xfe, 0x0d, 0x0a, 0xc1]);
/** Bytes before meta. */
export const HEADER_BYTES = 28;
/** Offset of the soft deadline. */
export const STALE_AT_OFFSET = 20;

const VERSION = 1;
const FLAG_STALE = 1;
const FLAG_META = 2;
const FLAG_ESCAPED = 4;
const FLAG_PLACEHOLDER = 64;
const FLAG_PIECES = 128;
const KNOWN_FLAGS = FLAG_STALE | FLAG_META | FLAG_ESCAPED | FLAG_PLACEHOLDER | FLAG_PIECES;

export interface Envelope {
  staleAt?: number;
  meta?: Uint8Array;
  /** There is no entry; the value names who is loading one. */
  placeholder?: true;
  /** The value says where the pieces of the real one are. */
  pieces?: true;
  /** Bytes before the value. */
  headerBytes: number;
}

export interface Wrappable {
  value: Uint8Array;
  staleAt?: number;
  meta?: Uint8Array;
  /** The value is none, see {@link Envelope}. */
  kind?: "placeholder" | "pieces";
}

/**
 * The bytes to store: the value itself, or an envelope when it needs one.
 * @throws CacheError `meta-too-large`
 */
export function wrap(entry: Wrappable): Uint8Array {
  const { kind } = entry;
  const escaped = startsWithMagic(entry.value);
  if (entry.staleAt === undefined && entry.meta === undefined && !escaped && kind === undefined) return entry.value;
  checkMeta(entry.meta);
  const metaBytes = entry.meta?.length ?? 0;
  const out = Buffer.alloc(HEADER_BYTES + metaBytes + entry.value.length);
  MAGIC.copy(out);
  out[8] = VERSION;
  out[9] =
    (entry.staleAt === undefined ? 0 : FLAG_STALE) |
    (entry.meta === undefined ? 0 : FLAG_META) |
    (escaped ? FLAG_ESCAPED : 0) |
    (kind === "placeholder" ? FLAG_PLACEHOLDER : kind === "pieces" ? FLAG_PIECES : 0);
  out.writeUInt32BE(metaBytes, 12);
  if (entry.meta) out.set(entry.meta, HEADER_BYTES);
  out.writeUInt32BE(checksum(out, metaBytes), 16);
  if (entry.staleAt !== undefined) out.writeDoubleBE(entry.staleAt, STALE_AT_OFFSET);
  out.set(entry.value, HEADER_BYTES + metaBytes);
  return out;
}

/** True if the bytes may be an envelope; {@link readEnvelope} decides. */
function startsWithMagic(bytes: Uint8Array): boolean {
  return startsWith(bytes, MAGIC);
}

/** @param magic not empty */
export function startsWith(bytes: Uint8Array, magic: Uint8Array): boolean {
  if (bytes[0] !== magic[0] || bytes.length < magic.length) return false;
  for (let i = 1; i < magic.length; i++) if (bytes[i] !== magic[i]) return false;
  return true;
}

/** @throws CacheError `envelope-unsupported` */
export function refuseLaterVersion(key?: string): never {
  throw new CacheError("serialization", "envelope-unsupported", "the value was written by a later version", {
    ...(key !== undefined && { key }),
    hint: "Update this program, or write the entry again.",
  });
}

/** How many bytes from the start {@link readEnvelope} needs to see; 0 if these bytes are no envelope. */
export function envelopeBytes(start: Buffer): number {
  if (!startsWithMagic(start) || start.length < HEADER_BYTES) return 0;
  const metaBytes = start.readUInt32BE(12);
  return metaBytes > MAX_META_BYTES ? 0 : HEADER_BYTES + metaBytes;
}

/**
 * The header at the start of `stored`, or undefined where the bytes are plain: no magic, or no header whose checksum holds.
 * @throws CacheError `envelope-unsupported` for a sound header of a later version of this program
 */
export function readEnvelope(stored: Buffer): Envelope | undefined {
  const headerBytes = envelopeBytes(stored);
  if (headerBytes === 0 || stored.length < headerBytes) return undefined;
  if (stored.readUInt32BE(16) !== checksum(stored, headerBytes - HEADER_BYTES)) return undefined;
  const flags = stored[9] ?? 0;
  if (stored[8] !== VERSION || (flags & ~KNOWN_FLAGS) !== 0) refuseLaterVersion();
  const envelope: Envelope = { headerBytes };
  if (flags & FLAG_STALE) envelope.staleAt = stored.readDoubleBE(STALE_AT_OFFSET);
  if (flags & FLAG_META) envelope.meta = stored.subarray(HEADER_BYTES, headerBytes);
  if (flags & FLAG_PLACEHOLDER) envelope.placeholder = true;
  if (flags & FLAG_PIECES) envelope.pieces = true;
  return envelope;
}

/** Bytes of a soft deadline as they stand in the header. */
export function staleAtBytes(staleAt: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(staleAt);
  return bytes;
}

/**
 * The checksums of all headers that may go with a meta where the rest is not known: for a plain value, one whose magic is escaped, and one in pieces, of each without
 * and with a soft deadline. Four bytes each.
 */
export function headerChecksums(meta: Uint8Array): Buffer {
  const header = Buffer.from(wrap({ value: new Uint8Array(0), meta }));
  const sums = Buffer.alloc(24);
  for (const [i, kind] of [0, FLAG_ESCAPED, FLAG_PIECES].entries()) {
    for (const stale of [0, FLAG_STALE]) {
      header[9] = FLAG_META | kind | stale;
      sums.writeUInt32BE(checksum(header, meta.length), i * 8 + (stale === 0 ? 0 : 4));
    }
  }
  return sums;
}

function checksum(bytes: Buffer, metaBytes: number): number {
  return crc32(bytes.subarray(HEADER_BYTES, HEADER_BYTES + metaBytes), crc32(bytes.subarray(0, 16)));
}

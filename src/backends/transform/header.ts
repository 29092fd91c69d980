import { crc32 } from "node:zlib";
import { startsWith, TRANSFORM_MAGIC } from "../envelope.js";

/**
 * What stands before a value that was compressed or encrypted, in every store.
 *
 * | offset | bytes | |
 * |---|---|---|
 * | 0 | 8 | magic, see `envelope.ts` |
 * | 8 | 1 | version, 1 |
 * | 9 | 1 | flags: 1 = compressed, 2 = encrypted, 4 = encrypted in segments, 8 = has the fingerprint of the key; none = the value is plain but begins with the magic |
 * | 10 | 1 | algorithm of the compression: 0 none, 1 gzip, 2 Brotli, 3 Zstandard |
 * | 11 | 1 | length of the key's id |
 * | 12 | 6 | bytes of the value itself, big endian; 2^48 - 1 = not known when it was begun |
 * | 18 | 2 | reserved, 0 |
 * | 20 | 4 | CRC-32 of bytes 0 to 19 and of all that follows in the header |
 * | 24 | … | the key's id, then the 8 bytes of its fingerprint, then the nonce: 12 bytes, or in segments the 16 bytes of salt; then the body |
 *
 * Whatever is written through this layer and begins with the magic has such a header. So a header that does not hold is a value that was damaged, not a plain one.
 */
export interface TransformHeader {
  algorithm: Algorithm | undefined;
  /** Bytes of the value itself; undefined where they were not known. */
  size: number | undefined;
  encryption: EncryptionHeader | undefined;
}

export interface EncryptionHeader {
  keyId: string;
  /** Tells two keys of one id apart; absent in what was written without. */
  fingerprint?: Uint8Array;
  nonce: Uint8Array;
  segmented: boolean;
}

export interface ParsedHeader extends TransformHeader {
  /** The header as it is stored. */
  bytes: Buffer;
}

/** What values can be compressed with; Zstandard only where this Node has it. */
export type Algorithm = "gzip" | "brotli" | "zstd";

const CODES: Readonly<Record<Algorithm, number>> = { gzip: 1, brotli: 2, zstd: 3 };
const ALGORITHMS: readonly (Algorithm | undefined)[] = [undefined, "gzip", "brotli", "zstd"];

const VERSION = 1;
const FLAG_COMPRESSED = 1;
const FLAG_ENCRYPTED = 2;
const FLAG_SEGMENTED = 4;
const FLAG_FINGERPRINT = 8;
const KNOWN_FLAGS = FLAG_COMPRESSED | FLAG_ENCRYPTED | FLAG_SEGMENTED | FLAG_FINGERPRINT;
const UNKNOWN_SIZE = 2 ** 48 - 1;

/** Bytes of a header without encryption. */
export const BASE_BYTES = 24;
export const NONCE_BYTES = 12;
export const SALT_BYTES = 16;
/** The longest id of a key. */
export const MAX_KEY_ID_BYTES = 64;
export const FINGERPRINT_BYTES = 8;
/** The longest header. */
export const MAX_HEADER_BYTES = BASE_BYTES + MAX_KEY_ID_BYTES + FINGERPRINT_BYTES + SALT_BYTES;

/** True if the bytes were written by this layer, sound or not. */
export function isTransformed(bytes: Uint8Array): boolean {
  return startsWith(bytes, TRANSFORM_MAGIC);
}

export function makeHeader({ algorithm, size, encryption }: TransformHeader): Buffer {
  const id = Buffer.from(encryption?.keyId ?? "", "latin1");
  const { nonce = NO_BYTES, fingerprint = NO_BYTES } = encryption ?? {};
  const out = Buffer.alloc(BASE_BYTES + id.length + fingerprint.length + nonce.length);
  TRANSFORM_MAGIC.copy(out);
  out[8] = VERSION;
  out[9] =
    (algorithm ? FLAG_COMPRESSED : 0) |
    (encryption ? FLAG_ENCRYPTED : 0) |
    (encryption?.segmented ? FLAG_SEGMENTED : 0) |
    (fingerprint.length > 0 ? FLAG_FINGERPRINT : 0);
  out[10] = algorithm ? CODES[algorithm] : 0;
  out[11] = id.length;
  out.writeUIntBE(size ?? UNKNOWN_SIZE, 12, 6);
  out.set(id, BASE_BYTES);
  out.set(fingerprint, BASE_BYTES + id.length);
  out.set(nonce, BASE_BYTES + id.length + fingerprint.length);
  out.writeUInt32BE(checksum(out), 20);
  return out;
}

/**
 * The header of bytes that begin with the magic. `damaged`: it is cut or changed. `later`: it is sound, and by a later version of this program.
 * @param stored at least the first {@link MAX_HEADER_BYTES} of the value, or all of it
 */
export function parseHeader(stored: Uint8Array): ParsedHeader | "damaged" | "later" {
  const bytes = asBuffer(stored);
  const idBytes = bytes[11] ?? 0;
  const flags = bytes[9] ?? 0;
  const encrypted = (flags & FLAG_ENCRYPTED) !== 0;
  const segmented = (flags & FLAG_SEGMENTED) !== 0;
  const nonceBytes = segmented ? SALT_BYTES : encrypted ? NONCE_BYTES : 0;
  const fingerprinted = (flags & FLAG_FINGERPRINT) !== 0;
  const nonceAt = BASE_BYTES + idBytes + (fingerprinted ? FINGERPRINT_BYTES : 0);
  const length = nonceAt + nonceBytes;
  if (bytes.length < length || idBytes > MAX_KEY_ID_BYTES) return "damaged";
  const header = bytes.subarray(0, length);
  if (header.readUInt32BE(20) !== checksum(header)) return "damaged";
  const code = bytes[10] ?? 0;
  if (bytes[8] !== VERSION || (flags & ~KNOWN_FLAGS) !== 0 || code >= ALGORITHMS.length) return "later";
  if (header.readUInt16BE(18) !== 0 || ((segmented || fingerprinted) && !encrypted)) return "later";
  if (((flags & FLAG_COMPRESSED) !== 0) !== (code !== 0)) return "later";
  const algorithm = ALGORITHMS[code];
  const size = header.readUIntBE(12, 6);
  return {
    algorithm,
    size: size === UNKNOWN_SIZE ? undefined : size,
    encryption: encrypted
      ? {
          keyId: header.toString("latin1", BASE_BYTES, BASE_BYTES + idBytes),
          ...(fingerprinted && { fingerprint: header.subarray(BASE_BYTES + idBytes, nonceAt) }),
          nonce: header.subarray(nonceAt),
          segmented,
        }
      : undefined,
    bytes: header,
  };
}

const NO_BYTES = new Uint8Array(0);

/** The same memory as a Buffer. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function checksum(header: Buffer): number {
  return crc32(header.subarray(BASE_BYTES), crc32(header.subarray(0, 20)));
}

import { type KeyObject, randomFillSync } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";
import { CacheError } from "../../errors.js";
import { keyToBytes, showKey } from "../../key.js";
import type { Awaitable } from "../backend.js";
import { refuseLaterVersion } from "../envelope.js";
import {
  decrypt,
  encrypt,
  messageBytes,
  SEGMENT_BYTES,
  Segments,
  STORED_SEGMENT_BYTES,
  segmentsIn,
  TAG_BYTES,
} from "./cipher.js";
import { type Compressor, decompress, decompressSync, isDamage } from "./compression.js";
import {
  type Algorithm,
  BASE_BYTES,
  type EncryptionHeader,
  isTransformed,
  makeHeader,
  NONCE_BYTES,
  type ParsedHeader,
  parseHeader,
  SALT_BYTES,
} from "./header.js";
import type { KeyRing } from "./key-ring.js";

/** Why stored bytes are no value. */
export class Unreadable {
  /** The end of a sentence that begins with the value. */
  readonly reason: string;
  /** False where another reader may be able to read it: then it stays. */
  readonly broken: boolean;

  constructor(reason: string, broken = true) {
    this.reason = reason;
    this.broken = broken;
  }
}

export interface SealerOptions {
  /** Raw prefix of every key. */
  namespace: string;
  compressor: Compressor | undefined;
  keys: KeyRing | undefined;
  /** Bytes that a compressed value may have when it is read as a whole. */
  maxDecompressedBytes: number;
}

/** Longer messages are encrypted in segments, so that a part can be read without the rest. */
export const LARGEST_MESSAGE = 256 * 1024;
/** Bytes that are encrypted or decrypted before others get their turn: about a millisecond. */
const TURN_BYTES = 1024 * 1024;

export const NOT_AUTHENTIC = new Unreadable("was not encrypted with this key under this name, or was changed since");
export const HEADER_DAMAGED = new Unreadable("has a damaged header");
export const CONTENT_DAMAGED = new Unreadable("does not decompress to what its header says");

/** From values to what is stored, and back: compress, then encrypt; whatever earlier settings did is undone. */
export class Sealer {
  readonly #options: SealerOptions;

  constructor(options: SealerOptions) {
    this.#options = options;
  }

  /** What to store for a value: at once, unless it is large. */
  seal(key: string, value: Uint8Array): Awaitable<Uint8Array> {
    const compressed = this.#options.compressor?.compress(value);
    if (compressed instanceof Promise) return this.#sealLater(key, value, compressed);
    return this.#finish(key, value, compressed);
  }

  async #sealLater(key: string, value: Uint8Array, compressed: Promise<Buffer>): Promise<Uint8Array> {
    return this.#finish(key, value, await compressed);
  }

  #finish(key: string, value: Uint8Array, compressed: Uint8Array | undefined): Awaitable<Uint8Array> {
    const { keys, compressor } = this.#options;
    const size = value.length;
    const ownHeader = keys === undefined && !isTransformed(value) ? BASE_BYTES : 0;
    const shrinks = compressed !== undefined && compressed.length + ownHeader < size;
    const body = shrinks ? compressed : value;
    const algorithm = shrinks ? compressor?.algorithm : undefined;
    if (keys === undefined) {
      if (!shrinks && ownHeader > 0) return value;
      return Buffer.concat([makeHeader({ algorithm, size, encryption: undefined }), body]);
    }
    if (body.length > LARGEST_MESSAGE) return this.#sealInSegments(key, body, algorithm, size);
    const nonce = randomFillSync(Buffer.alloc(NONCE_BYTES));
    const header = makeHeader({ algorithm, size, encryption: this.#named(keys, nonce, false) });
    return Buffer.concat([
      header,
      ...encrypt(this.#key({ keyId: keys.writesWith }, key), nonce, this.#aad(header, key), body),
    ]);
  }

  async #sealInSegments(
    key: string,
    body: Uint8Array,
    algorithm: Algorithm | undefined,
    size: number,
  ): Promise<Uint8Array> {
    const sealing = this.beginSegments(key, algorithm, size);
    if (!sealing) return body;
    const { header, segments } = sealing;
    const count = Math.ceil(body.length / SEGMENT_BYTES);
    const out = Buffer.allocUnsafe(header.length + body.length + count * TAG_BYTES);
    out.set(header);
    for (let i = 0; i < count; i++) {
      const message = body.subarray(i * SEGMENT_BYTES, (i + 1) * SEGMENT_BYTES);
      out.set(segments.seal(i, i === count - 1, message), header.length + i * STORED_SEGMENT_BYTES);
      if (((i + 1) * SEGMENT_BYTES) % TURN_BYTES === 0) await nextTurn();
    }
    return out;
  }

  /** Header and segments of a new value; undefined where nothing is encrypted. @param size undefined where it is not known yet */
  beginSegments(
    key: string,
    algorithm: Algorithm | undefined,
    size: number | undefined,
  ): { header: Buffer; segments: Segments } | undefined {
    const { keys } = this.#options;
    if (!keys) return undefined;
    const salt = randomFillSync(Buffer.alloc(SALT_BYTES));
    const header = makeHeader({ algorithm, size, encryption: this.#named(keys, salt, true) });
    return { header, segments: new Segments(this.#key({ keyId: keys.writesWith }, key), salt, this.#aad(header, key)) };
  }

  /**
   * The value of stored bytes that begin with the magic: at once, unless it is large.
   * @throws CacheError `envelope-unsupported`, `encryption-key-missing`, `zstd-unavailable`: it may be sound, and can't be read here
   */
  open(key: string, stored: Uint8Array): Awaitable<Uint8Array | Unreadable> {
    const header = this.readHeader(key, stored);
    if (header instanceof Unreadable) return header;
    const tooLarge = this.#tooLarge(header);
    if (tooLarge) return tooLarge;
    const body = stored.subarray(header.bytes.length);
    if (header.encryption?.segmented && body.length > TURN_BYTES) return this.#openLater(key, header, body);
    const message = this.message(key, header, body);
    return message instanceof Unreadable ? message : this.#expand(key, header, message);
  }

  /** As {@link open}, always at once. */
  openSync(key: string, stored: Uint8Array): Uint8Array | Unreadable {
    const header = this.readHeader(key, stored);
    if (header instanceof Unreadable) return header;
    const message = this.#tooLarge(header) ?? this.message(key, header, stored.subarray(header.bytes.length));
    if (message instanceof Unreadable) return message;
    const { algorithm, size } = header;
    if (algorithm === undefined) return size === undefined || size === message.length ? message : CONTENT_DAMAGED;
    return settled(() => decompressSync(algorithm, message, size ?? 0, key), size);
  }

  /** The header of stored bytes that begin with the magic, of which its first `MAX_HEADER_BYTES` are enough. */
  readHeader(key: string, start: Uint8Array): ParsedHeader | Unreadable {
    const header = parseHeader(start);
    if (header === "later") return refuseLaterVersion(key);
    if (header === "damaged") return HEADER_DAMAGED;
    return header.algorithm !== undefined && header.size === undefined ? HEADER_DAMAGED : header;
  }

  /** The segments of a stored value; undefined where it has none. @throws CacheError `encryption-key-missing` */
  segmentsOf(key: string, { bytes, encryption }: ParsedHeader): Segments | undefined {
    if (!encryption?.segmented) return undefined;
    return new Segments(this.#key(encryption, key), encryption.nonce, this.#aad(bytes, key));
  }

  /** The body of a value decrypted, if it is. @throws CacheError `encryption-key-missing` */
  message(key: string, header: ParsedHeader, body: Uint8Array): Uint8Array | Unreadable {
    const { encryption, bytes } = header;
    if (!encryption) return body;
    const segments = this.segmentsOf(key, header);
    if (!segments) {
      return decrypt(this.#key(encryption, key), encryption.nonce, this.#aad(bytes, key), body) ?? NOT_AUTHENTIC;
    }
    const parts: Buffer[] = [];
    for (const part of openedSegments(segments, body)) {
      if (!part) return NOT_AUTHENTIC;
      parts.push(part);
    }
    return Buffer.concat(parts);
  }

  async #openLater(key: string, header: ParsedHeader, body: Uint8Array): Promise<Uint8Array | Unreadable> {
    const segments = this.segmentsOf(key, header);
    if (!segments) return NOT_AUTHENTIC;
    const message = Buffer.allocUnsafe(Math.max(0, messageBytes(body.length)));
    let length = 0;
    for (const part of openedSegments(segments, body)) {
      if (!part) return NOT_AUTHENTIC;
      message.set(part, length);
      length += part.length;
      if (length % TURN_BYTES === 0) await nextTurn();
    }
    return this.#expand(key, header, message);
  }

  #expand(key: string, { algorithm, size }: ParsedHeader, message: Uint8Array): Awaitable<Uint8Array | Unreadable> {
    if (algorithm === undefined) return size === undefined || size === message.length ? message : CONTENT_DAMAGED;
    return settled(() => decompress(algorithm, message, size ?? 0, key), size);
  }

  #tooLarge({ algorithm, size = 0 }: ParsedHeader): Unreadable | undefined {
    const { maxDecompressedBytes } = this.#options;
    if (algorithm === undefined || size <= maxDecompressedBytes) return undefined;
    return new Unreadable(`would be ${size} bytes decompressed, more than ${maxDecompressedBytes}`, false);
  }

  #named(keys: KeyRing, nonce: Buffer, segmented: boolean): EncryptionHeader {
    const keyId = keys.writesWith;
    const fingerprint = keys.get(keyId)?.fingerprint;
    return { keyId, ...(fingerprint && { fingerprint }), nonce, segmented };
  }

  #key({ keyId, fingerprint }: Pick<EncryptionHeader, "keyId" | "fingerprint">, key: string): KeyObject {
    const found = this.#options.keys?.get(keyId);
    if (found && (fingerprint === undefined || found.fingerprint.equals(fingerprint))) return found.key;
    const other = found ? `another key named "${showKey(keyId)}"` : `the key "${showKey(keyId)}"`;
    throw new CacheError("serialization", "encryption-key-missing", `the value is encrypted with ${other}`, {
      key,
      hint: "Add that key to the key file, after the one that writes and under the id that it had.",
    });
  }

  /** What a value belongs to: its header, and its full name in the store. */
  #aad(header: Uint8Array, key: string): Buffer {
    return Buffer.concat([header, keyToBytes(this.#options.namespace + key)]);
  }
}

function* openedSegments(segments: Segments, body: Uint8Array): Generator<Buffer | undefined> {
  const count = segmentsIn(body.length);
  for (let i = 0; i < count; i++) {
    const stored = body.subarray(i * STORED_SEGMENT_BYTES, (i + 1) * STORED_SEGMENT_BYTES);
    yield segments.open(i, i === count - 1, stored);
  }
}

/** What was decompressed, if it has the size that it should have. */
function settled(expand: () => Buffer, size: number | undefined): Uint8Array | Unreadable;
function settled(expand: () => Awaitable<Buffer>, size: number | undefined): Awaitable<Uint8Array | Unreadable>;
function settled(expand: () => Awaitable<Buffer>, size: number | undefined): Awaitable<Uint8Array | Unreadable> {
  const check = (value: Buffer) => (value.length === size ? value : CONTENT_DAMAGED);
  const failed = (error: unknown) => {
    if (!isDamage(error)) throw error;
    return CONTENT_DAMAGED;
  };
  try {
    const value = expand();
    return value instanceof Promise ? value.then(check, failed) : check(value);
  } catch (error) {
    return failed(error);
  }
}

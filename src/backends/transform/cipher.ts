import { createCipheriv, createDecipheriv, hkdfSync, type KeyObject } from "node:crypto";

/**
 * AES-256-GCM (NIST SP 800-38D). A short value is one message under a random 96-bit nonce: the standard allows 2^32 of those a key.
 *
 * A long one is cut into segments that can each be opened alone: STREAM of Hoang, Reyhanitabar, Rogaway, Vizár, "Online Authenticated-Encryption and its
 * Nonce-Reuse Misuse-Resistance" (CRYPTO 2015). The nonce of a segment is a prefix, its number, and whether it is the last, so that none can be moved,
 * repeated, left out or cut off. Every value has a key of its own for that, made by HKDF-SHA-256 (RFC 5869) from a random salt.
 */
const ALGORITHM = "aes-256-gcm";
const KEY_BYTES = 32;
const PREFIX_BYTES = 7;
export const TAG_BYTES = 16;

/** Bytes of the value in one segment, but for the last, which may have fewer. */
export const SEGMENT_BYTES = 64 * 1024;
/** The same with its tag. */
export const STORED_SEGMENT_BYTES = SEGMENT_BYTES + TAG_BYTES;

const INFO = "cachectl segments 1";

/** The message and its tag. @param aad what it belongs to: the same must be given to open it */
export function encrypt(key: KeyObject, nonce: Uint8Array, aad: Uint8Array, message: Uint8Array): Buffer[] {
  const cipher = createCipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(aad);
  return [cipher.update(message), cipher.final(), cipher.getAuthTag()];
}

/** The message, or undefined where key, nonce, `aad` or a bit of it are others than those it was encrypted with. */
export function decrypt(
  key: KeyObject | Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  sealed: Uint8Array,
): Buffer | undefined {
  const end = sealed.length - TAG_BYTES;
  if (end < 0) return undefined;
  const decipher = createDecipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(aad);
  decipher.setAuthTag(sealed.subarray(end));
  const message = decipher.update(sealed.subarray(0, end));
  try {
    decipher.final();
  } catch {
    // Node has one error for this, without a code: the tag does not hold.
    return undefined;
  }
  return message;
}

/** The segments of one value. */
export class Segments {
  readonly #key: Buffer;
  readonly #prefix: Buffer;
  readonly #aad: Uint8Array;

  constructor(key: KeyObject, salt: Uint8Array, aad: Uint8Array) {
    const made = Buffer.from(hkdfSync("sha256", key, salt, INFO, KEY_BYTES + PREFIX_BYTES));
    this.#key = made.subarray(0, KEY_BYTES);
    this.#prefix = made.subarray(KEY_BYTES);
    this.#aad = aad;
  }

  seal(number: number, last: boolean, message: Uint8Array): Buffer {
    const cipher = createCipheriv(ALGORITHM, this.#key, this.#nonce(number, last), { authTagLength: TAG_BYTES });
    cipher.setAAD(this.#aad);
    return Buffer.concat([cipher.update(message), cipher.final(), cipher.getAuthTag()]);
  }

  open(number: number, last: boolean, sealed: Uint8Array): Buffer | undefined {
    return decrypt(this.#key, this.#nonce(number, last), this.#aad, sealed);
  }

  #nonce(number: number, last: boolean): Buffer {
    const nonce = Buffer.alloc(PREFIX_BYTES + 5);
    this.#prefix.copy(nonce);
    nonce.writeUInt32BE(number, PREFIX_BYTES);
    nonce[PREFIX_BYTES + 4] = last ? 1 : 0;
    return nonce;
  }
}

/** How many segments so many stored bytes are; a value has one at least. */
export function segmentsIn(storedBytes: number): number {
  return Math.max(1, Math.ceil(storedBytes / STORED_SEGMENT_BYTES));
}

/** Bytes of the value in so many stored bytes. */
export function messageBytes(storedBytes: number): number {
  return storedBytes - segmentsIn(storedBytes) * TAG_BYTES;
}

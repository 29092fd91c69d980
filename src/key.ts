import { CacheError, shown } from "./errors.js";

/** Bytes of UTF-8; longer keys are refused before a store is touched. */
export const MAX_KEY_BYTES = 1024;

/**
 * Checks a key that is about to be written: 1 to 1,024 bytes of UTF-8 without NUL.
 * @throws CacheError `invalid-key`
 */
export function checkKey(key: string): void {
  checkKeyType(key);
  const error = whyNoKey(key);
  if (error !== undefined) throw error;
}

/** True if it can be written as a key. */
export function isKey(key: string): boolean {
  return whyNoKey(key) === undefined;
}

function whyNoKey(key: string): CacheError | undefined {
  const length = key.length;
  if (length === 0) return invalid(key, "a key can't be empty", "Give the key a name.");
  if (length * 3 > MAX_KEY_BYTES && Buffer.byteLength(key) > MAX_KEY_BYTES) {
    return invalid(key, `a key of ${Buffer.byteLength(key)} bytes is too long`, `Keep keys to ${MAX_KEY_BYTES} bytes.`);
  }
  if (key.includes("\0")) return invalid(key, "a key can't hold a NUL character", "Remove the NUL character.");
  if (!key.isWellFormed())
    return invalid(key, "a key can't hold half of a surrogate pair", "Write the key as valid UTF-8.");
  return undefined;
}

/**
 * Checks a key that is read, touched or deleted, which others may have written: any text can be one.
 * @throws CacheError `invalid-key`
 */
export function checkKeyType(key: unknown): asserts key is string {
  if (typeof key === "string") return;
  throw new CacheError("usage", "invalid-key", `a key can't be ${shown(key)}`, {
    hint: "Give the key as text.",
  });
}

/** @throws CacheError `invalid-key` for what is no list of keys */
export function checkKeyTypes(keys: readonly unknown[]): void {
  if (!Array.isArray(keys)) {
    throw new CacheError("usage", "invalid-key", `keys can't be ${shown(keys)}`, { hint: "Give the keys as a list." });
  }
  for (const key of keys) checkKeyType(key);
}

/** The longest tag, in bytes of UTF-8. */
export const MAX_TAG_BYTES = 256;

/** Whether an entry can carry it: 1 to 256 bytes of UTF-8 without NUL. */
export function isTag(tag: string): boolean {
  return tag !== "" && !tag.includes("\0") && tag.isWellFormed() && Buffer.byteLength(tag) <= MAX_TAG_BYTES;
}

function invalid(key: string, message: string, hint: string): CacheError {
  return new CacheError("usage", "invalid-key", message, { key, hint });
}

/**
 * The key for bytes that somebody else wrote. Valid UTF-8 is itself; a byte that is not becomes the lone surrogate
 * U+DC00 + byte (Python's PEP 383 `surrogateescape`), which no valid key can hold, so nothing is lost or mixed up.
 */
export function keyFromBytes(bytes: Buffer): string {
  const text = bytes.toString("utf8");
  if (!text.includes("\ufffd")) return text;
  let out = "";
  let i = 0;
  while (i < bytes.length) {
    const width = sequenceWidth(bytes, i);
    if (width === 0) out += String.fromCharCode(0xdc00 + (bytes[i++] ?? 0));
    else {
      out += bytes.toString("utf8", i, i + width);
      i += width;
    }
  }
  return out;
}

/** The bytes of a key: the inverse of {@link keyFromBytes}. */
export function keyToBytes(key: string): Buffer {
  if (key.isWellFormed()) return Buffer.from(key);
  const parts: Buffer[] = [];
  for (const char of key) {
    const code = char.charCodeAt(0);
    parts.push(
      char.length === 1 && code >= 0xdc80 && code <= 0xdcff ? Buffer.from([code - 0xdc00]) : Buffer.from(char),
    );
  }
  return Buffer.concat(parts);
}

/** Width in bytes of the well-formed sequence at `i`, 0 if there is none (Unicode 15, table 3-7). */
function sequenceWidth(bytes: Buffer, i: number): number {
  const lead = bytes[i] ?? 0;
  if (lead < 0x80) return 1;
  const width =
    lead >= 0xc2 && lead <= 0xdf ? 2 : lead >= 0xe0 && lead <= 0xef ? 3 : lead >= 0xf0 && lead <= 0xf4 ? 4 : 0;
  if (width === 0 || i + width > bytes.length) return 0;
  const second = bytes[i + 1] ?? 0;
  const low = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
  const high = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
  if (second < low || second > high) return 0;
  for (let j = i + 2; j < i + width; j++) if (((bytes[j] ?? 0) & 0xc0) !== 0x80) return 0;
  return width;
}

/**
 * A key on one line: control characters, line breaks, direction overrides and foreign bytes escaped, so that no key can move the cursor,
 * forge a line, or hide.
 */
export function showKey(key: string): string {
  let out = "";
  for (const char of key) {
    const code = char.codePointAt(0) ?? 0;
    if (code >= 0xdc80 && code <= 0xdcff) out += `\\x${(code - 0xdc00).toString(16)}`;
    else if (char === "\n") out += "\\n";
    else if (char === "\r") out += "\\r";
    else if (char === "\t") out += "\\t";
    else if (char === "\\") out += "\\\\";
    else if (code < 0x20 || (code >= 0x7f && code < 0xa0)) out += `\\x${code.toString(16).padStart(2, "0")}`;
    else if (INVISIBLE.test(char)) out += `\\u{${code.toString(16)}}`;
    else out += char;
  }
  return out;
}

const INVISIBLE = /[\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u;

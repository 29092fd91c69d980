import { createHash, createSecretKey, type KeyObject } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { CacheError, codeOf } from "../../errors.js";
import { FINGERPRINT_BYTES, MAX_KEY_ID_BYTES } from "./header.js";

/** A key that values are encrypted with. */
export interface EncryptionKey {
  /** 1 to 64 of `A-Z a-z 0-9 . _ -`; it is stored with every value, in the clear. */
  id: string;
  /** 32 bytes, or their Base64. */
  key: Uint8Array | string;
}

const KEY_BYTES = 32;
const ID = new RegExp(`^[A-Za-z0-9._-]{1,${MAX_KEY_ID_BYTES}}$`);
/** A key file is a few lines; more is some other file. */
const MAX_FILE_BYTES = 64 * 1024;

/** The keys that values are read with, and the one of them that new values are written with. Nothing that prints it shows a key. */
export class KeyRing {
  /** The id of the key that writes. */
  readonly writesWith: string;
  readonly #keys: ReadonlyMap<string, KnownKey>;

  /**
   * @param keys the first writes; a retired key is put after it, so that what it wrote can be read until it has expired
   * @throws CacheError `invalid-encryption-key`
   */
  constructor(keys: readonly EncryptionKey[]) {
    const known = new Map<string, KnownKey>();
    for (const [i, { id, key }] of keys.entries()) addKey(known, id, bytesOf(key), `encryption key ${i + 1}`);
    const first = keys[0];
    if (!first) throw invalidKey("there is no encryption key", "Give at least one key.");
    this.writesWith = first.id;
    this.#keys = known;
  }

  /** @internal */
  get(id: string): KnownKey | undefined {
    return this.#keys.get(id);
  }
}

interface KnownKey {
  key: KeyObject;
  /** Of 32 random bytes, so that it tells nothing of them: the beginning of a SHA-256. */
  fingerprint: Buffer;
}

/**
 * Reads a key file: a line `id:base64` a key, of 32 bytes each; the first writes, all read. Empty lines and those that begin with `#` are skipped.
 * @param path absolute
 * @throws CacheError of kind `usage`: `encryption-key-file` where it can't be read or others can read it too, `invalid-encryption-key` for what it holds;
 * none shows any of it
 */
export async function loadKeyRing(path: string): Promise<KeyRing> {
  const text = await readPrivately(path);
  const keys: EncryptionKey[] = [];
  const known = new Map<string, KnownKey>();
  for (const [i, line] of text
    .replace(/^\ufeff/, "")
    .split(/\r?\n/)
    .entries()) {
    const trimmed = line.trim();
    if (trimmed === "" || trimmed.startsWith("#")) continue;
    const where = `${path}: line ${i + 1}`;
    const colon = trimmed.indexOf(":");
    if (colon < 0) throw invalidKey(`${where} has no id`, "Write each key as ID:BASE64.");
    const id = trimmed.slice(0, colon);
    const key = bytesOf(trimmed.slice(colon + 1).trim());
    addKey(known, id, key, where);
    keys.push({ id, key });
  }
  if (keys.length === 0) throw invalidKey(`${path} holds no key`, MAKE_ONE);
  return new KeyRing(keys);
}

const MAKE_ONE = "Make a key with: printf 'k1:%s\\n' \"$(openssl rand -base64 32)\"";

function addKey(known: Map<string, KnownKey>, id: string, key: Buffer, where: string): void {
  // An id that is none may be a key in the wrong place, so it is not shown.
  if (!ID.test(id)) throw invalidKey(`the id of ${where} is not 1 to ${MAX_KEY_ID_BYTES} of A-Z a-z 0-9 . _ -`);
  if (known.has(id)) throw invalidKey(`${where} has the id of a key before it`, "Give every key an id of its own.");
  if (key.length !== KEY_BYTES) {
    const has = key.length === 0 ? "is not Base64" : `has ${key.length} bytes`;
    throw invalidKey(`${where} ${has}, a key is ${KEY_BYTES} bytes of Base64`, MAKE_ONE);
  }
  const fingerprint = createHash("sha256").update("cachectl encryption key\0").update(key).digest();
  known.set(id, { key: createSecretKey(key), fingerprint: fingerprint.subarray(0, FINGERPRINT_BYTES) });
}

/** The bytes of a key; none where the text is no Base64. */
function bytesOf(key: Uint8Array | string): Buffer {
  if (typeof key !== "string") return Buffer.from(key);
  return /^[A-Za-z0-9+/]*={0,2}$/.test(key) ? Buffer.from(key, "base64") : Buffer.alloc(0);
}

async function readPrivately(path: string): Promise<string> {
  let file: FileHandle;
  try {
    // A named pipe would else be waited for.
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    throw keyFile(`the encryption key file ${path} can't be read (${codeOf(error)})`, MAKE_ONE, error);
  }
  try {
    const stat = await file.stat();
    const { mode, size } = stat;
    if (!stat.isFile()) throw keyFile(`the encryption key file ${path} is no file`, MAKE_ONE);
    if (process.platform !== "win32" && (mode & 0o077) !== 0) {
      const others = (mode & 0o777).toString(8);
      throw keyFile(`others may use the encryption key file ${path} (mode ${others})`, `Run: chmod 600 ${path}`);
    }
    if (size > MAX_FILE_BYTES) throw keyFile(`${path} is too large for a file of encryption keys`, MAKE_ONE);
    return await file.readFile("utf8");
  } finally {
    await file.close();
  }
}

function keyFile(message: string, hint: string, cause?: unknown): CacheError {
  return new CacheError("usage", "encryption-key-file", message, { hint, cause });
}

function invalidKey(message: string, hint = MAKE_ONE): CacheError {
  return new CacheError("usage", "invalid-encryption-key", message, { hint });
}

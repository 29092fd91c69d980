import { keyFromBytes, keyToBytes } from "../../key.js";

/** Marks what this program keeps for itself. User keys never hold NUL, so none can look like it. */
const MARKER = "\0cachectl:";

const NUL = 0;
const MARKER_BYTES = Buffer.from(MARKER);

/** A key of Redis: text where it is UTF-8, else its bytes. ioredis sends text faster. */
export type RawKey = string | Buffer;

/** The names that one namespace uses in a Redis. */
export class Names {
  readonly #namespace: string;
  readonly #namespaceBytes: Buffer;
  /** Prefix of all internal keys. */
  readonly internal: string;
  /** Sorted set: every tag in use, by the expiry of its last entry. Where it is absent, nothing here is tagged. */
  readonly registry: string;

  constructor(namespace: string) {
    this.#namespace = namespace;
    this.#namespaceBytes = Buffer.from(namespace);
    this.internal = `${namespace}${MARKER}`;
    this.registry = `${this.internal}tags`;
  }

  get namespace(): string {
    return this.#namespace;
  }

  /** The full key in the store. */
  full(key: string): RawKey {
    const full = this.#namespace + key;
    return full.isWellFormed() ? full : Buffer.concat([this.#namespaceBytes, keyToBytes(key)]);
  }

  /** The key at the backend's edge. */
  bare(full: Buffer): string {
    return keyFromBytes(this.#namespaceBytes.length === 0 ? full : full.subarray(this.#namespaceBytes.length));
  }

  /**
   * Name of the sidecar of an entry. It lies in the same cluster slot as its key: a key that has a hash tag of its own
   * keeps it (kind `s`), any other is wrapped in braces as a whole (kind `w`). The one exception is a key that holds `}` yet has no
   * hash tag (`a}b`, `a{}b`), which no wrapping can follow.
   */
  sidecar(key: string): RawKey {
    const full = this.#namespace + key;
    if (full.isWellFormed()) {
      return hasHashTag(full) ? `${this.internal}s:${full}` : `${this.internal}w:{${full}}`;
    }
    const bytes = Buffer.concat([this.#namespaceBytes, keyToBytes(key)]);
    const tagged = hasHashTag(bytes.toString("latin1"));
    return tagged
      ? Buffer.concat([Buffer.from(`${this.internal}s:`), bytes])
      : Buffer.concat([Buffer.from(`${this.internal}w:{`), bytes, Buffer.from("}")]);
  }

  /** One of the hashes that hold the namespace's counters. */
  counters(shard: number): string {
    return `${this.internal}c:${shard}`;
  }
}

/** True for a key of this program's own, in whatever namespace. */
export function isInternal(full: Buffer): boolean {
  const nul = full.indexOf(NUL);
  return nul >= 0 && full.includes(MARKER_BYTES, nul);
}

/** A hash tag in the sense of Redis Cluster: something between the first `{` and the first `}` after it. */
function hasHashTag(key: string): boolean {
  const open = key.indexOf("{");
  return open >= 0 && key.indexOf("}", open + 1) > open + 1;
}

import { CacheError } from "../../errors.js";
import { keyFromBytes, keyToBytes } from "../../key.js";
import { anchorOf, slotOf } from "./slots.js";

/** Marks what this program keeps for itself. User keys never hold NUL, so none can look like it. */
const MARKER = "\0cachectl:";

/** Set: the namespaces whose logs somebody listens to. One for the whole store, for a namespace is but a prefix: what happens in one may concern another. */
export const LISTENERS = `${MARKER}listeners`;

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
  /** Stream: what changed, kept while somebody listens. */
  readonly log: string;
  /** Where it is absent, no string of the namespace is a placeholder or the list of a value's pieces. */
  readonly marks: string;

  constructor(namespace: string) {
    this.#namespace = namespace;
    this.#namespaceBytes = Buffer.from(namespace);
    this.internal = `${namespace}${MARKER}`;
    this.registry = `${this.internal}tags`;
    this.log = logOf(namespace);
    this.marks = marksKeyOf(namespace);
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

  /** Name of the sidecar of an entry, in the slot of the entry. */
  sidecar(key: string): RawKey {
    return this.#beside(key, "s:", "w:");
  }

  /** Who may load an entry that is there, or a key of the empty namespace; in the slot of the entry. */
  lease(key: string): RawKey {
    return this.#beside(key, "l:", "m:");
  }

  /** What the names of one value's pieces begin with, all in the slot of the entry; the number of the piece follows. @param id of this write alone */
  pieces(key: string, id: string): Buffer {
    const name = this.#beside(key, `y:${id}:`, `x:${id}:`);
    return Buffer.concat([typeof name === "string" ? Buffer.from(name) : name, Buffer.from(":")]);
  }

  /**
   * A name in the slot of an entry. A key that has a hash tag of its own keeps it, any other is wrapped in braces as a whole; one that holds `}` yet has no hash tag
   * (`a}b`, `a{}b`), which no wrapping can follow, is led by a number that lies in the same slot.
   * @param tagged kind of name where the key has a hash tag, with NUL where it is led by a number @param wrapped kind where it is wrapped
   */
  #beside(key: string, tagged: string, wrapped: string): RawKey {
    const full = this.full(key);
    const text = typeof full === "string" ? full : full.toString("latin1");
    if (hasHashTag(text)) return joined(`${this.internal}${tagged}`, full, "");
    if (!text.includes("}")) return joined(`${this.internal}${wrapped}{`, full, "}");
    return joined(`${this.internal}${tagged}\0{${anchorOf(slotOf(full))}}:`, full, "");
  }

  /** One of the hashes that hold the namespace's counters. */
  counters(shard: number): string {
    return `${this.internal}c:${shard}`;
  }
}

/**
 * Refuses a namespace for a cluster in which nothing could share a slot with its entry: a brace in it begins a hash tag that each key would end elsewhere.
 * @throws CacheError `invalid-namespace`
 */
export function checkSpreads(namespace: string): void {
  if (!namespace.includes("{") || hasHashTag(namespace)) return;
  throw new CacheError("usage", "invalid-namespace", "on a cluster a namespace can't hold a { without its }", {
    hint: "Leave out the brace, or close it: {app}: keeps all of the namespace in one slot.",
  });
}

/** @param namespace "" = of the whole store */
export function marksKeyOf(namespace: string): string {
  return `${namespace}${MARKER}marks`;
}

export function logOf(namespace: string): string {
  return `${namespace}${MARKER}log`;
}

function joined(head: string, key: RawKey, tail: string): RawKey {
  return typeof key === "string" ? head + key + tail : Buffer.concat([Buffer.from(head), key, Buffer.from(tail)]);
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

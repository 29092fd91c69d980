import { types } from "node:util";
import { CacheError, messageOf, shown } from "../errors.js";
import { isBytes } from "../option-checks.js";
import { textOf } from "../utf8.js";
import type { Serializer, SerializerChoice } from "./serializer.js";

/** The bytes of a negative result: neither UTF-8 nor MessagePack, so no value of those formats is taken for one. */
const NOTHING: Uint8Array = Buffer.from([0xff, 0xc1, 0x6e, 0x6f, 0x74, 0x68, 0x69, 0x6e, 0x67]);

export const NOTHING_BYTES = NOTHING.length;

/** Stored where a loader found that there is no value: a read of it is a miss, reading through takes it for an answer. */
export function nothing(): Uint8Array {
  return Uint8Array.from(NOTHING);
}

export function isNothing(bytes: Uint8Array): boolean {
  return bytes.length === NOTHING.length && Buffer.compare(bytes, NOTHING) === 0;
}

/** Values to bytes and back, by one serializer; errors are of one kind, and a negative result is told apart. */
export class Codec {
  readonly #serializer: Serializer;
  /** Decoding can't fail: what JSON does not know is text or bytes. */
  readonly lenient: boolean;

  constructor(serializer: Serializer) {
    this.#serializer = serializer;
    this.lenient = serializer === JSON_SERIALIZER;
  }

  /** @throws CacheError `not-serializable` */
  encode(value: unknown, key: string): Uint8Array {
    const fail = (why: string, cause?: unknown) =>
      new CacheError(
        "serialization",
        "not-serializable",
        `the value of "${key}" has no ${this.#serializer.name} form: ${why}`,
        { key, cause },
      );
    if (value === undefined) throw fail("it is undefined");
    if (this.lenient) refuseForJson(value, key);
    let bytes: unknown;
    try {
      bytes = this.#serializer.encode(value);
    } catch (error) {
      throw fail(messageOf(error), error);
    }
    if (!isBytes(bytes)) throw fail(`its encoder gave ${shown(bytes)} instead of bytes`);
    return bytes;
  }

  /**
   * The value; undefined for a negative result. One function for the life of the codec, bound to it.
   * @throws CacheError `not-decodable`
   */
  readonly decode = (bytes: Uint8Array): unknown => {
    if (isNothing(bytes)) return undefined;
    try {
      return this.#serializer.decode(bytes);
    } catch (error) {
      throw new CacheError(
        "serialization",
        "not-decodable",
        `${bytes.length} bytes are no ${this.#serializer.name}: ${messageOf(error)}`,
        { cause: error, hint: "It was written by another serializer, or damaged." },
      );
    }
  };
}

const JSON_SERIALIZER: Serializer = {
  name: "JSON",
  encode(value) {
    const text = JSON.stringify(value);
    if (text === undefined) throw new TypeError(`it is a ${typeof value}`);
    return Buffer.from(text);
  },
  decode(bytes) {
    const text = textOf(bytes);
    if (text === undefined) return bytes;
    try {
      return JSON.parse(text);
    } catch {
      return text;
    }
  },
};

/**
 * What JSON has no form for, and `JSON.stringify` makes something else of without a word: of a map an empty object, of bytes a list of numbers, for which it takes half a minute where
 * they are 100 MB. Inside of a value they are what it makes of them.
 * @throws CacheError `not-serializable`
 */
function refuseForJson(value: unknown, key: string): void {
  if (typeof value !== "object" || value === null) return;
  const binary = ArrayBuffer.isView(value) || types.isAnyArrayBuffer(value);
  const what = binary ? "bytes" : types.isMap(value) ? "a Map" : types.isSet(value) ? "a Set" : undefined;
  if (what === undefined) return;
  throw new CacheError("serialization", "not-serializable", `the value of "${key}" has no JSON form: it is ${what}`, {
    key,
    hint: `${binary ? "Store it with setBytes, or open" : "Open"} the cache with the serializer msgpack.`,
  });
}

const JSON_CODEC = new Codec(JSON_SERIALIZER);

/**
 * The codec of a choice; a promise where a package has to be loaded for it.
 * @throws CacheError `invalid-serializer`
 */
export function codecOf(choice: SerializerChoice): Codec | Promise<Codec> {
  if (choice === "json") return JSON_CODEC;
  if (choice === "msgpack") return import("./msgpack.js").then(({ msgpackSerializer }) => new Codec(msgpackSerializer));
  if (typeof choice === "object" && typeof choice?.encode === "function" && typeof choice.decode === "function") {
    return new Codec(choice);
  }
  throw new CacheError("usage", "invalid-serializer", `${JSON.stringify(choice)} is no serializer`, {
    hint: 'Give "json", "msgpack", or an object with name, encode and decode.',
  });
}

import { type Awaitable, type Backend, type DecodedReader, readsDecoded, type Stored } from "../backends/backend.js";
import { Codec, codecOf } from "./codec.js";
import type { ValueEntry, WriteEntry } from "./options.js";
import type { SerializerChoice } from "./serializer.js";

/** The same backend, where it keeps decoded values beside the bytes, with the one function that decodes. */
export interface KeptDecoded {
  reader: DecodedReader;
  decode: (bytes: Uint8Array) => unknown;
}

/** From values to bytes and back, by the serializer of a cache; its package is loaded when it is first needed. */
export class Values {
  /** Only where decoding can't fail: an entry that doesn't decode has to be removed. */
  readonly kept: KeptDecoded | undefined;
  #codec: Codec | Promise<Codec>;
  readonly #discard: (key: string, bytes: Uint8Array, error: unknown, tier: string | undefined) => Promise<void>;

  /**
   * @param discard removes an entry that doesn't decode
   * @throws CacheError `invalid-serializer`
   */
  constructor(
    choice: SerializerChoice,
    backend: Backend,
    discard: (key: string, bytes: Uint8Array, error: unknown, tier: string | undefined) => Promise<void>,
  ) {
    const codec = codecOf(choice);
    this.#codec = codec;
    this.#discard = discard;
    const canKeep = codec instanceof Codec && codec.lenient && readsDecoded(backend);
    this.kept = canKeep ? { reader: backend, decode: codec.decode } : undefined;
  }

  async codec(): Promise<Codec> {
    if (this.#codec instanceof Codec) return this.#codec;
    this.#codec = await this.#codec;
    return this.#codec;
  }

  /** Runs with the codec, in this very moment if it is there. */
  with<R>(run: (codec: Codec) => Promise<R>): Promise<R> {
    return this.#codec instanceof Codec ? run(this.#codec) : this.#codec.then(run);
  }

  /** Undefined for a negative result, and for bytes that don't decode: they are counted as an error and removed. */
  decode(key: string, stored: Stored, tier: string | undefined): Awaitable<unknown> {
    if (!(this.#codec instanceof Codec)) return this.codec().then(() => this.decode(key, stored, tier));
    try {
      return this.#codec.decode(stored.value);
    } catch (error) {
      return this.#discard(key, stored.value, error, tier);
    }
  }
}

/** @throws CacheError `not-serializable` */
export function encoded(codec: Codec, entry: ValueEntry, defaultTtl: number | null): WriteEntry {
  const { key, value, ttl = defaultTtl, tags } = entry;
  return { key, value: codec.encode(value, key), ttl, tags };
}

/** How values become bytes and come back. Both are called with hostile bytes and values: they throw for what they can't do. */
export interface Serializer {
  /** For messages. */
  readonly name: string;
  /** Must not keep what it is given. Never called with `undefined`. */
  encode(value: unknown): Uint8Array;
  /** Gives a value of the caller's own with every call; `undefined` would read as a miss. */
  decode(bytes: Uint8Array): unknown;
}

/**
 * - `json`: what JSON can hold, readable for everybody; bytes that are no JSON are given as text, or as they are. Bytes, Map and Set as values are refused.
 * - `msgpack`: smaller, and holds Date, Map, Set, bigint and bytes.
 */
export type SerializerChoice = "json" | "msgpack" | Serializer;

import { Decoder, Encoder, ExtensionCodec } from "@msgpack/msgpack";
import type { Serializer } from "./serializer.js";

/** Numbers of the extension types: part of the stored format. Date is -1, built in. */
const MAP = 1;
const SET = 2;
const BIGINT = 3;

/** Deeper values are refused: a reader recurses. */
const MAX_DEPTH = 100;

const extensions = new ExtensionCodec();
extensions.register({
  type: MAP,
  encode: (value) => (value instanceof Map ? encode([...value].flat(1)) : null),
  decode: (bytes) => new Map(pairsOf(listOf(decode(bytes)))),
});
extensions.register({
  type: SET,
  encode: (value) => (value instanceof Set ? encode([...value]) : null),
  decode: (bytes) => new Set(listOf(decode(bytes))),
});
extensions.register({
  type: BIGINT,
  encode: (value) => (typeof value === "bigint" ? Buffer.from(value.toString(16)) : null),
  decode: (bytes) => bigintOf(Buffer.from(bytes).toString("latin1")),
});

function encode(value: unknown): Uint8Array {
  return new Encoder({ extensionCodec: extensions, maxDepth: MAX_DEPTH }).encode(value);
}

function decode(bytes: Uint8Array): unknown {
  return new Decoder({ extensionCodec: extensions }).decode(bytes);
}

function listOf(value: unknown): unknown[] {
  if (Array.isArray(value)) return value;
  throw new TypeError("a Map or Set is no list");
}

function pairsOf(flat: readonly unknown[]): [unknown, unknown][] {
  if (flat.length % 2 !== 0) throw new TypeError("a Map has a key without a value");
  return Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i], flat[2 * i + 1]]);
}

function bigintOf(text: string): bigint {
  const negative = text.startsWith("-");
  const amount = BigInt(`0x${negative ? text.slice(1) : text}`);
  return negative ? -amount : amount;
}

/** MessagePack with Date, Map, Set, bigint and bytes; functions and symbols are refused. */
export const msgpackSerializer: Serializer = { name: "MessagePack", encode, decode };

import { CacheError, messageOf } from "../errors.js";
import { textOf } from "../utf8.js";

/** A value of the store as a program wants it: parsed JSON, else text, else the bytes. */
export function decode(bytes: Uint8Array): unknown {
  const text = textOf(bytes);
  if (text === undefined) return bytes;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/**
 * A value as the bytes that are stored: JSON.
 * @throws CacheError `not-serializable` for what JSON has no form for: undefined, functions, cycles, bigints
 */
export function encode(value: unknown, key: string): Uint8Array {
  const fail = (why: string, cause?: unknown) =>
    new CacheError("serialization", "not-serializable", `the value of "${key}" has no JSON form: ${why}`, {
      key,
      cause,
    });
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (error) {
    throw fail(messageOf(error), error);
  }
  if (text === undefined) throw fail(`it is ${typeof value}`);
  return Buffer.from(text);
}

import type { DecodedReader } from "../backend.js";
import { isTransformed } from "./header.js";
import { type Sealer, Unreadable } from "./sealer.js";

type Decode = (bytes: Uint8Array) => unknown;

/** How bytes that can't be read get out of a backend that is decoding them. */
class UndecodedError extends Error {
  readonly unreadable: Unreadable;
  readonly stored: Uint8Array;

  constructor(unreadable: Unreadable, stored: Uint8Array) {
    super(unreadable.reason);
    this.unreadable = unreadable;
    this.stored = stored;
  }
}

/** `getDecoded` over a backend that has it. It keeps what was decoded, so that what was done to the bytes is undone once. */
export function decodedReader(
  inner: DecodedReader,
  sealer: Sealer,
  onUnreadable: (key: string, unreadable: Unreadable, stored: Uint8Array) => void,
): DecodedReader["getDecoded"] {
  const decoders = new WeakMap<Decode, Decode>();
  let current = "";
  const throughSealer = (decode: Decode): Decode => {
    return (bytes) => {
      if (!isTransformed(bytes)) return decode(bytes);
      const value = sealer.openSync(current, bytes);
      if (value instanceof Unreadable) throw new UndecodedError(value, bytes.slice());
      return decode(value);
    };
  };
  return (key, decode) => {
    let decoder = decoders.get(decode);
    if (!decoder) {
      decoder = throughSealer(decode);
      decoders.set(decode, decoder);
    }
    current = key;
    try {
      return inner.getDecoded(key, decoder);
    } catch (error) {
      if (!(error instanceof UndecodedError)) throw error;
      onUnreadable(key, error.unreadable, error.stored);
      return undefined;
    }
  };
}

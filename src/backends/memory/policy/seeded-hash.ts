import { randomBytes } from "node:crypto";

/**
 * HalfSipHash-1-3 of a text's UTF-16 units, 32 bits (Aumasson, Bernstein: "SipHash: a fast short-input PRF", INDOCRYPT 2012, and the 32-bit variant
 * of its reference code), under a secret of its own: keys are chosen by others, who could otherwise make one that shares its counters with whatever
 * they want to drive out.
 */
export function seededHash(secret: Uint8Array = randomBytes(8)): (text: string) => number {
  const view = new DataView(secret.buffer, secret.byteOffset, 8);
  const k0 = view.getInt32(0, true);
  const k1 = view.getInt32(4, true);
  return (text) => {
    const length = text.length;
    let v0 = k0;
    let v1 = k1;
    let v2 = k0 ^ 0x6c796765;
    let v3 = k1 ^ 0x74656462;
    const rounds = (length >> 1) + 4;
    for (let i = 0; i < rounds; i++) {
      let word = 0;
      const at = 2 * i;
      if (at + 1 < length) word = text.charCodeAt(at) | (text.charCodeAt(at + 1) << 16);
      // The last word holds what is left and the length; the three rounds after it take in nothing.
      else if (i === length >> 1) word = (at < length ? text.charCodeAt(at) : 0) | (length << 16);
      if (i === (length >> 1) + 1) v2 ^= 0xff;
      v3 ^= word;
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
      v0 ^= word;
    }
    return v1 ^ v3;
  };
}

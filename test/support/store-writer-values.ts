import { createHash } from "node:crypto";

/** The value that a key must have: other bytes and another length for each key, now and then a large one. */
export function bytesOf(key: string): Buffer {
  const seed = createHash("sha256").update(key).digest();
  const size = (seed[0] ?? 0) < 8 ? 100_000 : (seed.readUInt16BE(1) % 2000) + 32;
  const value = Buffer.alloc(size, seed);
  return value;
}

import type { NewEntry } from "../backend.js";

/** Rows that one transaction writes, and bytes of values after which the next one begins. */
export const BATCH_ROWS = 500;
const BATCH_BYTES = 4_000_000;

/** The parts of a batch that are each written in one transaction. */
export function* batchesOf(entries: readonly NewEntry[]): Generator<readonly NewEntry[]> {
  let start = 0;
  let bytes = 0;
  for (const [i, entry] of entries.entries()) {
    if (i > start && (i - start >= BATCH_ROWS || bytes + entry.value.length > BATCH_BYTES)) {
      yield entries.slice(start, i);
      start = i;
      bytes = 0;
    }
    bytes += entry.value.length;
  }
  if (start < entries.length) yield start === 0 ? entries : entries.slice(start);
}

/** A value that would keep the event loop, and all who write, for too long if it was written or read at once: a batch of its own. */
export function isLarge(bytes: number): boolean {
  return bytes > BATCH_BYTES;
}

/** True if one transaction does for all of them. */
export function isOneBatch(entries: readonly NewEntry[]): boolean {
  if (entries.length > BATCH_ROWS) return false;
  let bytes = 0;
  for (const { value } of entries) bytes += value.length;
  return bytes <= BATCH_BYTES;
}

import type { NewEntry } from "../backend.js";

const MAX_ENTRIES = 1000;
/** Bytes of values of one request; a larger value goes piece by piece. */
const MAX_BYTES = 8 * 1024 * 1024;

/** Entries in requests of bounded size, in their order. */
export function* batchesOf(entries: readonly NewEntry[]): Generator<NewEntry[] | { large: NewEntry }> {
  let batch: NewEntry[] = [];
  let bytes = 0;
  for (const entry of entries) {
    const size = entry.value.length;
    if (batch.length > 0 && (batch.length === MAX_ENTRIES || bytes + size > MAX_BYTES)) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    if (size > MAX_BYTES) yield { large: entry };
    else {
      batch.push(entry);
      bytes += size;
    }
  }
  if (batch.length > 0) yield batch;
}

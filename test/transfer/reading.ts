import type { WriteEntry } from "../../src/cache/cache.js";
import { CacheError } from "../../src/errors.js";
import type { Reject } from "../../src/transfer/batch.js";
import { type ReadOptions, readRecords } from "../../src/transfer/read-records.js";

export interface ReadResult {
  entries: WriteEntry[];
  rejects: Reject[];
  /** What ended the reading before its time. */
  error: CacheError | undefined;
  batches: number;
}

/** The bytes as a stream of pieces: cut after each of the offsets, or whole. */
export async function* pieces(bytes: Buffer | string, cuts: readonly number[] = []): AsyncGenerator<Buffer> {
  const all = Buffer.from(bytes);
  let from = 0;
  for (const cut of [...cuts].sort((a, b) => a - b)) {
    if (cut <= from || cut >= all.length) continue;
    yield Buffer.from(all.subarray(from, cut));
    from = cut;
  }
  if (from < all.length) yield Buffer.from(all.subarray(from));
}

/** Everything that can be read of some bytes. */
export async function readAll(
  bytes: Buffer | string | AsyncIterable<Uint8Array>,
  options: Partial<ReadOptions> = {},
  cuts: readonly number[] = [],
): Promise<ReadResult> {
  const source = typeof bytes === "string" || Buffer.isBuffer(bytes) ? pieces(bytes, cuts) : bytes;
  const result: ReadResult = { entries: [], rejects: [], error: undefined, batches: 0 };
  try {
    for await (const batch of readRecords(source, { name: "source", ...options })) {
      result.entries.push(...batch.entries);
      result.rejects.push(...batch.rejects);
      result.batches += 1;
    }
  } catch (error) {
    if (!(error instanceof CacheError)) throw error;
    result.error = error;
  }
  return result;
}

/** Entries as `[key, value as text]`. */
export function texts(result: ReadResult): [string, string][] {
  return result.entries.map(({ key, value }) => [key, Buffer.from(value).toString("utf8")]);
}

export function reasons(result: ReadResult): string[] {
  return result.rejects.map((reject) => reject.reason);
}

import type { Link } from "./link.js";

/** Milliseconds after which a stream that nobody writes to is rubbish: its writer is gone, since a living one gives a sign in time. */
const STREAM_AGE_MS = 3_600_000;
/** How often a writer that has nothing to write gives a sign, in milliseconds. */
export const STREAM_SIGN_MS = 600_000;
/** Chunks that one step removes: 4 MB. */
const STEP_CHUNKS = 64;
/** Bytes of a chunk. For larger ones the memory allocator asks the system each time one is read, page by page: that takes longer than reading them. */
const ROW_BYTES = 65_536;

/**
 * Begins a value that belongs to no entry yet.
 * @param name the file that it is written to, where values are files
 * @param now epoch milliseconds
 * @returns its id
 */
export function beginStream(link: Link, name: string | null, now: number): number {
  const insert = link.action("INSERT INTO streams (touched_at, name) VALUES (?, ?)");
  return Number(insert.run(now, name).lastInsertRowid);
}

/** A sign of life; false where the stream is no longer there. */
export function touchStream(link: Link, id: number, now: number): boolean {
  return link.action("UPDATE streams SET touched_at = ? WHERE id = ? AND touched_at > 0").run(now, id).changes > 0;
}

/**
 * Adds a piece as chunks, the first of them the `n`th. All but the last piece of a stream must fill theirs.
 * @returns how many they were
 */
export function addPiece(link: Link, id: number, n: number, piece: Uint8Array): number {
  link.trimCache();
  const insert = link.action("INSERT INTO chunks (id, n, piece) VALUES (?, ?, ?)");
  let added = 0;
  for (let at = 0; at < piece.length; at += ROW_BYTES) {
    insert.run(id, n + added, piece.subarray(at, at + ROW_BYTES));
    added += 1;
  }
  return added;
}

/** The stream is to become an entry's, in the same transaction; false where it is no longer there. */
export function claimStream(link: Link, id: number): boolean {
  return link.action("DELETE FROM streams WHERE id = ? AND touched_at > 0").run(id).changes > 0;
}

/** Nobody wants the stream any more. */
export function dropStream(link: Link, id: number): void {
  link
    .action("INSERT INTO streams (id, touched_at) VALUES (?, 0) ON CONFLICT (id) DO UPDATE SET touched_at = 0")
    .run(id);
}

/** The streams of these entries, where there are any, are no longer wanted; to be called before their bodies are removed. */
export function dropStreamsOf(link: Link, entryIds: readonly number[]): void {
  link
    .action(
      `INSERT INTO streams (id, touched_at)
       SELECT body, 0 FROM bodies WHERE id IN (SELECT value FROM json_each(?)) AND typeof(body) NOT IN ('blob', 'text')`,
    )
    .run(JSON.stringify(entryIds));
}

/** The chunks of a stream from the `n`th to before the `n + count`th; a lost one is not among them. */
export function chunksOf(link: Link, id: number, n: number, count: number): Buffer[] {
  return link
    .column<Buffer>("SELECT piece FROM chunks WHERE id = ? AND n >= ? AND n < ? ORDER BY n")
    .all(id, n, n + count);
}

/** Bytes of each chunk of a stream but the last; stores that were written earlier have larger ones. */
export function chunkBytesOf(link: Link, id: number): number {
  return link.column<number>("SELECT length(piece) FROM chunks WHERE id = ? AND n = 0").get(id) ?? ROW_BYTES;
}

/** The `n`th chunk of a stream, undefined where it is lost. */
export function chunkOf(link: Link, id: number, n: number): Buffer | undefined {
  return link.column<Buffer>("SELECT piece FROM chunks WHERE id = ? AND n = ?").get(id, n);
}

/** True if there are streams that {@link sweepStep} would remove. */
export function hasDeadStreams(link: Link, now: number): boolean {
  return deadStream(link, now) !== undefined;
}

function deadStream(link: Link, now: number): [id: number, name: string | null] | undefined {
  const sql = "SELECT id, name FROM streams WHERE touched_at < ? LIMIT 1";
  return link.rows<[number, string | null]>(sql).get(now - STREAM_AGE_MS);
}

/**
 * Removes some chunks of a stream that nobody wants or whose writer is gone, in one transaction.
 * @returns whether there was one, and the file it was written to
 */
export function sweepStep(link: Link, now: number): { found: boolean; released: string[] } {
  if (!hasDeadStreams(link, now)) return { found: false, released: [] };
  return link.write(() => {
    const [id, name] = deadStream(link, now) ?? [];
    if (id === undefined) return { found: false, released: [] };
    link.trimCache();
    const some = "SELECT rowid FROM chunks WHERE id = ? LIMIT ?";
    const { changes } = link.action(`DELETE FROM chunks WHERE rowid IN (${some})`).run(id, STEP_CHUNKS);
    if (changes === STEP_CHUNKS) return { found: true, released: [] };
    link.action("DELETE FROM streams WHERE id = ?").run(id);
    return { found: true, released: typeof name === "string" ? [name] : [] };
  });
}

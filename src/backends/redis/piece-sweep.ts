import { readEnvelope } from "../envelope.js";
import type { Command, Node } from "./connection.js";
import { askForMarks, mayBeMarked } from "./marks.js";
import type { Names } from "./names.js";
import { readList } from "./pieces.js";
import { asArray, asBuffer, asInteger, asText } from "./reply.js";
import { PIECES_GRACE_MS } from "./script-parts.js";
import { SCAN_COUNT } from "./source.js";
import type { Store } from "./store.js";

/**
 * Gives pieces that no entry names any more a short time to live: those of entries that never expired and were deleted or overwritten by a client that knows nothing of pieces. All others
 * have a deadline of their own.
 */
export async function prunePieces(store: Store): Promise<void> {
  const { connection, names } = store;
  connection.checkOpen();
  const [marks] = await connection.pipelineRaw([askForMarks(names)]);
  if (!mayBeMarked(marks)) return;
  for (const { node } of await connection.primaries()) {
    for (const kind of ["x", "y"]) await sweep(store, node, `${names.internal}${kind}:`);
  }
}

async function sweep(store: Store, node: Node, prefix: string): Promise<void> {
  const { connection } = store;
  const match = `${prefix.replace(/[*?[\]\\]/g, "\\$&")}*`;
  let cursor = "0";
  do {
    const [next, page] = asArray(await node.call(["SCAN", cursor, "MATCH", match, "COUNT", SCAN_COUNT]));
    cursor = asText(next);
    const names = asArray(page).map(asBuffer);
    const ttls = await connection.pipeline(names.map((name): Command => ["PTTL", name]));
    const lasting = names.filter((_, i) => asInteger(ttls[i]) === -1);
    const orphans = await orphansAmong(store, lasting);
    await connection.pipeline(orphans.map((name): Command => ["PEXPIRE", name, PIECES_GRACE_MS]));
  } while (cursor !== "0");
}

async function orphansAmong(store: Store, names: readonly Buffer[]): Promise<Buffer[]> {
  const pieces = names.flatMap((name) => pieceOf(store.names, name) ?? []);
  const keys = [...new Set(pieces.map(({ key }) => key))];
  const bases = new Map<string, Buffer | undefined>();
  for (const key of keys) bases.set(key, await baseAt(store, key));
  return pieces.flatMap(({ key, base, name }) => (bases.get(key)?.equals(base) ? [] : [name]));
}

/** What the names of the pieces of an entry begin with, undefined where it has none. */
async function baseAt(store: Store, key: string): Promise<Buffer | undefined> {
  const full = store.names.full(key);
  const [start] = await store.connection.pipelineRaw([["GETRANGE", full, 0, LIST_BYTES]]);
  if (!Buffer.isBuffer(start)) return undefined;
  const envelope = readEnvelope(start);
  return envelope?.pieces ? readList(start.subarray(envelope.headerBytes))?.base : undefined;
}

/** More than the longest list of pieces has, with its meta. */
const LIST_BYTES = 65_536 + 4096;

/** The entry that a piece belongs to, by the piece's name: see `Names.pieces`. */
function pieceOf(names: Names, name: Buffer): { key: string; base: Buffer; name: Buffer } | undefined {
  const base = name.subarray(0, name.lastIndexOf(0x3a) + 1);
  const text = base.toString("latin1", Buffer.byteLength(names.internal), base.length - 1);
  const full = /^x:[\w-]+:\{(.*)\}$/s.exec(text)?.[1] ?? /^y:[\w-]+:(?:\0\{\d+\}:)?(.*)$/s.exec(text)?.[1];
  if (full === undefined) return undefined;
  return { key: names.bare(Buffer.from(full, "latin1")), base, name };
}

import { CHUNK_BYTES } from "../backend.js";
import type { Command } from "./connection.js";
import { asOptionalBuffer } from "./reply.js";
import type { Store } from "./store.js";

/** Where the pieces of a value are: each but the last holds {@link CHUNK_BYTES}, under names of their own in the slot of the entry. */
export interface PieceList {
  count: number;
  /** Bytes of the whole value. */
  size: number;
  /** What the names of the pieces begin with; their number follows, from 0. */
  base: Buffer;
}

/** As it stands in the entry, where scripts read it too: `count size base`. */
export function listText({ count, size, base }: PieceList): Buffer {
  return Buffer.concat([Buffer.from(`${count} ${size} `), base]);
}

/** Undefined for anything else, also for sizes that contradict each other: others may have written it. */
export function readList(text: Buffer): PieceList | undefined {
  const [head = "", digits = "", sizeText = ""] = /^(\d{1,7}) (\d{1,15}) /.exec(text.toString("latin1", 0, 32)) ?? [];
  const [count, size] = [Number(digits), Number(sizeText)];
  if (head === "" || count !== Math.ceil(size / CHUNK_BYTES)) return undefined;
  return { count, size, base: text.subarray(head.length) };
}

export function pieceName({ base }: Pick<PieceList, "base">, number: number): Buffer {
  return Buffer.concat([base, Buffer.from(`${number}`)]);
}

/** The piece, undefined where it is gone or is none. */
export async function readPiece(store: Store, list: PieceList, number: number): Promise<Buffer | undefined> {
  const piece = asOptionalBuffer(await store.connection.call(["GET", pieceName(list, number)]));
  const bytes = Math.min(CHUNK_BYTES, list.size - number * CHUNK_BYTES);
  return piece?.length === bytes ? piece : undefined;
}

/** The whole value, undefined where a piece is missing. */
export async function wholeOf(store: Store, list: PieceList): Promise<Buffer | undefined> {
  const pieces: Buffer[] = [];
  for (let number = 0; number < list.count; number++) {
    const piece = await readPiece(store, list, number);
    if (!piece) return undefined;
    pieces.push(piece);
  }
  return Buffer.concat(pieces, list.size);
}

/** Pieces that one command names. */
const NAMES_PER_COMMAND = 500;

/** How many of the pieces are there. */
export function countPieces(store: Store, list: PieceList): Promise<number> {
  return sumOver(store, "EXISTS", list);
}

export async function removePieces(store: Store, list: PieceList): Promise<void> {
  await sumOver(store, "UNLINK", list);
}

async function sumOver(store: Store, command: "EXISTS" | "UNLINK", list: PieceList): Promise<number> {
  let sum = 0;
  for (let first = 0; first < list.count; first += NAMES_PER_COMMAND) {
    const numbers = Array.from({ length: Math.min(NAMES_PER_COMMAND, list.count - first) }, (_, i) => first + i);
    const names: Command = [command, ...numbers.map((number) => pieceName(list, number))];
    sum += Number(await store.connection.call(names));
  }
  return sum;
}

import { MAGIC } from "../envelope.js";
import type { Command } from "./connection.js";
import { MARK } from "./lease-scripts.js";
import { marksKeyOf, type Names, type RawKey } from "./names.js";
import { pack } from "./pack.js";
import { asBuffer } from "./reply.js";
import { MARGIN_MS } from "./script-parts.js";
import { scriptsNeeded } from "./scripts.js";
import type { Store } from "./store.js";

/** Bytes from the start of a string that tell what {@link markOf} says. */
const START_BYTES = 10;

const VERSION = 1;
const PLACEHOLDER = 64;
const PIECES = 128;

export type Mark = "placeholder" | "pieces";

/** What a string's first bytes say of it, as the scripts see it; the checksum, which is for readers of the value, is not looked at. */
export function markOf(start: Uint8Array): Mark | undefined {
  if (start.length < START_BYTES || MAGIC.compare(start, 0, MAGIC.length) !== 0 || start[8] !== VERSION)
    return undefined;
  const flags = start[9] ?? 0;
  return flags & PIECES ? "pieces" : flags & PLACEHOLDER ? "placeholder" : undefined;
}

/**
 * Asks whether any string may have a mark: in this namespace, or anywhere, for namespaces may overlap. The keys asked for outlive every mark.
 * @see mayBeMarked
 */
export function askForMarks(names: Names): Command {
  return ["EXISTS", names.marks, marksKeyOf("")];
}

/** What the answer says. Who may not ask for the whole store must look. */
export function mayBeMarked(reply: unknown): boolean {
  return reply !== 0;
}

export interface Sorted<T> {
  live: T[];
  /** Placeholders: to all who read there is no entry. */
  held: T[];
  /** Some of the live ones have pieces. */
  pieces: boolean;
}

/** Tells placeholders from entries. @param may see {@link mayBeMarked} */
export async function sortOut<T extends { full: RawKey }>(
  store: Store,
  candidates: T[],
  may: boolean,
): Promise<Sorted<T>> {
  if (!may || candidates.length === 0) return { live: candidates, held: [], pieces: false };
  const marks = await marksOf(
    store,
    candidates.map(({ full }) => full),
  );
  return {
    live: candidates.filter((_, i) => marks[i] !== "placeholder"),
    held: candidates.filter((_, i) => marks[i] === "placeholder"),
    pieces: marks.includes("pieces"),
  };
}

/** Of each key what is there; other types than strings have no mark. */
export async function marksOf(store: Store, keys: readonly RawKey[]): Promise<(Mark | undefined)[]> {
  const starts = await store.connection.pipelineRaw(keys.map((key): Command => ["GETRANGE", key, 0, START_BYTES - 1]));
  return starts.map((start) => (start instanceof Error ? undefined : markOf(asBuffer(start))));
}

/** Says for `ms`, or for good, that there may be marks; to be called before there is one. On one server the script of a lease does it itself. */
export async function markStore(store: Store, ms: number | undefined): Promise<void> {
  const span = ms === undefined ? "-1" : `${Math.ceil(ms) + MARGIN_MS}`;
  const keys = [...new Set([store.names.marks, marksKeyOf("")])];
  const calls = keys.map((key) => ({ route: key, args: [pack([key]), "", span] }));
  if ((await store.scripts.runAll(MARK, calls)) === undefined) throw scriptsNeeded("writing a large value in pieces");
}

import { checkMeta, type Touch, type WriteCall } from "../backend.js";
import { headerChecksums, refuseLaterVersion, staleAtBytes } from "../envelope.js";
import { lettersBySlot } from "./by-slot.js";
import type { Log } from "./log.js";
import { type Note, SILENT } from "./log-entry.js";
import type { RawKey } from "./names.js";
import { Packer } from "./pack.js";
import { memberKey } from "./sidecar.js";
import {
  baseOf,
  checkSignal,
  isStepwise,
  relativeDeadline,
  type Store,
  ttlOf,
  untilAborted,
  wrongType,
} from "./store.js";
import { aroundIndexes, type Tagged } from "./tag-index.js";
import { TOUCH } from "./touch-script.js";
import { BYTES_PER_SCRIPT, ENTRIES_PER_SCRIPT } from "./write.js";
import { touchSingly } from "./write-singly.js";

/** What the script leaves as it is. */
const SAME = "=";

type NoteOf = (keys: readonly string[]) => Note;

/** New deadlines and meta; values stay where they are. */
export async function touchMany(
  store: Store,
  log: Log,
  changes: readonly Touch[],
  { origin, signal }: WriteCall,
): Promise<boolean[]> {
  store.connection.checkOpen();
  for (const { key, meta } of changes) checkMeta(meta, key);
  if (changes.length === 0) return [];
  const noteOf: NoteOf = (keys) => log.note("write", { keys }, origin);
  if (!isStepwise(store)) return touchAll(store, log, changes, signal, noteOf);
  return log.around(noteOf(keysOf(changes)), () => touchAll(store, log, changes, signal, undefined));
}

/** @param noteOf the change of some of the entries; absent where the caller tells the log */
async function touchAll(
  store: Store,
  log: Log,
  changes: readonly Touch[],
  signal: AbortSignal | undefined,
  noteOf: NoteOf | undefined,
): Promise<boolean[]> {
  const out: boolean[] = [];
  let foreign: string | undefined;
  let later: string | undefined;
  for (const chunk of chunksOf(changes)) {
    checkSignal(signal);
    const answer = await untilAborted(touchChunk(store, log, chunk, noteOf?.(keysOf(chunk))), signal);
    for (const [i, { key }] of chunk.entries()) {
      out.push(answer[i] === "1");
      if (answer[i] === "t") foreign ??= key;
      if (answer[i] === "l") later ??= key;
    }
  }
  if (foreign !== undefined) throw wrongType(store, foreign);
  if (later !== undefined) refuseLaterVersion(later);
  return out;
}

function* chunksOf(changes: readonly Touch[]): Generator<Touch[]> {
  let chunk: Touch[] = [];
  let bytes = 0;
  for (const change of changes) {
    const more = change.meta?.length ?? 0;
    if (chunk.length >= ENTRIES_PER_SCRIPT || (chunk.length > 0 && bytes + more > BYTES_PER_SCRIPT)) {
      yield chunk;
      chunk = [];
      bytes = 0;
    }
    chunk.push(change);
    bytes += more;
  }
  yield chunk;
}

async function touchChunk(store: Store, log: Log, chunk: readonly Touch[], note: Note | undefined): Promise<string> {
  const now = store.clock.now();
  const argsOf = (some: readonly Touch[], sidecarOf: (change: Touch) => RawKey) => {
    const packer = new Packer(some.length * 160);
    const sent = store.clock.now();
    for (const change of some) {
      const { key, staleAt, meta, ifVersion = "" } = change;
      packer.add(store.names.full(key));
      packer.add(deadlineOf(change, sent));
      packer.add(memberKey(key));
      packer.add(sidecarOf(change));
      packer.add(staleAt === undefined ? SAME : staleAt === null ? "" : staleAtBytes(staleAt));
      packer.add(meta === undefined ? SAME : Buffer.concat([NEW_META, meta]));
      packer.add(meta === undefined ? "" : headerChecksums(meta));
      packer.add(ifVersion);
    }
    const { field, text } = note ?? SILENT;
    return [packer.finish(), baseOf(store), field, text];
  };
  const fullOf = ({ key }: Touch) => store.names.full(key);
  const sidecarOf = ({ key }: Touch) => store.names.sidecar(key);
  const taggedOf = (change: Touch): Tagged => {
    const deadline = deadlineOf(change, now);
    // One that stays is looked up afterwards; before, no place comes to end sooner than it would.
    return { key: change.key, sidecar: "same", ttl: deadline === SAME ? 0 : ttlOf(deadline) };
  };
  const answer = await aroundIndexes(store, chunk, taggedOf, "1", () =>
    lettersBySlot(store, TOUCH, chunk, { fullOf, sidecarOf, argsOf }),
  );
  if (answer !== undefined) return answer;
  const singly = () => touchSingly(store, chunk, now);
  return note ? log.around(note, singly) : singly();
}

const NEW_META = Buffer.from("+");

const deadlineOf = ({ expiresAt }: Touch, now: number) =>
  expiresAt === undefined ? SAME : relativeDeadline(expiresAt, now);

const keysOf = (changes: readonly Touch[]) => changes.map(({ key }) => key);

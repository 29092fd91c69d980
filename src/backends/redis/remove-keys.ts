import type { KeyDeletion } from "../backend.js";
import { lettersBySlot, type Touching } from "./by-slot.js";
import type { Command } from "./connection.js";
import { digestsOf } from "./facts.js";
import type { Log } from "./log.js";
import { type Note, SILENT } from "./log-entry.js";
import { marksOf } from "./marks.js";
import { pack } from "./pack.js";
import { asArray, asInteger, asOptionalBuffer, asText } from "./reply.js";
import { REMOVE } from "./scripts.js";
import { memberKey, readSidecar } from "./sidecar.js";
import { type Candidate, purgedIndex, SCAN_COUNT, tagIndex } from "./source.js";
import { baseOf, checkSignal, chunks, type Store, untilAborted, wrongType } from "./store.js";
import { aroundIndexes, type Tagged } from "./tag-index.js";

/** Entries of one UNLINK: together with a SCAN step some 1 ms of the server's time. */
export const KEYS_PER_UNLINK = SCAN_COUNT;

/** Deletes strings alone. @throws CacheError `wrong-type` with its key, when the others have been deleted */
export async function deleteMany(
  store: Store,
  log: Log,
  keys: readonly string[],
  options: KeyDeletion,
): Promise<boolean[]> {
  store.connection.checkOpen();
  if (keys.length === 0) return [];
  const note = (some: readonly string[]) => log.note("delete", { keys: some }, options.origin);
  const stepwise = store.connection.clustered || !store.scripts.allowed;
  if (stepwise) return log.around(note(keys), () => deleteAll(store, log, keys, options));
  return deleteAll(store, log, keys, options, note);
}

/** @param noteOf the change of some keys, where it is told with each step */
async function deleteAll(
  store: Store,
  log: Log,
  keys: readonly string[],
  options: KeyDeletion,
  noteOf?: (keys: readonly string[]) => Note,
): Promise<boolean[]> {
  const { versions, signal } = options;
  const out: boolean[] = [];
  let foreign: string | undefined;
  for (const chunk of chunks([...keys.entries()], KEYS_PER_UNLINK)) {
    checkSignal(signal);
    const candidates = chunk.map(([i, key]): Candidate => {
      const version = versions?.[i];
      return { key, full: store.names.full(key), ...(version !== undefined && { version }) };
    });
    const note = noteOf?.(candidates.map(({ key }) => key));
    const remove = async () => (await removeByScript(store, candidates, note)) ?? singly();
    const singly = () => {
      const work = () => removeSingly(store, candidates);
      return note ? log.around(note, work) : work();
    };
    const answer = await untilAborted(remove(), signal);
    for (const [i, [, key]] of chunk.entries()) {
      out.push(answer[i] === "1");
      if (answer[i] === "t") foreign ??= key;
    }
  }
  if (foreign !== undefined) throw wrongType(store, foreign);
  return out;
}

export async function unlink(store: Store, candidates: readonly Candidate[]): Promise<number> {
  if (candidates.length === 0) return 0;
  return asInteger(await store.connection.call(["UNLINK", ...candidates.map(({ full }) => full)]));
}

/** One letter a key, see {@link REMOVE}; undefined where this user may run no scripts. */
export function removeByScript(
  store: Store,
  candidates: readonly Candidate[],
  note: Note = SILENT,
): Promise<string | undefined> {
  const { names } = store;
  const touching: Touching<Candidate> = {
    fullOf,
    sidecarOf: ({ key }) => names.sidecar(key),
    argsOf: (some, sidecarOf) => [
      pack(some.flatMap((one) => [one.full, memberKey(one.key), sidecarOf(one), one.version ?? ""])),
      baseOf(store),
      note.field,
      note.text,
    ],
  };
  return aroundIndexes(store, candidates, untagged, "1", () => lettersBySlot(store, REMOVE, candidates, touching));
}

/** The same by single commands: what is written between two of them may go as well. */
export async function removeSingly(store: Store, candidates: readonly Candidate[]): Promise<string> {
  const { connection } = store;
  const keys = candidates.map(({ full }) => full);
  const types = await connection.pipeline(keys.map((full): Command => ["TYPE", full]));
  const marks = await marksOf(store, keys);
  const versioned = candidates.some(({ version }) => version !== undefined);
  const digests = versioned ? await digestsOf(store, keys) : [];
  const strings = candidates.filter(
    ({ version }, i) => asText(types[i]) === "string" && (version === undefined || version === digests[i]),
  );
  const deleted = await connection.pipeline(strings.map(({ full }): Command => ["UNLINK", full]));
  await forget(store, strings);
  const done = new Map<Candidate, string>(strings.map((candidate, i) => [candidate, `${asInteger(deleted[i])}`]));
  return candidates
    .map((candidate, i) => {
      if (marks[i] === "placeholder") return "0";
      return done.get(candidate) ?? (["none", "string"].includes(asText(types[i])) ? "0" : "t");
    })
    .join("");
}

/** Takes entries out of the indexes of their tags, by single commands. */
export async function forget(store: Store, candidates: readonly Candidate[]): Promise<void> {
  const { connection, names } = store;
  if (candidates.length === 0) return;
  const texts = asArray(await connection.call(["MGET", ...candidates.map(({ key }) => names.sidecar(key))]));
  const commands = candidates.flatMap(({ key }, i): Command[] => {
    const sidecar = readSidecar(asOptionalBuffer(texts[i]));
    if (!sidecar) return [];
    const member = Buffer.concat([Buffer.from(`${sidecar.i}:`), Buffer.from(memberKey(key))]);
    const indexes = sidecar.t.flatMap((tag) => [tagIndex(store, tag), purgedIndex(store, tag)]);
    return [...indexes.map((index): Command => ["ZREM", index, member]), ["UNLINK", names.sidecar(key)]];
  });
  await connection.pipeline(commands);
}

export const fullOf = ({ full }: Candidate) => full;

/** What is deleted will have no tags. */
export const untagged = ({ key }: Candidate): Tagged => ({ key, sidecar: undefined, ttl: 0 });

/** How many of some letters are this one. */
export function count(letters: string, letter: string): number {
  let n = 0;
  for (const one of letters) if (one === letter) n += 1;
  return n;
}

import type {
  Awaitable,
  Backend,
  Call,
  EntryReader,
  NewEntry,
  SetOptions,
  SetOutcome,
  WriteCall,
} from "../backends/backend.js";
import { CacheError } from "../errors.js";
import { isNothing, NOTHING_BYTES } from "./codec.js";

/** Keys that are looked at at once. */
const AT_ONCE = 100;

/** For each key whether a negative result is there: that a loader found no value. No value is read for it but one of the same few bytes. */
async function areAbsences(backend: Backend, keys: readonly string[], call: Call): Promise<boolean[]> {
  const answers: boolean[] = [];
  for (let i = 0; i < keys.length; i += AT_ONCE) {
    const some = keys.slice(i, i + AT_ONCE);
    answers.push(...(await Promise.all(some.map((key) => isAbsence(backend, key, call)))));
  }
  return answers;
}

async function isAbsence(backend: Backend, key: string, call: Call): Promise<boolean> {
  try {
    const reader = await backend.openRead(key, { ...call, peek: true });
    if (reader?.head.size === NOTHING_BYTES) return isNothing(await allOf(reader));
    reader?.close();
    return false;
  } catch (error) {
    // Of another type, or encrypted with a key that is not here: it is something.
    if (error instanceof CacheError && error.kind !== "connection" && error.kind !== "timeout") return false;
    throw error;
  }
}

/** {@link Backend.setMany}, to whose modes a negative result is no entry. */
export function storeOverAbsences(
  backend: Backend,
  entries: readonly NewEntry[],
  options: SetOptions,
): Awaitable<SetOutcome[]> {
  if (options.mode === "if-absent") return storeIfAbsent(backend, entries, options);
  return options.mode === "if-present" ? storeIfPresent(backend, entries, options) : backend.setMany(entries, options);
}

async function storeIfAbsent(backend: Backend, entries: readonly NewEntry[], options: SetOptions) {
  const outcomes = await backend.setMany(entries, options);
  const refused = [...outcomes.keys()].filter((i) => outcomes[i] === "condition");
  const keys = refused.flatMap((i) => entries[i]?.key ?? []);
  if (keys.length === 0 || !(await areAbsences(backend, keys, callOf(options))).includes(true)) return outcomes;
  const found = await backend.getMany(keys, { ...callOf(options), want: "all", peek: true });
  for (const [at, i] of refused.entries()) {
    const entry = entries[i];
    const there = found[at];
    if (entry === undefined || there?.version === undefined || !isNothing(there.value)) continue;
    const [gone] = await backend.deleteMany([entry.key], { ...named(options), versions: [there.version] });
    const [outcome] = gone ? await backend.setMany([entry], options) : [];
    outcomes[i] = outcome ?? "condition";
  }
  return outcomes;
}

async function storeIfPresent(backend: Backend, entries: readonly NewEntry[], options: SetOptions) {
  const keys = entries.map(({ key }) => key);
  const absent = await areAbsences(backend, keys, callOf(options));
  const places = [...entries.keys()].filter((i) => !absent[i]);
  const stored = await backend.setMany(
    places.flatMap((i) => entries[i] ?? []),
    options,
  );
  const outcomes = entries.map((): SetOutcome => "condition");
  for (const [i, place] of places.entries()) outcomes[place] = stored[i] ?? "condition";
  return outcomes;
}

const callOf = ({ signal }: SetOptions): Call => (signal === undefined ? {} : { signal });
const named = ({ origin, signal }: SetOptions): WriteCall => ({
  ...(origin !== undefined && { origin }),
  ...(signal !== undefined && { signal }),
});

/**
 * The reader, or undefined where it is that of a negative result.
 * @param reader of the whole value
 */
export async function unlessAbsence(
  reader: EntryReader | undefined,
  { start = 0, end }: { start?: number; end?: number },
): Promise<EntryReader | undefined> {
  if (reader?.head.size !== NOTHING_BYTES) return reader;
  const bytes = await allOf(reader);
  if (isNothing(bytes)) return undefined;
  return { head: reader.head, body: piece(bytes.subarray(start, end)), close: () => undefined };
}

async function allOf(reader: EntryReader): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  try {
    for await (const part of reader.body) pieces.push(part);
  } finally {
    reader.close();
  }
  return Buffer.concat(pieces);
}

async function* piece(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  if (bytes.length > 0) yield bytes;
}

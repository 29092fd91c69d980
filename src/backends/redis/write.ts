import type { Concerned } from "../../changes.js";
import { CacheError } from "../../errors.js";
import { checkKey } from "../../key.js";
import type { NewEntry, Position, SetMode, SetOptions, SetOutcome } from "../backend.js";
import { wrap } from "../envelope.js";
import { lettersBySlot } from "./by-slot.js";
import type { Command } from "./connection.js";
import { type Log, sinceFor } from "./log.js";
import { type Note, SILENT } from "./log-entry.js";
import { markOf, marksOf } from "./marks.js";
import type { RawKey } from "./names.js";
import { Packer, pack } from "./pack.js";
import { deleteMany } from "./remove-keys.js";
import { asText } from "./reply.js";
import { WRITE_PLAIN, WRITE_TAGGED } from "./scripts.js";
import { digestOf, memberKey, newSidecar, readSidecar } from "./sidecar.js";
import { baseOf, checkSignal, isStepwise, relativeDeadline, type Store, ttlOf, untilAborted } from "./store.js";
import { aroundIndexes, type Tagged } from "./tag-index.js";
import { isTagged, type Ready, writeSingly } from "./write-singly.js";

/** Entries and bytes of one script: some 2 ms of the server's time, so that others are not held up. */
export const ENTRIES_PER_SCRIPT = 500;
export const BYTES_PER_SCRIPT = 512 * 1024;
/** Redis refuses longer strings (`proto-max-bulk-len`), and the packed batch is one. */
export const MAX_VALUE_BYTES = 512 * 1024 * 1024 - 4096;

/** What the scripts' letters mean. */
const OUTCOMES: Readonly<Record<string, SetOutcome>> = { s: "stored", c: "condition", t: "other-type" };

const MODES: Readonly<Record<SetMode, string>> = { always: "a", "if-absent": "n", "if-present": "x" };

/** What all entries of one call have in common. */
interface Batch {
  mode: SetMode;
  now: number;
  /** Nothing may have changed since, "" = does not matter. */
  since: Position;
  /** The change of some of the entries; absent where the caller tells the log. */
  note?: (keys: readonly string[]) => Note;
}

/** Writes of one connection. A batch is one script per chunk, with its records packed in one argument. */
export class Writer {
  readonly #store: Store;
  readonly #log: Log;
  /** What the namespace was at the last write; wrong guesses cost one round trip. */
  #tagged = false;

  constructor(store: Store, log: Log) {
    this.#store = store;
    this.#log = log;
  }

  async setMany(entries: readonly NewEntry[], options: SetOptions): Promise<SetOutcome[]> {
    this.#store.connection.checkOpen();
    for (const entry of entries) checkKey(entry.key);
    if (entries.length === 0) return [];
    const note = (keys: readonly string[]) => this.#log.note("write", { keys }, options.origin);
    if (!isStepwise(this.#store)) return this.#set(entries, { ...options, note });
    const { since, ...others } = options;
    const covers = since === undefined ? () => false : await this.#log.covers(since);
    const isMet = await this.#conditions(entries, options.mode);
    const due = entries.filter((entry) => isMet(entry) && !covers(concerned(entry)));
    const outcomes = due.length === 0 ? [] : await this.#setInSteps(due, others, since);
    const byEntry = new Map(due.map((entry, i) => [entry, outcomes[i]]));
    return entries.map((entry) => byEntry.get(entry) ?? "condition");
  }

  /** A test whether the mode allows an entry as things are: what is not going to be stored is not told either. */
  async #conditions(entries: readonly NewEntry[], mode: SetMode = "always"): Promise<(entry: NewEntry) => boolean> {
    if (mode === "always") return () => true;
    const { connection, names } = this.#store;
    const keys = [...new Set(keysOf(entries))];
    const full = keys.map((key) => names.full(key));
    const there = await connection.pipeline(full.map((key): Command => ["EXISTS", key]));
    const marks = await marksOf(this.#store, full);
    const present = new Set(keys.filter((_, i) => there[i] === 1 && marks[i] !== "placeholder"));
    // Of several entries of one key the first decides for the others.
    return ({ key }) => keys.length < entries.length || present.has(key) === (mode === "if-present");
  }

  /** The log is told before and after; what was overtaken in between by a change since a position is taken back. */
  async #setInSteps(
    entries: readonly NewEntry[],
    options: SetOptions,
    since: Position | undefined,
  ): Promise<SetOutcome[]> {
    const own = new Set<string>();
    const note = this.#log.note("write", { keys: keysOf(entries) }, options.origin);
    const outcomes = await this.#log.around(note, () => this.#set(entries, options), own);
    if (since === undefined) return outcomes;
    const overtaken = await this.#log.covers(since, own);
    const isLate = (entry: NewEntry, i: number) => outcomes[i] === "stored" && overtaken(concerned(entry));
    const late = entries.filter(isLate);
    const versions = late.map((entry) => digestOf(wrap(entry)));
    await deleteMany(this.#store, this.#log, keysOf(late), { versions });
    return entries.map((entry, i) => (isLate(entry, i) ? "condition" : (outcomes[i] ?? "condition")));
  }

  async #set(entries: readonly NewEntry[], options: SetOptions & Pick<Batch, "note">): Promise<SetOutcome[]> {
    const { mode = "always", since, note } = options;
    const batch: Batch = { mode, now: this.#store.clock.now(), since: sinceFor(since), ...(note && { note }) };
    const outcomes: SetOutcome[] = new Array(entries.length);
    const chunk: Ready[] = [];
    const places: number[] = [];
    let bytes = 0;
    const flush = async () => {
      if (chunk.length === 0) return;
      checkSignal(options.signal);
      const answer = await untilAborted(this.#write(chunk, batch), options.signal);
      for (const [i, place] of places.entries()) {
        outcomes[place] = OUTCOMES[answer[i] ?? ""] ?? "condition";
      }
      chunk.length = 0;
      places.length = 0;
      bytes = 0;
    };
    for (const [i, entry] of entries.entries()) {
      if (entry.value.length > MAX_VALUE_BYTES) {
        outcomes[i] = "rejected";
        continue;
      }
      const stored = wrap(entry);
      const splits = chunk.length >= ENTRIES_PER_SCRIPT || bytes + stored.length > BYTES_PER_SCRIPT;
      const last = chunk.at(-1);
      if (splits || (last && (last.entry.keepDeadline ?? false) !== (entry.keepDeadline ?? false))) await flush();
      const full = this.#store.names.full(entry.key);
      chunk.push({ entry, full, stored, deadline: relativeDeadline(entry.expiresAt, batch.now) });
      places.push(i);
      bytes += stored.length + entry.key.length;
    }
    await flush();
    return outcomes;
  }

  /** One letter an entry, see the scripts. */
  async #write(chunk: readonly Ready[], batch: Batch): Promise<string> {
    const store = this.#store;
    const note = batch.note?.(chunk.map(({ entry }) => entry.key));
    // On a cluster no script sees whether the namespace has tags.
    const canBePlain = !this.#tagged && !store.connection.clustered && batch.since === "";
    if (canBePlain && !chunk.some(hasMore)) {
      const answer = await this.#writePlain(chunk, batch, note);
      if (answer !== undefined) return answer;
    }
    const answer = store.scripts.allowed ? await this.#writeTagged(chunk, batch, note) : undefined;
    if (answer !== undefined) return answer;
    // A copy that is not made costs nothing.
    if (batch.since !== "") return "c".repeat(chunk.length);
    const singly = () => writeSingly(store, chunk, batch.mode);
    return note ? this.#log.around(note, singly) : singly();
  }

  /** Undefined where tags are in the way, or where no scripts may be run. */
  async #writePlain(chunk: readonly Ready[], batch: Batch, note = SILENT): Promise<string | undefined> {
    const packer = new Packer(bytesOf(chunk));
    for (const { full, stored } of chunk) {
      packer.add(full);
      packer.add(stored);
    }
    const deadlines = new Set(chunk.map(({ deadline }) => deadline));
    const packedDeadlines = pack(deadlines.size === 1 ? deadlines : chunk.map(({ deadline }) => deadline));
    const allNew = batch.mode !== "if-present" && !deadlines.has("-") && areDistinct(chunk) ? "1" : "0";
    const answer = await this.#store.scripts.run(
      WRITE_PLAIN,
      chunk[0]?.full ?? "",
      packer.finish(),
      baseOf(this.#store),
      MODES[batch.mode],
      staysIn(chunk),
      packedDeadlines,
      allNew,
      note.field,
      note.text,
    );
    if (answer === null) this.#tagged = true;
    return answer === null || answer === undefined ? undefined : lettersOf(asText(answer), chunk.length);
  }

  /** Undefined where no scripts may be run. */
  #writeTagged(chunk: readonly Ready[], batch: Batch, note = SILENT): Promise<string | undefined> {
    const store = this.#store;
    const texts = new Map(
      chunk.map((ready) => {
        const { entry, stored } = ready;
        return [ready, isTagged(entry) ? newSidecar(entry.tags ?? [], stored, batch.now) : ""];
      }),
    );
    const argsOf = (some: readonly Ready[], sidecarOf: (ready: Ready) => RawKey) => {
      const packer = new Packer(bytesOf(some) * 2);
      // As late as can be: on a cluster the indexes are written before.
      const now = store.clock.now();
      for (const ready of some) {
        packer.add(ready.full);
        packer.add(ready.stored);
        packer.add(relativeDeadline(ready.entry.expiresAt, now));
        packer.add(memberKey(ready.entry.key));
        packer.add(sidecarOf(ready));
        packer.add(texts.get(ready) ?? "");
      }
      const packed = packer.finish();
      return [packed, baseOf(store), MODES[batch.mode], staysIn(some), batch.since, note.field, note.text];
    };
    const fullOf = ({ full }: Ready) => full;
    const sidecarOf = ({ entry }: Ready) => store.names.sidecar(entry.key);
    const taggedOf = (ready: Ready): Tagged => {
      const { entry, deadline } = ready;
      const sidecar = readSidecar(Buffer.from(texts.get(ready) ?? ""));
      return { key: entry.key, sidecar, ttl: entry.keepDeadline ? -1 : ttlOf(deadline) };
    };
    return aroundIndexes(store, chunk, taggedOf, "s", () =>
      lettersBySlot(store, WRITE_TAGGED, chunk, { fullOf, sidecarOf, argsOf }),
    );
  }
}

/** There are other keys that belong to the entry. */
const hasMore = ({ entry, stored }: Ready) =>
  isTagged(entry) || (stored !== entry.value && markOf(stored) === "pieces");

/** An entry without tags has none: they are known. */
const concerned = ({ key, tags = [] }: NewEntry): Concerned => ({ key, tags });

const keysOf = (list: readonly { key: string }[]) => list.map(({ key }) => key);

/** Of one chunk all deadlines stay, or none. */
const staysIn = (chunk: readonly Ready[]) => (chunk[0]?.entry.keepDeadline ? "1" : "0");

function bytesOf(chunk: readonly Ready[]): number {
  let bytes = 0;
  for (const { full, stored } of chunk) bytes += full.length + stored.length + 10;
  return bytes;
}

const areDistinct = (chunk: readonly Ready[]) => new Set(chunk.map(({ entry }) => entry.key)).size === chunk.length;

/** From the exceptions ("c1 t20", counted from 1) a letter for each entry. */
function lettersOf(exceptions: string, length: number): string {
  if (exceptions === "") return "s".repeat(length);
  const letters = new Array<string>(length).fill("s");
  for (const one of exceptions.split(" ")) letters[Number(one.slice(1)) - 1] = one.charAt(0);
  return letters.join("");
}

/** @throws CacheError `read-only` */
export function refuseWhenReadOnly(readOnly: boolean | undefined): void {
  if (!readOnly) return;
  throw new CacheError("refused", "read-only", "the store was opened read-only", {
    hint: "Open it without read-only to change it.",
  });
}

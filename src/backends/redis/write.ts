import { CacheError } from "../../errors.js";
import { checkKey } from "../../key.js";
import type { Call, NewEntry, SetMode, SetOptions, SetOutcome, Touch } from "../backend.js";
import { wrap } from "../envelope.js";
import type { Command } from "./connection.js";
import { mapError } from "./errors.js";
import type { RawKey } from "./names.js";
import { Packer, pack } from "./pack.js";
import { asText } from "./reply.js";
import { scriptsNeeded, TOUCH, WRITE_PLAIN, WRITE_TAGGED } from "./scripts.js";
import { memberKey, newSidecar } from "./sidecar.js";
import { checkSignal, chunks, relativeDeadline, type Store, untilAborted, wrongType } from "./store.js";

/** Entries and bytes of one script: some 2 ms of the server's time, so that others are not held up. */
const ENTRIES_PER_SCRIPT = 500;
const BYTES_PER_SCRIPT = 512 * 1024;
/** Redis refuses longer strings (`proto-max-bulk-len`), and the packed batch is one. */
const MAX_VALUE_BYTES = 512 * 1024 * 1024 - 4096;

/** What the scripts' letters mean. */
const OUTCOMES: Readonly<Record<string, SetOutcome>> = { s: "stored", c: "condition", t: "other-type" };

const MODES: Readonly<Record<SetMode, string>> = { always: "a", "if-absent": "n", "if-present": "x" };

/** An entry as it goes out. */
interface Ready {
  entry: NewEntry;
  full: RawKey;
  stored: Uint8Array;
  deadline: string;
}

/** Writes of one connection. A batch is one script per chunk, with its records packed in one argument. */
export class Writer {
  readonly #store: Store;
  /** What the namespace was at the last write; wrong guesses cost one round trip. */
  #tagged = false;

  constructor(store: Store) {
    this.#store = store;
  }

  async setMany(entries: readonly NewEntry[], options: SetOptions): Promise<SetOutcome[]> {
    this.#store.connection.checkOpen();
    for (const entry of entries) checkKey(entry.key);
    const mode = options.mode ?? "always";
    const now = this.#store.clock.now();
    const outcomes: SetOutcome[] = new Array(entries.length);
    const chunk: Ready[] = [];
    const places: number[] = [];
    let bytes = 0;
    const flush = async () => {
      if (chunk.length === 0) return;
      checkSignal(options.signal);
      const answer = await untilAborted(this.#write(chunk, mode, now), options.signal);
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
      chunk.push({ entry, full, stored, deadline: relativeDeadline(entry.expiresAt, now) });
      places.push(i);
      bytes += stored.length + entry.key.length;
    }
    await flush();
    return outcomes;
  }

  async touchMany(changes: readonly Touch[], options: Call): Promise<boolean[]> {
    this.#store.connection.checkOpen();
    const out: boolean[] = [];
    let foreign: string | undefined;
    for (const chunk of chunks(changes, ENTRIES_PER_SCRIPT)) {
      checkSignal(options.signal);
      const answer = await untilAborted(this.#touch(chunk), options.signal);
      for (const [i, change] of chunk.entries()) {
        out.push(answer[i] === "1");
        if (answer[i] === "t") foreign ??= change.key;
      }
    }
    if (foreign !== undefined) throw wrongType(this.#store, foreign);
    return out;
  }

  /** One letter an entry, see the scripts. */
  async #write(chunk: readonly Ready[], mode: SetMode, now: number): Promise<string> {
    const { names, scripts } = this.#store;
    const keep = chunk[0]?.entry.keepDeadline ? "1" : "0";
    const route = chunk[0]?.full ?? "";
    if (!this.#tagged && !chunk.some(({ entry }) => isTagged(entry))) {
      const packer = new Packer(bytesOf(chunk));
      for (const { full, stored } of chunk) {
        packer.add(full);
        packer.add(stored);
      }
      const deadlines = new Set(chunk.map(({ deadline }) => deadline));
      const packedDeadlines = pack(deadlines.size === 1 ? deadlines : chunk.map(({ deadline }) => deadline));
      const allNew = mode !== "if-present" && !deadlines.has("-") && areDistinct(chunk) ? "1" : "0";
      const args = [packer.finish(), names.internal, MODES[mode], keep, packedDeadlines, allNew];
      const answer = await scripts.run(WRITE_PLAIN, route, ...args);
      if (answer === undefined) return this.#writeWithoutScripts(chunk, mode);
      if (answer !== null) return lettersOf(asText(answer), chunk.length);
      this.#tagged = true;
    }
    const packer = new Packer(bytesOf(chunk) * 2);
    for (const { entry, full, stored, deadline } of chunk) {
      packer.add(full);
      packer.add(stored);
      packer.add(deadline);
      packer.add(memberKey(entry.key));
      packer.add(names.sidecar(entry.key));
      packer.add(isTagged(entry) ? newSidecar(entry.tags ?? [], stored, now) : "");
    }
    const answer = await scripts.run(WRITE_TAGGED, route, packer.finish(), names.internal, MODES[mode], keep);
    return answer === undefined ? this.#writeWithoutScripts(chunk, mode) : asText(answer);
  }

  /**
   * For users without the right to run scripts: the same writes as single commands. Another client can come between the two that
   * keep a deadline, which then count as two writes; tags are refused.
   */
  async #writeWithoutScripts(chunk: readonly Ready[], mode: SetMode): Promise<string> {
    if (chunk.some(({ entry }) => isTagged(entry))) throw scriptsNeeded("writing tags");
    const { connection, names } = this.#store;
    const types = await connection.pipeline(chunk.map(({ entry }): Command => ["TYPE", names.full(entry.key)]));
    const foreign = (i: number) => !["string", "none"].includes(asText(types[i]));
    const commands: Command[] = [];
    const owners: number[] = [];
    for (const [i, { entry, stored, deadline }] of chunk.entries()) {
      if (foreign(i)) continue;
      for (const command of singleCommands(
        names.full(entry.key),
        Buffer.from(stored),
        deadline,
        mode,
        entry.keepDeadline,
      )) {
        commands.push(command);
        owners.push(i);
      }
    }
    const replies = await connection.pipelineRaw(commands);
    const letters = chunk.map((_, i): "s" | "c" | "t" => (foreign(i) && mode !== "if-absent" ? "t" : "c"));
    for (const [n, reply] of replies.entries()) {
      if (reply instanceof Error) throw mapError(reply, connection.target, chunk[owners[n] ?? -1]?.entry.key);
      const owner = owners[n];
      if (reply !== null && owner !== undefined) letters[owner] = "s";
    }
    const written = chunk.filter((_, i) => letters[i] === "s").map(({ entry }) => names.sidecar(entry.key));
    // Without its sidecar a member of an index is dead; the index drops it when it is next purged.
    if (written.length > 0) await connection.call(["UNLINK", ...written]);
    const past = chunk.filter(
      ({ entry, deadline }, i) => letters[i] === "s" && deadline === "-" && !entry.keepDeadline,
    );
    if (past.length > 0) await connection.call(["UNLINK", ...past.map(({ entry }) => names.full(entry.key))]);
    return letters.join("");
  }

  async #touch(chunk: readonly Touch[]): Promise<string> {
    const { connection, names, scripts, clock } = this.#store;
    const now = clock.now();
    const packer = new Packer(chunk.length * 128);
    for (const { key, expiresAt } of chunk) {
      packer.add(names.full(key));
      packer.add(relativeDeadline(expiresAt, now));
      packer.add(memberKey(key));
      packer.add(names.sidecar(key));
    }
    const answer = await scripts.run(TOUCH, names.full(chunk[0]?.key ?? ""), packer.finish(), names.internal);
    if (answer !== undefined) return asText(answer);
    const tagged = await connection.call(["EXISTS", ...chunk.map(({ key }) => names.sidecar(key))]);
    if (tagged !== 0) throw scriptsNeeded("moving the deadline of tagged entries");
    const types = await connection.pipeline(chunk.map(({ key }): Command => ["TYPE", names.full(key)]));
    const letters = types.map((type) => ({ none: "0", string: "1" })[asText(type)] ?? "t");
    const strings = chunk.filter((_, i) => letters[i] === "1");
    await connection.pipeline(
      strings.map(({ key, expiresAt }): Command => {
        const deadline = relativeDeadline(expiresAt, now);
        if (deadline === "") return ["PERSIST", names.full(key)];
        return deadline === "-" ? ["UNLINK", names.full(key)] : ["PEXPIRE", names.full(key), deadline];
      }),
    );
    return letters.join("");
  }
}

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

const isTagged = (entry: NewEntry) => entry.tags !== undefined && entry.tags.length > 0;

function singleCommands(key: string | Buffer, value: Buffer, deadline: string, mode: SetMode, keep = false): Command[] {
  const ttl = deadline === "" ? [] : ["PX", deadline === "-" ? "1" : deadline];
  const overwrite: Command = keep ? ["SET", key, value, "XX", "KEEPTTL"] : ["SET", key, value, "XX", ...ttl];
  const create: Command = ["SET", key, value, "NX", ...ttl];
  if (mode === "if-present") return [overwrite];
  if (mode === "if-absent") return [create];
  return keep ? [overwrite, create] : [["SET", key, value, ...ttl]];
}

/** @throws CacheError `read-only` */
export function refuseWhenReadOnly(readOnly: boolean | undefined): void {
  if (!readOnly) return;
  throw new CacheError("refused", "read-only", "the store was opened read-only", {
    hint: "Open it without read-only to change it.",
  });
}

import type { NewEntry, SetMode, Touch } from "../backend.js";
import type { Command } from "./connection.js";
import { mapError } from "./errors.js";
import { marksOf } from "./marks.js";
import type { RawKey } from "./names.js";
import { asText } from "./reply.js";
import { scriptsNeeded } from "./scripts.js";
import { relativeDeadline, type Store } from "./store.js";

/** An entry as it goes out. */
export interface Ready {
  entry: NewEntry;
  full: RawKey;
  stored: Uint8Array;
  deadline: string;
}

/*
 * The writes of scripts.ts as single commands, for users without the right to run scripts. Another client can come between two of them, tags are refused, and the
 * pieces of a large value that is overwritten stay until they expire or are swept.
 */

/** A letter an entry. A deadline is kept by two commands, which count as two writes if another client comes between. */
export async function writeSingly(store: Store, chunk: readonly Ready[], mode: SetMode): Promise<string> {
  if (chunk.some(({ entry }) => isTagged(entry))) throw scriptsNeeded("writing tags");
  const { connection, names } = store;
  const keys = chunk.map(({ full }) => full);
  const types = await connection.pipeline(keys.map((key): Command => ["TYPE", key]));
  const marks = await marksOf(store, keys);
  const held = keys.filter((_, i) => marks[i] === "placeholder");
  if (held.length > 0) await connection.call(["UNLINK", ...held]);
  const foreign = (i: number) => !["string", "none"].includes(asText(types[i]));
  const commands: Command[] = [];
  const owners: number[] = [];
  for (const [i, { entry, full, stored, deadline }] of chunk.entries()) {
    if (foreign(i)) continue;
    for (const command of commandsOf(full, Buffer.from(stored), deadline, mode, entry.keepDeadline)) {
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
  const written = chunk.filter((_, i) => letters[i] === "s");
  // Without its sidecar a member of an index is dead; the index drops it when it is next purged.
  if (written.length > 0) await connection.call(["UNLINK", ...written.map(({ entry }) => names.sidecar(entry.key))]);
  const past = written.filter(({ entry, deadline }) => deadline === "-" && !entry.keepDeadline);
  if (past.length > 0) await connection.call(["UNLINK", ...past.map(({ full }) => full)]);
  return letters.join("");
}

function commandsOf(key: RawKey, value: Buffer, deadline: string, mode: SetMode, keep = false): Command[] {
  const ttl = deadline === "" ? [] : ["PX", deadline === "-" ? "1" : deadline];
  const overwrite: Command = keep ? ["SET", key, value, "XX", "KEEPTTL"] : ["SET", key, value, "XX", ...ttl];
  const create: Command = ["SET", key, value, "NX", ...ttl];
  if (mode === "if-present") return [overwrite];
  if (mode === "if-absent") return [create];
  return keep ? [overwrite, create] : [["SET", key, value, ...ttl]];
}

/** A letter a change; of deadlines alone. */
export async function touchSingly(store: Store, chunk: readonly Touch[], now: number): Promise<string> {
  const { connection, names } = store;
  for (const { staleAt, meta, ifVersion } of chunk) {
    if (staleAt !== undefined || meta !== undefined) throw scriptsNeeded("changing what is kept with a value");
    if (ifVersion !== undefined) throw scriptsNeeded("changing an entry only if it is the one that was read");
  }
  const tagged = await connection.call(["EXISTS", ...chunk.map(({ key }) => names.sidecar(key))]);
  if (tagged !== 0) throw scriptsNeeded("moving the deadline of tagged entries");
  const keys = chunk.map(({ key }) => names.full(key));
  const types = await connection.pipeline(keys.map((key): Command => ["TYPE", key]));
  const marks = await marksOf(store, keys);
  if (marks.includes("pieces")) throw scriptsNeeded("moving the deadline of a value in pieces");
  const letters = types.map((type, i) =>
    marks[i] === "placeholder" ? "0" : ({ none: "0", string: "1" }[asText(type)] ?? "t"),
  );
  const strings = chunk.filter(({ expiresAt }, i) => letters[i] === "1" && expiresAt !== undefined);
  await connection.pipeline(
    strings.map(({ key, expiresAt }): Command => {
      const deadline = relativeDeadline(expiresAt, now);
      if (deadline === "") return ["PERSIST", names.full(key)];
      return deadline === "-" ? ["UNLINK", names.full(key)] : ["PEXPIRE", names.full(key), deadline];
    }),
  );
  return letters.join("");
}

export const isTagged = (entry: Pick<NewEntry, "tags">) => entry.tags !== undefined && entry.tags.length > 0;

import { existsSync, linkSync, renameSync, unlinkSync } from "node:fs";
import type { Clock } from "../../clock.js";
import { codeOf } from "../../errors.js";
import { type FileIdentity, identityOf, isSame } from "./database.js";

/** What SQLite keeps beside a database. */
const COMPANIONS = ["-wal", "-shm"];

/**
 * Moves a damaged database and what belongs to it to `<path>.corrupt-<timestamp>`, never over anything that is there.
 * @param opened the file that was found damaged: another process may have put a new one in its place since
 * @returns the new place; undefined if the path no longer leads to that file
 */
export function quarantine(path: string, opened: FileIdentity, clock: Clock): string | undefined {
  if (!isSame(identityOf(path), opened)) return undefined;
  const companions = COMPANIONS.map((suffix) => ({ suffix, identity: identityOf(path + suffix) }));
  const place = freePlace(path, clock);
  try {
    renameSync(path, place);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
  if (!isSame(identityOf(place), opened)) {
    // Between the look and the move another process was faster: what was moved is its new store, and goes back.
    linkSync(place, path);
    unlinkSync(place);
    return undefined;
  }
  for (const { suffix, identity } of companions) {
    // From now on another process may begin a new store here, whose log is not ours to move.
    if (identity && isSame(identityOf(path + suffix), identity)) renameSync(path + suffix, place + suffix);
  }
  return place;
}

function freePlace(path: string, clock: Clock): string {
  const stamp = new Date(clock.now()).toISOString().replace(/[-:]/g, "").replace(".", "");
  const taken = (place: string) => ["", ...COMPANIONS].some((suffix) => existsSync(place + suffix));
  let place = `${path}.corrupt-${stamp}`;
  for (let n = 2; taken(place); n++) place = `${path}.corrupt-${stamp}-${n}`;
  return place;
}

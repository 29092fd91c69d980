import { closeSync, existsSync, linkSync, openSync, readSync, renameSync, unlinkSync } from "node:fs";
import type { Clock } from "../../clock.js";
import { CacheError, codeOf } from "../../errors.js";
import { type FileIdentity, identityOf, isSame } from "./database.js";

/** What SQLite keeps beside a database. */
const COMPANIONS = ["-wal", "-shm"];

/** How a database begins, and where the number of its application is (https://www.sqlite.org/fileformat2.html#the_database_header). */
const MAGIC = Buffer.from("SQLite format 3\0");
const APPLICATION_ID_AT = 68;

const DATABASE_NAME = /\.(db|db3|s3db|sqlite|sqlite3)$/i;

/**
 * Sees that a file which is no sound database may be taken for a damaged store: it begins as one of ours, or nothing of its beginning is left and it has the name of a database or
 * SQLite's own files beside it. Anything else was named by mistake and is somebody's: it stays where it is.
 * @throws CacheError `not-a-database`, `foreign-database`
 */
export function checkDamaged(path: string, applicationId: number): void {
  const header = beginningOf(path, APPLICATION_ID_AT + 4);
  if (header.subarray(0, MAGIC.length).equals(MAGIC)) {
    const id = header.length < APPLICATION_ID_AT + 4 ? 0 : header.readInt32BE(APPLICATION_ID_AT);
    // Until its log was taken into it for the first time, a store of ours has none.
    if (id === applicationId || id === 0) return;
    throw new CacheError("usage", "foreign-database", `${path} is a damaged database of another application`, {
      hint: "Name another file: this one is left as it is.",
    });
  }
  if (DATABASE_NAME.test(path) || COMPANIONS.some((suffix) => existsSync(path + suffix))) return;
  throw new CacheError("usage", "not-a-database", `${path} is no SQLite database`, {
    hint: "Name another file: this one is left as it is.",
  });
}

function beginningOf(path: string, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  const file = openSync(path, "r");
  try {
    return bytes.subarray(0, readSync(file, bytes, 0, length, 0));
  } finally {
    closeSync(file);
  }
}

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

import { closeSync, openSync, statSync } from "node:fs";
import { dirname } from "node:path";
import type BetterSqlite3 from "better-sqlite3";
import { CacheError, codeOf } from "../../errors.js";
import { makeFolder } from "../../new-folder.js";
import { checkLocal } from "./network-filesystem.js";
import { BODY_INDEX, INDEX_APPLICATION_ID, LAYOUT_2, RECENCY_INDEX, SCHEMA, SCHEMA_VERSION } from "./schema.js";

export type Database = BetterSqlite3.Database;
export type DatabaseConstructor = typeof BetterSqlite3;

export interface DatabaseOptions {
  path: string;
  applicationId: number;
  readOnly: boolean;
  /** Milliseconds to wait for a lock, synchronously. */
  lockWaitMs: number;
  /** Pages in the log (4 KiB each) at which it is taken into the database, by whoever commits then: this waits for the disk. */
  checkpointPages: number;
  /** Bytes to which the log is cut back when it was emptied. */
  logBytes: number;
  /** Keep the index that LRU needs. */
  recency: boolean;
}

/** Told of a failure before the database is closed: closing takes the log into a damaged file, or removes it. */
type BeforeClose = (error: unknown) => void;

/** Which file on which disk, to tell whether a path still leads to what was opened. */
export interface FileIdentity {
  dev: number;
  ino: number;
}

export function isSame(a: FileIdentity | undefined, b: FileIdentity | undefined): boolean {
  return a !== undefined && b !== undefined && a.dev === b.dev && a.ino === b.ino;
}

/** The file that `path` leads to; undefined where there is none. */
export function identityOf(path: string): FileIdentity | undefined {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat && { dev: stat.dev, ino: stat.ino };
}

/**
 * Opens the database at a path, and makes it where there is none. Read-only, a path without a file gives an empty database in memory.
 * @throws CacheError `foreign-database`, `newer-database`, `network-filesystem`, `store-is-directory`
 * @throws what SQLite and the file system throw
 */
export function openDatabase(
  Sqlite: DatabaseConstructor,
  options: DatabaseOptions,
  beforeClose: BeforeClose,
): Database {
  const { path, readOnly } = options;
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat?.isDirectory()) throw Object.assign(new Error(`${path} is a directory`), { code: "EISDIR" });
  if (readOnly) return stat === undefined ? emptyDatabase(Sqlite) : openReadOnly(Sqlite, options, beforeClose);
  if (stat === undefined) createFile(path);
  checkLocal(dirname(path));
  const db = new Sqlite(path, { timeout: options.lockWaitMs, fileMustExist: true });
  return closeOnFailure(
    db,
    () => {
      const layout = layoutOf(db, options);
      if (layout === 0) initialize(db, options);
      else if (layout < SCHEMA_VERSION) upgrade(db, options);
      // Only now that it is known to be ours.
      db.pragma("synchronous = NORMAL");
      db.pragma(`journal_size_limit = ${options.logBytes}`);
      db.pragma(`wal_autocheckpoint = ${options.checkpointPages}`);
      if (options.recency) db.exec(RECENCY_INDEX);
    },
    beforeClose,
  );
}

function closeOnFailure(db: Database, prepare: () => void, beforeClose?: BeforeClose): Database {
  try {
    prepare();
    return db;
  } catch (error) {
    try {
      beforeClose?.(error);
    } finally {
      db.close();
    }
    throw error;
  }
}

function emptyDatabase(Sqlite: DatabaseConstructor): Database {
  const db = new Sqlite(":memory:");
  return closeOnFailure(db, () => db.exec(SCHEMA));
}

function openReadOnly(Sqlite: DatabaseConstructor, options: DatabaseOptions, beforeClose: BeforeClose): Database {
  const db = new Sqlite(options.path, { readonly: true, fileMustExist: true, timeout: options.lockWaitMs });
  let empty = false;
  closeOnFailure(
    db,
    () => {
      empty = layoutOf(db, options) === 0;
    },
    beforeClose,
  );
  if (!empty) return db;
  // What a process left that was killed before it made its tables.
  db.close();
  return emptyDatabase(Sqlite);
}

function createFile(path: string): void {
  makeFolder(dirname(path));
  try {
    // SQLite gives its log the mode of the database, which it would create as the umask says.
    closeSync(openSync(path, "wx", 0o600));
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error;
  }
}

/** The layout of a store of ours, 0 for an empty database; anything else is refused. */
function layoutOf(db: Database, options: DatabaseOptions): number {
  // All is read in one transaction: another process may be making the tables meanwhile.
  if (!db.inTransaction) return db.transaction(() => layoutOf(db, options)).deferred();
  const { path, applicationId } = options;
  const id = db.pragma("application_id", { simple: true });
  if (id === applicationId) {
    const version = Number(db.pragma("user_version", { simple: true }));
    if (version <= SCHEMA_VERSION) return Math.max(1, version);
    throw new CacheError("usage", "newer-database", `${path} was written by a later version (layout ${version})`, {
      hint: "Update this program, or name another file.",
    });
  }
  const tables = db.prepare("SELECT count(*) FROM sqlite_schema").pluck().get();
  if (id === 0 && tables === 0) return 0;
  throw new CacheError("usage", "foreign-database", `${path} is a database of another application`, {
    hint: "Name another file: this one is left as it is.",
  });
}

function initialize(db: Database, options: DatabaseOptions): void {
  // Both must be said before the first table is made.
  db.pragma("auto_vacuum = INCREMENTAL");
  db.pragma("journal_mode = WAL");
  exclusively(db, () => {
    // Another process may have been faster while this one waited for the lock.
    if (layoutOf(db, options) > 0) return;
    db.exec(SCHEMA);
    if (options.applicationId === INDEX_APPLICATION_ID) db.exec(BODY_INDEX);
    db.pragma(`application_id = ${options.applicationId}`);
    db.pragma(`user_version = ${SCHEMA_VERSION}`);
  });
}

function upgrade(db: Database, options: DatabaseOptions): void {
  exclusively(db, () => {
    if (layoutOf(db, options) === SCHEMA_VERSION) return;
    db.exec(LAYOUT_2);
    db.pragma(`user_version = ${SCHEMA_VERSION}`);
  });
}

function exclusively(db: Database, work: () => void): void {
  db.exec("BEGIN IMMEDIATE");
  try {
    work();
    db.exec("COMMIT");
  } catch (error) {
    if (db.inTransaction) db.exec("ROLLBACK");
    throw error;
  }
}

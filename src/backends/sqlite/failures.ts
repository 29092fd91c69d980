import { abortedBy, CacheError, codeOf, messageOf } from "../../errors.js";

/** True if the bytes of the file are not what a database is made of. */
export function isCorruption(error: unknown): boolean {
  const code = codeOf(error);
  return code === "SQLITE_NOTADB" || (code?.startsWith("SQLITE_CORRUPT") ?? false);
}

/** True if another connection holds the lock that was needed; also of the `CacheError` that says so. */
export function isBusy(error: unknown): boolean {
  if (error instanceof CacheError) return error.cause !== undefined && isBusy(error.cause);
  const code = codeOf(error);
  return code !== undefined && (code.startsWith("SQLITE_BUSY") || code.startsWith("SQLITE_LOCKED"));
}

type Row = readonly [codes: RegExp, kind: CacheError["kind"], code: string, message: string, hint: string];

const ROWS: readonly Row[] = [
  [
    /^SQLITE_(BUSY|LOCKED)/,
    "timeout",
    "store-busy",
    "is locked by another process",
    "Try again, or allow more time; look for a process that keeps the file open in a transaction.",
  ],
  [
    /^(SQLITE_FULL|ENOSPC|EDQUOT)$/,
    "store",
    "disk-full",
    "has no space left on its disk",
    "Free space on the disk, or bound the store.",
  ],
  [
    /^SQLITE_(CORRUPT|NOTADB)/,
    "store",
    "store-corrupt",
    "is damaged, or no database",
    "Move the file away; opened for writing, the store does that by itself.",
  ],
  [
    /^(SQLITE_CANTOPEN|SQLITE_READONLY_DIRECTORY)/,
    "usage",
    "store-cannot-open",
    "can't be opened",
    "Check that its folder exists and that this user may write there: SQLite keeps its log beside the file, for reading too.",
  ],
  [
    /^(SQLITE_READONLY|SQLITE_PERM|SQLITE_AUTH|EACCES|EPERM|EROFS)/,
    "usage",
    "store-permission",
    "may not be written or read by this user",
    "Give this user access to the file and its folder, or name another place.",
  ],
  [/^SQLITE_TOOBIG$/, "usage", "value-too-large", "can't hold a value of this size", "Keep values below 1 GB."],
  [/^EISDIR$/, "usage", "store-is-directory", "is a folder, not a file", "Name a file in it."],
  [/^(ENOTDIR|EEXIST)$/, "usage", "store-not-directory", "has a file where a folder is needed", "Name a folder."],
  [
    /^EFBIG$/,
    "store",
    "store-io",
    "needs a larger file than may be written here",
    "Raise the limit of file sizes (ulimit -f), or keep values smaller.",
  ],
  [
    /^SQLITE_IOERR_(WRITE|FSYNC|DIR_FSYNC|TRUNCATE|SHMSIZE|SHMMAP)$/,
    "store",
    "store-io",
    "could not be written: the disk is full or failing, or the file would be larger than is allowed here",
    "Look for free space (df), the limit of file sizes (ulimit -f), a quota, and what the system's log says of the disk.",
  ],
  [
    /^(SQLITE_IOERR|EIO)/,
    "store",
    "store-io",
    "could not be read or written: its disk fails",
    "See what the system's log says of the disk; copy the file elsewhere if it can be read.",
  ],
  [
    /^(EMFILE|ENFILE)$/,
    "store",
    "too-many-files",
    "can't be opened: too many files are",
    "Raise the limit of open files.",
  ],
  [
    /^(MODULE_NOT_FOUND|ERR_DLOPEN_FAILED)$/,
    "usage",
    "driver-missing",
    "can't be opened: SQLite's driver is not compiled, or for another Node.js",
    "Run npm rebuild better-sqlite3 where cachectl is installed, or use a Redis, which needs no driver.",
  ],
];

/** The error for what SQLite or the file system threw about the store at `path`; a `CacheError` is itself. */
export function explain(error: unknown, path: string): CacheError {
  if (error instanceof CacheError) return error;
  const found = codeOf(error) ?? "";
  const row = ROWS.find(([codes]) => codes.test(found));
  if (row === undefined)
    return new CacheError("store", "store-failed", `${path}: ${messageOf(error)}`, { cause: error });
  const [, kind, code, message, hint] = row;
  return new CacheError(kind, code, `the store ${path} ${message} (${found})`, { cause: error, hint });
}

export function closedError(path: string): CacheError {
  return new CacheError("usage", "closed", `the store ${path} is closed`, { hint: "Open it again to use it." });
}

/** A value that was being written was removed, since its writer gave no sign for too long, or the store was begun anew. */
export function streamLost(key: string): CacheError {
  return new CacheError("store", "stream-lost", "what was written so far of a streamed value is gone", {
    key,
    hint: "Write the value again.",
    retryable: true,
  });
}

export function readOnlyError(path: string): CacheError {
  return new CacheError("refused", "read-only", `the store ${path} was opened read-only`, {
    hint: "Leave out --read-only to change it.",
  });
}

/** @throws CacheError `aborted`, or the reason of the signal where that is one */
export function checkSignal(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortedBy(signal);
}

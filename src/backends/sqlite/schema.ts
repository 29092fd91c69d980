/**
 * The layout of a store file, version 1.
 *
 * - `entries` is narrow, so that finding and hiding entries touches few pages. An id is never used twice: it names one write of one key.
 * - `bodies` and `metas` hold the bytes by id. A body is the value itself, or the name of the file that holds it.
 * - `tags` is ordered by key within a tag, so that a listing by tag has the same cursor as one by key, and a namespace is a range of it.
 *   The list in `entries.tags` (JSON) is the way back: from an entry to its rows in `tags`.
 * - `garbage` names what was hidden: its rows in the other tables are removed in the background. A row in `tags` whose id has no
 *   entry means nothing.
 * - `totals` (one row) is what all entries come to, expired ones included, kept in the transaction of every change.
 */
export const SCHEMA = `
CREATE TABLE entries (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  k TEXT NOT NULL UNIQUE,
  expires_at INTEGER,
  stale_at INTEGER,
  created_at INTEGER NOT NULL,
  accessed_at INTEGER NOT NULL,
  size INTEGER NOT NULL,
  tags TEXT
);
CREATE INDEX entries_expiring ON entries (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE bodies (id INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE metas (id INTEGER PRIMARY KEY, meta BLOB NOT NULL);
CREATE TABLE tags (tag TEXT NOT NULL, k TEXT NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (tag, k, id)) WITHOUT ROWID;
CREATE TABLE garbage (id INTEGER PRIMARY KEY, size INTEGER NOT NULL, k TEXT, tags TEXT);
CREATE TABLE counters (namespace TEXT NOT NULL, name TEXT NOT NULL, value INTEGER NOT NULL, PRIMARY KEY (namespace, name)) WITHOUT ROWID;
CREATE TABLE totals (one INTEGER PRIMARY KEY CHECK (one = 1), entries INTEGER NOT NULL, bytes INTEGER NOT NULL);
INSERT INTO totals VALUES (1, 0, 0);
`;

/** Only a store that was ever bounded by LRU pays for this one. */
export const RECENCY_INDEX = "CREATE INDEX IF NOT EXISTS entries_accessed ON entries (accessed_at)";

/** Where bodies are names of files: to tell a file that nothing refers to. */
export const BODY_INDEX = "CREATE INDEX bodies_by_name ON bodies (body)";

/** What `PRAGMA application_id` says of our files: `cctl`, with values in rows. */
export const STORE_APPLICATION_ID = 0x6363746c;

/** `cctf`: an index of values in files. */
export const INDEX_APPLICATION_ID = 0x63637466;

/** `PRAGMA user_version`: raised when the layout changes. */
export const SCHEMA_VERSION = 1;

/**
 * The tables of layout 1.
 *
 * - `entries` is narrow, so that finding and hiding entries touches few pages. An id is never used twice: it names one write of one key.
 * - `bodies` and `metas` hold the bytes by id. A body is the value itself, the name of the file that holds it, or (a number, since layout 2) the
 *   stream whose chunks it is.
 * - `tags` is ordered by key within a tag, so that a listing by tag has the same cursor as one by key, and a namespace is a range of it.
 *   The list in `entries.tags` (JSON) is the way back: from an entry to its rows in `tags`.
 * - `garbage` names what was hidden: its rows in the other tables are removed in the background. A row in `tags` whose id has no
 *   entry means nothing.
 * - `totals` (one row) is what all entries come to, expired ones included, kept in the transaction of every change.
 */
const LAYOUT_1 = `
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

/**
 * What layout 2 has more.
 *
 * - `log` is what changed, in the words of the namespace that changed it; a number in it is never used twice. `log_ends` tells for each of these
 *   namespaces how many rows there are, and up to where they were trimmed.
 * - `listeners` tells until when somebody listens for a namespace, and since when without a break: before it the log may have holes.
 * - `epoch` (one row) is made with the tables: a position in the log of another file, which lay here before, is none of this one.
 * - `leases` are rights to load a key, by key.
 * - `chunks` are the pieces of streamed values. `streams` names those that belong to no entry: being written (`touched_at` is moved on meanwhile), or
 *   no longer wanted (0). Where values are files, `name` is the file that is being written.
 */
export const LAYOUT_2 = `
CREATE TABLE log (seq INTEGER PRIMARY KEY AUTOINCREMENT, namespace TEXT NOT NULL, op TEXT NOT NULL, selector TEXT NOT NULL, origin TEXT NOT NULL);
CREATE INDEX log_by_namespace ON log (namespace, seq);
CREATE TABLE log_ends (namespace TEXT PRIMARY KEY, length INTEGER NOT NULL, trimmed INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE listeners (namespace TEXT PRIMARY KEY, since INTEGER NOT NULL, until INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE epoch (one INTEGER PRIMARY KEY CHECK (one = 1), name TEXT NOT NULL);
INSERT INTO epoch VALUES (1, lower(hex(randomblob(8))));
CREATE TABLE leases (k TEXT PRIMARY KEY, token TEXT NOT NULL, until INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX leases_ending ON leases (until);
CREATE TABLE streams (id INTEGER PRIMARY KEY AUTOINCREMENT, touched_at INTEGER NOT NULL, name TEXT);
CREATE TABLE chunks (id INTEGER NOT NULL, n INTEGER NOT NULL, piece BLOB NOT NULL, PRIMARY KEY (id, n));
`;

/** All tables of a new store. */
export const SCHEMA = LAYOUT_1 + LAYOUT_2;

/** Only a store that was ever bounded by LRU pays for this one. */
export const RECENCY_INDEX = "CREATE INDEX IF NOT EXISTS entries_accessed ON entries (accessed_at)";

/** Where bodies are names of files: to tell a file that nothing refers to. */
export const BODY_INDEX = "CREATE INDEX bodies_by_name ON bodies (body)";

/** What `PRAGMA application_id` says of our files: `cctl`, with values in rows. */
export const STORE_APPLICATION_ID = 0x6363746c;

/** `cctf`: an index of values in files. */
export const INDEX_APPLICATION_ID = 0x63637466;

/** `PRAGMA user_version`: raised when the layout changes. */
export const SCHEMA_VERSION = 2;

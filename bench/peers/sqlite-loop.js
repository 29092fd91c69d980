// node sqlite-loop.js FILE DATABASE TTL_MS: parses NDJSON line by line and inserts it into the tables that are there, 500 rows a transaction.
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import Sqlite from "better-sqlite3";

const [file = "", path, ttl] = process.argv.slice(2);
const db = new Sqlite(path);
db.pragma("synchronous = NORMAL");
db.pragma("journal_size_limit = 16777216");
const insert = db.prepare(
  "INSERT INTO entries (k, expires_at, stale_at, created_at, accessed_at, size, tags) VALUES (?, ?, NULL, ?, ?, ?, NULL)",
);
const insertBody = db.prepare("INSERT INTO bodies (id, body) VALUES (?, ?)");
const addToTotals = db.prepare("UPDATE totals SET entries = entries + ?, bytes = bytes + ?");
let rows = 0;
let bytes = 0;
let now = 0;
const begin = () => {
  db.exec("BEGIN IMMEDIATE");
  now = Date.now();
};
const commit = () => {
  addToTotals.run(rows, bytes);
  db.exec("COMMIT");
  rows = 0;
  bytes = 0;
};
begin();
for await (const line of createInterface({ input: createReadStream(file, { highWaterMark: 262_144 }) })) {
  const { key, value } = JSON.parse(line);
  const body = Buffer.from(JSON.stringify(value));
  const { lastInsertRowid } = insert.run(key, now + Number(ttl), now, now * 1000, body.length);
  insertBody.run(lastInsertRowid, body);
  bytes += body.length;
  if (++rows < 500) continue;
  commit();
  begin();
}
commit();
db.close();

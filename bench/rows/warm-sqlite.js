import { rmSync } from "node:fs";
import { join } from "node:path";
import Sqlite from "better-sqlite3";
import { interleave, timed } from "../measure.js";
import { TTL_MS, writeRecords } from "../records.js";

const COUNT = 1_000_000;
const LOOP = join(import.meta.dirname, "../peers/sqlite-loop.js");

/** A file into a new SQLite store, against a loop over the same file that does nothing but parse and insert. */
export async function measure(work) {
  const binary = work.binary();
  const records = work.path("records.ndjson");
  writeRecords(records, COUNT, "ndjson");
  const path = work.path("store.db");
  const clear = () => {
    for (const end of ["", "-wal", "-shm"]) rmSync(`${path}${end}`, { force: true });
  };
  const filled = async (/** @type {string[]} */ command) => {
    clear();
    await timed(["node", binary, "stats", "--reset", "-s", `sqlite:${path}`], { env: work.env });
    const { ms } = await timed(command, { env: work.env });
    const db = new Sqlite(path, { readonly: true });
    const count = db.prepare("SELECT count(*) FROM entries JOIN bodies USING (id)").pluck().get();
    db.close();
    if (count !== COUNT) throw new Error(`${count} rows are there instead of ${COUNT}`);
    return ms;
  };
  const seen = await interleave({
    warm: () => filled(["node", binary, "warm", records, "-s", `sqlite:${path}`, "--ttl", `${TTL_MS}ms`, "--quiet"]),
    // In the store that the product has made: the same tables, the same settings of the file.
    loop: () => filled(["node", LOOP, records, path, `${TTL_MS}`]),
  });
  return [
    {
      what: "warm 1M NDJSON records into SQLite",
      peer: "a bare better-sqlite3 loop, its rate",
      bound: "at least",
      wanted: 0.9,
      seen: seen.loop.median / seen.warm.median,
      unit: "×",
      samples: seen,
    },
  ];
}

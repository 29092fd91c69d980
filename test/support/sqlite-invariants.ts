import Sqlite from "better-sqlite3";
import { expect } from "vitest";

/** Fails if the tables of a store file contradict each other, looked at with a connection of our own. */
export function expectSound(path: string): void {
  const db = new Sqlite(path, { readonly: true });
  try {
    const all = (sql: string) => db.prepare(sql).all();
    expect(all("PRAGMA integrity_check")).toEqual([{ integrity_check: "ok" }]);
    expect(all("SELECT entries, bytes FROM totals")).toEqual(
      all("SELECT count(*) AS entries, coalesce(sum(size), 0) AS bytes FROM entries"),
    );
    expect(all("SELECT id FROM entries WHERE id NOT IN (SELECT id FROM bodies)")).toEqual([]);
    for (const table of ["bodies", "metas", "tags"]) {
      const stray = `SELECT id FROM ${table} WHERE id NOT IN (SELECT id FROM entries) AND id NOT IN (SELECT id FROM garbage)`;
      expect({ table, stray: all(stray) }).toEqual({ table, stray: [] });
    }
    const streamed = "SELECT b.id, b.body FROM bodies b WHERE typeof(b.body) NOT IN ('blob', 'text')";
    const strayChunks = `SELECT DISTINCT id FROM chunks WHERE id NOT IN (SELECT body FROM (${streamed})) AND id NOT IN (SELECT id FROM streams)`;
    expect(all(strayChunks)).toEqual([]);
    expect(all(`SELECT id FROM streams WHERE id IN (SELECT body FROM (${streamed}))`)).toEqual([]);
    expect(
      all(`SELECT s.id FROM (${streamed}) s JOIN entries e ON e.id = s.id
        WHERE e.size <> (SELECT sum(length(piece)) FROM chunks WHERE id = s.body)`),
    ).toEqual([]);
    expect(
      all("SELECT namespace FROM log_ends e WHERE length <> (SELECT count(*) FROM log WHERE namespace = e.namespace)"),
    ).toEqual([]);
    const listed = "SELECT j.value AS tag, e.k, e.id FROM entries e, json_each(e.tags) j";
    const indexed = "SELECT tag, k, id FROM tags WHERE id IN (SELECT id FROM entries)";
    expect(all(`${listed} EXCEPT ${indexed}`)).toEqual([]);
    expect(all(`${indexed} EXCEPT ${listed}`)).toEqual([]);
  } finally {
    db.close();
  }
}

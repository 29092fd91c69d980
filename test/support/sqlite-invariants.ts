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
    const listed = "SELECT j.value AS tag, e.k, e.id FROM entries e, json_each(e.tags) j";
    const indexed = "SELECT tag, k, id FROM tags WHERE id IN (SELECT id FROM entries)";
    expect(all(`${listed} EXCEPT ${indexed}`)).toEqual([]);
    expect(all(`${indexed} EXCEPT ${listed}`)).toEqual([]);
  } finally {
    db.close();
  }
}

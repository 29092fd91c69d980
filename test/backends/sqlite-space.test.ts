import { statSync } from "node:fs";
import { join } from "node:path";
import Sqlite from "better-sqlite3";
import { afterEach, describe, expect, test } from "vitest";
import type { Backend } from "../../src/backends/backend.js";
import { openSqlite } from "../../src/backends/sqlite/index.js";
import { successor } from "../../src/backends/sqlite/key-range.js";
import { entry, keysOf, put } from "../contract/harness.js";
import { FakeClock } from "../support/fake-clock.js";
import { expectSound } from "../support/sqlite-invariants.js";
import { tempDir } from "../support/temp-dir.js";
import { until } from "../support/until.js";

const opened: Backend[] = [];
afterEach(async () => {
  for (const backend of opened.splice(0)) await backend.close();
});

function setUp() {
  const clock = new FakeClock();
  const path = join(tempDir("space"), "cache.db");
  const open = async () => {
    const backend = await openSqlite({ path, namespace: "", clock, emit: () => {} });
    opened.push(backend);
    return backend;
  };
  return { clock, path, open };
}

function countOf(path: string, table: string): unknown {
  const db = new Sqlite(path, { readonly: true });
  try {
    return db.prepare(`SELECT count(*) FROM ${table}`).pluck().get();
  } finally {
    db.close();
  }
}

const many = (count: number, size: number, prefix = "k") =>
  Array.from({ length: count }, (_, i) =>
    entry(`${prefix}${i}`, "x".repeat(size), { tags: ["t"], meta: Buffer.from("m") }),
  );

describe("space", () => {
  test("what was hidden is removed in the background, with its tags and meta", async () => {
    const { path, open } = setUp();
    const backend = await open();
    await put(backend, ...many(1500, 500), "kept");
    expect((await backend.deleteWhere({ prefix: "k" })).deleted).toBe(1501);
    await put(backend, "last");
    await until(() => countOf(path, "garbage") === 0);
    expect(["bodies", "metas", "tags"].map((table) => countOf(path, table))).toEqual([1, 0, 0]);
    expectSound(path);
  });

  test("what a process leaves behind, a later writer removes", async () => {
    const { path, open } = setUp();
    const first = await open();
    await put(first, ...many(50, 100), "kept");
    await first.close();
    const db = new Sqlite(path);
    db.exec(
      "INSERT INTO garbage SELECT id, size, k, tags FROM entries WHERE k <> 'kept'; DELETE FROM entries WHERE k <> 'kept'; UPDATE totals SET entries = 1, bytes = 13",
    );
    db.close();
    const second = await open();
    expect(await keysOf(second)).toEqual(["kept"]);
    await put(second, "new");
    await until(() => countOf(path, "garbage") === 0);
    expect(countOf(path, "bodies")).toBe(2);
    expectSound(path);
  });

  test("closing removes a little of it", async () => {
    const { path, open } = setUp();
    const backend = await open();
    await put(backend, ...many(100, 100));
    await backend.deleteWhere({ all: true });
    await backend.close();
    expect(countOf(path, "garbage")).toBe(0);
  });

  test("prune removes what has expired of every namespace and gives the space back", async () => {
    const { clock, path, open } = setUp();
    const backend = await open();
    const expiresAt = clock.now() + 1000;
    await put(backend, ...many(2000, 2000).map((e) => ({ ...e, expiresAt })), "kept");
    clock.advance(1000);
    expect((await backend.describe()).entries).toBe(1);
    expect(await backend.prune()).toBe(2000);
    expect(["entries", "bodies", "tags", "garbage"].map((table) => countOf(path, table))).toEqual([1, 1, 0, 0]);
    expect(statSync(path).size).toBeLessThan(200_000);
    expect(statSync(`${path}-wal`).size).toBe(0);
    expect((await backend.describe()).facts).toMatchObject({ free_bytes: 0, journal_mode: "wal" });
  });

  test("an id is never used twice", async () => {
    const { path, open } = setUp();
    const ids = () => {
      const db = new Sqlite(path, { readonly: true });
      const found = db.prepare("SELECT id FROM entries").pluck().all();
      db.close();
      return found;
    };
    const backend = await open();
    await put(backend, "a");
    const first = ids();
    await backend.deleteMany(["a"]);
    await backend.prune();
    await put(backend, "a");
    await put(backend, "a");
    expect(ids()).not.toEqual(first);
  });

  test("a prefix, a tag and what has expired are found by an index", async () => {
    const { path, open } = setUp();
    await put(await open(), "k");
    const db = new Sqlite(path, { readonly: true });
    const plan = (sql: string) => JSON.stringify(db.prepare(`EXPLAIN QUERY PLAN ${sql}`).all());
    expect(plan("SELECT id FROM entries WHERE k > 'a' AND k <= 'b' ORDER BY k")).toMatch(
      /SEARCH.*INDEX.*k>\? AND k<\?/,
    );
    expect(plan("SELECT k, id FROM tags WHERE tag = 't' AND (k, id) > ('a', 0) AND k < 'b' ORDER BY k, id")).toMatch(
      /SEARCH tags USING PRIMARY KEY \(tag=\? AND/,
    );
    expect(plan("SELECT id FROM entries WHERE expires_at <= 5 ORDER BY expires_at LIMIT 5")).toMatch(
      /SEARCH.*entries_expiring/,
    );
    db.close();
  });
});

describe("a pace and a stop", () => {
  test("rate: no more entries a second than it says", async () => {
    const { clock, open } = setUp();
    const backend = await open();
    await put(backend, ...many(100, 1));
    const told: number[] = [];
    const start = clock.now();
    const deletion = backend.deleteWhere({ all: true }, { rate: 100, onProgress: (done) => told.push(done) });
    let over = false;
    void deletion.then(() => {
      over = true;
    });
    while (!over) {
      await until(() => over || clock.sleepers > 0);
      if (!over) clock.advance(10);
    }
    expect((await deletion).deleted).toBe(100);
    expect(told.slice(0, 3)).toEqual([10, 20, 30]);
    expect(clock.now() - start).toBeGreaterThanOrEqual(900);
    expect(clock.now() - start).toBeLessThanOrEqual(1000);
  });
});

describe("the end of a prefix range", () => {
  test.each([
    ["a", "b"],
    ["a\ud7ff", "a\ue000"],
    ["a\uffff", "a\u{10000}"],
    ["a😀", "a😁"],
    ["a\u{10ffff}", "b"],
    ["a\u{10ffff}\u{10ffff}", "b"],
    ["\u{10ffff}", undefined],
    ["", undefined],
  ])("%j ends before %j", (prefix, end) => {
    expect(successor(prefix)).toBe(end);
    if (end === undefined) return;
    expect(Buffer.compare(Buffer.from(`${prefix}\u{10ffff}\u{10ffff}`), Buffer.from(end))).toBe(-1);
    expect(Buffer.compare(Buffer.from(prefix), Buffer.from(end))).toBe(-1);
  });
});

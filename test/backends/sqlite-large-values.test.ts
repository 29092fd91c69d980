import { join } from "node:path";
import Sqlite from "better-sqlite3";
import { afterEach, expect, test } from "vitest";
import type { Backend, NewEntry } from "../../src/backends/backend.js";
import { openSqlite, type SqliteOptions } from "../../src/backends/sqlite/index.js";
import { drain, pattern } from "../contract/full.js";
import { keysOf } from "../contract/harness.js";
import { FakeClock } from "../support/fake-clock.js";
import { expectSound } from "../support/sqlite-invariants.js";
import { tempDir } from "../support/temp-dir.js";
import { until } from "../support/until.js";

const LARGE = 8_000_000;
/** Pieces of a large value, after each of which others get their turn. */
const PIECES = Math.ceil(LARGE / (256 * 1024));

const opened: Backend[] = [];
afterEach(async () => {
  for (const backend of opened.splice(0)) await backend.close();
});

async function setUp(more: Partial<SqliteOptions> = {}) {
  const path = join(tempDir("large"), "c.db");
  const backend = await openSqlite({ path, namespace: "", clock: new FakeClock(), emit: () => {}, ...more });
  opened.push(backend);
  const chunks = () => {
    const db = new Sqlite(path, { readonly: true });
    const count = Number(db.prepare("SELECT count(*) FROM chunks").pluck().get());
    db.close();
    return count;
  };
  const spoil = () => {
    const db = new Sqlite(path);
    db.exec("DELETE FROM chunks WHERE n = 5");
    db.close();
  };
  return { path, backend, chunks, spoil };
}

/** How often others had their turn while the work was done. */
async function turnsDuring(work: () => unknown): Promise<number> {
  let turns = 0;
  let over = false;
  const count = () => {
    turns += 1;
    if (!over) setImmediate(count);
  };
  setImmediate(count);
  try {
    await work();
  } finally {
    over = true;
  }
  return turns;
}

test("others get their turn while a large value is written, loaded and read", async () => {
  const { path, backend } = await setUp();
  const value = pattern(LARGE);
  expect(await turnsDuring(() => backend.setMany([{ key: "k", value }]))).toBeGreaterThanOrEqual(PIECES);
  expect(await turnsDuring(() => backend.getMany(["k"]))).toBeGreaterThanOrEqual(PIECES);
  const answer = await backend.lease("loaded", 10_000);
  if (answer.outcome !== "taken") throw new Error(answer.outcome);
  const { lease } = answer;
  const commit = async () => expect(await backend.commit({ key: "loaded", value }, lease)).toBe(true);
  expect(await turnsDuring(commit)).toBeGreaterThanOrEqual(PIECES);
  for (const found of await backend.getMany(["k", "loaded"]))
    expect(value.equals(found?.value ?? Buffer.of())).toBe(true);
  expectSound(path);
});

test("a large value among small ones keeps its place, and the last of a key wins", async () => {
  const { path, backend } = await setUp();
  const value = pattern(LARGE);
  const small = (key: string, text: string): NewEntry => ({ key, value: Buffer.from(text) });
  const entries = [small("a", "1"), { key: "b", value }, small("b", "2"), small("c", "3"), { key: "c", value }];
  expect(await backend.setMany(entries)).toEqual(entries.map(() => "stored"));
  const found = await backend.getMany(["c", "none", "a", "b"], { want: "all" });
  expect(found.map((one) => one?.size)).toEqual([LARGE, undefined, 1, 1]);
  expect(value.equals(found[0]?.value ?? Buffer.of())).toBe(true);
  expect(found[0]?.version).toBeDefined();
  expectSound(path);
});

test("a copy that is overtaken, or whose key is there, leaves nothing", async () => {
  const { path, backend, chunks } = await setUp();
  const value = pattern(LARGE);
  const since = await backend.position();
  await backend.deleteMany(["b"]);
  const copies = ["a", "b"].map((key) => ({ key, value }));
  expect(await backend.setMany(copies, { since })).toEqual(["stored", "condition"]);
  expect(await backend.setMany([{ key: "a", value }], { mode: "if-absent" })).toEqual(["condition"]);
  expect(await keysOf(backend)).toEqual(["a"]);
  await until(() => chunks() === Math.ceil(LARGE / 65_536));
  expectSound(path);
});

test("a signal ends it, and what was written so far goes", async () => {
  const { backend, chunks } = await setUp();
  const stop = new AbortController();
  const written = Promise.resolve(backend.setMany([{ key: "k", value: pattern(LARGE) }], { signal: stop.signal }));
  written.catch(() => {});
  await until(() => chunks() > 0);
  stop.abort();
  await expect(written).rejects.toMatchObject({ code: "aborted" });
  expect(await keysOf(backend)).toEqual([]);
  await until(() => chunks() === 0);
});

test("one that is closed meanwhile ends with an error", async () => {
  const { path, backend, chunks } = await setUp();
  const written = Promise.resolve(backend.setMany([{ key: "k", value: pattern(LARGE) }]));
  written.catch(() => {});
  await until(() => chunks() > 0);
  await backend.close();
  await expect(written).rejects.toMatchObject({ name: "CacheError" });
  expectSound(path);
});

test("what is beyond the bounds is refused before anything is written", async () => {
  const { backend, chunks } = await setUp({ maxBytes: LARGE - 1 });
  expect(await backend.setMany([{ key: "k", value: pattern(LARGE) }])).toEqual(["rejected"]);
  expect(chunks()).toBe(0);
});

test("one that was written in larger chunks, by an earlier version, is read", async () => {
  const { path, backend } = await setUp();
  const value = pattern(LARGE);
  await backend.setMany([{ key: "k", value }]);
  const db = new Sqlite(path);
  const id = db.prepare("SELECT DISTINCT id FROM chunks").pluck().get();
  db.exec("DELETE FROM chunks");
  const insert = db.prepare("INSERT INTO chunks (id, n, piece) VALUES (?, ?, ?)");
  for (let n = 0; n < PIECES; n++) insert.run(id, n, value.subarray(n * 262_144, (n + 1) * 262_144));
  db.close();
  expect((await drain(await backend.openRead("k"))).equals(value)).toBe(true);
  const part = await drain(await backend.openRead("k", { start: 300_000, end: 900_001 }));
  expect(part.equals(value.subarray(300_000, 900_001))).toBe(true);
  const [stored] = await backend.getMany(["k"]);
  expect(value.equals(stored?.value ?? new Uint8Array(0))).toBe(true);
});

test("one that lacks a piece is a miss, counted, and removed", async () => {
  const { path, backend, spoil } = await setUp();
  await backend.setMany([{ key: "k", value: pattern(LARGE) }]);
  spoil();
  await expect(drain(await backend.openRead("k"))).rejects.toMatchObject({ code: "value-cut" });
  expect((await backend.getMany(["k"]))[0]?.size).toBeUndefined();
  expect((await backend.counters()).counters.errors).toBe(1);
  expect(await keysOf(backend)).toEqual([]);
  expectSound(path);
});

import { join } from "node:path";
import Sqlite from "better-sqlite3";
import { afterEach, describe, expect, test } from "vitest";
import type { Backend } from "../../src/backends/backend.js";
import { openSqlite, type SqliteOptions } from "../../src/backends/sqlite/index.js";
import { keysOf, put } from "../contract/harness.js";
import { FakeClock } from "../support/fake-clock.js";
import { expectSound } from "../support/sqlite-invariants.js";
import { tempDir } from "../support/temp-dir.js";

const opened: Backend[] = [];
afterEach(async () => {
  for (const backend of opened.splice(0)) await backend.close();
});

function setUp() {
  const clock = new FakeClock();
  const path = join(tempDir("bounds"), "cache.db");
  const open = async (more: Partial<SqliteOptions>) => {
    const backend = await openSqlite({ path, namespace: "", clock, emit: () => {}, ...more });
    opened.push(backend);
    return backend;
  };
  return { clock, path, open };
}

const sized = (key: string, size: number) => ({ key, value: Buffer.alloc(size, 1) });
const numbered = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => `k${from + i}`);

describe("bounds", () => {
  test("entries: the oldest go, exactly as many as must, and are counted", async () => {
    const { path, open } = setUp();
    const backend = await open({ maxEntries: 10 });
    await put(backend, ...numbered(0, 10));
    expect((await backend.counters()).counters.evictions).toBe(0);
    await put(backend, ...numbered(10, 13));
    expect(await keysOf(backend)).toEqual(numbered(3, 13).sort());
    expect((await backend.counters()).counters.evictions).toBe(3);
    await put(backend, "k12", "k12");
    expect((await backend.describe()).entries).toBe(10);
    expectSound(path);
  });

  test("bytes: they hold inside a batch too, and what is evicted takes no space", async () => {
    const { path, open } = setUp();
    const backend = await open({ maxBytes: 10_000 });
    await backend.setMany(Array.from({ length: 400 }, (_, i) => sized(`k${i}`, 1000)));
    expect(await keysOf(backend)).toEqual(numbered(390, 400));
    expect((await backend.describe()).bytes).toBe(10_000);
    await put(backend, sized("big", 9500));
    expect(await keysOf(backend)).toEqual(["big"]);
    const db = new Sqlite(path, { readonly: true });
    expect(db.prepare("SELECT count(*), sum(length(body)) FROM bodies").raw().get()).toEqual([1, 9500]);
    db.close();
    expectSound(path);
  });

  test("an entry larger than the bound is rejected, and hides what was there", async () => {
    const { open } = setUp();
    const backend = await open({ maxBytes: 100 });
    expect(await backend.setMany([sized("a", 50), sized("b", 101), sized("c", 50)])).toEqual([
      "stored",
      "rejected",
      "stored",
    ]);
    expect(await backend.setMany([sized("a", 101)])).toEqual(["rejected"]);
    expect(await backend.setMany([sized("c", 101)], { mode: "if-absent" })).toEqual(["condition"]);
    expect(await keysOf(backend)).toEqual(["c"]);
  });

  test("LRU: what was read stays, looking moves nothing", async () => {
    const { clock, open } = setUp();
    const backend = await open({ maxEntries: 4, policy: "lru" });
    await put(backend, "a", "b", "c", "d");
    clock.advance(1);
    await backend.getMany(["a"]);
    await backend.getMany(["b"], { peek: true });
    await backend.getMany(["c"], { want: "all" });
    await put(backend, "e", "f");
    expect(await keysOf(backend)).toEqual(["a", "c", "e", "f"]);
  });

  test("LRU: the order of reads in one millisecond, over closing and opening", async () => {
    const { open } = setUp();
    const first = await open({ maxEntries: 4, policy: "lru" });
    await put(first, "a", "b", "c", "d");
    await first.getMany(["b"]);
    await first.getMany(["a"]);
    await first.getMany(["d"]);
    await first.close();
    const second = await open({ maxEntries: 4, policy: "lru" });
    await put(second, "e", "f");
    expect(await keysOf(second)).toEqual(["a", "d", "e", "f"]);
  });

  test("LRU: a read is no write", async () => {
    const { path, open } = setUp();
    const backend = await open({ maxEntries: 4, policy: "lru" });
    await put(backend, "a");
    const other = new Sqlite(path, { readonly: true });
    const before = other.pragma("data_version", { simple: true });
    for (let i = 0; i < 100; i++) await backend.getMany(["a"]);
    expect(other.pragma("data_version", { simple: true })).toBe(before);
    await backend.close();
    expect(other.pragma("data_version", { simple: true })).not.toBe(before);
    other.close();
  });

  test("expired entries go before live ones and are no evictions", async () => {
    const { clock, open } = setUp();
    const backend = await open({ maxEntries: 3 });
    await put(backend, "old", { ...sized("short", 1), expiresAt: clock.now() + 10 }, "young");
    clock.advance(10);
    await put(backend, "new");
    expect(await keysOf(backend)).toEqual(["new", "old", "young"]);
    expect((await backend.counters()).counters.evictions).toBe(0);
  });

  test("a store that others filled beyond the bounds is cut back by the first write", async () => {
    const { open } = setUp();
    await put(await open({}), ...numbered(0, 50));
    const backend = await open({ maxEntries: 5 });
    await put(backend, "new");
    expect(await keysOf(backend)).toEqual(["k46", "k47", "k48", "k49", "new"]);
  });

  test("two connections with bounds hold them together", async () => {
    const { path, open } = setUp();
    const [a, b] = [await open({ maxEntries: 10 }), await open({ maxEntries: 10, namespace: "n:" })];
    for (let i = 0; i < 20; i++) await put(i % 2 === 0 ? a : b, `k${i}`);
    expect((await keysOf(a)).length).toBe(10);
    expectSound(path);
  });

  test.each([0, -1, 1.5, Number.NaN])("a bound of %d is refused", async (maxEntries) => {
    await expect(setUp().open({ maxEntries })).rejects.toMatchObject({ kind: "usage", code: "invalid-bounds" });
  });
});

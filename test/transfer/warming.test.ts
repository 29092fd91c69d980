import { afterEach, describe, expect, test } from "vitest";
import type { Backend } from "../../src/backends/backend.js";
import { openMemory } from "../../src/backends/memory/index.js";
import { openSqlite } from "../../src/backends/sqlite/index.js";
import { openTiered } from "../../src/backends/tiered/index.js";
import { Cache } from "../../src/cache/cache.js";
import { systemClock } from "../../src/clock.js";
import { CacheError } from "../../src/errors.js";
import {
  keepWarm,
  startWarming,
  type WarmEntry,
  type WarmingReport,
  warmFromBelow,
} from "../../src/transfer/warming.js";
import { tempDir } from "../support/temp-dir.js";
import { until } from "../support/until.js";

const caches: Cache[] = [];
afterEach(async () => {
  for (const cache of caches.splice(0)) await cache.close();
});

const context = { namespace: "", clock: systemClock, emit: () => {} };

function open(backend: Backend = openMemory({ ...context, maxEntries: 100_000 })): Cache {
  const cache = new Cache(backend, { clock: systemClock, countInterval: 0 });
  caches.push(cache);
  return cache;
}

function* numbered(count: number, more: Partial<WarmEntry> = {}): Generator<WarmEntry> {
  for (let i = 0; i < count; i++) yield { key: `k:${i}`, value: i, ...more };
}

async function* slowly(entries: Iterable<WarmEntry>): AsyncGenerator<WarmEntry> {
  for (const entry of entries) {
    await new Promise(setImmediate);
    yield entry;
  }
}

describe("warming in the background", () => {
  test("stores what any iterable gives, in batches, with TTL and tags", async () => {
    const cache = open();
    const seen: number[] = [];
    const warming = startWarming(cache, slowly(numbered(1050, { ttl: 60_000, tags: ["t"] })), {
      batch: 100,
      onProgress: ({ stored }) => seen.push(stored),
    });
    expect(warming.report.state).toBe("running");
    expect(await warming.ended).toEqual({ state: "done", read: 1050, stored: 1050, kept: 0, refused: 0 });
    expect(seen.length).toBeGreaterThan(2);
    expect(await cache.getMany(["k:0", "k:1049"])).toEqual([0, 1049]);
    expect((await cache.countWhere({ tags: ["t"] })).count).toBe(1050);
    const [entry] = await cache.readMany(["k:7"], { want: "all" });
    expect(entry?.expiresAt).toBeLessThanOrEqual(systemClock.now() + 60_000);
  });

  test("leaves what is there with if-absent", async () => {
    const cache = open();
    await cache.set("k:1", "mine");
    const report = await startWarming(cache, numbered(3), { mode: "if-absent" }).ended;
    expect(report).toMatchObject({ stored: 2, kept: 1 });
    expect(await cache.get("k:1")).toBe("mine");
  });

  test("does nothing while the hit rate is good enough, and warms where there were too few lookups", async () => {
    const cache = open();
    await cache.set("there", 1);
    for (let i = 0; i < 90; i++) await cache.get("there");
    for (let i = 0; i < 10; i++) await cache.get("not there");
    expect(await startWarming(cache, numbered(3), { ifHitRateBelow: 0.9 }).ended).toMatchObject({
      state: "skipped",
      read: 0,
    });
    expect(await startWarming(cache, numbered(3), { ifHitRateBelow: 0.95 }).ended).toMatchObject({
      state: "done",
      stored: 3,
    });
    expect(await startWarming(open(), numbered(3), { ifHitRateBelow: 0.1 }).ended).toMatchObject({ state: "done" });
  });

  test("does not overwrite what changed after its batch was begun to be read", async () => {
    const cache = open();
    async function* source(): AsyncGenerator<WarmEntry> {
      yield { key: "a", value: "old" };
      yield { key: "b", value: "old" };
      await cache.set("a", "new");
      await cache.delete("b");
      yield { key: "c", value: "c" };
    }
    expect(await startWarming(cache, source()).ended).toMatchObject({ stored: 1, kept: 2 });
    expect(await cache.getMany(["a", "b", "c"])).toEqual(["new", undefined, "c"]);
  });

  test("stops when it is told to, and says how far it came", async () => {
    const cache = open();
    let given = 0;
    function* endless(): Generator<WarmEntry> {
      for (;;) yield { key: `k:${given++ % 1000}`, value: 1 };
    }
    const warming = startWarming(cache, slowly(endless()), { batch: 10 });
    await until(() => warming.report.stored >= 20);
    await warming.stop();
    const { state, read } = warming.report;
    expect([state, read]).toEqual(["stopped", given]);
    expect((await warming.ended).read).toBe(read);
  });

  test("ends with the error of its source, of an entry, and of the store: an open breaker is one", async () => {
    const cache = open();
    async function* broken(): AsyncGenerator<WarmEntry> {
      yield { key: "a", value: 1 };
      throw new Error("the cursor is gone");
    }
    const failed = await startWarming(cache, broken(), { batch: 1 }).ended;
    expect(failed).toMatchObject({
      state: "failed",
      stored: 1,
      error: { code: "warming-failed", message: "the cursor is gone" },
    });
    const wrong = await startWarming(cache, [{ key: "", value: 1 }]).ended;
    expect(wrong).toMatchObject({ state: "failed", error: { kind: "usage", code: "invalid-key" } });
    let taken = 0;
    function* counted() {
      for (const entry of numbered(10_000)) {
        taken += 1;
        yield entry;
      }
    }
    const backend = openMemory(context);
    const away = Object.assign(Object.create(backend), {
      position: () => "0",
      describe: () => backend.describe(),
      close: () => backend.close(),
      setMany: async () => {
        throw new CacheError("connection", "breaker-open", "the store is not asked just now");
      },
    });
    const report = await startWarming(open(away), counted(), { batch: 10, inFlight: 2 }).ended;
    expect(report).toMatchObject({ state: "failed", stored: 0, error: { code: "breaker-open" } });
    expect(taken).toBeLessThan(100);
  });

  test.each([{ batch: 0 }, { batch: 10_001 }, { inFlight: 0 }, { inFlight: 1.5 }])("refuses %j", (options) => {
    expect(() => startWarming(open(), [], options)).toThrow(expect.objectContaining({ code: "invalid-warming" }));
  });
});

describe("keeping warm", () => {
  test("warms now, and again after an invalidation that concerns its entries, by another process too", async () => {
    const path = `${tempDir("warm")}/c.db`;
    const mine = open(await openSqlite({ ...context, path }));
    const other = open(await openSqlite({ ...context, path }));
    const reports: WarmingReport[] = [];
    const end = keepWarm(mine, () => numbered(3), {
      scope: { prefix: "k:" },
      quiet: 50,
      onWarmed: (report) => reports.push({ ...report }),
    });
    await until(() => reports.length === 1);
    await other.set("elsewhere", 1);
    await other.invalidate({ keys: ["elsewhere"] });
    await other.invalidate({ prefix: "k:" });
    await until(() => reports.length === 2);
    expect(await other.getMany(["k:0", "k:2"])).toEqual([0, 2]);
    await other.delete("k:1");
    await until(() => reports.length === 3);
    expect(reports.map(({ state, stored }) => [state, stored])).toEqual([
      ["done", 3],
      ["done", 3],
      ["done", 3],
    ]);
    await end();
  });
});

describe("warming from below", () => {
  test("copies the lowest tier's entries in most use into memory, and counts no lookup", async () => {
    const memory = openMemory(context);
    const sqlite = await openSqlite({ ...context, path: `${tempDir("warm")}/c.db` });
    await sqlite.setMany([...numbered(20)].map(({ key }) => ({ key, value: Buffer.from(key) })));
    const tiers = [
      { name: "memory", backend: memory },
      { name: "sqlite", backend: sqlite },
    ];
    const cache = open(openTiered(tiers, context));
    expect((await memory.describe()).entries).toBe(0);
    await until(async () => (await cache.stats()).info.tiers?.[0]?.inUse === true);
    expect(await warmFromBelow(cache, 10)).toBe(10);
    expect((await memory.describe()).entries).toBe(10);
    const { counters } = await cache.stats();
    expect([counters.hits ?? 0, counters.misses ?? 0]).toEqual([0, 0]);
    await expect(warmFromBelow(open(), 10)).rejects.toMatchObject({ kind: "usage", code: "no-tiers" });
  });
});

import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Backend, BackendContext } from "../../src/backends/backend.js";
import { openFile } from "../../src/backends/file/index.js";
import { openMemory } from "../../src/backends/memory/index.js";
import { openRedis } from "../../src/backends/redis/index.js";
import { openSqlite } from "../../src/backends/sqlite/index.js";
import { openTiered } from "../../src/backends/tiered/index.js";
import { Cache } from "../../src/cache/cache.js";
import { systemClock as clock } from "../../src/clock.js";
import { drain } from "../contract/full.js";
import { type RedisServer, startRedis } from "../support/redis-server.js";
import { tempDir } from "../support/temp-dir.js";

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

const context: BackendContext = { namespace: "n:", clock, emit: () => undefined };
const memory = () => openMemory({ ...context, maxEntries: 100 });
const sqlite = () => openSqlite({ ...context, path: `${tempDir("absences")}/c.db`, wait: "async" });
const stores: [string, () => Backend | Promise<Backend>][] = [
  ["memory", memory],
  ["SQLite", sqlite],
  ["files", () => openFile({ ...context, path: `${tempDir("absences")}/f`, wait: "async" })],
  ["Redis", () => openRedis({ ...context, url: redis.url, namespace: `${tempDir("absences")}:` })],
  [
    "memory over SQLite",
    async () =>
      openTiered(
        [
          { name: "memory", backend: memory() },
          { name: "lowest", backend: await sqlite() },
        ],
        context,
      ),
  ],
];

const opened: Cache[] = [];
afterEach(async () => {
  for (const cache of opened.splice(0)) await cache.close();
});

describe.each(stores)("that there is no value, remembered in %s,", (_, open) => {
  async function openCache() {
    const backend = await open();
    const cache = new Cache(backend, { clock, countInterval: 0 });
    opened.push(cache);
    const load = () => cache.getOrSet<string>("k", () => undefined, { negativeTtl: 60_000 });
    expect(await load()).toBeUndefined();
    expect(await backend.getMany(["k"])).toMatchObject([{ size: 9 }]);
    return { cache, load };
  }

  test("is no entry to read", async () => {
    const { cache } = await openCache();
    await cache.setBytes("same size", Buffer.from("123456789"));
    expect(await cache.readMany(["k"])).toEqual([undefined]);
    expect(await cache.openRead("k")).toBeUndefined();
    expect(await cache.openRead("k", { start: 2, end: 4 })).toBeUndefined();
    const whole = await cache.openRead("same size");
    expect(whole && Buffer.from(await drain(whole)).toString()).toBe("123456789");
    const part = await cache.openRead("same size", { start: 2, end: 4 });
    expect(part?.head.size).toBe(9);
    expect(part && Buffer.from(await drain(part)).toString()).toBe("34");
  });

  test("is absent to the modes of a write", async () => {
    const { cache, load } = await openCache();
    expect(await cache.set("k", "new", { mode: "if-present" })).toBe("condition");
    expect(await cache.set("k", "new", { mode: "if-absent" })).toBe("stored");
    expect(await cache.set("k", "newer", { mode: "if-absent" })).toBe("condition");
    expect(await cache.get("k")).toBe("new");
    await cache.delete("k");
    await load();
    const values: [string, string][] = [
      ["k", "1"],
      ["other", "2"],
    ];
    expect(await cache.setMany(values, { mode: "if-present" })).toEqual(["condition", "condition"]);
    expect(await cache.setMany(values, { mode: "if-absent" })).toEqual(["stored", "stored"]);
    expect(await cache.setMany(values, { mode: "if-present" })).toEqual(["stored", "stored"]);
  });
});

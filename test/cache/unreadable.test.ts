import { randomBytes } from "node:crypto";
import zlib from "node:zlib";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Backend, BackendContext } from "../../src/backends/backend.js";
import { openFile } from "../../src/backends/file/index.js";
import { openMemory } from "../../src/backends/memory/index.js";
import { openRedis } from "../../src/backends/redis/index.js";
import { openSqlite } from "../../src/backends/sqlite/index.js";
import { openTiered } from "../../src/backends/tiered/index.js";
import { makeHeader } from "../../src/backends/transform/header.js";
import { KeyRing, type TransformOptions, transformed } from "../../src/backends/transform/index.js";
import { Cache } from "../../src/cache/cache.js";
import { systemClock as clock } from "../../src/clock.js";
import { type RedisServer, startRedis } from "../support/redis-server.js";
import { tempDir } from "../support/temp-dir.js";

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

const context: BackendContext = { namespace: "u:", clock, emit: () => undefined };

type Open = (place: string) => Backend | Promise<Backend>;

const sqlite: Open = (place) => openSqlite({ ...context, path: `${place}/c.db`, wait: "async" });
const stores: [string, Open, isBelowMemory: boolean][] = [
  ["SQLite", sqlite, false],
  ["files", (place) => openFile({ ...context, path: `${place}/f`, wait: "async" }), false],
  ["Redis", (place) => openRedis({ ...context, url: redis.url, namespace: `${place}:` }), false],
  ["memory over SQLite", sqlite, true],
];

const gzip = { algorithm: "gzip" } as const;
const encryption = { keys: new KeyRing([{ id: "theirs", key: randomBytes(32) }]) };
const large = "x".repeat(100_000);

/** How an entry came to be that the other cache can't read. */
const entries: [string, (store: Backend) => Promise<unknown>][] = [
  [
    "that would be too large",
    async (store) => new Cache(over(store, { compression: gzip }), { clock }).set("k", large),
  ],
  ["whose key is not here", async (store) => new Cache(over(store, { encryption }), { clock }).set("k", "secret")],
  [
    "of a later version",
    async (store) => {
      const header = makeHeader({ algorithm: undefined, size: 1, encryption: undefined });
      header.writeUInt8(2, 8);
      header.writeUInt32BE(zlib.crc32(header.subarray(0, 20)), 20);
      await store.setMany([{ key: "k", value: Buffer.concat([header, Buffer.from("x")]) }]);
    },
  ],
];

function over(store: Backend, options: Omit<TransformOptions, "namespace">): Backend {
  return transformed(store, { ...options, namespace: "u:" }, context);
}

const opened: Backend[] = [];
afterEach(async () => {
  for (const backend of opened.splice(0)) await backend.close();
});

describe.each(stores)("over %s, an entry", (_, open, isBelowMemory) => {
  async function openCache(make: (store: Backend) => Promise<unknown>) {
    const store = await open(tempDir("unreadable"));
    await make(store);
    const lowest = over(store, { maxDecompressedBytes: 50_000 });
    const memory = { name: "memory", backend: openMemory({ ...context, maxEntries: 10 }) };
    const backend = isBelowMemory ? openTiered([memory, { name: "lowest", backend: lowest }], context) : lowest;
    opened.push(backend);
    return new Cache(backend, { clock, countInterval: 0 });
  }

  test.each(entries)("%s is loaded at once, and replaced", async (_name, make) => {
    const cache = await openCache(make);
    let loads = 0;
    const load = () => ++loads;
    expect(await cache.getOrSet("k", load, { timeout: 5000 })).toBe(1);
    expect(await cache.getOrSet("k", load, { timeout: 5000 })).toBe(1);
    expect(await cache.get("k")).toBe(1);
    expect((await cache.stats()).loading).toMatchObject({ loads: 1, waitedOut: 0, overtaken: 0 });
    await cache.close();
  });

  test.each(entries)("%s is one of many, and the others are read", async (_name, make) => {
    const cache = await openCache(make);
    await cache.set("other", "kept");
    const asked: string[] = [];
    const load = (keys: readonly string[]) => {
      asked.push(...keys);
      return keys.map((key) => key.toUpperCase());
    };
    const keys = ["other", "k", "new"];
    expect(await cache.getOrSetMany(keys, load, { lockWait: 0 })).toEqual(["kept", "K", "NEW"]);
    expect(await cache.getOrSetMany(keys, load)).toEqual(["kept", "K", "NEW"]);
    expect(asked.sort()).toEqual(["k", "new"]);
    await cache.close();
  });
});

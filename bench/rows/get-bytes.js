import Sqlite from "better-sqlite3";
import { Redis } from "ioredis";
import { LRUCache } from "lru-cache";
import { interleave } from "../measure.js";
import { jsonOf, keyOf, TTL_MS } from "../records.js";
import { startRedis } from "../redis.js";

const ENTRIES = 10_000;
const AT_ONCE = 50;

const keys = Array.from({ length: ENTRIES }, (_, i) => keyOf((i * 7919) % ENTRIES));
const entries = keys.map((key, i) => ({ key, value: Buffer.from(jsonOf(i)), ttl: TTL_MS }));
const lasting = entries.map((entry) => ({ ...entry, ttl: null }));

/** One read through the core, over each kind of store, against its client library alone with the same entries. */
export async function measure(work) {
  const { Cache, openBackend, systemClock: clock } = await work.core();
  const open = async (/** @type {import("../../src/backends/open.js").StoreOptions} */ store, written = entries) => {
    const cache = new Cache(await openBackend(store, { namespace: "", clock, emit: () => {} }), { clock });
    work.atEnd(() => cache.close());
    for (let i = 0; i < ENTRIES; i += 500) await cache.writeMany(written.slice(i, i + 500));
    return cache;
  };
  return [...(await inMemory(open)), await inSqlite(open, work), await inRedis(open, work)];
}

/** @param {(store: import("../../src/backends/open.js").StoreOptions) => Promise<import("../../src/cache/cache.js").Cache>} open */
async function inMemory(open) {
  const store = { kind: "memory", maxEntries: ENTRIES };
  const withTtl = await open(store);
  const without = await open(store, lasting);
  const lru = new LRUCache({ max: ENTRIES });
  const lruWithTtl = new LRUCache({ max: ENTRIES, ttl: TTL_MS });
  for (const { key, value } of entries) {
    lru.set(key, value);
    lruWithTtl.set(key, value);
  }
  const read = (/** @type {{ getBytes(key: string): unknown }} */ cache) => () =>
    oneAfterAnother((key) => cache.getBytes(key), 50);
  const bare = (/** @type {LRUCache<string, Buffer>} */ cache) => () => oneAfterAnother((key) => cache.get(key), 50);
  const seen = await interleave(
    { without: read(without), lru: bare(lru), withTtl: read(withTtl), lruWithTtl: bare(lruWithTtl) },
    { runs: 11, warmUps: 3 },
  );
  const what = "getBytes through the core, memory";
  return [
    figure(`${what}, entries without a TTL: its rate`, "await lru.get(k) of lru-cache", 0.5, seen.lru, seen.without),
    figure(`${what}, with a TTL`, "the same with a TTL", 0.5, seen.lruWithTtl, seen.withTtl),
    figure(`${what}, with a TTL`, "without one", 0.5, seen.lru, seen.withTtl),
  ];
}

/** @param {import("../workspace.js").Workspace} work */
async function inSqlite(open, work) {
  const path = work.path("store.db");
  const cache = await open({ kind: "sqlite", path });
  const db = new Sqlite(path, { readonly: true });
  const bare = db
    .prepare("SELECT b.body, e.expires_at FROM entries e JOIN bodies b ON b.id = e.id WHERE e.k = ?")
    .raw(true);
  const seen = await interleave(
    {
      core: () => oneAfterAnother((key) => cache.getBytes(key), 10),
      bare: () => oneAfterAnother((key) => bare.get(key)?.[0], 10),
    },
    { runs: 11, warmUps: 2 },
  );
  db.close();
  return figure("… SQLite", "bare better-sqlite3, prepared, rows as arrays", 0.7, seen.bare, seen.core);
}

async function inRedis(open, work) {
  const redis = await startRedis();
  work.atEnd(() => redis.stop());
  const cache = await open({ kind: "redis", url: redis.url });
  const client = new Redis(redis.port, "127.0.0.1");
  const seen = await interleave(
    {
      core: () => atOnce((key) => cache.getBytes(key), 5),
      bare: () => atOnce((key) => client.getBuffer(key), 5),
    },
    { runs: 11, warmUps: 2 },
  );
  client.disconnect();
  return figure(`… Redis, ${AT_ONCE} at once`, `bare ioredis getBuffer, ${AT_ONCE} at once`, 1, seen.bare, seen.core);
}

/** Milliseconds of reading every key so many times, each awaited. */
async function oneAfterAnother(read, rounds) {
  const start = performance.now();
  for (let round = 0; round < rounds; round++) {
    for (const key of keys) if ((await read(key)) === undefined) throw new Error(`${key} is missing`);
  }
  return performance.now() - start;
}

async function atOnce(read, rounds) {
  const start = performance.now();
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < ENTRIES; i += AT_ONCE) {
      const values = await Promise.all(keys.slice(i, i + AT_ONCE).map(read));
      if (values.some((value) => !value)) throw new Error("an entry is missing");
    }
  }
  return performance.now() - start;
}

function figure(what, peer, wanted, bare, core) {
  return { what, peer, bound: "at least", wanted, seen: bare.median / core.median, unit: "×", samples: { core, bare } };
}

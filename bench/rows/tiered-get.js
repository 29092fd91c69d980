import { Redis } from "ioredis";
import { interleave } from "../measure.js";
import { jsonOf, keyOf, TTL_MS } from "../records.js";
import { startRedis } from "../redis.js";

const ENTRIES = 10_000;
const AT_ONCE = 50;
const ROUNDS = 5;

/** Memory is read in the same order again and again, and what it held of the last round is gone when it is asked for. */
const IN_MEMORY = 1000;

const keys = Array.from({ length: ENTRIES }, (_, i) => keyOf((i * 7919) % ENTRIES));

/** Memory over Redis, each get a miss in the one and a hit in the other that is copied up, against ioredis alone on the same server. */
export async function measure(work) {
  const { openCache } = await work.core();
  const redis = await startRedis();
  work.atEnd(() => redis.stop());
  const client = new Redis(redis.port, "127.0.0.1");
  const memory = { kind: /** @type {const} */ ("memory"), maxEntries: IN_MEMORY, policy: /** @type {const} */ ("lru") };
  const tiered = await openCache({ store: [memory, redis.url] });
  work.atEnd(() => tiered.close());
  const alone = await openCache({ store: redis.url });
  work.atEnd(() => alone.close());
  for (let i = 0; i < ENTRIES; i += 500) {
    const some = keys.slice(i, i + 500).map((key, at) => ({ key, value: Buffer.from(jsonOf(i + at)), ttl: TTL_MS }));
    await alone.writeMany(some);
  }
  await tiered.start();
  const upper = async () => (await tiered.backend.describe()).tiers?.[0];
  while (!(await upper())?.inUse) await tiered.health();
  const before = await hitsInMemory(tiered);
  const seen = await interleave(
    {
      get: () => atOnce((key) => tiered.get(key)),
      getBytes: () => atOnce((key) => tiered.getBytes(key)),
      alone: () => atOnce((key) => alone.getBytes(key)),
      bare: () => atOnce((key) => client.get(key)),
      bareParsed: () => atOnce(async (key) => JSON.parse((await client.get(key)) ?? "")),
    },
    { runs: 11, warmUps: 2 },
  );
  const hits = (await hitsInMemory(tiered)) - before;
  const copies = (await upper())?.entries;
  client.disconnect();
  if (hits !== 0) throw new Error(`${hits} reads were hits in memory`);
  if (copies !== IN_MEMORY) throw new Error(`${copies} copies are in memory instead of ${IN_MEMORY}`);
  const figure = (/** @type {string} */ what, /** @type {string} */ peer, ours, bare) => ({
    what,
    peer,
    bound: "at least",
    wanted: 0.8,
    seen: bare.median / ours.median,
    unit: "×",
    samples: { ours, bare },
  });
  const what = `memory over Redis, a hit in Redis, ${AT_ONCE} at once: the rate of`;
  const peer = `bare ioredis get, ${AT_ONCE} at once`;
  return [
    figure(`${what} getBytes`, peer, seen.getBytes, seen.bare),
    figure("… get", `${peer}, and JSON.parse`, seen.get, seen.bareParsed),
    figure("… getBytes, Redis without memory over it", peer, seen.alone, seen.bare),
  ];
}

/** @param {import("../../src/cache/cache.js").Cache} cache */
async function hitsInMemory(cache) {
  const { tiers = [] } = await cache.stats();
  return tiers[0]?.counters.hits ?? 0;
}

/** @param {(key: string) => Promise<unknown>} read */
async function atOnce(read) {
  const start = performance.now();
  for (let round = 0; round < ROUNDS; round++) {
    for (let i = 0; i < ENTRIES; i += AT_ONCE) {
      const values = await Promise.all(keys.slice(i, i + AT_ONCE).map(read));
      if (values.some((value) => !value)) throw new Error("an entry is missing");
    }
  }
  return performance.now() - start;
}

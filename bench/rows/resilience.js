import { interleave } from "../measure.js";
import { jsonOf, keyOf, TTL_MS } from "../records.js";

const ENTRIES = 10_000;
const ROUNDS = 50;

const keys = Array.from({ length: ENTRIES }, (_, i) => keyOf((i * 7919) % ENTRIES));
const entries = keys.map((key, i) => ({ key, value: Buffer.from(jsonOf(i)), ttl: TTL_MS }));

/** @param {Uint8Array} bytes */
const decode = (bytes) => JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString());

/** One read from memory as the library makes it, counted and through deadlines, retries and breaker, against the same two steps without them. */
export async function measure(work) {
  const { Cache, openBackend, resilient, systemClock: clock } = await work.core();
  const context = { namespace: "", clock, emit: () => {} };
  const memory = async () => {
    const backend = await openBackend({ kind: "memory", maxEntries: ENTRIES }, context);
    const cache = new Cache(backend, { clock });
    for (let i = 0; i < ENTRIES; i += 500) await cache.writeMany(entries.slice(i, i + 500));
    return { backend, cache };
  };
  const bare = await memory();
  const counted = await memory();
  const inside = await memory();
  const backend = resilient(inside.backend, {}, context);
  const guarded = new Cache(backend, { clock });
  for (const cache of [bare.cache, counted.cache, guarded]) work.atEnd(() => cache.close());
  const uncounted = {
    /** @param {string} key */
    async getBytes(key) {
      const found = bare.backend.getMany([key]);
      const entry = (Array.isArray(found) ? found : await found)[0];
      return entry?.value;
    },
    /** @param {string} key */
    async get(key) {
      return bare.backend.getDecoded(key, decode);
    },
  };
  const seen = await interleave(
    {
      bareBytes: () => timed((key) => uncounted.getBytes(key)),
      countedBytes: () => timed((key) => counted.cache.getBytes(key)),
      guardedBytes: () => timed((key) => guarded.getBytes(key)),
      bare: () => timed((key) => uncounted.get(key)),
      counted: () => timed((key) => counted.cache.get(key)),
      guarded: () => timed((key) => guarded.get(key)),
    },
    { runs: 15, warmUps: 4 },
  );
  for (const [name, { median }] of Object.entries(seen)) {
    console.log(`  ${name}: ${((median / ENTRIES / ROUNDS) * 1e6).toFixed(0)} ns a read`);
  }
  return [
    figure("getBytes with resilience and stats: its time", "without either", seen.guardedBytes, seen.bareBytes),
    figure("getBytes with resilience", "stats alone", seen.guardedBytes, seen.countedBytes),
    figure("get with resilience and stats", "without either", seen.guarded, seen.bare),
    figure("get with resilience", "stats alone", seen.guarded, seen.counted),
  ];
}

/** Milliseconds of reading every key so many times, each awaited. */
async function timed(read) {
  const start = performance.now();
  for (let round = 0; round < ROUNDS; round++) {
    for (const key of keys) if ((await read(key)) === undefined) throw new Error(`${key} is missing`);
  }
  return performance.now() - start;
}

function figure(what, peer, ours, theirs) {
  const samples = { ours, theirs };
  return { what, peer, bound: "at most", wanted: 1.15, seen: ours.median / theirs.median, unit: "×", samples };
}

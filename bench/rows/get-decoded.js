import { interleave } from "../measure.js";

const ENTRIES = 1000;
const ROUNDS = 100;
const HOUR = 3_600_000;

const keys = Array.from({ length: ENTRIES }, (_, i) => `user:${i}`);
const userOf = (/** @type {number} */ id) => ({
  id,
  name: `User ${id}`,
  email: `user${id}@example.org`,
  tags: ["staff", "admin"],
});

/** `await cache.get(key)` of a small JSON object in memory, each answer the caller's own, against two libraries of the same kind. */
export async function measure(work) {
  const { Cache, openBackend, systemClock: clock } = await work.core();
  const peers = await loadPeers();
  const open = async (/** @type {number | null} */ ttl) => {
    const backend = await openBackend(
      { kind: "memory", maxEntries: ENTRIES },
      { namespace: "", clock, emit: () => {} },
    );
    const cache = new Cache(backend, { clock });
    work.atEnd(() => cache.close());
    for (const [id, key] of keys.entries()) await cache.set(key, userOf(id), { ttl });
    return cache;
  };
  const ours = await open(HOUR);
  const lasting = await open(null);
  const { BentoCache, bentostore, memoryDriver } = peers.bentocache;
  const bento = new BentoCache({
    default: "memory",
    stores: { memory: bentostore().useL1Layer(memoryDriver({ maxItems: ENTRIES })) },
  });
  work.atEnd(() => bento.disconnectAll());
  const cacheable = new peers.cacheable.Cacheable({ ttl: HOUR });
  for (const [id, key] of keys.entries()) {
    await bento.set({ key, value: userOf(id), ttl: HOUR });
    await cacheable.set(key, userOf(id));
  }
  const seen = await interleave(
    {
      ours: () => timed((key) => ours.get(key)),
      lasting: () => timed((key) => lasting.get(key)),
      bento: () => timed((key) => bento.get({ key })),
      cacheable: () => timed((key) => cacheable.get(key)),
    },
    { runs: 11, warmUps: 3 },
  );
  for (const [name, { median }] of Object.entries(seen)) {
    console.log(`  ${name}: ${((median / ENTRIES / ROUNDS) * 1e6).toFixed(0)} ns a read`);
  }
  const what = "await cache.get, memory, small JSON object";
  return [
    figure(`${what}, with a TTL: its rate`, "bentocache 1.6", seen.bento, seen.ours),
    figure(`${what}, with a TTL`, "cacheable 2.5", seen.cacheable, seen.ours),
    figure(`${what}, without a TTL`, "bentocache 1.6", seen.bento, seen.lasting),
    figure(`${what}, without a TTL`, "cacheable 2.5", seen.cacheable, seen.lasting),
  ];
}

async function loadPeers() {
  try {
    const bentocache = { ...(await import("bentocache")), ...(await import("bentocache/drivers/memory")) };
    return { bentocache, cacheable: await import("cacheable") };
  } catch (error) {
    throw new Error("the peers are not installed: run `npm install --no-audit --no-fund` in bench/", { cause: error });
  }
}

/** Milliseconds of reading every key so many times, each awaited. */
async function timed(read) {
  const start = performance.now();
  for (let round = 0; round < ROUNDS; round++) {
    for (const key of keys) if ((await read(key))?.name === undefined) throw new Error(`${key} is missing`);
  }
  return performance.now() - start;
}

function figure(what, peer, theirs, ours) {
  return {
    what,
    peer,
    bound: "at least",
    wanted: 5,
    seen: theirs.median / ours.median,
    unit: "×",
    samples: { ours, theirs },
  };
}

import type { Backend } from "../../src/backends/backend.js";
import { openMemory } from "../../src/backends/memory/index.js";
import { openRedis } from "../../src/backends/redis/index.js";
import { Cache } from "../../src/cache/cache.js";
import { type Clock, systemClock } from "../../src/clock.js";
import { FakeClock } from "../support/fake-clock.js";
import type { RedisServer } from "../support/redis-server.js";

/** An empty memory cache, large enough for what tests write, on a clock that stands still. */
export function memoryCache(
  clock: Clock = new FakeClock(),
  bounds: { maxEntries?: number; maxBytes?: number } = {},
): Cache {
  const backend = openMemory({
    namespace: "",
    clock,
    emit: () => {},
    sweepMs: 0,
    maxEntries: 20_000,
    maxBytes: 1e9,
    ...bounds,
  });
  return new Cache(backend, { clock, countInterval: 0 });
}

export async function redisCache(server: RedisServer): Promise<Cache> {
  const backend: Backend = await openRedis({ url: server.url, namespace: "", clock: systemClock, emit: () => {} });
  return new Cache(backend, { clock: systemClock, countInterval: 0 });
}

/** Everything that a cache holds: key to value as text. */
export async function contents(cache: Cache): Promise<Record<string, string>> {
  const all: [string, string][] = [];
  for await (const page of cache.scan({ all: true })) {
    const keys = page.entries.map((entry) => entry.key);
    const found = await cache.readMany(keys, { peek: true });
    keys.forEach((key, i) => {
      const entry = found[i];
      if (entry !== undefined) all.push([key, Buffer.from(entry.value).toString("utf8")]);
    });
  }
  return Object.fromEntries(all.sort(([a], [b]) => (a < b ? -1 : 1)));
}

import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from "vitest";
import { openMemory } from "../../src/backends/memory/index.js";
import { openRedis } from "../../src/backends/redis/index.js";
import { openSqlite } from "../../src/backends/sqlite/index.js";
import { openTiered } from "../../src/backends/tiered/index.js";
import { systemClock } from "../../src/clock.js";
import type { CacheEvent } from "../../src/events.js";
import { entry, put, textOf, texts } from "../contract/harness.js";
import { type RedisServer, redisCli, startRedis } from "../support/redis-server.js";
import { tempDir } from "../support/temp-dir.js";
import { until } from "../support/until.js";

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
beforeEach(() => redisCli(server, "FLUSHALL"));

/** Memory over a Redis that others share over a file, all of one namespace; and the file once more, as of another process. */
async function opened(namespace: string) {
  const events: CacheEvent[] = [];
  const context = { namespace, clock: systemClock, emit: (event: CacheEvent) => events.push(event) };
  const path = join(tempDir("tiers"), "cache.db");
  const [redis, lowest, elsewhere] = [
    await openRedis({ ...context, url: server.url }),
    await openSqlite({ ...context, path, wait: "async" }),
    await openSqlite({ ...context, path, wait: "async" }),
  ];
  const tiers = openTiered(
    [
      { name: "memory", backend: openMemory(context) },
      { name: "redis", backend: redis },
      { name: "sqlite", backend: lowest },
    ],
    context,
  );
  onTestFinished(async () => {
    await tiers.close();
    await elsewhere.close();
  });
  await tiers.ready();
  const inUse = async () => (await tiers.describe()).tiers?.[1]?.inUse === true;
  return { tiers, redis, lowest, elsewhere, events, inUse };
}

test("a shared tier that is empty is used at once; what another process changes below leaves it, too", async () => {
  const { tiers, redis, elsewhere, inUse } = await opened("w:");
  await until(inUse, { timeoutMs: 1000 });
  await put(tiers, entry("k", "1"), entry("other", "1"));
  expect(await texts(redis, ["k", "other"])).toEqual(["1", "1"]);
  await put(elsewhere, entry("k", "2"));
  await until(async () => textOf((await redis.getMany(["k"]))[0]) === undefined);
  expect(await texts(tiers, ["k", "other"])).toEqual(["2", "1"]);
  // It is copied again as soon as its log was heard beyond the deletion.
  await until(async () => {
    await tiers.getMany(["k"], { want: "all" });
    return textOf((await redis.getMany(["k"]))[0]) === "2";
  });
});

test("one that may hold copies from before is not read until it was emptied", async () => {
  await redisCli(server, "SET", "w:k", "before");
  await redisCli(server, "SET", "foreign", "stays");
  const { tiers, inUse } = await opened("w:");
  expect(await texts(tiers, ["k"])).toEqual([undefined]);
  await put(tiers, entry("k", "now"));
  expect(await texts(tiers, ["k"])).toEqual(["now"]);
  await until(inUse);
  await until(async () => (await redisCli(server, "GET", "w:k")).trim() === "");
  expect((await redisCli(server, "GET", "foreign")).trim()).toBe("stays");
  expect(await texts(tiers, ["k"])).toEqual(["now"]);
});

test("without a namespace nothing is emptied, and this is told", async () => {
  await redisCli(server, "SET", "foreign", "stays");
  const { tiers, events, inUse } = await opened("");
  await until(() => events.some(({ code }) => code === "tier-not-emptied"));
  expect(await texts(tiers, ["foreign"])).toEqual([undefined]);
  await put(tiers, entry("k", "v"));
  expect(await texts(tiers, ["k"])).toEqual(["v"]);
  expect(await inUse()).toBe(false);
  expect((await redisCli(server, "GET", "foreign")).trim()).toBe("stays");
});

test("one that waits to be emptied when all is closed has not failed", async () => {
  await redisCli(server, "SET", "w:k", "before");
  const { tiers, events } = await opened("w:");
  await put(tiers, entry("k", "now"));
  await tiers.close();
  expect(events).toEqual([]);
});

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Backend } from "../../src/backends/backend.js";
import { openRedis } from "../../src/backends/redis/index.js";
import { openSqlite } from "../../src/backends/sqlite/index.js";
import { Cache } from "../../src/cache/cache.js";
import { systemClock as clock } from "../../src/clock.js";
import { Gate } from "../support/gate.js";
import { type RedisServer, startRedis } from "../support/redis-server.js";
import { tempDir } from "../support/temp-dir.js";
import { until } from "../support/until.js";

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

const context = { namespace: "s:", clock, emit: () => undefined };
const stores: [string, () => Promise<() => Promise<Backend>>][] = [
  [
    "SQLite",
    async () => {
      const path = `${tempDir("shared")}/c.db`;
      return () => openSqlite({ ...context, path, wait: "async" });
    },
  ],
  ["Redis", async () => () => openRedis({ ...context, url: redis.url })],
];

describe.each(stores)("two that share %s", (_, place) => {
  async function both(work: (one: Cache, two: Cache) => Promise<void>): Promise<void> {
    const open = await place();
    const [one, two] = [new Cache(await open(), { clock }), new Cache(await open(), { clock })];
    await one.clear();
    await work(one, two);
    await one.close();
    await two.close();
  }

  test("make one load of a key, and see each other's value", () =>
    both(async (one, two) => {
      const gate = new Gate();
      let loads = 0;
      const load = async () => {
        loads += 1;
        await gate.opened;
        return { loads };
      };
      const [first, second] = [one.getOrSet("k", load), two.getOrSet("k", load)];
      await until(() => loads > 0);
      gate.open();
      expect(await Promise.all([first, second])).toEqual([{ loads: 1 }, { loads: 1 }]);
      expect((await two.stats()).loading.loads + (await one.stats()).loading.loads).toBe(1);
    }));

  test.each<[string, (cache: Cache) => Promise<unknown>]>([
    ["a deletion", (cache) => cache.delete("a:k")],
    ["a tag", (cache) => cache.invalidate({ tags: ["t"] })],
    ["a prefix", (cache) => cache.invalidate({ prefix: "a:" })],
    ["a clear", (cache) => cache.clear()],
  ])("%s by one refuses the load of the other, and later callers there start anew within 100 ms", (_what, change) =>
    both(async (one, two) => {
      const gate = new Gate();
      let begun = false;
      const load = async () => {
        begun = true;
        await gate.opened;
        return "old";
      };
      const old = two.getOrSet("a:k", load, { tags: ["t"] });
      await until(() => begun);
      await change(one);
      const changed = performance.now();
      // Callers who still join the old load give up; the first who does not is given what is new.
      const patience = { timeout: 20, tags: ["t"] };
      await until(async () => (await two.getOrSet("a:k", () => "new", patience)) === "new", { everyMs: 1 });
      // The bound is that of the store, and a caller's patience more, on a machine that does other things besides.
      expect(performance.now() - changed).toBeLessThan(200);
      gate.open();
      expect(await old).toBe("old");
      expect([await one.get("a:k"), await two.get("a:k")]).toEqual(["new", "new"]);
      expect((await two.stats()).loading.overtaken).toBe(1);
    }),
  );

  test("refresh a stale value once", () =>
    both(async (one, two) => {
      const options = { ttl: 60_000, staleWhileRevalidate: 60_000 };
      await one.getOrSet("k", () => "old", options);
      await one.invalidate({ keys: ["k"] }, { soft: true });
      const gate = new Gate();
      let loads = 0;
      const load = async () => {
        loads += 1;
        await gate.opened;
        return "new";
      };
      const callers = Array.from({ length: 10 }, (_, i) => (i % 2 === 0 ? one : two).getOrSet("k", load, options));
      expect(new Set(await Promise.all(callers))).toEqual(new Set(["old"]));
      await until(() => loads === 1);
      gate.open();
      await until(async () => (await two.getOrSet("k", load, options)) === "new");
      expect(loads).toBe(1);
    }));

  test("have no stale value left once a load of one found that there is none", () =>
    both(async (one, two) => {
      const options = { ttl: 60_000, staleWhileRevalidate: 60_000 };
      await one.getOrSet<string>("k", () => "old", options);
      await one.invalidate({ keys: ["k"] }, { soft: true });
      expect(await one.getOrSet<string>("k", () => undefined, options)).toBe("old");
      await until(async () => !(await two.has("k")));
      expect(await two.getOrSet<string>("k", () => undefined, options)).toBeUndefined();
    }));
});

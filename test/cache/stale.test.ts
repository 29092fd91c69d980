import { afterEach, describe, expect, test } from "vitest";
import type { Backend } from "../../src/backends/backend.js";
import { openMemory } from "../../src/backends/memory/index.js";
import { openSqlite } from "../../src/backends/sqlite/index.js";
import { Cache } from "../../src/cache/cache.js";
import type { Loader } from "../../src/cache/loading/options.js";
import type { Clock } from "../../src/clock.js";
import type { CacheEvent } from "../../src/events.js";
import { FakeClock } from "../support/fake-clock.js";
import { Gate } from "../support/gate.js";
import { tempDir } from "../support/temp-dir.js";
import { until } from "../support/until.js";

const NO_CONTEXT = {
  signal: new AbortController().signal,
  stale: undefined,
  setTtl: () => undefined,
  setTags: () => undefined,
  dontStore: () => undefined,
};

type Open = (clock: Clock) => Promise<Backend>;

const openings: [string, Open][] = [
  ["memory", async (clock) => openMemory({ namespace: "", clock, emit: () => undefined, sweepMs: 0 })],
  ["SQLite", (clock) => openSqlite({ path: `${tempDir("stale")}/c.db`, namespace: "", clock, emit: () => undefined })],
];

const opened: Cache[] = [];
afterEach(async () => {
  for (const cache of opened.splice(0)) await cache.close();
});

describe.each(openings)("stale values over %s", (_, open) => {
  async function openCache() {
    const clock = new FakeClock();
    const events: CacheEvent[] = [];
    const cache = new Cache(await open(clock), { clock, countInterval: 0, emit: (event) => void events.push(event) });
    opened.push(cache);
    return { cache, clock, events };
  }

  test("are given while one refresh runs", async () => {
    const { cache, clock } = await openCache();
    const options = { ttl: 100, staleWhileRevalidate: 1000 };
    const gate = new Gate();
    let loads = 0;
    const load = async () => {
      loads += 1;
      if (loads === 2) await gate.opened;
      return loads;
    };
    expect(await cache.getOrSet("k", load, options)).toBe(1);
    clock.advance(99);
    expect(await cache.getOrSet("k", load, options)).toBe(1);
    expect(loads).toBe(1);
    clock.advance(1);
    for (let i = 0; i < 5; i++) expect(await cache.getOrSet("k", load, options)).toBe(1);
    await until(() => loads === 2);
    expect(await cache.get("k")).toBe(1);
    gate.open();
    await until(async () => (await cache.getOrSet("k", load, options)) === 2);
    expect(loads).toBe(2);
    expect((await cache.stats()).loading.stale).toBeGreaterThanOrEqual(5);
  });

  test.each<[string, Loader<unknown>]>([
    ["found that there is none", () => undefined],
    [
      "brought what is not to be kept",
      ({ dontStore }) => {
        dontStore();
        return "new";
      },
    ],
    ["brought what can't be kept", () => 10n],
  ])("end with a load that %s", async (_name, load) => {
    const { cache, clock } = await openCache();
    const fresh = await load({ ...NO_CONTEXT, key: "while" });
    for (const [key, options] of Object.entries({
      while: { ttl: 100, staleWhileRevalidate: 10_000 },
      error: { ttl: 100, staleIfError: 10_000 },
    })) {
      await cache.getOrSet<unknown>(key, () => "old", options);
      clock.advance(100);
      expect(await cache.getOrSet(key, load, options)).toBe(key === "while" ? "old" : fresh);
      await until(async () => !(await cache.has(key)));
      expect(await cache.getOrSet(key, load, options)).toBe(fresh);
    }
    expect((await cache.stats()).loading.storeFailures).toBe(fresh === 10n ? 4 : 0);
  });

  test("that were replaced while a load found none are left alone", async () => {
    const { cache, clock } = await openCache();
    const options = { ttl: 100, staleIfError: 1000 };
    await cache.getOrSet<string>("k", () => "old", options);
    clock.advance(100);
    const gate = new Gate();
    let asked = false;
    const load = cache.getOrSet<string>(
      "k",
      async () => {
        asked = true;
        await gate.opened;
        return undefined;
      },
      options,
    );
    await until(() => asked);
    await cache.set("k", "new");
    gate.open();
    expect(await load).toBeUndefined();
    expect(await cache.get("k")).toBe("new");
  });

  test("are not given after their window, nor to who does not allow them", async () => {
    const { cache, clock } = await openCache();
    const options = { ttl: 100, staleWhileRevalidate: 50, staleIfError: 200 };
    let loads = 0;
    const load = () => ++loads;
    await cache.getOrSet("k", load, options);
    clock.advance(150);
    expect(await cache.getOrSet("k", load, options)).toBe(2);
    clock.advance(100);
    expect(await cache.getOrSet("k", load, { ttl: 100 })).toBe(3);
  });

  test("last from softTtl to ttl where nothing else is said", async () => {
    const { cache, clock } = await openCache();
    const options = { softTtl: 100, ttl: 300 };
    let loads = 0;
    const load = () => ++loads;
    await cache.getOrSet("k", load, options);
    const [entry] = await cache.readMany(["k"], { want: "all" });
    expect(entry).toMatchObject({ staleAt: clock.now() + 100, expiresAt: clock.now() + 300 });
    clock.advance(299);
    expect(await cache.getOrSet("k", load, options)).toBe(1);
    await until(async () => (await cache.get("k")) === 2);
    clock.advance(300);
    expect(await cache.getOrSet("k", load, options)).toBe(3);
  });

  test("stand in for a load that fails, which is tried again after a pause that grows", async () => {
    const { cache, clock } = await openCache();
    const options = { ttl: 100, staleIfError: 100_000 };
    let tries = 0;
    let fails = true;
    const load = () => {
      tries += 1;
      if (fails) throw new Error("away");
      return "new";
    };
    await cache.getOrSet("k", () => "old", options);
    clock.advance(100);
    const get = () => cache.getOrSet("k", load, options);
    expect(await Promise.all([get(), get()])).toEqual(["old", "old"]);
    expect(tries).toBe(1);
    expect(await get()).toBe("old");
    clock.advance(999);
    expect(await get()).toBe("old");
    expect(tries).toBe(1);
    clock.advance(1);
    expect(await get()).toBe("old");
    expect(tries).toBe(2);
    clock.advance(1999);
    expect(await get()).toBe("old");
    expect(tries).toBe(2);
    clock.advance(1);
    fails = false;
    expect(await get()).toBe("new");
    expect(tries).toBe(3);
  });

  test("stand in for a load that is stuck", async () => {
    const { cache, clock } = await openCache();
    const options = { ttl: 100, staleIfError: 100_000, loadTimeout: 1000 };
    await cache.getOrSet("k", () => "old", options);
    clock.advance(100);
    let begun = false;
    const stuck = cache.getOrSet(
      "k",
      () => {
        begun = true;
        return new Promise<string>(() => undefined);
      },
      options,
    );
    await until(() => begun);
    clock.advance(1000);
    expect(await stuck).toBe("old");
  });

  test("are over when the error outlasts their window", async () => {
    const { cache, clock } = await openCache();
    const options = { ttl: 100, staleIfError: 500 };
    await cache.getOrSet("k", () => 1, options);
    clock.advance(600);
    await expect(cache.getOrSet("k", () => Promise.reject(new Error("away")), options)).rejects.toThrow("away");
  });

  test("survive a refresh that fails, and somebody hears of it", async () => {
    const { cache, clock, events } = await openCache();
    const options = { ttl: 100, staleWhileRevalidate: 10_000 };
    await cache.getOrSet("k", () => 1, options);
    clock.advance(100);
    let tries = 0;
    const load = () => {
      tries += 1;
      throw new Error("away");
    };
    expect(await cache.getOrSet("k", load, options)).toBe(1);
    await until(() => events.length > 0);
    expect(events).toMatchObject([{ code: "refresh-failed" }]);
    expect(await cache.getOrSet("k", load, options)).toBe(1);
    expect(tries).toBe(1);
    clock.advance(1000);
    expect(await cache.getOrSet("k", load, options)).toBe(1);
    await until(() => tries === 2);
  });

  test("are forbidden by a deletion, also while a load fails", async () => {
    const { cache, clock } = await openCache();
    const options = { ttl: 100, staleIfError: 10_000 };
    await cache.getOrSet("k", () => 1, options);
    clock.advance(100);
    const gate = new Gate();
    const failing = cache.getOrSet(
      "k",
      async () => {
        await gate.opened;
        throw new Error("away");
      },
      options,
    );
    const refused = expect(failing).rejects.toThrow("away");
    await cache.delete("k");
    gate.open();
    await refused;
    expect(await cache.get("k")).toBeUndefined();
  });

  test("are what a soft invalidation leaves, until they are loaded anew", async () => {
    const { cache } = await openCache();
    const options = { ttl: 1000, staleWhileRevalidate: 1000, tags: ["t"] };
    let loads = 0;
    const load = () => ++loads;
    await cache.getOrSet("k", load, options);
    await cache.set("plain", 1, { tags: ["t"] });
    const report = await cache.invalidate({ tags: ["t"] }, { soft: true });
    expect(report).toMatchObject({ softened: 1, deleted: 1 });
    expect(await cache.getOrSet("k", load, options)).toBe(1);
    await until(async () => (await cache.get("k")) === 2);
    expect(await cache.getOrSet("k", load, options)).toBe(2);
    expect(await cache.getOrSet("k", load, { ttl: 1000 })).toBe(2);
  });

  test("go when a refresh is overtaken by a deletion: its result is not kept", async () => {
    const { cache, clock } = await openCache();
    const options = { ttl: 100, staleWhileRevalidate: 10_000 };
    await cache.getOrSet("k", () => "old", options);
    clock.advance(100);
    const gate = new Gate();
    let begun = false;
    await cache.getOrSet(
      "k",
      async () => {
        begun = true;
        await gate.opened;
        return "refreshed too late";
      },
      options,
    );
    await until(() => begun);
    await cache.delete("k");
    gate.open();
    await until(async () => (await cache.stats()).loading.overtaken === 1);
    expect(await cache.get("k")).toBeUndefined();
    expect(await cache.getOrSet("k", () => "new", options)).toBe("new");
  });

  test("are told to the loader", async () => {
    const { cache, clock } = await openCache();
    const options = { ttl: 100, staleIfError: 1000 };
    await cache.getOrSet("k", ({ stale }) => ({ seen: stale === undefined }), options);
    clock.advance(100);
    expect(await cache.getOrSet("k", ({ stale }) => ({ seen: stale !== undefined, of: stale }), options)).toEqual({
      seen: true,
      of: { seen: true },
    });
  });
});

describe("stale values over a store with bounds", () => {
  test("end with a load whose value the store does not take", async () => {
    const clock = new FakeClock();
    const bounds = { maxEntries: 10, maxBytes: 2000, sweepMs: 0 };
    const cache = new Cache(openMemory({ namespace: "", clock, emit: () => undefined, ...bounds }), { clock });
    opened.push(cache);
    const options = { ttl: 100, staleWhileRevalidate: 10_000 };
    await cache.getOrSet("k", () => "old", options);
    clock.advance(100);
    expect(await cache.getOrSet("k", () => "x".repeat(10_000), options)).toBe("old");
    await until(async () => !(await cache.has("k")));
  });
});

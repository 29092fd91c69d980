import { execFile } from "node:child_process";
import { setImmediate as nextTurn } from "node:timers/promises";
import { promisify } from "node:util";
import { afterEach, describe, expect, test } from "vitest";
import { openMemory } from "../../src/backends/memory/index.js";
import { Cache } from "../../src/cache/cache.js";
import type { LoadOptions } from "../../src/cache/loading/options.js";
import type { CacheOptions } from "../../src/cache/options.js";
import type { CacheEvent } from "../../src/events.js";
import { FakeClock } from "../support/fake-clock.js";
import { Gate } from "../support/gate.js";
import { bundled } from "../support/store-writers.js";
import { tempDir } from "../support/temp-dir.js";
import { until } from "../support/until.js";

const opened: Cache[] = [];
afterEach(async () => {
  for (const cache of opened.splice(0)) await cache.close();
});

function openCache(options: Partial<CacheOptions> = {}) {
  const clock = new FakeClock();
  const events: CacheEvent[] = [];
  const emit = (event: CacheEvent) => void events.push(event);
  const backend = openMemory({ namespace: "", clock, emit, sweepMs: 0 });
  const cache = new Cache(backend, { clock, emit, countInterval: 0, ...options });
  opened.push(cache);
  return { cache, clock, backend, events };
}

const code = (value: string) => ({ code: value });

describe("a load", () => {
  test.each(["memory", "SQLite"])(
    "that never ends, over %s, keeps no process alive that has no other work",
    async (store) => {
      const program = await bundled("deserted");
      const path = store === "memory" ? [] : [`${tempDir("deserted")}/c.db`];
      const { stdout } = await promisify(execFile)(process.execPath, [program, ...path], { timeout: 10_000 });
      expect(stdout).toBe("call-timeout\nold\n");
    },
  );

  test("is one of many under one signal, without a warning", async () => {
    const { cache } = openCache();
    const warnings: string[] = [];
    const note = (warning: Error) => void warnings.push(warning.name);
    process.on("warning", note);
    try {
      const { signal } = new AbortController();
      const keys = Array.from({ length: 100 }, (_, i) => `k${i}`);
      await Promise.all([
        ...keys.map((key) => cache.getOrSet(key, async () => key, { signal })),
        cache.getOrSetMany(keys, (missing) => [...missing], { signal, timeout: 5000 }),
        ...keys.map((key) => cache.get(key, { signal, timeout: 5000 })),
        ...keys.map((key) => cache.set(key, 1, { signal })),
      ]);
      await nextTurn();
    } finally {
      process.off("warning", note);
    }
    expect(warnings).toEqual([]);
  });

  test("is kept, and given again without the loader", async () => {
    const { cache, clock } = openCache();
    let loads = 0;
    const load = () => ({ n: ++loads });
    expect(await cache.getOrSet("k", load, { ttl: 1000, tags: ["t"] })).toEqual({ n: 1 });
    expect(await cache.getOrSet("k", load)).toEqual({ n: 1 });
    expect(await cache.get("k")).toEqual({ n: 1 });
    expect((await cache.readMany(["k"], { want: "all", peek: true }))[0]).toMatchObject({
      expiresAt: clock.now() + 1000,
      tags: ["t"],
    });
    clock.advance(1000);
    expect(await cache.getOrSet("k", load)).toEqual({ n: 2 });
    const stats = await cache.stats();
    expect(stats.counters).toMatchObject({ hits: 2, misses: 2, sets: 2 });
    expect(stats.loading).toMatchObject({ loads: 2, joined: 0 });
  });

  test.each([null, 0, false, "", [], {}])("of %j is a value like any other", async (value) => {
    const { cache } = openCache();
    let loads = 0;
    const load = () => {
      loads += 1;
      return value;
    };
    expect(await cache.getOrSet("k", load)).toEqual(value);
    expect(await cache.getOrSet("k", load)).toEqual(value);
    expect(loads).toBe(1);
  });

  test("may say its TTL, its tags, and that it is not to be kept", async () => {
    const { cache, clock } = openCache();
    const load = (ttl: number | null) =>
      cache.getOrSet("k", (context) => {
        context.setTtl(ttl);
        context.setTags(["x"]);
        return 1;
      });
    await load(50);
    expect((await cache.readMany(["k"], { want: "all", peek: true }))[0]).toMatchObject({
      expiresAt: clock.now() + 50,
      tags: ["x"],
    });
    await cache.delete("k");
    await load(null);
    expect((await cache.readMany(["k"], { want: "all", peek: true }))[0]?.expiresAt).toBeUndefined();
    await cache.delete("k");
    await expect(load(0)).rejects.toMatchObject(code("invalid-ttl"));
    const wrongTag = cache.getOrSet("k", ({ setTags }) => setTags([""]));
    await expect(wrongTag).rejects.toMatchObject(code("invalid-tag"));
    await cache.getOrSet("other", (context) => {
      context.dontStore();
      return 1;
    });
    expect(await cache.has("other")).toBe(false);
  });

  test("takes tags from the value", async () => {
    const { cache } = openCache();
    await cache.getOrSet("k", () => ({ owner: 7 }), { tags: (value) => [`owner:${value.owner}`] });
    expect((await cache.invalidate({ tags: ["owner:7"] })).deleted).toBe(1);
  });

  test("gives every caller a value of its own, in the form of a hit", async () => {
    const { cache } = openCache();
    const load = async () => ({ list: [1], at: new Date(0) });
    const [one, two] = await Promise.all([cache.getOrSet("k", load), cache.getOrSet("k", load)]);
    expect(one).toEqual({ list: [1], at: "1970-01-01T00:00:00.000Z" });
    one?.list.push(2);
    expect(two?.list).toEqual([1]);
    expect((await cache.getOrSet("k", load))?.list).toEqual([1]);
  });

  test("that fails throws what the loader threw, to all, and keeps nothing", async () => {
    const { cache } = openCache();
    const failure = new Error("no");
    const load = () => {
      throw failure;
    };
    const results = await Promise.allSettled([cache.getOrSet("k", load), cache.getOrSet("k", load)]);
    expect(results.map((result) => result.status === "rejected" && result.reason)).toEqual([failure, failure]);
    expect(await cache.getOrSet("k", () => 1)).toBe(1);
    expect((await cache.stats()).loading).toMatchObject({ loads: 2, failed: 1 });
  });

  test("of what the serializer can't hold gives it and keeps nothing", async () => {
    const { cache, events } = openCache();
    const value = 10n;
    expect(await cache.getOrSet("k", () => value)).toBe(value);
    expect(await cache.has("k")).toBe(false);
    expect((await cache.stats()).counters.errors).toBe(1);
    expect(events).toMatchObject([code("cache-bypassed")]);
  });

  test("in a read-only cache is given and not kept", async () => {
    const { cache } = openCache({ readOnly: true });
    expect(await cache.getOrSet("k", () => 1)).toBe(1);
    expect(await cache.has("k")).toBe(false);
  });

  test("begins with no key that can't be written, and no options that make no sense", async () => {
    const { cache } = openCache();
    let loads = 0;
    const load = () => ++loads;
    await expect(cache.getOrSet("", load)).rejects.toMatchObject(code("invalid-key"));
    const wrong: [LoadOptions<number>, string][] = [
      [{ ttl: 0 }, "invalid-ttl"],
      [{ negativeTtl: -1 }, "invalid-ttl"],
      [{ softTtl: 20, ttl: 10 }, "invalid-load-options"],
      [{ staleIfError: -1 }, "invalid-load-options"],
      [{ ttlJitter: 2 }, "invalid-load-options"],
      [{ loadTimeout: 0 }, "invalid-load-options"],
      [{ lockWait: Number.NaN }, "invalid-load-options"],
      [{ tags: [""] }, "invalid-tag"],
      [{ timeout: 0 }, "invalid-timeout"],
      [{ tier: "memory" }, "unknown-tier"],
    ];
    for (const [options, expected] of wrong) {
      await expect(cache.getOrSet("k", load, options)).rejects.toMatchObject(code(expected));
    }
    expect(loads).toBe(0);
  });

  test("has a jitter that only takes off", async () => {
    for (const chance of [0, 0.5, 0.999]) {
      const { cache, clock } = openCache({ random: () => chance });
      await cache.getOrSet("k", () => 1, { ttl: 1000, ttlJitter: 0.2 });
      const [entry] = await cache.readMany(["k"], { want: "all", peek: true });
      expect(entry?.expiresAt).toBeCloseTo(clock.now() + 1000 - 200 * chance, 0);
    }
  });
});

describe("no value", () => {
  test("is not remembered by default", async () => {
    const { cache } = openCache();
    let loads = 0;
    const load = async () => {
      loads += 1;
      return undefined;
    };
    expect(await cache.getOrSet("k", load)).toBeUndefined();
    expect(await cache.getOrSet("k", load)).toBeUndefined();
    expect(loads).toBe(2);
  });

  test("is remembered for its own TTL, and is a miss for everybody else", async () => {
    const { cache, clock } = openCache();
    let loads = 0;
    const load = () => {
      loads += 1;
      return undefined;
    };
    const options = { negativeTtl: 100, ttl: 5000, tags: ["t"] };
    expect(await cache.getOrSet("k", load, options)).toBeUndefined();
    expect(await cache.getOrSet("k", load, options)).toBeUndefined();
    expect(loads).toBe(1);
    expect(await cache.get("k")).toBeUndefined();
    expect(await cache.get("k", { peek: true })).toBeUndefined();
    expect(await cache.getMany(["k"])).toEqual([undefined]);
    expect(await cache.getBytes("k")).toBeUndefined();
    expect(await cache.has("k")).toBe(false);
    clock.advance(100);
    await cache.getOrSet("k", load, options);
    expect(loads).toBe(2);
    expect((await cache.invalidate({ tags: ["t"] })).deleted).toBe(1);
    expect(await cache.getOrSet("k", () => null, options)).toBeNull();
    expect(await cache.getOrSet("k", load, options)).toBeNull();
  });
});

describe("one flight", () => {
  test("for ten thousand callers", async () => {
    const { cache } = openCache();
    const gate = new Gate();
    let loads = 0;
    const load = async () => {
      loads += 1;
      await gate.opened;
      return { n: 1 };
    };
    const callers = Array.from({ length: 10_000 }, () => cache.getOrSet("k", load));
    gate.open();
    const values = await Promise.all(callers);
    expect(loads).toBe(1);
    expect(new Set(values).size).toBe(10_000);
    expect(values.every((value) => value?.n === 1)).toBe(true);
    expect((await cache.stats()).counters.misses).toBe(10_000);
    expect((await cache.stats()).loading.joined).toBe(9_999);
  });

  test.each<[string, (cache: Cache) => Promise<unknown>]>([
    ["a deletion", (cache) => cache.delete("a:k")],
    ["a deletion of many", (cache) => cache.deleteMany(["x", "a:k"])],
    ["a clear", (cache) => cache.clear()],
    ["a prefix", (cache) => cache.invalidate({ prefix: "a:" })],
    ["a glob", (cache) => cache.invalidate({ match: "a:*" })],
    ["a tag", (cache) => cache.invalidate({ tags: ["t"] })],
    ["a soft invalidation", (cache) => cache.invalidate({ keys: ["a:k"] }, { soft: true })],
    ["a set", (cache) => cache.set("a:k", "set")],
    ["a set of many", (cache) => cache.setMany([["a:k", "set"]])],
  ])("%s during a load: earlier callers get it, it is not kept, later ones start anew", async (what, change) => {
    const { cache } = openCache();
    const first = new Gate();
    const old = cache.getOrSet(
      "a:k",
      async () => {
        await first.opened;
        return "old";
      },
      { tags: () => ["t"] },
    );
    const joined = cache.getOrSet("a:k", () => "never");
    await change(cache);
    const later = cache.getOrSet("a:k", () => "new", { tags: ["t"] });
    expect(await later).toBe(what.includes("set") && !what.includes("soft") ? "set" : "new");
    first.open();
    expect(await Promise.all([old, joined])).toEqual(["old", "old"]);
    expect(await cache.get("a:k")).toBe(await later);
    expect((await cache.stats()).loading.overtaken).toBe(1);
  });

  test.each<[string, (cache: Cache) => Promise<unknown>]>([
    ["another key", (cache) => cache.delete("b:k")],
    ["another prefix", (cache) => cache.invalidate({ prefix: "b:" })],
    ["another tag", (cache) => cache.invalidate({ tags: ["u"] })],
  ])("%s being invalidated does not hinder it", async (_, change) => {
    const { cache } = openCache();
    const gate = new Gate();
    const load = cache.getOrSet(
      "a:k",
      async () => {
        await gate.opened;
        return 1;
      },
      { tags: ["t"] },
    );
    await change(cache);
    gate.open();
    await load;
    expect(await cache.get("a:k")).toBe(1);
  });

  test("ends for who gives up, goes on for the others, and is called off when all have left", async () => {
    const { cache } = openCache();
    const gate = new Gate();
    let given: AbortSignal | undefined;
    const load = async ({ signal }: { signal: AbortSignal }) => {
      given = signal;
      await gate.opened;
      return 1;
    };
    const [one, two] = [new AbortController(), new AbortController()];
    const first = cache.getOrSet("k", load, { signal: one.signal });
    const second = cache.getOrSet("k", load, { signal: two.signal });
    one.abort();
    await expect(first).rejects.toMatchObject(code("aborted"));
    await until(() => given);
    expect(given?.aborted).toBe(false);
    two.abort();
    await expect(second).rejects.toMatchObject(code("aborted"));
    expect(given?.aborted).toBe(true);
    expect(await cache.getOrSet("k", () => 2)).toBe(2);
    gate.open();
    expect(await cache.getOrSet("k", () => 3)).toBe(2);
    await expect(cache.getOrSet("k", load, { signal: one.signal })).rejects.toMatchObject(code("aborted"));
  });

  test("is not called off while somebody without a signal waits", async () => {
    const { cache } = openCache();
    const gate = new Gate();
    const load = async () => {
      await gate.opened;
      return 1;
    };
    const controller = new AbortController();
    const patient = cache.getOrSet("k", load);
    const other = cache.getOrSet("k", load, { signal: controller.signal });
    controller.abort();
    await expect(other).rejects.toMatchObject(code("aborted"));
    gate.open();
    expect(await patient).toBe(1);
    expect(await cache.get("k")).toBe(1);
  });

  test("has a deadline for each caller", async () => {
    const { cache, clock } = openCache();
    const hurried = cache.getOrSet("k", () => new Promise<number>(() => undefined), { timeout: 50 });
    const refused = expect(hurried).rejects.toMatchObject(code("call-timeout"));
    clock.advance(50);
    await refused;
    expect(await cache.getOrSet("k", () => 2)).toBe(2);
  });

  test("whose loader asks for its own key fails at once, and others may go on asking for it", async () => {
    const { cache } = openCache();
    const itself = await cache.getOrSet("k", () => cache.getOrSet("k", () => 1)).catch((error: unknown) => error);
    expect(itself).toMatchObject({ ...code("load-of-itself"), kind: "usage", key: "k" });
    const bounded = cache.getOrSet("k", () => cache.getOrSet("k", () => 1, { timeout: 5000 }));
    await expect(bounded).rejects.toMatchObject(code("load-of-itself"));
    const many = cache.getOrSet("k", () => cache.getOrSetMany(["j", "k"], (keys) => keys.map(() => 1)));
    await expect(many).rejects.toMatchObject(code("load-of-itself"));
    let outside: Promise<unknown> = Promise.resolve();
    const inside = cache.getOrSet("k", async () => {
      const other = await cache.getOrSet("other", () => cache.getOrSet("third", () => 1));
      outside = cache.getOrSet("k", () => 0);
      return other;
    });
    expect([await inside, await outside, await cache.get("k")]).toEqual([1, 1, 1]);
  });

  test("that is stuck ends at its time, for all, and its loader hears of it", async () => {
    const { cache, clock } = openCache();
    let given: AbortSignal | undefined;
    const stuck = cache.getOrSet(
      "k",
      ({ signal }) => {
        given = signal;
        return new Promise<number>(() => undefined);
      },
      { loadTimeout: 1000 },
    );
    await until(() => given);
    clock.advance(999);
    const late = cache.getOrSet("k", () => 2);
    const ended = Promise.allSettled([stuck, late]);
    clock.advance(1);
    for (const result of await ended) expect(result).toMatchObject({ reason: code("load-timeout") });
    expect(given?.aborted).toBe(true);
    expect(await cache.getOrSet("k", () => 3)).toBe(3);
    expect((await cache.stats()).loading).toMatchObject({ timedOut: 1, failed: 1 });
  });

  test("ends when the cache is closed", async () => {
    const { cache } = openCache();
    let given: AbortSignal | undefined;
    const stuck = cache.getOrSet("k", ({ signal }) => {
      given = signal;
      return new Promise<number>(() => undefined);
    });
    const refused = expect(stuck).rejects.toMatchObject(code("closed"));
    await until(() => given);
    await cache.close();
    await refused;
    expect(given?.aborted).toBe(true);
    await expect(cache.getOrSet("k", () => 1)).rejects.toMatchObject(code("closed"));
  });
});

describe("many keys", () => {
  test("are read at once, and the missing ones loaded at once", async () => {
    const { cache } = openCache();
    await cache.set("b", "B");
    const asked: (readonly string[])[] = [];
    const load = (keys: readonly string[]) => {
      asked.push(keys);
      return keys.map((key) => (key === "none" ? undefined : key.toUpperCase()));
    };
    expect(await cache.getOrSetMany(["a", "b", "none", "c", "a"], load)).toEqual(["A", "B", undefined, "C", "A"]);
    expect(asked).toEqual([["a", "none", "c"]]);
    expect(await cache.getOrSetMany(["c", "a"], load)).toEqual(["C", "A"]);
    expect(asked.length).toBe(1);
    expect(await cache.getOrSetMany([], load)).toEqual([]);
    expect(await cache.getOrSetMany(["m"], () => new Map([["m", "M"]]))).toEqual(["M"]);
  });

  test("share loads with callers of single keys", async () => {
    const { cache } = openCache();
    const gate = new Gate();
    const single = cache.getOrSet("a", async () => {
      await gate.opened;
      return "single";
    });
    const asked: (readonly string[])[] = [];
    const many = cache.getOrSetMany(["a", "b"], (keys) => {
      asked.push(keys);
      return keys.map(() => "many");
    });
    const late = cache.getOrSet("b", () => "never");
    expect(await late).toBe("many");
    gate.open();
    expect(await many).toEqual(["single", "many"]);
    expect(await single).toBe("single");
    expect(asked).toEqual([["b"]]);
  });

  test("fail together with what the loader throws, and with a clear error for a wrong number of values", async () => {
    const { cache } = openCache();
    const failure = new Error("no");
    await expect(cache.getOrSetMany(["a", "b"], () => Promise.reject(failure))).rejects.toBe(failure);
    await expect(cache.getOrSetMany(["a", "b"], () => [1])).rejects.toMatchObject(code("invalid-load-result"));
    expect(await cache.getOrSetMany(["a", "b"], () => [1, 2])).toEqual([1, 2]);
  });
});

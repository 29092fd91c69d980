import { afterEach, describe, expect, test } from "vitest";
import { openMemory } from "../../src/backends/memory/index.js";
import { Cache } from "../../src/cache/cache.js";
import type { Serializer, SerializerChoice } from "../../src/cache/serializer.js";
import type { CacheEvent } from "../../src/events.js";
import { FakeClock } from "../support/fake-clock.js";
import { until } from "../support/until.js";

const opened: Cache[] = [];
afterEach(async () => {
  for (const cache of opened.splice(0)) await cache.close();
});

function openCache(serializer?: SerializerChoice) {
  const clock = new FakeClock();
  const events: CacheEvent[] = [];
  const emit = (event: CacheEvent) => void events.push(event);
  const backend = openMemory({ namespace: "", clock, emit, sweepMs: 0 });
  const cache = new Cache(backend, { clock, emit, countInterval: 0, ...(serializer && { serializer }) });
  opened.push(cache);
  return { cache, events, backend };
}

const code = (value: string) => ({ code: value });

describe("MessagePack", () => {
  const rich = {
    date: new Date(1_700_000_000_123),
    map: new Map<unknown, unknown>([
      [1, "a"],
      ["k", new Set([1, "2", null])],
      [new Date(0), { deep: [1n] }],
    ]),
    set: new Set([new Map([["x", 1]])]),
    big: [0n, -1n, 2n ** 200n, -(2n ** 64n)],
    bytes: new Uint8Array([0, 255]),
    numbers: [0, -1, 1.5, 2 ** 40, Number.MAX_SAFE_INTEGER],
    empty: [new Map(), new Set(), "", null, [], {}],
  };

  test("holds dates, maps, sets, bigints and bytes, one by one, many at once and read through", async () => {
    const { cache } = openCache("msgpack");
    await cache.set("k", rich);
    expect(await cache.get("k")).toEqual(rich);
    expect(await cache.get("k", { peek: true })).toEqual(rich);
    await cache.setMany([["m", rich]]);
    expect(await cache.getMany(["m", "none"])).toEqual([rich, undefined]);
    const callers = [cache.getOrSet("l", () => rich), cache.getOrSet("l", () => rich)];
    const [one, two] = await Promise.all(callers);
    expect([one, two]).toEqual([rich, rich]);
    one?.map.clear();
    one?.bytes.fill(7);
    expect(two).toEqual(rich);
    expect(await cache.getOrSet("l", () => rich)).toEqual(rich);
  });

  test("tells no value, which is remembered, from null", async () => {
    const { cache } = openCache("msgpack");
    await cache.getOrSet("none", () => undefined, { negativeTtl: 100 });
    await cache.set("null", null);
    expect(await cache.getMany(["none", "null"])).toEqual([undefined, null]);
    expect(await cache.getOrSet("none", () => 1, { negativeTtl: 100 })).toBeUndefined();
  });

  const cyclic: unknown[] = [];
  cyclic.push(new Map([[1, cyclic]]));

  test.each<[string, unknown]>([
    ["undefined", undefined],
    ["a function", () => 1],
    ["a nested symbol", [Symbol("x")]],
    ["a cycle", cyclic],
  ])("refuses %s", async (_, value) => {
    const { cache } = openCache("msgpack");
    await expect(cache.set("k", value)).rejects.toMatchObject(code("not-serializable"));
    expect(await cache.has("k")).toBe(false);
  });

  test.each<[string, Buffer]>([
    ["JSON text", Buffer.from('{"a":1}')],
    ["a value that is cut", Buffer.from([0x92, 1])],
    ["a map with a key and no value", Buffer.from([0xd4, 1, 0x91])],
    ["a set that is no list", Buffer.from([0xd4, 2, 1])],
    ["a number that is none", Buffer.from([0xc7, 2, 3, 0x78, 0x78])],
    ["nothing", Buffer.alloc(0)],
  ])("takes %s for a miss, counts it, says so, and removes it", async (_, bytes) => {
    const { cache, events } = openCache("msgpack");
    await cache.setBytes("k", bytes);
    expect(await cache.get("k")).toBeUndefined();
    expect(events).toMatchObject([code("broken-entry")]);
    expect(await cache.has("k")).toBe(false);
    expect((await cache.stats()).counters).toMatchObject({ errors: 1, misses: 1 });
    await cache.setBytes("k", bytes);
    expect(await cache.getOrSet("k", () => "loaded")).toBe("loaded");
    await until(async () => (await cache.get("k")) === "loaded");
  });
});

describe("JSON", () => {
  test("refuses what it has no form for", async () => {
    const { cache } = openCache();
    for (const value of [undefined, () => 1, 1n]) {
      await expect(cache.set("k", value)).rejects.toMatchObject(code("not-serializable"));
    }
  });

  test("refuses bytes, Map and Set with the way out, however large, and keeps what holds them", async () => {
    const { cache } = openCache();
    const bytes = {
      ...code("not-serializable"),
      message: expect.stringMatching(/bytes$/),
      hint: expect.stringContaining("setBytes"),
    };
    const small = new Uint8Array(2);
    for (const value of [Buffer.from("ab"), small, new DataView(small.buffer), small.buffer, new Float64Array(1)]) {
      await expect(cache.set("k", value)).rejects.toMatchObject(bytes);
      await expect(cache.setMany([["k", value]])).rejects.toMatchObject(bytes);
    }
    const began = performance.now();
    const refused = await cache.set("k", Buffer.alloc(20_000_000)).catch((error: unknown) => error);
    expect([performance.now() - began < 1000, refused]).toEqual([
      true,
      expect.objectContaining(code("not-serializable")),
    ]);
    // A loader's value is its caller's all the same.
    expect([await cache.getOrSet("k", () => small), await cache.has("k")]).toEqual([small, false]);
    for (const value of [new Map([[1, 2]]), new Set([1])])
      await expect(cache.set("k", value)).rejects.toMatchObject({ hint: expect.stringContaining("msgpack") });
    await cache.set("k", { inside: Buffer.from("a"), at: new Date(0) });
    expect(await cache.get("k")).toEqual({ inside: { type: "Buffer", data: [97] }, at: "1970-01-01T00:00:00.000Z" });
  });

  test("gives text for what is no JSON", async () => {
    const { cache } = openCache();
    await cache.setBytes("k", Buffer.from("plain"));
    expect([await cache.get("k"), await cache.getOrSet("k", () => 1)]).toEqual(["plain", "plain"]);
  });
});

describe("a serializer of one's own", () => {
  const reversed: Serializer = {
    name: "reversed text",
    encode: (value) => Buffer.from([...String(value)].reverse().join("")),
    decode: (bytes) => {
      const text = Buffer.from(bytes).toString();
      if (text === "bad") throw new RangeError("it is bad");
      return [...text].reverse().join("");
    },
  };

  test("is used for values, and not for bytes", async () => {
    const { cache, events } = openCache(reversed);
    await cache.set("k", "abc");
    expect(Buffer.from((await cache.getBytes("k")) ?? []).toString()).toBe("cba");
    expect(await cache.get("k")).toBe("abc");
    await cache.setBytes("b", Buffer.from("bad"));
    expect(await cache.get("b")).toBeUndefined();
    expect(events[0]?.message).toContain("reversed text: it is bad");
  });

  test("does not remove what was written meanwhile", async () => {
    const { cache, backend } = openCache({
      ...reversed,
      decode: (bytes) => {
        if (Buffer.from(bytes).toString() !== "bad") return reversed.decode(bytes);
        backend.setMany([{ key: "b", value: Buffer.from("doog") }]);
        throw new RangeError("it is bad");
      },
    });
    await cache.setBytes("b", Buffer.from("bad"));
    expect(await cache.get("b")).toBeUndefined();
    expect(await cache.get("b")).toBe("good");
  });

  test("must be one", () => {
    const wrong = { name: "half", encode: () => Buffer.alloc(0) } as unknown;
    expect(() => openCache(wrong as Serializer)).toThrow(expect.objectContaining(code("invalid-serializer")));
  });
});

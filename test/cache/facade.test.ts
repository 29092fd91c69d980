import { afterEach, describe, expect, expectTypeOf, test } from "vitest";
import type { Backend } from "../../src/backends/backend.js";
import { openMemory } from "../../src/backends/memory/index.js";
import { Cache } from "../../src/cache/cache.js";
import { FakeClock } from "../support/fake-clock.js";
import { until } from "../support/until.js";

const opened: Cache[] = [];
const clock = new FakeClock();
afterEach(async () => {
  for (const cache of opened.splice(0)) {
    let closed = false;
    void cache.close().then(() => {
      closed = true;
    });
    // A store that never answers is waited for a while.
    await until(() => {
      clock.advance(100);
      return closed;
    });
  }
});

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

const memory = () => openMemory({ namespace: "", clock, emit: () => undefined, sweepMs: 0 });

function openCache(backend: Backend = memory(), readOnly = false): Cache {
  const cache = new Cache(backend, { clock, countInterval: 0, readOnly });
  opened.push(cache);
  return cache;
}

/** A store that takes what it is asked and never answers, until it is closed. */
function silent(): Backend {
  return new Proxy(memory(), {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      if (name === "close" || name === "count") return value.bind(target);
      if (name === "scan")
        return () => ({ [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => undefined) }) });
      return () => new Promise(() => undefined);
    },
  });
}

const code = (value: string) => ({ code: value });

const calls: [
  string,
  (cache: Cache, options: { signal?: AbortSignal; timeout?: number; tier?: string }) => Promise<unknown>,
][] = [
  ["start", (cache, options) => cache.start(options)],
  ["get", (cache, options) => cache.get("k", options)],
  ["getBytes", (cache, options) => cache.getBytes("k", options)],
  ["getMany", (cache, options) => cache.getMany(["k"], options)],
  ["readMany", (cache, options) => cache.readMany(["k"], options)],
  ["has", (cache, options) => cache.has("k", options)],
  ["set", (cache, options) => cache.set("k", 1, options)],
  ["setBytes", (cache, options) => cache.setBytes("k", new Uint8Array(1), options)],
  ["setMany", (cache, options) => cache.setMany([["k", 1]], options)],
  ["writeMany", (cache, options) => cache.writeMany([{ key: "k", value: new Uint8Array(1) }], options)],
  ["delete", (cache, options) => cache.delete("k", options)],
  ["deleteMany", (cache, options) => cache.deleteMany(["k"], options)],
  ["touch", (cache, options) => cache.touch("k", 1000, options)],
  ["invalidate", (cache, options) => cache.invalidate({ prefix: "k" }, options)],
  ["clear", (cache, options) => cache.clear(options)],
  ["getOrSet", (cache, options) => cache.getOrSet("k", () => 1, options)],
  ["getOrSetMany", (cache, options) => cache.getOrSetMany(["k"], () => [1], options)],
  ["countWhere", (cache, options) => cache.countWhere({ all: true }, options)],
  ["keys", (cache, options) => collect(cache.keys({ all: true }, options))],
  ["openRead", (cache, options) => cache.openRead("k", options)],
  ["openWrite", (cache, options) => cache.openWrite("k", options)],
];

describe("every call", () => {
  test.each(calls)("%s ends at its deadline, whatever the store does", async (_, call) => {
    const cache = openCache(silent());
    const ended = expect(call(cache, { timeout: 50 })).rejects.toMatchObject({ kind: "timeout", code: "call-timeout" });
    // The timer is set some moments after the call.
    for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
    clock.advance(50);
    await ended;
  });

  // A listing that is stopped has an end like any other.
  const stoppable = calls.filter(([name]) => name !== "countWhere" && name !== "keys");

  test.each(stoppable)("%s ends with its signal", async (_, call) => {
    const cache = openCache();
    await expect(call(cache, { signal: AbortSignal.abort() })).rejects.toMatchObject(code("aborted"));
  });

  test.each(calls)("%s refuses a tier that is not there", async (_, call) => {
    await expect(call(openCache(), { tier: "none" })).rejects.toMatchObject(code("unknown-tier"));
  });

  test.each(calls)("%s does its work within a deadline that it keeps", async (_, call) => {
    await call(openCache(), { timeout: 1000 });
    expect(clock.sleepers).toBe(0);
  });
});

test("one tier of several can be named", async () => {
  const [upper, lower] = [memory(), memory()];
  const tiers = new Map<string, Backend>([
    ["memory", upper],
    ["lower", lower],
  ]);
  const tiered = Object.assign(memory(), { tierNames: [...tiers.keys()], tier: (name: string) => tiers.get(name) });
  const cache = openCache(tiered);
  await cache.set("k", "up", { tier: "memory" });
  expect(await cache.get("k", { tier: "memory" })).toBe("up");
  expect(await cache.get("k", { tier: "lower" })).toBeUndefined();
  expect(await cache.getOrSet("k", () => "low", { tier: "lower" })).toBe("low");
  expect(await cache.getOrSet("k", () => "never", { tier: "memory" })).toBe("up");
  expect(await cache.get("k")).toBeUndefined();
});

test("a read-only cache refuses every write, and nothing else", async () => {
  const cache = openCache(memory(), true);
  const writes = new Set([
    "set",
    "setBytes",
    "setMany",
    "writeMany",
    "delete",
    "deleteMany",
    "touch",
    "invalidate",
    "clear",
    "openWrite",
  ]);
  for (const [name, call] of calls) {
    if (writes.has(name)) await expect(call(cache, {})).rejects.toMatchObject({ kind: "refused", code: "read-only" });
    else await call(cache, {});
  }
});

test("values are written and read in pieces, and counted", async () => {
  const cache = openCache();
  const writer = await cache.openWrite("big", { ttl: 1000, tags: ["t"] });
  await writer.write(Buffer.from("one,"));
  await writer.write(Buffer.from("two"));
  expect(await cache.has("big")).toBe(false);
  expect(await writer.commit()).toBe("stored");
  const reader = await cache.openRead("big", { start: 4 });
  if (reader === undefined) throw new Error("it is not there");
  const pieces = await collect(reader.body);
  reader.close();
  expect(Buffer.concat(pieces).toString()).toBe("two");
  expect(reader.head).toMatchObject({ size: 7, tags: ["t"], expiresAt: clock.now() + 1000 });
  expect(await cache.openRead("none")).toBeUndefined();
  expect((await cache.stats()).counters).toMatchObject({ sets: 1, hits: 1, misses: 1 });
});

test("a value that was written in pieces overtakes a load", async () => {
  const cache = openCache();
  const writer = await cache.openWrite("k");
  await writer.write(Buffer.from('"streamed"'));
  const load = cache.getOrSet("k", async () => {
    await writer.commit();
    return "loaded";
  });
  expect(await load).toBe("loaded");
  expect(await cache.get("k")).toBe("streamed");
});

test("types say what a caller expects", async () => {
  const cache = openCache();
  expectTypeOf(cache.get<{ a: number }>("k")).resolves.toEqualTypeOf<{ a: number } | undefined>();
  expectTypeOf(cache.getMany<string>(["k"])).resolves.toEqualTypeOf<(string | undefined)[]>();
  expectTypeOf(cache.getOrSet("k", () => ({ a: 1 }))).resolves.toEqualTypeOf<{ a: number } | undefined>();
});

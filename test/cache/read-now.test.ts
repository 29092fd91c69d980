import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { openMemory } from "../../src/backends/memory/index.js";
import { resilient } from "../../src/backends/resilient/index.js";
import { openSqlite } from "../../src/backends/sqlite/index.js";
import { openTiered } from "../../src/backends/tiered/index.js";
import { Cache } from "../../src/cache/cache.js";
import { nothing } from "../../src/cache/codec.js";
import { FakeClock } from "../support/fake-clock.js";
import { tempDir } from "../support/temp-dir.js";

const emit = () => undefined;

function setUp() {
  const clock = new FakeClock();
  const context = { namespace: "", clock, emit };
  const memory = () => openMemory({ ...context, sweepMs: 0 });
  const opened = (backend: ConstructorParameters<typeof Cache>[0]) => {
    const cache = new Cache(backend, { clock, countInterval: 0 });
    onTestFinished(() => cache.close());
    return cache;
  };
  return { clock, context, memory, opened };
}

describe("a read of memory at once", () => {
  test("gives as much of the entry as it was asked for, and a copy of each array", async () => {
    const { clock, memory, opened } = setUp();
    const cache = opened(memory());
    const meta = Buffer.from("meta");
    const until = { expiresAt: clock.now() + 2000, staleAt: clock.now() + 1000 };
    await cache.backend.setMany([{ key: "k", value: Buffer.from("value"), tags: ["t"], meta, ...until }]);
    await cache.set("plain", 1, { ttl: null });
    const head = { size: 5, tags: ["t"], ...until };
    const read = () => cache.readNow("k", "copy");
    for (const spoilt of [read(), read()]) {
      expect(spoilt).toEqual({ ...head, value: new Uint8Array(Buffer.from("value")), meta: new Uint8Array(meta) });
      spoilt?.value.fill(0);
      spoilt?.meta?.fill(0);
    }
    expect(cache.readNow("plain", "copy")).toEqual({ value: new Uint8Array([49]), size: 1, tags: [] });
    expect(cache.readNow("k", "value")).toEqual({ value: new Uint8Array(Buffer.from("value")), size: 5 });
    expect((await cache.stats()).counters).toMatchObject({ hits: 4, misses: 0 });
  });

  test("gives nothing after the deadline, and no negative result", async () => {
    const { clock, memory, opened } = setUp();
    const cache = opened(memory());
    await cache.set("k", 1, { ttl: 1000 });
    await cache.setBytes("none", nothing());
    clock.advance(999);
    expect(cache.readNow("k", "value")).toBeDefined();
    clock.advance(1);
    expect([cache.readNow("k", "value"), cache.readNow("none", "value")]).toEqual([undefined, undefined]);
    expect(await cache.getBytes("none")).toBeUndefined();
    expect((await cache.stats()).counters).toMatchObject({ hits: 1, misses: 1, expirations: 1 });
  });

  test("is had through resilience, and of a store that is not in memory never", async () => {
    const { context, memory, opened } = setUp();
    const guarded = opened(resilient(memory(), {}, { ...context, target: "memory" }));
    const onDisk = opened(await openSqlite({ ...context, path: join(tempDir("read-now"), "cache.db") }));
    for (const cache of [guarded, onDisk]) await cache.set("k", 1);
    expect([guarded.readNow("k", "value")?.size, onDisk.readNow("k", "value")]).toEqual([1, undefined]);
  });

  test("of tiers asks the fastest alone, and getBytes goes on below", async () => {
    const { context, memory, opened } = setUp();
    const below = memory();
    const tiers = [
      { name: "memory", backend: memory(), ttlMs: null },
      { name: "below", backend: below, ttlMs: null },
    ];
    const backend = openTiered(tiers, { ...context, readOnly: false });
    await backend.ready();
    const cache = opened(backend);
    await below.setMany([{ key: "k", value: Buffer.from("1") }]);
    expect(cache.readNow("k", "value")).toBeUndefined();
    expect(await cache.getBytes("k")).toEqual(new Uint8Array([49]));
    expect(cache.readNow("k", "value")?.value).toEqual(new Uint8Array([49]));
    await cache.delete("k");
    expect(cache.readNow("k", "value")).toBeUndefined();
  });

  test("fails on a closed store as a promise where a promise is given", async () => {
    const { clock, memory } = setUp();
    const cache = new Cache(memory(), { clock });
    await cache.close();
    expect(() => cache.readNow("k", "value")).toThrow(expect.objectContaining({ code: "closed" }));
    await expect(cache.getBytes("k")).rejects.toMatchObject({ code: "closed" });
  });
});

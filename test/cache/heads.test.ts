import { describe, expect, onTestFinished, test } from "vitest";
import { MAX_META_BYTES } from "../../src/backends/backend.js";
import { openMemory } from "../../src/backends/memory/index.js";
import { Cache } from "../../src/cache/cache.js";
import { bytes } from "../contract/harness.js";
import { FakeClock } from "../support/fake-clock.js";

const HOUR = 3_600_000;

function opened(readOnly = false) {
  const clock = new FakeClock();
  const backend = openMemory({ namespace: "", clock, emit: () => {} });
  const cache = new Cache(backend, { clock, readOnly });
  onTestFinished(() => cache.close());
  const headOf = async (key: string) => {
    const [stored] = await cache.readMany([key], { want: "all", peek: true });
    if (stored === undefined) return undefined;
    const { expiresAt, staleAt, tags, meta } = stored;
    return { expiresAt, staleAt, tags, meta: meta && Buffer.from(meta).toString() };
  };
  return { clock, cache, backend, headOf };
}

describe("what is kept with a value", () => {
  test("is written with it, whole and in pieces", async () => {
    const { clock, cache, headOf } = opened();
    const head = { expiresAt: clock.now() + HOUR, staleAt: clock.now() + 1000, tags: ["t"] };
    await cache.writeMany([{ key: "whole", value: bytes("v"), ...head, meta: bytes("m") }]);
    const writer = await cache.openWrite("pieces", { ...head, meta: bytes("m") });
    await writer.commit();
    for (const key of ["whole", "pieces"]) expect(await headOf(key)).toEqual({ ...head, meta: "m" });
  });

  test("a stream takes its TTL, none, or the default where it is given neither that nor a deadline", async () => {
    const { clock, cache, headOf } = opened();
    for (const [key, options] of Object.entries({ ttl: { ttl: 1000 }, none: { expiresAt: null }, given: {} })) {
      await (await cache.openWrite(key, options)).commit();
    }
    expect((await headOf("ttl"))?.expiresAt).toBe(clock.now() + 1000);
    expect((await headOf("none"))?.expiresAt).toBeUndefined();
    expect((await headOf("given"))?.expiresAt).toBe(clock.now() + HOUR);
  });

  test("an entry that ends before it goes stale never does", async () => {
    const { clock, cache, headOf } = opened();
    const staleAt = clock.now() + 1000;
    await cache.writeMany([{ key: "k", value: bytes("v"), ttl: 1000, staleAt }]);
    expect((await headOf("k"))?.staleAt).toBeUndefined();
  });

  test("can be changed without the value, by version", async () => {
    const { clock, cache, headOf } = opened();
    await cache.writeMany([{ key: "k", value: bytes("v"), ttl: HOUR, tags: ["t"], meta: bytes("old") }]);
    const [stored] = await cache.readMany(["k"], { want: "all" });
    const ifVersion = stored?.version ?? "";
    const change = { key: "k", meta: bytes("new"), staleAt: clock.now() + 1000, expiresAt: null, ifVersion };
    expect(await cache.touchEach([change, change, { key: "absent" }])).toEqual([true, false, false]);
    expect(await headOf("k")).toEqual({
      expiresAt: undefined,
      staleAt: clock.now() + 1000,
      tags: ["t"],
      meta: "new",
    });
  });

  test("is refused where it can't be kept, with nothing done", async () => {
    const { cache, headOf } = opened();
    await cache.set("k", 1);
    const before = await headOf("k");
    const large = new Uint8Array(MAX_META_BYTES + 1);
    const write = (more: object) => cache.writeMany([{ key: "k", value: bytes("v"), ...more }]);
    await expect(write({ meta: large })).rejects.toMatchObject({ code: "meta-too-large" });
    await expect(write({ staleAt: Number.NaN })).rejects.toMatchObject({ code: "invalid-deadline" });
    await expect(write({ expiresAt: Number.POSITIVE_INFINITY })).rejects.toMatchObject({ code: "invalid-deadline" });
    await expect(cache.openWrite("k", { meta: large })).rejects.toMatchObject({ code: "meta-too-large" });
    const changes: [object, string][] = [
      [{ meta: large }, "meta-too-large"],
      [{ expiresAt: Number.NaN }, "invalid-deadline"],
      [{ staleAt: Number.NEGATIVE_INFINITY }, "invalid-deadline"],
    ];
    for (const [change, code] of changes) {
      const batch = [
        { key: "k", meta: bytes("m") },
        { key: "k", ...change },
      ];
      await expect(cache.touchEach(batch)).rejects.toMatchObject({ code });
    }
    expect(await headOf("k")).toEqual(before);
    const { cache: reader } = opened(true);
    await expect(reader.touchEach([{ key: "k" }])).rejects.toMatchObject({ code: "read-only" });
  });
});

describe("a position", () => {
  test.each<[string, (cache: Cache) => Promise<unknown>]>([
    ["a purge of its tag", (cache) => cache.invalidate({ tags: ["t"] })],
    ["a deletion of a key that is not there", (cache) => cache.delete("k")],
    ["a touch of it", async (cache) => [await cache.set("k", 0), await cache.touch("k", HOUR)]],
  ])("refuses what %s overtook, whole and in pieces", async (_, change) => {
    const { cache } = opened();
    const since = await cache.position();
    const writer = await cache.openWrite("k", { tags: ["t"], since });
    await change(cache);
    const before = await cache.getBytes("k");
    expect(await cache.writeMany([{ key: "k", value: bytes("late"), tags: ["t"] }], { since })).toEqual(["condition"]);
    expect(await writer.commit()).toBe("condition");
    expect(await cache.getBytes("k")).toEqual(before);
    const later = await cache.position();
    expect(await cache.writeMany([{ key: "k", value: bytes("new") }], { since: later })).toEqual(["stored"]);
  });
});

import { describe, expect, onTestFinished, test } from "vitest";
import {
  type Backend,
  CHUNK_BYTES,
  type CommonHead,
  type EntryViewer,
  showsEntries,
} from "../../src/backends/backend.js";
import { type MemoryBackend, type MemoryOptions, openMemory } from "../../src/backends/memory/index.js";
import { resilient } from "../../src/backends/resilient/index.js";
import { openTiered } from "../../src/backends/tiered/index.js";
import { transformed } from "../../src/backends/transform/index.js";
import { Cache } from "../../src/cache/cache.js";
import { systemClock } from "../../src/clock.js";
import { bytes, entry, put } from "../contract/harness.js";
import { FakeClock } from "../support/fake-clock.js";
import { until } from "../support/until.js";

const HOUR = 3_600_000;

function opened(more: Partial<MemoryOptions> = {}): { clock: FakeClock; backend: MemoryBackend } {
  const clock = new FakeClock();
  const backend = openMemory({ namespace: "", clock, emit: () => {}, ...more });
  onTestFinished(async () => {
    expect(backend.contradictions()).toEqual([]);
    await backend.close();
  });
  return { clock, backend };
}

/** Reads heads, counting how often it is called. */
function counting() {
  const calls = {
    count: 0,
    decode: (head: CommonHead) => {
      calls.count += 1;
      return { ...head, meta: head.meta && Buffer.from(head.meta).toString() };
    },
  };
  return calls;
}

function viewing(backend: Backend): Backend & EntryViewer {
  if (showsEntries(backend)) return backend;
  throw new Error("it shows no entries");
}

const used = async (backend: MemoryBackend) => Number((await backend.describe()).facts.usedBytes);

describe("entries that are shown", () => {
  test("are the store's own bytes, with what was made of the head, which is made twice at most", async () => {
    const { clock, backend } = opened();
    const { count: _, ...calls } = counting();
    const head = { expiresAt: clock.now() + HOUR, staleAt: clock.now() + 1000, tags: ["t"], meta: bytes("m") };
    await put(backend, entry("k", "value", head));
    const [one, two, three] = [1, 2, 3].map(() => backend.getEntry("k", calls.decode));
    expect(Buffer.from(one?.value ?? []).toString()).toBe("value");
    expect(one?.head).toEqual({ size: 5, ...head, meta: "m" });
    expect(two?.value).toBe(one?.value);
    expect(three?.head).toBe(two?.head);
    expect(backend.getEntry("absent", calls.decode)).toBeUndefined();
  });

  test.each<[string, (backend: MemoryBackend, clock: FakeClock) => unknown]>([
    ["a touch of meta", (b) => b.touchMany([{ key: "k", meta: bytes("new") }])],
    ["a touch of the deadline", (b, clock) => b.touchMany([{ key: "k", expiresAt: clock.now() + 2 * HOUR }])],
    ["a touch of staleness", (b) => b.touchMany([{ key: "k", staleAt: null }])],
    ["a soft deletion", (b) => b.deleteWhere({ all: true }, { soft: true })],
    ["an overwrite", (b) => b.setMany([entry("k", "new", { meta: bytes("new") })])],
  ])("what was made of the head is made anew after %s", async (_, change) => {
    const { clock, backend } = opened();
    const calls = counting();
    const expiresAt = clock.now() + HOUR;
    await put(backend, entry("k", "value", { expiresAt, staleAt: clock.now() + 1000, meta: bytes("old") }));
    for (let i = 0; i < 3; i++) backend.getEntry("k", calls.decode);
    expect(calls.count).toBe(2);
    const before = backend.getEntry("k", calls.decode);
    await change(backend, clock);
    const [stored] = backend.getMany(["k"], { want: "copy" });
    if (stored === undefined) throw new Error("there is no entry");
    const { value: __, ...head } = stored;
    const after = backend.getEntry("k", calls.decode);
    expect(after?.head).toEqual({ ...head, meta: head.meta && Buffer.from(head.meta).toString() });
    expect(after?.head).not.toEqual(before?.head);
    // Who holds the old one still has the old bytes.
    expect(Buffer.from(before?.value ?? []).toString()).toBe("value");
  });

  test("are none when they have ended, are deleted, or in pieces", async () => {
    const { clock, backend } = opened();
    const { decode } = counting();
    await put(backend, entry("ended", "v", { expiresAt: clock.now() + 10 }), "deleted");
    const writer = await backend.openWrite({ key: "pieces" });
    for (let i = 0; i < 2; i++) await writer.write(new Uint8Array(CHUNK_BYTES));
    await writer.commit();
    await clock.advance(10);
    backend.deleteMany(["deleted"]);
    for (const key of ["ended", "deleted", "pieces"]) expect(backend.getEntry(key, decode)).toBeUndefined();
  });

  test("what is kept of heads is charged, drives nothing out, and goes with its entry", async () => {
    const { backend } = opened({ maxBytes: 20_000, maxEntries: 1000 });
    const { decode } = counting();
    const keys = Array.from({ length: 100 }, (_, i) => `k${i}`);
    await put(backend, ...keys.map((key) => entry(key, "v", { meta: Buffer.alloc(100, 1) })));
    const plain = await used(backend);
    for (let i = 0; i < 3; i++) for (const key of keys) backend.getEntry(key, decode);
    const kept = await used(backend);
    expect(kept).toBeGreaterThan(plain);
    expect(kept - plain).toBeLessThanOrEqual(20_000 / 4);
    expect((await backend.describe()).entries).toBe(100);
    expect(backend.contradictions()).toEqual([]);
    backend.touchMany(keys.map((key) => ({ key, staleAt: null })));
    expect(await used(backend)).toBe(plain);
    backend.deleteMany(keys);
    expect(await used(backend)).toBe(0);
  });

  test("a meta that grows keeps the bounds, and one that can't fit ends the entry", async () => {
    const { backend } = opened({ maxBytes: 10_000, maxEntries: 1000, policy: "lru" });
    const keys = Array.from({ length: 50 }, (_, i) => `k${i}`);
    await put(backend, ...keys.map((key) => entry(key, "v".repeat(150))));
    expect(backend.touchMany([{ key: "k3", meta: Buffer.alloc(5000) }])).toEqual([true]);
    expect(await used(backend)).toBeLessThanOrEqual(10_000);
    expect(backend.getMany(["k3"])[0]).toBeDefined();
    expect(backend.contradictions()).toEqual([]);
    expect(backend.touchMany([{ key: "k3", meta: Buffer.alloc(10_000) }])).toEqual([true]);
    expect(backend.getMany(["k3"])).toEqual([undefined]);
  });
});

describe("shown through others", () => {
  const context = { namespace: "n:", clock: systemClock, emit: () => {} };

  test("a store that is watched shows what it has", async () => {
    const inner = openMemory(context);
    const backend = viewing(resilient(inner, { healthIntervalMs: 0 }, context));
    await put(backend, entry("k", "v", { meta: bytes("m") }));
    expect(backend.getEntry("k", counting().decode)?.head.meta).toBe("m");
    await backend.close();
  });

  test("what is compressed is not shown", async () => {
    const backend = viewing(
      transformed(openMemory(context), { namespace: "n:", compression: { algorithm: "gzip" } }, context),
    );
    await put(backend, entry("short", "v"), entry("long", "v".repeat(10_000)));
    const { decode } = counting();
    expect(Buffer.from(backend.getEntry("short", decode)?.value ?? []).toString()).toBe("v");
    expect(backend.getEntry("long", decode)).toBeUndefined();
    await backend.close();
  });

  test("of tiers the fastest shows what it may answer with, and no old meta after a touch", async () => {
    const [upper, lowest] = [openMemory(context), openMemory(context)];
    const tiers = [
      { name: "upper", backend: upper },
      { name: "lowest", backend: lowest },
    ];
    const backend = viewing(openTiered(tiers, context));
    const { decode } = counting();
    await put(lowest, entry("k", "v", { meta: bytes("old") }));
    expect(backend.getEntry("k", decode)).toBeUndefined();
    await until(async () => {
      await backend.getMany(["k"]);
      return backend.getEntry("k", decode) !== undefined;
    });
    expect(backend.getEntry("k", decode)?.head).toEqual({ size: 1, tags: [], meta: "old" });
    const [stored] = await backend.getMany(["k"], { want: "all" });
    const since = await backend.position();
    const touched = { key: "k", meta: bytes("new"), ...(stored?.version && { ifVersion: stored.version }) };
    expect(await backend.touchMany([touched, touched])).toEqual([true, false]);
    const [copy] = await backend.getMany(["k"], { want: "copy" });
    expect(Buffer.from(copy?.meta ?? []).toString()).toBe("new");
    expect(backend.getEntry("k", decode)?.head.meta ?? "new").toBe("new");
    expect(await backend.setMany([entry("k", "late")], { since })).toEqual(["condition"]);
    expect(upper.getMany(["k"]).map((one) => one && Buffer.from(one.value).toString())).not.toContain("late");
    expect((await backend.counters()).tiers?.[0]?.counters.hits).toBeGreaterThan(0);
    await backend.close();
  });

  test("a cache counts what it shows, and shows no remembered absence", async () => {
    const cache = new Cache(openMemory(context), { clock: systemClock });
    await cache.writeMany([
      { key: "k", value: bytes("v"), meta: bytes("m"), staleAt: Date.now() + HOUR / 2, ttl: HOUR },
    ]);
    const { decode } = counting();
    expect(cache.viewNow("k", decode)?.head.meta).toBe("m");
    expect(cache.viewNow("absent", decode)).toBeUndefined();
    expect(await cache.getOrSet("nothing", () => undefined, { negativeTtl: HOUR })).toBeUndefined();
    expect(cache.viewNow("nothing", decode)).toBeUndefined();
    expect((await cache.stats()).counters).toMatchObject({ hits: 1 });
    await cache.close();
  });
});

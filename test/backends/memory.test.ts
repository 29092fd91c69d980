import { describe, expect, onTestFinished, test } from "vitest";
import { type MemoryBackend, type MemoryOptions, openMemory } from "../../src/backends/memory/index.js";
import { CacheError } from "../../src/errors.js";
import { describeBackend } from "../contract/backend.js";
import { bytes, entry, keysOf, listed, put, texts } from "../contract/harness.js";
import { FakeClock } from "../support/fake-clock.js";
import { until } from "../support/until.js";

function openWith(clock: FakeClock, more: Partial<MemoryOptions> = {}): MemoryBackend {
  return openMemory({ namespace: "", clock, emit: () => {}, maxEntries: 100_000, ...more });
}

const expectSound = (...backends: MemoryBackend[]) =>
  expect(backends.flatMap((backend) => backend.contradictions())).toEqual([]);

async function memoryHarness(more: Partial<MemoryOptions> = {}) {
  const clock = new FakeClock();
  const opened: MemoryBackend[] = [];
  return {
    clock,
    async open(namespace = "", options = {}) {
      const backend = openWith(clock, { namespace, ...more, ...options });
      opened.push(backend);
      return backend;
    },
    advance: (ms: number) => clock.advance(ms),
    shortTtl: 1000,
    deadlineTolerance: 0,
    validate: () => expectSound(...opened),
    async dispose() {
      for (const backend of opened) await backend.close();
    },
  };
}

describeBackend("memory", () => memoryHarness(), { full: true });

describe("memory", () => {
  /** A backend that is checked for contradictions and closed when the test is over. */
  function opened(more: Partial<MemoryOptions> = {}) {
    const clock = new FakeClock();
    const backend = openWith(clock, more);
    onTestFinished(async () => {
      expectSound(backend);
      await backend.close();
    });
    return { clock, backend };
  }

  const keysNamed = (count: number, prefix = "k") => Array.from({ length: count }, (_, i) => `${prefix}${i}`);
  const used = async (backend: MemoryBackend) => (await backend.describe()).facts.usedBytes;

  test("reads, writes and deletions answer synchronously", () => {
    const { backend } = opened();
    expect(backend.setMany([entry("k", "v")])).toEqual(["stored"]);
    expect(backend.getMany(["k"])[0]?.size).toBe(1);
    expect(backend.touchMany([{ key: "k", expiresAt: null }])).toEqual([true]);
    expect(backend.deleteMany(["k"])).toEqual([true]);
  });

  describe("bounds", () => {
    test("entries: the ones not read for longest go first, and their tags with them", async () => {
      const { backend } = opened({ maxEntries: 3, policy: "lru" });
      await put(
        backend,
        entry("a", "v", { tags: ["t"] }),
        entry("b", "v", { tags: ["t"] }),
        entry("c", "v", { tags: ["t"] }),
      );
      backend.getMany(["a"]);
      await put(backend, "d");
      expect(await keysOf(backend)).toEqual(["a", "c", "d"]);
      expect(await keysOf(backend, { tags: ["t"] })).toEqual(["a", "c"]);
      await put(backend, entry("c", "rewritten"), "e");
      expect(await keysOf(backend)).toEqual(["c", "d", "e"]);
      expect(backend.counters().counters.evictions).toBe(2);
    });

    test("neither peek nor a scan nor a listing of the head moves recency", async () => {
      const { backend } = opened({ maxEntries: 3, policy: "lru" });
      await put(backend, "a", "b", "c");
      backend.getMany(["a"], { peek: true });
      backend.getMany(["a"], { peek: true, want: "all" });
      await listed(backend, { all: true }, { fields: "all" });
      await backend.describe();
      await put(backend, "d");
      expect(await keysOf(backend)).toEqual(["b", "c", "d"]);
    });

    test("bytes: value, key, meta and tags count, and hold after every single write", () => {
      const { backend } = opened({ maxBytes: 10_000, maxEntries: 1_000 });
      for (let i = 0; i < 2_000; i++) {
        const size = (i * 7919) % 3_000;
        const more = { meta: Buffer.alloc(i % 50), tags: [`tag${i % 7}`] };
        backend.setMany([{ key: `key${i % 90}`, value: Buffer.alloc(size), ...more }]);
        expectSound(backend);
      }
      expect(backend.counters().counters.evictions).toBeGreaterThan(100);
    });

    test("an entry at the bound is stored alone, one byte more is rejected, and the old value is gone", async () => {
      const { backend } = opened({ maxBytes: 1_000 });
      expect(backend.setMany([{ key: "k", value: Buffer.alloc(999) }])).toEqual(["stored"]);
      expect(await used(backend)).toBe(1_000);
      await put(backend, "small");
      expect(await keysOf(backend)).toEqual(["small"]);
      await put(backend, entry("k", "old", { tags: ["t"] }));
      expect(backend.setMany([{ key: "k", value: Buffer.alloc(1_000) }, entry("x")])).toEqual(["rejected", "stored"]);
      expect(await texts(backend, ["k", "small"])).toEqual([undefined, "value of small"]);
      expect(await keysOf(backend, { tags: ["t"] })).toEqual([]);
    });

    test("a condition that fails is said before a size that does not fit, and changes nothing", async () => {
      const { backend } = opened({ maxBytes: 1_000 });
      await put(backend, entry("k", "old"));
      expect(backend.setMany([{ key: "k", value: Buffer.alloc(2_000) }], { mode: "if-absent" })).toEqual(["condition"]);
      expect(await texts(backend, ["k"])).toEqual(["old"]);
    });

    test("an overwrite by a larger value makes room among the others, never of itself", async () => {
      const { backend } = opened({ maxBytes: 1_000 });
      await put(backend, { key: "a", value: Buffer.alloc(300) }, { key: "b", value: Buffer.alloc(300) });
      await put(backend, { key: "a", value: Buffer.alloc(900) });
      expect(await keysOf(backend)).toEqual(["a"]);
      expect(await used(backend)).toBe(901);
    });

    test("sizes are back at nothing when all is deleted, evicted or expired", async () => {
      const { backend, clock } = opened({ maxEntries: 50 });
      await put(backend, ...keysNamed(200).map((key) => entry(key, key, { tags: ["t", key], meta: bytes("m") })));
      await backend.deleteWhere({ tags: ["t"] });
      expect(await used(backend)).toBe(0);
      await put(
        backend,
        ...keysNamed(50).map((key) => entry(key, key, { tags: ["t"], expiresAt: clock.now() + 1000 })),
      );
      clock.advance(1000);
      expect(await backend.prune()).toBe(50);
      expect(await used(backend)).toBe(0);
    });

    test.each([
      { maxEntries: 0 },
      { maxEntries: 1.5 },
      { maxEntries: -1 },
      { maxEntries: Number.NaN },
      { maxBytes: 0 },
      { maxBytes: Number.POSITIVE_INFINITY },
    ])("%j is refused", (bounds) => {
      expect(() => openWith(new FakeClock(), bounds)).toThrow(CacheError);
    });
  });

  describe("time", () => {
    test("expired when the wall clock says so, though the monotonic one stood still in suspend", async () => {
      const { backend, clock } = opened();
      await put(backend, entry("k", "v", { expiresAt: clock.now() + 1000 }));
      clock.shiftWall(999);
      expect(await texts(backend, ["k"])).toEqual(["v"]);
      clock.shiftWall(1);
      expect(await texts(backend, ["k"])).toEqual([undefined]);
    });

    test("expired when the monotonic clock says so, though the wall clock was set back", async () => {
      const { backend, clock } = opened();
      await put(backend, entry("k", "v", { expiresAt: clock.now() + 1000, tags: ["t"] }));
      clock.advance(999);
      clock.shiftWall(-500);
      expect(await texts(backend, ["k"])).toEqual(["v"]);
      clock.advance(1);
      expect(await texts(backend, ["k"])).toEqual([undefined]);
    });

    test("what expired is counted once, by whoever sees it first", async () => {
      const { backend, clock } = opened();
      const expiresAt = clock.now() + 1000;
      await put(backend, ...keysNamed(5).map((key) => entry(key, "v", { expiresAt })));
      clock.advance(1000);
      backend.getMany(["k0", "k0"]);
      backend.deleteMany(["k1"]);
      expect(await backend.prune()).toBe(3);
      expect(backend.counters().counters.expirations).toBe(5);
      expect(backend.counters().counters.evictions).toBe(0);
    });

    test("expired entries that are still held can be selected and deleted", async () => {
      const { backend, clock } = opened();
      await put(backend, entry("gone", "v", { expiresAt: clock.now() + 10 }), "stays");
      clock.advance(10);
      expect(await keysOf(backend, { expiry: "expired" })).toEqual(["gone"]);
      expect((await backend.deleteWhere({ expiry: "expired" })).deleted).toBe(1);
      expect(await backend.prune()).toBe(0);
    });

    test("the sweep removes what nobody reads", async () => {
      const { backend, clock } = opened({ sweepMs: 5 });
      await put(backend, ...keysNamed(2_500).map((key) => entry(key, "v", { expiresAt: clock.now() + 1000 })), "stays");
      clock.advance(1000);
      await until(() => backend.counters().counters.expirations === 2_500);
      expect(await used(backend)).toBe("value of stays".length + "stays".length);
    });

    test("a deadline beyond what setTimeout can hold is kept", async () => {
      const { backend, clock } = opened();
      const days = 86_400_000;
      await put(backend, entry("k", "v", { expiresAt: clock.now() + 100 * days }));
      clock.advance(99 * days);
      expect(await texts(backend, ["k"])).toEqual(["v"]);
      clock.advance(days);
      expect(await texts(backend, ["k"])).toEqual([undefined]);
    });
  });

  describe("copies", () => {
    test("the memory of one answer can't be handed away with its neighbours'", async () => {
      const { backend } = opened();
      await put(backend, entry("a", "1"), entry("b", "2"));
      const [a, b] = backend.getMany(["a", "b"]);
      expect(a?.value.buffer).toBe(b?.value.buffer);
      const memory = a?.value.buffer;
      if (!(memory instanceof ArrayBuffer)) throw new Error("the answer lies in no ArrayBuffer");
      // Node 20 copies what can't be transferred, later ones throw: either way the neighbour must be whole.
      const transfer = async () => structuredClone(memory, { transfer: [memory] });
      await Promise.allSettled([transfer()]);
      expect(Buffer.from(b?.value ?? []).toString()).toBe("2");
      await put(backend, entry("c", "3"));
      expect(await texts(backend, ["a", "b", "c"])).toEqual(["1", "2", "3"]);
    });

    test("answers never overlap, whatever their sizes", () => {
      const { backend } = opened();
      const sizes = [0, 1, 7, 8, 9, 100, 4_095, 4_096, 4_097, 32_768, 40_000];
      backend.setMany(sizes.map((size) => ({ key: `k${size}`, value: Buffer.alloc(size, size % 251) })));
      const keys = Array.from({ length: 200 }, (_, i) => `k${sizes[i % sizes.length]}`);
      const answers = backend.getMany(keys);
      for (const [i, answer] of answers.entries()) answer?.value.fill(i % 256);
      for (const [i, answer] of answers.entries()) {
        expect(answer?.value.length).toBe(sizes[i % sizes.length]);
        expect(answer?.value.every((byte) => byte === i % 256)).toBe(true);
      }
    });
  });

  describe("walks", () => {
    test("a rate is kept on the clock", async () => {
      const { backend, clock } = opened();
      await put(backend, ...keysNamed(100));
      const start = clock.monotonic();
      let over = false;
      const deletion = backend.deleteWhere({ all: true }, { rate: 50 }).finally(() => {
        over = true;
      });
      while (!over) {
        const woken = await until(() => over || clock.sleepers > 0);
        const left = (await backend.describe()).entries ?? 0;
        if (woken && !over) expect(100 - left).toBeLessThanOrEqual(((clock.monotonic() - start) / 1000) * 50 + 5);
        clock.advance(10);
      }
      expect(await deletion).toMatchObject({ deleted: 100, complete: true });
      expect(clock.monotonic() - start).toBeGreaterThanOrEqual(1_800);
    });

    test("others get their turn while few of many entries match", async () => {
      const { backend } = opened();
      await put(backend, ...keysNamed(30_000), entry("needle", "v"));
      let turns = 0;
      const immediate = () => {
        turns += 1;
        if (turns < 1_000) setImmediate(immediate);
      };
      setImmediate(immediate);
      expect(await keysOf(backend, { prefix: "needle" })).toEqual(["needle"]);
      expect(turns).toBeGreaterThanOrEqual(5);
    });

    test("an entry that is overwritten during a scan keeps its place, one that is evicted leaves", async () => {
      const { backend } = opened({ maxEntries: 3_000 });
      await put(backend, ...keysNamed(2_500));
      const seen: string[] = [];
      for await (const page of backend.scan({ all: true })) {
        seen.push(...page.entries.map((info) => info.key));
        await put(
          backend,
          ...keysNamed(2_500)
            .slice(0, 1_500)
            .map((key) => entry(key, "again")),
        );
        await put(backend, ...keysNamed(1_000, `new${seen.length}:`));
      }
      expect(new Set(seen).size).toBe(seen.length);
      expect(
        keysNamed(2_500)
          .slice(0, 1_500)
          .filter((key) => !seen.includes(key)),
      ).toEqual([]);
      expect(seen.some((key) => key.startsWith("new"))).toBe(false);
    });

    test("closing in the middle ends a scan and a deletion with an error that says closed", async () => {
      const clock = new FakeClock();
      const backend = openWith(clock);
      await put(backend, ...keysNamed(3_000));
      const deletion = backend.deleteWhere({ prefix: "k" });
      await backend.close();
      await expect(deletion).rejects.toMatchObject({ code: "closed" });
      expectSound(backend);
    });
  });
});

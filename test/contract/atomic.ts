import { describe, expect, test } from "vitest";
import type { AtomicStep, Backend } from "../../src/backends/backend.js";
import { CacheError } from "../../src/errors.js";
import { openFull, openTwo } from "./full.js";
import { bytes, type Current, entry, keysOf, put, texts } from "./harness.js";

/** Keys that lie together, also in a cluster. */
const [A, B, C] = ["{g}a", "{g}b", "{g}c"] as const;

export function describeAtomic(current: Current): void {
  describe("atomic", () => {
    test("sets and deletes as one, with all that belongs to an entry", async () => {
      const { clock, deadlineTolerance } = current();
      const [one, two] = await openTwo(current, "n:");
      await put(one, entry(A, "old", { tags: ["old"] }), entry(B, "old", { tags: ["old"] }));
      const expiresAt = clock.now() + 3_600_000;
      await one.atomic([
        { set: entry(A, "new", { tags: ["t"], expiresAt, meta: bytes("meta") }) },
        { delete: B },
        { set: entry(C, "", { tags: ["t"] }) },
        { delete: "{g}absent" },
      ]);
      expect(await texts(two, [A, B, C])).toEqual(["new", undefined, ""]);
      const [stored] = await two.getMany([A], { want: "all" });
      expect(Math.abs((stored?.expiresAt ?? 0) - expiresAt)).toBeLessThanOrEqual(deadlineTolerance);
      expect(Buffer.from(stored?.meta ?? []).toString()).toBe("meta");
      expect(await keysOf(two, { tags: ["t"] })).toEqual([A, C]);
      expect(await keysOf(two, { tags: ["old"] })).toEqual([]);
    });

    const ORDERS: [name: string, steps: AtomicStep[], left: string | undefined][] = [
      ["set, set", [{ set: entry(A, "1") }, { set: entry(A, "2") }], "2"],
      ["set, delete", [{ set: entry(A, "1") }, { delete: A }], undefined],
      ["delete, set", [{ delete: A }, { set: entry(A, "2") }], "2"],
      ["set, delete, set", [{ set: entry(A, "1") }, { delete: A }, { set: entry(A, "3") }], "3"],
      ["delete, delete", [{ delete: A }, { delete: A }], undefined],
    ];
    test.each(ORDERS)("on one key the last step wins: %s", async (_, steps, left) => {
      const [one, two] = await openTwo(current);
      for (const before of [[], [entry(A, "old", { tags: ["t"] })]]) {
        await put(one, ...before);
        await one.atomic(steps);
        expect(await texts(two, [A])).toEqual([left]);
        expect(await keysOf(two)).toEqual(left === undefined ? [] : [A]);
        expect(await keysOf(two, { tags: ["t"] })).toEqual([]);
      }
    });

    test("nobody sees a part of it", async () => {
      const [one, two] = await openTwo(current);
      await put(one, entry(A, "0"), entry(B, "0"));
      let over = false;
      const torn: unknown[] = [];
      let reads = 0;
      const reader = async () => {
        while (!over) {
          const [a, b] = await texts(two, [A, B]);
          if (a !== b) torn.push([a, b]);
          reads += 1;
          await new Promise((resolve) => setImmediate(resolve));
        }
      };
      const reading = reader();
      for (let i = 1; i <= 60 || (reads <= 5 && i < 10_000); i++) {
        const value = `${i}`.repeat(1 + (i % 3) * 1000);
        await one.atomic(
          i % 10 === 0 ? [{ delete: A }, { delete: B }] : [{ set: entry(A, value) }, { set: entry(B, value) }],
        );
        await new Promise((resolve) => setImmediate(resolve));
      }
      over = true;
      await reading;
      expect(reads).toBeGreaterThan(5);
      expect(torn).toEqual([]);
    });

    test("many steps, and none", async () => {
      const [one, two] = await openTwo(current);
      const keys = Array.from({ length: 500 }, (_, i) => `{g}${i}`);
      await one.atomic(keys.map((key) => ({ set: entry(key) })));
      expect((await keysOf(two)).length).toBe(500);
      await one.atomic([]);
      await one.atomic(keys.slice(1).map((key) => ({ delete: key })));
      expect(await keysOf(two)).toEqual(["{g}0"]);
    });

    test("large values", async () => {
      const [one, two] = await openTwo(current);
      const value = Buffer.alloc(700_000, 7);
      await one.atomic([{ set: { key: A, value } }, { set: { key: B, value } }]);
      for (const stored of await two.getMany([A, B]))
        expect(value.equals(stored?.value ?? new Uint8Array())).toBe(true);
    });
  });

  describe("hottest", () => {
    test("gives live keys, each once, as many as asked for", async () => {
      const { clock, shortTtl, advance } = current();
      const backend = await openFull(current, "n:");
      await put(backend, "a", "b", "c", entry("short", "v", { expiresAt: clock.now() + shortTtl }));
      for (let i = 0; i < 5; i++) await backend.getMany(["b"]);
      await advance(shortTtl);
      expect((await backend.hottest(10)).toSorted()).toEqual(["a", "b", "c"]);
      const two = await backend.hottest(2);
      expect(new Set(two).size).toBe(2);
      expect(await backend.hottest(0)).toEqual([]);
      await backend.deleteMany(["a", "b", "c"]);
      expect(await backend.hottest(10)).toEqual([]);
    });
  });

  /** What belongs to every backend beside the first contract, called so that a synchronous throw is a rejection too. */
  const CALLS: Record<string, { call: (backend: Backend) => unknown; writes: boolean }> = {
    announce: { call: (b) => b.announce("delete", { keys: ["k"] }), writes: true },
    lease: { call: (b) => b.lease("l", 1000), writes: true },
    openWrite: { call: async (b) => (await b.openWrite({ key: "l" })).commit(), writes: true },
    atomic: { call: (b) => b.atomic([{ delete: "k" }]), writes: true },
    position: { call: (b) => b.position(), writes: false },
    changes: {
      call: async (b) => {
        for await (const _ of b.changes("", AbortSignal.timeout(2000))) return;
      },
      writes: false,
    },
    openRead: { call: async (b) => (await b.openRead("k"))?.close(), writes: false },
    hottest: { call: (b) => b.hottest(5), writes: false },
  };
  const failureOf = async (call: () => unknown) => {
    try {
      await call();
      return undefined;
    } catch (error) {
      return error;
    }
  };

  describe("life cycle of the rest", () => {
    test.each(Object.keys(CALLS))("after close %s is an error with the code closed", async (name) => {
      const backend = await openFull(current);
      await put(backend, "k");
      await backend.close();
      const failure = await failureOf(() => CALLS[name]?.call(backend));
      expect(failure).toBeInstanceOf(CacheError);
      expect(failure).toMatchObject({ code: "closed" });
    });

    const writes = Object.keys(CALLS).filter((name) => CALLS[name]?.writes);
    test.each(writes)("read-only: %s is refused", async (name) => {
      const writer = await openFull(current);
      await put(writer, entry("k", "v"));
      const reader = await openFull(current, "", { readOnly: true });
      const failure = await failureOf(() => CALLS[name]?.call(reader));
      expect(failure).toBeInstanceOf(CacheError);
      expect(failure).toMatchObject({ kind: "refused" });
      expect(await texts(writer, ["k"])).toEqual(["v"]);
    });

    test("read-only: what reads goes on", async () => {
      const writer = await openFull(current);
      await put(writer, entry("k", "v"));
      const reader = await openFull(current, "", { readOnly: true });
      const there = reader.capabilities.persistent;
      expect((await reader.openRead("k")) !== undefined).toBe(there);
      expect(await reader.hottest(5)).toEqual(there ? ["k"] : []);
    });
  });
}

import { describe, expect, test } from "vitest";
import type { Backend } from "../../src/backends/backend.js";
import { CacheError } from "../../src/errors.js";
import { bytes, type Current, entry, keysOf, listed, put, texts } from "./harness.js";

/** Every method, called in an async function, so that a synchronous throw is a rejection too. */
const CALLS: Record<string, (backend: Backend) => unknown> = {
  getMany: (backend) => backend.getMany(["k"]),
  setMany: (backend) => backend.setMany([entry("k")]),
  touchMany: (backend) => backend.touchMany([{ key: "k", expiresAt: null }]),
  deleteMany: (backend) => backend.deleteMany(["k"]),
  deleteWhere: (backend) => backend.deleteWhere({ all: true }),
  scan: (backend) => listed(backend, { all: true }),
  count: (backend) => backend.count({ hits: 1 }),
  counters: (backend) => backend.counters(),
  resetCounters: (backend) => backend.resetCounters(),
  describe: (backend) => backend.describe(),
  ping: (backend) => backend.ping(),
  prune: (backend) => backend.prune(),
};

const WRITES = ["setMany", "touchMany", "deleteMany", "deleteWhere"] as const;

async function failureOf(call: () => unknown): Promise<unknown> {
  try {
    await call();
    return undefined;
  } catch (error) {
    return error;
  }
}

export function describeLifeCycle(current: Current): void {
  describe("counters", () => {
    test("add up over calls and connections, and start again at nothing", async () => {
      const { open } = current();
      const backend = await open("counted:");
      if (!backend.capabilities.counts) return;
      await backend.count({ hits: 2, misses: 1 });
      await backend.count({ hits: 3, sets: 4, deletes: 5, expirations: 6, evictions: 7, errors: 8 });
      await backend.count({});
      const sums = { hits: 5, misses: 1, sets: 4, deletes: 5, expirations: 6, evictions: 7, errors: 8 };
      expect(await backend.counters()).toMatchObject({ counters: sums, source: "cache" });
      if (backend.capabilities.persistent) {
        const other = await open("counted:");
        await other.count({ hits: 10 });
        expect((await backend.counters()).counters.hits).toBe(15);
        expect((await (await open("others:")).counters()).counters.hits ?? 0).toBe(0);
      }
      await backend.resetCounters();
      const { counters } = await backend.counters();
      expect(Object.values(counters).filter((n) => n !== 0)).toEqual([]);
    });

    test("are no entries", async () => {
      const backend = await current().open("counted:");
      await backend.count({ hits: 2 });
      expect(await keysOf(backend)).toEqual([]);
      expect((await backend.deleteWhere({ all: true })).deleted).toBe(0);
      if (backend.capabilities.counts) expect((await backend.counters()).counters.hits).toBe(2);
    });
  });

  describe("life cycle", () => {
    test("describe tells what it is and what it holds", async () => {
      const backend = await current().open();
      await put(backend, entry("a", "12345"), entry("b", "é"));
      const info = await backend.describe();
      expect(info.kind).toBe(backend.name);
      expect(info.target.length).toBeGreaterThan(0);
      expect(info.warnings).toBeInstanceOf(Array);
      if (info.entries !== undefined) expect(info.entries).toBe(2);
      if (info.bytes !== undefined) expect(info.bytes).toBe(7);
    });

    test("ping gives milliseconds", async () => {
      const backend = await current().open();
      const ms = await backend.ping();
      expect(ms).toBeGreaterThanOrEqual(0);
      expect(ms).toBeLessThan(5000);
    });

    test("entries outlive the connection exactly where it says so", async () => {
      const { open, clock, deadlineTolerance } = current();
      const first = await open();
      const expiresAt = clock.now() + 3_600_000;
      await put(first, entry("k", "v", { tags: ["t"], meta: bytes("m"), expiresAt }), {
        key: "big",
        value: Buffer.alloc(400_000, 1),
      });
      await first.close();
      const second = await open();
      if (!first.capabilities.persistent) return expect(await keysOf(second)).toEqual([]);
      const [stored, big] = await second.getMany(["k", "big"], { want: "all" });
      expect(Buffer.from(stored?.meta ?? []).toString()).toBe("m");
      expect(Math.abs((stored?.expiresAt ?? 0) - expiresAt)).toBeLessThanOrEqual(deadlineTolerance);
      expect(Buffer.alloc(400_000, 1).equals(big?.value ?? new Uint8Array())).toBe(true);
      expect((await second.deleteWhere({ tags: ["t"] })).deleted).toBe(1);
    });

    test("two connections see each other's writes and deletions at once", async () => {
      const { open } = current();
      const [one, two] = [await open("n:"), await open("n:")];
      if (!one.capabilities.persistent) return;
      await put(one, entry("k", "1", { tags: ["t"] }));
      expect(await texts(two, ["k"])).toEqual(["1"]);
      await put(two, entry("k", "2"));
      expect(await texts(one, ["k"])).toEqual(["2"]);
      expect((await one.deleteWhere({ tags: ["t"] })).deleted).toBe(0);
      await two.deleteMany(["k"]);
      expect(await texts(one, ["k"])).toEqual([undefined]);
    });

    test("of many that write if-absent at once, one wins", async () => {
      const { open } = current();
      const first = await open();
      const writers = first.capabilities.persistent
        ? [first, ...(await Promise.all([open(), open(), open()]))]
        : [first];
      const calls = Array.from({ length: 20 }, (_, i) => ({ i, backend: writers[i % writers.length] ?? first }));
      const outcomes = await Promise.all(
        calls.map(async ({ i, backend }) => backend.setMany([entry("k", `${i}`)], { mode: "if-absent" })),
      );
      const winners = outcomes.flatMap(([outcome], i) => (outcome === "stored" ? [`${i}`] : []));
      expect(winners.length).toBe(1);
      expect(await texts(first, ["k"])).toEqual(winners);
    });

    test.each(WRITES)("read-only: %s is refused, reads go on", async (method) => {
      const { open } = current();
      const writer = await open();
      await put(writer, entry("k", "v"));
      const reader = await open("", { readOnly: true });
      const failure = await failureOf(() => CALLS[method]?.(reader));
      expect(failure).toBeInstanceOf(CacheError);
      expect(failure).toMatchObject({ kind: "refused" });
      expect(await texts(reader, ["k"])).toEqual(writer.capabilities.persistent ? ["v"] : [undefined]);
      expect(await texts(writer, ["k"])).toEqual(["v"]);
    });

    test.each(Object.keys(CALLS))("after close %s is an error with the code closed", async (method) => {
      const backend = await current().open();
      await put(backend, "k");
      await backend.close();
      const failure = await failureOf(() => CALLS[method]?.(backend));
      expect(failure).toBeInstanceOf(CacheError);
      expect(failure).toMatchObject({ code: "closed" });
    });

    test("close more than once, and while calls are under way", async () => {
      const backend = await current().open();
      await put(backend, "k");
      const calls = [1, 2, 3].map(async () => backend.getMany(["k"]));
      const closing = [backend.close(), backend.close()];
      for (const result of await Promise.allSettled(calls)) {
        if (result.status === "rejected") expect(result.reason).toBeInstanceOf(CacheError);
      }
      await Promise.all(closing);
      await backend.close();
    });
  });
}

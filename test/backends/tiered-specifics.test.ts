import { describe, expect, onTestFinished, test } from "vitest";
import { type Backend, type NewEntry, readsDirectly } from "../../src/backends/backend.js";
import { type MemoryBackend, openMemory } from "../../src/backends/memory/index.js";
import { openTiered, type TieredContext, type TierOptions } from "../../src/backends/tiered/index.js";
import { Cache } from "../../src/cache/cache.js";
import { systemClock } from "../../src/clock.js";
import { CacheError } from "../../src/errors.js";
import type { CacheEvent } from "../../src/events.js";
import { entry, keysOf, put, textOf } from "../contract/harness.js";
import { FakeClock } from "../support/fake-clock.js";
import { type Fault, faulty } from "../support/faulty.js";
import { Gate } from "../support/gate.js";
import { until } from "../support/until.js";

const HOUR = 3_600_000;

interface Setup {
  ttlMs?: number;
  middleTtlMs?: number;
  /** Wraps the store in the middle, or the lowest. */
  wrapMiddle?: (backend: Backend) => Backend;
  wrapLowest?: (backend: Backend) => Backend;
  three?: boolean;
}

/** Memory over memory, or over two, as soon as changes are heard. */
async function opened({ ttlMs, middleTtlMs, wrapMiddle = same, wrapLowest = same, three = false }: Setup = {}) {
  const clock = new FakeClock();
  const events: CacheEvent[] = [];
  const context = { namespace: "", clock, emit: (event: CacheEvent) => events.push(event), sweepMs: 0 };
  const [memory, middle, lowest] = [openMemory(context), openMemory(context), openMemory(context)];
  const tiers = openTiered(
    [
      { name: "memory", backend: memory, ...(ttlMs !== undefined && { ttlMs }) },
      ...(three ? [{ name: "middle", backend: wrapMiddle(middle), ttlMs: middleTtlMs ?? null }] : []),
      { name: "lowest", backend: wrapLowest(lowest) },
    ],
    context,
  );
  onTestFinished(() => tiers.close());
  await until(async () => (await tiers.describe()).tiers?.every(({ inUse }) => inUse));
  return { clock, events, tiers, memory, middle, lowest };
}

/** Writes to the lowest tier behind the back of the others, and waits until they have heard of it. */
async function putBelow(lowest: MemoryBackend, ...entries: (string | NewEntry)[]): Promise<void> {
  await put(lowest, ...entries);
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
}

const same = (backend: Backend) => backend;
const held = (memory: MemoryBackend, key: string) => memory.getMany([key], { want: "all", peek: true })[0];

describe("reading", () => {
  test("a hit below fills what is above, with all that belongs to the entry", async () => {
    const { clock, tiers, lowest, memory, middle } = await opened({ three: true });
    const now = clock.now();
    const full = { tags: ["t"], meta: new Uint8Array([109]), staleAt: now + 1000, expiresAt: now + 5000 };
    await putBelow(lowest, entry("k", "v", full));
    expect(textOf((await tiers.getMany(["k"]))[0])).toBe("v");
    for (const copy of [held(memory, "k"), held(middle, "k")]) expect(copy).toMatchObject({ ...full, size: 1 });
    clock.advance(5000);
    expect(await tiers.getMany(["k"])).toEqual([undefined]);
  });

  test("a copy lives no longer than its tier allows, and has the deadlines of its entry until then", async () => {
    const { clock, tiers, lowest, memory } = await opened({ ttlMs: 1000 });
    const now = clock.now();
    const far = { expiresAt: now + HOUR, staleAt: now + 2000 };
    await putBelow(lowest, entry("long", "v", far), entry("short", "v", { expiresAt: now + 10 }), entry("never"));
    await tiers.getMany(["long", "short", "never"]);
    await put(tiers, entry("written", "v", far));
    for (const key of ["long", "written"]) expect(held(memory, key)).toMatchObject(far);
    clock.advance(10);
    expect(await keysOf(memory)).toEqual(["long", "never", "written"]);
    clock.advance(989);
    expect(await keysOf(memory)).toEqual(["long", "never", "written"]);
    clock.advance(1);
    expect(await keysOf(memory)).toEqual([]);
    expect(await keysOf(lowest)).toEqual(["long", "never", "written"]);
  });

  test("a tier that can't tell the two apart cuts the deadline, and is passed over by who asks for it, with all above", async () => {
    const forgetful = (backend: Backend) => {
      const { takesCopies: _, ...capabilities } = backend.capabilities;
      return Object.assign(backend, { capabilities });
    };
    const { clock, tiers, lowest, memory, middle } = await opened({
      three: true,
      wrapMiddle: forgetful,
      middleTtlMs: 1000,
    });
    const now = clock.now();
    const far = { expiresAt: now + HOUR, staleAt: now + 2000 };
    await putBelow(lowest, entry("k", "v", far));
    await tiers.getMany(["k"]);
    expect(held(middle, "k")).toMatchObject({ expiresAt: now + 1000 });
    expect(held(middle, "k")?.staleAt).toBeUndefined();
    memory.deleteMany(["k"]);
    await tiers.getMany(["k"]);
    expect(held(memory, "k")).toMatchObject({ expiresAt: now + 1000 });
    for (const want of ["expiry", "copy", "all"] as const) {
      expect((await tiers.getMany(["k"], { want }))[0]).toMatchObject(far);
    }
    expect((await tiers.openRead("k", { want: "copy", peek: true }))?.head).toMatchObject(far);
    const direct = readsDirectly(tiers) ? tiers : undefined;
    expect(direct?.readDirect("k", "copy")).toBeUndefined();
    expect(textOf(direct?.readDirect("k", "freshness"))).toBe("v");
  });

  test("memory answers at once who wants the whole head, with the entry's own; but no versions", async () => {
    const { clock, tiers, lowest, memory } = await opened({ ttlMs: 1000 });
    const now = clock.now();
    const head = { expiresAt: now + HOUR, staleAt: now + 5000, tags: ["t"], meta: new Uint8Array([109]) };
    await putBelow(lowest, entry("k", "v", head));
    const first = await tiers.getMany(["k"], { want: "copy" });
    expect(first[0]).toMatchObject(head);
    clock.advance(1);
    expect(textOf(held(memory, "k"))).toBe("v");
    for (const want of ["copy", "expiry"] as const) {
      const answer = tiers.getMany(["k"], { want });
      const [stored] = Array.isArray(answer) ? answer : [];
      expect(stored).toMatchObject(head);
      expect(stored?.createdAt).toBeUndefined();
    }
    const [whole] = await tiers.getMany(["k"], { want: "all" });
    expect(whole).toMatchObject({ ...head, version: lowest.getMany(["k"], { want: "all" })[0]?.version });
    expect((await tiers.counters()).tiers?.map(({ counters }) => counters.hits)).toEqual([2, 2]);
  });

  test("the version of a copy is nobody's: who would refresh over it reads once more", async () => {
    const { tiers, lowest } = await opened();
    await putBelow(lowest, "k");
    await tiers.getMany(["k"]);
    const [copy] = await tiers.getMany(["k"], { want: "freshness" });
    expect(copy?.version).not.toBe(lowest.getMany(["k"], { want: "all" })[0]?.version);
    expect(await tiers.lease("k", 1000, copy?.version === undefined ? {} : { over: copy.version })).toEqual({
      outcome: "changed",
    });
    const [now] = await tiers.getMany(["k"], { want: "all" });
    expect(await tiers.lease("k", 1000, { over: now?.version ?? "" })).toMatchObject({ outcome: "taken" });
  });

  test("a caller that changes its list of keys while they are read changes no copy", async () => {
    const { tiers, lowest, memory } = await opened();
    await putBelow(lowest, "a", "b");
    const keys = ["a", "b"];
    const reading = tiers.getMany(keys);
    keys.reverse();
    await reading;
    expect([textOf(held(memory, "a")), textOf(held(memory, "b"))]).toEqual(["value of a", "value of b"]);
  });

  test("looking fills nothing and counts nothing; nor are large values copied", async () => {
    const { tiers, lowest, memory } = await opened();
    await putBelow(lowest, entry("k"), { key: "large", value: Buffer.alloc(1024 * 1024 + 1) });
    await tiers.getMany(["k"], { peek: true });
    expect((await tiers.counters()).counters).toMatchObject({ hits: 0, misses: 0 });
    await tiers.getMany(["large"]);
    expect(await keysOf(memory)).toEqual([]);
    await tiers.getMany(["k", "large"]);
    expect(await keysOf(memory)).toEqual(["k"]);
  });

  test("what is all in memory is answered at once, and of a batch only the rest is asked for below", async () => {
    const asked: (readonly string[])[] = [];
    const spy = (backend: Backend) =>
      new Proxy(backend, {
        get(target, property) {
          const value: unknown = Reflect.get(target, property, target);
          if (typeof value !== "function") return value;
          return (...args: unknown[]) => {
            if (property === "getMany") asked.push(args[0] as readonly string[]);
            return Reflect.apply(value, target, args);
          };
        },
      });
    const { tiers, lowest } = await opened({ wrapLowest: spy });
    await putBelow(lowest, "a", "b", "c");
    await tiers.getMany(["b"]);
    expect(Array.isArray(tiers.getMany(["b", "b"]))).toBe(true);
    const found = await tiers.getMany(["a", "b", "none", "c", "a"]);
    expect(found.map((stored) => textOf(stored))).toEqual([
      "value of a",
      "value of b",
      undefined,
      "value of c",
      "value of a",
    ]);
    expect(asked).toEqual([["b"], ["a", "none", "c", "a"]]);
  });

  test("a small value that is streamed to its end is copied, a part of it or half of it is not", async () => {
    const { tiers, lowest, memory } = await opened();
    await putBelow(lowest, entry("k", "0123456789", { tags: ["t"] }));
    const whole = async (options = {}) => {
      const reader = await tiers.openRead("k", options);
      const pieces = [];
      for await (const piece of reader?.body ?? []) pieces.push(piece);
      reader?.close();
      return Buffer.concat(pieces).toString();
    };
    expect(await whole({ start: 2, end: 4 })).toBe("23");
    (await tiers.openRead("k"))?.close();
    expect(held(memory, "k")).toBeUndefined();
    expect(await whole()).toBe("0123456789");
    await until(() => textOf(held(memory, "k")) === "0123456789");
    expect(held(memory, "k")?.tags).toEqual(["t"]);
  });
});

describe("a tier that fails", () => {
  test("above the lowest is passed over and told once; the lowest's failure is thrown", async () => {
    let away: string | undefined;
    const failing = (name: string) => (backend: Backend) =>
      new Proxy(backend, {
        get(target, property) {
          if (property === "getMany" && away === name) {
            return async () => {
              throw new CacheError("connection", "cut", `${name} is away`);
            };
          }
          const value: unknown = Reflect.get(target, property, target);
          return typeof value === "function" ? (...args: unknown[]) => Reflect.apply(value, target, args) : value;
        },
      });
    const { tiers, events, lowest } = await opened({
      three: true,
      wrapMiddle: failing("middle"),
      wrapLowest: failing("lowest"),
    });
    await putBelow(lowest, "a", "b");
    away = "middle";
    expect(textOf((await tiers.getMany(["a"]))[0])).toBe("value of a");
    expect(textOf((await tiers.getMany(["b"]))[0])).toBe("value of b");
    expect(events.filter(({ code }) => code === "tier-failing").length).toBe(1);
    away = "lowest";
    await expect(async () => tiers.getMany(["none"])).rejects.toMatchObject({ code: "cut" });
    expect((await tiers.counters()).tiers?.[1]?.counters.errors).toBe(2);
  });

  test("to delete its copies is not read until they are gone, which is tried again", async () => {
    let fault: Fault = "none";
    const wrapMiddle = (backend: Backend) => faulty(backend, { pause: async () => {}, faultOf: () => fault });
    const { clock, tiers, middle } = await opened({ three: true, wrapMiddle });
    await put(tiers, entry("k", "old"));
    expect(textOf(held(middle, "k"))).toBe("old");
    fault = "before";
    await tiers.deleteMany(["k"]);
    expect(textOf(held(middle, "k"))).toBe("old");
    expect(await tiers.getMany(["k"])).toEqual([undefined]);
    expect((await tiers.describe()).tiers?.[1]?.owed).toBe(1);
    fault = "none";
    await until(() => {
      clock.advance(100);
      return held(middle, "k") === undefined;
    });
    await until(async () => (await tiers.describe()).tiers?.[1]?.owed === 0);
  });

  test("to write leaves no copies: what became of the write is not known", async () => {
    let fault: Fault = "none";
    const wrapLowest = (backend: Backend) => faulty(backend, { pause: async () => {}, faultOf: () => fault });
    const { tiers, memory } = await opened({ wrapLowest });
    await put(tiers, entry("k", "old"));
    fault = "after";
    await expect(tiers.setMany([entry("k", "new")])).rejects.toMatchObject({ code: "cut" });
    expect(held(memory, "k")).toBeUndefined();
    expect(textOf((await tiers.getMany(["k"]))[0])).toBe("new");
  });
});

test("when no log can be read, memory is not read after 2 s, and this is told; then it is again", async () => {
  const gate = new Gate();
  let stuck = false;
  const wrapLowest = (backend: Backend) =>
    new Proxy(backend, {
      get(target, property) {
        if (property === "changes") {
          return async function* (...args: Parameters<Backend["changes"]>) {
            for await (const page of target.changes(...args)) {
              if (stuck) await gate.opened;
              yield page;
            }
          };
        }
        const value: unknown = Reflect.get(target, property, target);
        return typeof value === "function" ? (...args: unknown[]) => Reflect.apply(value, target, args) : value;
      },
    });
  const { clock, events, tiers, lowest, memory } = await opened({ wrapLowest });
  await put(tiers, entry("k", "old"));
  stuck = true;
  clock.advance(300);
  await put(lowest, entry("k", "new"));
  expect(textOf((await tiers.getMany(["k"]))[0])).toBe("old");
  clock.advance(1600);
  expect(textOf((await tiers.getMany(["k"]))[0])).toBe("new");
  expect(held(memory, "k")).toBeDefined();
  const [info] = (await tiers.describe()).tiers ?? [];
  expect(info).toMatchObject({ name: "memory", inUse: false, bypassedSince: clock.now() });
  expect(events.map(({ code }) => code)).toEqual(["tier-bypassed"]);
  stuck = false;
  gate.open();
  await until(async () => {
    clock.advance(50);
    return (await tiers.describe()).tiers?.[0]?.inUse;
  });
  expect(textOf((await tiers.getMany(["k"]))[0])).toBe("new");
  expect(events.map(({ code }) => code)).toEqual(["tier-bypassed", "tier-in-use"]);
});

describe("writing", () => {
  const outcomes: [string, NewEntry[], "always" | "if-absent" | "if-present"][] = [
    ["if-absent", [entry("k", "new")], "if-absent"],
    ["if-present", [entry("none", "new")], "if-present"],
  ];
  test.each(outcomes)("what the lowest refuses is in no tier: %s", async (_, entries, mode) => {
    const { tiers, memory } = await opened();
    await put(tiers, entry("k", "old"));
    expect(await tiers.setMany(entries, { mode })).toEqual(["condition"]);
    expect(textOf(held(memory, "k"))).toBe("old");
    expect(held(memory, "none")).toBeUndefined();
  });

  test("a limited deletion drops all copies that it may be about; so does a deletion by size", async () => {
    const { tiers, memory, lowest } = await opened();
    await put(tiers, "a:1", "a:2", "b");
    expect(await tiers.deleteWhere({ prefix: "a:" }, { limit: 1 })).toMatchObject({ deleted: 1, complete: false });
    expect(await keysOf(memory)).toEqual(["b"]);
    expect((await keysOf(lowest)).length).toBe(2);
    await tiers.deleteWhere({ minSize: 1_000_000 });
    expect(await keysOf(memory)).toEqual([]);
  });
});

test("each tier counts its own reads, and the layer above counts them no second time", async () => {
  const { tiers, lowest } = await opened();
  const cache = new Cache(tiers, { clock: systemClock, countInterval: 0 });
  await putBelow(lowest, "a");
  for (const key of ["a", "a", "a", "none"]) await cache.get(key);
  await cache.set("b", 1);
  const { counters } = await cache.stats();
  expect(counters).toMatchObject({ hits: 3, misses: 1, sets: 1 });
  const { tiers: each } = await tiers.counters();
  expect(each?.map(({ name, counters: { hits, misses } }) => [name, hits, misses])).toEqual([
    ["memory", 2, 2],
    ["lowest", 1, 1],
  ]);
});

describe("a list of tiers", () => {
  const clock = new FakeClock();
  const context: TieredContext = { clock, emit: () => {} };
  const memory = () => openMemory({ namespace: "", clock, emit: () => {} });
  const lists: [string, TierOptions[]][] = [
    ["none", []],
    [
      "a name twice",
      [
        { name: "m", backend: memory() },
        { name: "m", backend: memory() },
      ],
    ],
    [
      "a TTL of nothing",
      [
        { name: "m", backend: memory(), ttlMs: 0 },
        { name: "n", backend: memory() },
      ],
    ],
  ];
  test.each(lists)("that makes no sense is refused: %s", (_, tiers) => {
    expect(() => openTiered(tiers, context)).toThrow(expect.objectContaining({ kind: "usage", code: "invalid-tiers" }));
  });

  test("each tier can be had by its name", async () => {
    const { tiers, memory: top } = await opened();
    expect(tiers.tierNames).toEqual(["memory", "lowest"]);
    expect(tiers.tier("memory")).toBe(top);
    expect(() => tiers.tier("redis")).toThrow(expect.objectContaining({ code: "unknown-tier" }));
  });
});

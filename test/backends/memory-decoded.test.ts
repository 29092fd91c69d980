import fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import { type MemoryBackend, type MemoryOptions, openMemory } from "../../src/backends/memory/index.js";
import { bytes, entry, texts } from "../contract/harness.js";
import { FakeClock } from "../support/fake-clock.js";

function opened(more: Partial<MemoryOptions> = {}): { clock: FakeClock; backend: MemoryBackend } {
  const clock = new FakeClock();
  const backend = openMemory({ namespace: "", clock, emit: () => {}, ...more });
  onTestFinished(async () => {
    expect(backend.contradictions()).toEqual([]);
    await backend.close();
  });
  return { clock, backend };
}

/** JSON, counting how often it is called. */
function counting(decode: (text: string) => unknown = JSON.parse) {
  const calls = {
    count: 0,
    decode: (given: Uint8Array) => {
      calls.count += 1;
      return decode(Buffer.from(given).toString());
    },
  };
  return calls;
}

const used = async (backend: MemoryBackend) => Number((await backend.describe()).facts.usedBytes);

describe("decoded values", () => {
  test("are what the decoder makes, for every JSON value, and each caller's own", () => {
    const { backend } = opened({ maxEntries: 10, maxBytes: 100_000_000 });
    const spoil = (value: unknown): void => {
      if (typeof value !== "object" || value === null) return;
      for (const inner of Object.values(value)) spoil(inner);
      if (Array.isArray(value)) value.push("spoilt");
      else Object.assign(value, { spoilt: true });
    };
    const property = fc.property(fc.json({ maxDepth: 5 }), (text) => {
      const calls = counting();
      backend.setMany([entry("k", text)]);
      for (let i = 0; i < 4; i++) {
        const value = backend.getDecoded("k", calls.decode);
        expect(value).toStrictEqual(JSON.parse(text));
        expect(JSON.stringify(value)).toBe(JSON.stringify(JSON.parse(text)));
        spoil(value);
      }
      expect(backend.contradictions()).toEqual([]);
    });
    fc.assert(property, { numRuns: 500 });
  });

  test("are decoded twice, then copied", () => {
    const { backend } = opened();
    const calls = counting();
    backend.setMany([entry("k", '{"id":1,"tags":["a",{"b":[]}]}')]);
    const seen = Array.from({ length: 5 }, () => backend.getDecoded("k", calls.decode));
    expect(calls.count).toBe(2);
    expect(new Set(seen).size).toBe(5);
    for (const value of seen) expect(value).toStrictEqual({ id: 1, tags: ["a", { b: [] }] });
  });

  test.each(['{"__proto__":{"admin":true}}', '{"a":{"__proto__":1}}'])("%s makes no prototype", (text) => {
    const { backend } = opened();
    backend.setMany([entry("k", text)]);
    for (let i = 0; i < 4; i++) {
      const value = backend.getDecoded("k", counting().decode);
      expect(JSON.stringify(value)).toBe(text);
      expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    }
    expect(({} as { admin?: boolean }).admin).toBeUndefined();
  });

  const shared = { x: 1 };
  const spoken = () => "never kept";
  const cycle: Record<string, unknown> = {};
  cycle.self = cycle;
  const MAKES: Record<string, () => unknown> = {
    "a date": () => new Date(5),
    "a map": () => new Map([[1, 2]]),
    "a set in an object": () => ({ set: new Set([1]) }),
    bytes: () => new Uint8Array([1, 2]),
    "an object of a class": () => Object.assign(Object.create({ of: "a class" }), { x: 1 }),
    "an object without a prototype": () => Object.create(null),
    "one object in two places": () => [shared, shared],
    "an object in itself": () => cycle,
    "a frozen object": () => Object.freeze({ x: 1 }),
    "an accessor": () => ({
      get x() {
        return 1;
      },
    }),
    "a symbol as a key": () => ({ [Symbol.for("s")]: 1 }),
    "an array with a hole": () => new Array(3),
    "an undefined field": () => ({ x: undefined }),
    "a function": () => spoken,
    "what is nested deeply": () => JSON.parse(`${"[".repeat(100)}${"]".repeat(100)}`),
  };
  test.each(Object.entries(MAKES))("%s is decoded every time", (_, make) => {
    const { backend } = opened();
    const calls = counting(make);
    backend.setMany([entry("k", "v")]);
    for (let i = 0; i < 4; i++) expect(backend.getDecoded("k", calls.decode)).toStrictEqual(make());
    expect(calls.count).toBe(4);
  });

  test("a miss is undefined and decodes nothing; deadline and recency are those of a read", async () => {
    const { backend, clock } = opened({ maxEntries: 2, policy: "lru" });
    const calls = counting();
    expect(backend.getDecoded("k", calls.decode)).toBeUndefined();
    backend.setMany([entry("k", "1", { expiresAt: clock.now() + 1000 }), entry("l", "2")]);
    for (let i = 0; i < 3; i++) expect(backend.getDecoded("k", calls.decode)).toBe(1);
    backend.setMany([entry("m", "3")]);
    expect(await texts(backend, ["k", "l"])).toEqual(["1", undefined]);
    clock.advance(1000);
    expect(backend.getDecoded("k", calls.decode)).toBeUndefined();
  });

  test("a new value is seen at once, however it came", async () => {
    const { backend } = opened();
    const { decode } = counting();
    const read = () => [1, 2, 3].map(() => backend.getDecoded("k", decode));
    backend.setMany([entry("k", "[1]")]);
    expect(read()).toEqual([[1], [1], [1]]);
    backend.setMany([entry("k", "[2]")]);
    expect(read()).toEqual([[2], [2], [2]]);
    backend.atomic([{ set: entry("k", "[3]") }]);
    expect(read()).toEqual([[3], [3], [3]]);
    const writer = await backend.openWrite({ key: "k" });
    await writer.write(bytes("[4]"));
    await writer.commit();
    expect(read()).toEqual([[4], [4], [4]]);
    backend.deleteMany(["k"]);
    expect(read()).toEqual([undefined, undefined, undefined]);
  });

  test("a decoder that throws is heard, and nothing is kept", () => {
    const { backend } = opened();
    backend.setMany([entry("k", "no JSON")]);
    for (let i = 0; i < 3; i++) expect(() => backend.getDecoded("k", counting().decode)).toThrow(SyntaxError);
  });

  test("count towards the bytes, are freed with the entry, and drive nothing out", async () => {
    const { backend } = opened({ maxBytes: 100_000, maxEntries: 1000 });
    const { decode } = counting();
    const keys = Array.from({ length: 200 }, (_, i) => `k${i}`);
    const text = JSON.stringify({ name: "x".repeat(100), tags: ["a", "b"] });
    backend.setMany(keys.map((key) => entry(key, text)));
    const bare = await used(backend);
    for (let i = 0; i < 3; i++) for (const key of keys) backend.getDecoded(key, decode);
    const full = await used(backend);
    expect(full).toBeGreaterThan(bare + 10_000);
    // A quarter of the bound is for them.
    expect(full).toBeLessThanOrEqual(bare + 25_000);
    expect(backend.counters().counters.evictions).toBe(0);
    expect(backend.contradictions()).toEqual([]);
    backend.setMany(keys.map((key) => entry(key, text)));
    expect(await used(backend)).toBe(bare);
    for (let i = 0; i < 3; i++) for (const key of keys) backend.getDecoded(key, decode);
    await backend.deleteWhere({ all: true });
    expect(await used(backend)).toBe(0);
  });
});

import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { escapePart, generateKey, hashKey, patternKey, recordKey } from "../../src/cache/keys.js";
import { checkKey } from "../../src/key.js";

const unhashable = expect.objectContaining({ kind: "usage", code: "unhashable" });

const holed = [1, 0, 2];
delete holed[1];

/** Values that are pairwise different, however alike they look. */
const DIFFERENT: unknown[] = [
  undefined,
  null,
  true,
  false,
  0,
  -0,
  1,
  "1",
  1n,
  "",
  "0",
  "n",
  Number.NaN,
  "NaN",
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  new Date(1),
  new Date(Number.NaN),
  new Date(1).toISOString(),
  [],
  {},
  [[]],
  [{}],
  [undefined],
  [null],
  new Array(1),
  new Array(2),
  [undefined, undefined],
  holed,
  [1, 2],
  ["1", "2"],
  ["1,2"],
  ["1", ["2"]],
  { a: undefined },
  { a: null },
  { a: 1 },
  { a: "1" },
  { a: 1, b: 2 },
  { a: { b: 2 } },
  { ab: 1 },
  { 1: 1 },
  new Map(),
  new Set(),
  new Map([["a", 1]]),
  new Map<unknown, unknown>([[1, 1]]),
  new Map<unknown, unknown>([["1", 1]]),
  new Set([1]),
  new Set(["1"]),
  [["a", 1]],
  new Uint8Array([1]),
  new Uint8Array([1, 0]),
  new Int8Array([1]),
  new Uint16Array([1]),
  new Uint8Array([1]).buffer,
  new DataView(new ArrayBuffer(1)),
  /a/,
  /a/g,
  new URL("http://a/"),
  "http://a/",
  "\u00e9",
  "e\u0301",
  "\ud800",
  "\udbff",
  "\ufffd",
  "a\0b",
];

describe("a hash of a value", () => {
  test("is 128 bits of hex, and the same in every process", () => {
    expect(hashKey("x")).toMatch(/^[0-9a-f]{32}$/);
    expect(hashKey({ id: 7, tags: ["a", null] })).toBe("b1c53e151a624ee784b16d7d39ae2f60");
  });

  test("differs for different values", () => {
    const seen = new Map<string, number>();
    for (const [i, value] of DIFFERENT.entries()) {
      const hash = hashKey(value);
      expect(seen.get(hash), `the same as number ${i}`).toBeUndefined();
      seen.set(hash, i);
    }
  });

  test("does not depend on orders that mean nothing", () => {
    expect(hashKey({ a: 1, b: { c: 2, d: 3 } })).toBe(hashKey({ b: { d: 3, c: 2 }, a: 1 }));
    expect(hashKey(new Set([1, 2, "3"]))).toBe(hashKey(new Set(["3", 2, 1])));
    expect(
      hashKey(
        new Map<unknown, unknown>([
          ["a", 1],
          [{ b: 1 }, 2],
        ]),
      ),
    ).toBe(
      hashKey(
        new Map<unknown, unknown>([
          [{ b: 1 }, 2],
          ["a", 1],
        ]),
      ),
    );
    expect(hashKey(Buffer.from([1, 2]))).toBe(hashKey(new Uint8Array([1, 2])));
    expect(hashKey(runInNewContext("({ a: [1] })"))).toBe(hashKey({ a: [1] }));
    expect(hashKey(Object.assign(Object.create(null), { a: 1 }))).toBe(hashKey({ a: 1 }));
    for (const [text, value] of [
      ["new Date(1)", new Date(1)],
      ["new Map([[1, 2]])", new Map([[1, 2]])],
      ["new Uint8Array([1])", new Uint8Array([1])],
      ["/a/g", /a/g],
    ] as const) {
      expect(hashKey(runInNewContext(text)), text).toBe(hashKey(value));
    }
  });

  const cycle: Record<string, unknown> = {};
  cycle.self = { deep: [cycle] };
  const cyclicSet = new Set<unknown>();
  cyclicSet.add([cyclicSet]);
  let deep: unknown = 1;
  for (let i = 0; i < 10_000; i++) deep = [deep];
  const nested = (times: number): unknown => {
    let list: unknown[] = [1];
    for (let i = 0; i < times; i++) list = [list, list];
    return list;
  };
  const ofMaps = () => {
    let map = new Map<unknown, unknown>();
    for (let i = 0; i < 40; i++)
      map = new Map([
        ["a", map],
        ["b", map],
      ]);
    return map;
  };
  const text = "x".repeat(1_000_000);
  const long = { text };
  const tagged = <T extends object>(extending: T) => Object.assign(extending, { tenant: 1 });
  class Secret {
    readonly #id: number;
    constructor(id: number) {
      this.#id = id;
    }
    get id() {
      return this.#id;
    }
  }

  test.each<[string, unknown]>([
    ["a function", () => 1],
    ["a symbol", Symbol("x")],
    ["a nested function", { a: [() => 1] }],
    ["a symbol for a name", { [Symbol("x")]: 1 }],
    ["a cycle", cycle],
    ["a cycle through a Set", cyclicSet],
    ["deep nesting", deep],
    ["a promise", Promise.resolve(1)],
    ["a WeakMap", new WeakMap()],
    ["an instance with what can't be seen", new Secret(1)],
    ["an error", new Error("x")],
    ["an array that is all but empty", new Array(2 ** 32 - 1)],
    ["an array with a property of its own", Object.assign([1], { a: 2 })],
    ["an array with a symbol of its own", Object.assign([1], { [Symbol("x")]: 2 })],
    ["an array with a hidden property", Object.defineProperty([1], "a", { value: 2 })],
    ["what a pattern found in a text", /a/.exec("ba")],
    ["a date with a property of its own", tagged(new Date(0))],
    ["a Map with a property of its own", tagged(new Map())],
    ["a Set with a property of its own", tagged(new Set())],
    ["a pattern with a property of its own", tagged(/a/)],
    ["bytes with a property of their own", tagged(new ArrayBuffer(1))],
    ["a class of arrays", class extends Array {}.of(1)],
    ["a class of Maps", new (class extends Map {})()],
    ["a class of Sets", new (class extends Set {})()],
    ["a class of dates", new (class extends Date {})(0)],
    ["a class of bytes", new (class extends Uint8Array {})(1)],
    ["a class of patterns", new (class extends RegExp {})("a")],
    ["what holds itself twice, 40 levels deep", nested(40)],
    ["Maps that hold each other twice", ofMaps()],
    ["a long text again and again", Array.from({ length: 1000 }, () => long)],
  ])("refuses %s", (_, value) => {
    expect(() => hashKey(value)).toThrow(unhashable);
  });

  test("is refused where it would take for ever: this would not end", () => {
    for (const value of [nested(100), ofMaps()]) expect(() => hashKey(value)).toThrow(unhashable);
  });

  test("is what a class says of its instance, whatever it extends", () => {
    class Named extends Map<string, number> {
      readonly name: string;
      constructor(name: string) {
        super([["a", 1]]);
        this.name = name;
      }
      toJSON() {
        return { name: this.name, entries: [...this] };
      }
    }
    expect(hashKey(new Named("a"))).toBe(hashKey(new Named("a")));
    expect(hashKey(new Named("a"))).not.toBe(hashKey(new Named("b")));
  });

  test("takes what occurs twice without containing itself", () => {
    const twice = { a: 1 };
    expect(hashKey([twice, twice])).toBe(hashKey([{ a: 1 }, { a: 1 }]));
    expect(hashKey(nested(15))).toMatch(/^[0-9a-f]{32}$/);
    const many = { list: Array.from({ length: 300 }, (_, i) => ({ i })) };
    expect(hashKey(Array.from({ length: 100 }, () => many))).toMatch(/^[0-9a-f]{32}$/);
    expect(hashKey(Array.from({ length: 300_000 }, (_, i) => [i]))).toMatch(/^[0-9a-f]{32}$/);
  });

  test("is the same exactly for what is the same", () => {
    const anything = fc.anything({
      withBigInt: true,
      withDate: true,
      withMap: true,
      withSet: true,
      withTypedArray: true,
      withSparseArray: true,
      withNullPrototype: false,
    });
    fc.assert(
      fc.property(anything, (value) => {
        expect(hashKey(structuredClone(value))).toBe(hashKey(value));
      }),
    );
    const json = fc.jsonValue();
    fc.assert(
      fc.property(json, json, (one, two) => {
        const same = JSON.stringify(sorted(one)) === JSON.stringify(sorted(two));
        if (!hasNegativeZero(one, two)) expect(hashKey(one) === hashKey(two)).toBe(same);
      }),
      { numRuns: 500 },
    );
  });
});

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return { entries: entries.map(([name, own]) => [name, sorted(own)]) };
}

function hasNegativeZero(...values: unknown[]): boolean {
  return values.some((value) =>
    typeof value === "object" && value !== null ? hasNegativeZero(...Object.values(value)) : Object.is(value, -0),
  );
}

describe("a generated key", () => {
  test("is the prefix and the hash of all arguments", () => {
    expect(generateKey("user", 1, "a")).toBe(`user:${hashKey([1, "a"])}`);
    expect(generateKey("user")).not.toBe(generateKey("user", undefined));
    expect(generateKey("user", 1)).not.toBe(generateKey("user", "1"));
    expect(generateKey("user", ["a"], "b")).not.toBe(generateKey("user", "a", ["b"]));
  });
});

describe("a key of a pattern", () => {
  test("can be read, and escapes what has a meaning", () => {
    expect(patternKey("user:{id}:page:{page}", { id: 7, page: 2 })).toBe("user:7:page:2");
    expect(patternKey("u:{id}", { id: "a:b*c?[d]\\{e}%" })).toBe("u:a%3Ab%2Ac%3F%5Bd%5D%5C%7Be%7D%25");
    expect(patternKey("u:{id}", { id: "550e8400-e29b" })).toBe("u:550e8400-e29b");
    expect(patternKey("none", {})).toBe("none");
    expect(patternKey("u:{id}", { id: "$&" })).toBe("u:$&");
  });

  test("is another one for other values", () => {
    const values = DIFFERENT.filter((value) => value !== undefined);
    const keys = values.map((id) => patternKey("u:{id}:x", { id }));
    expect(new Set(keys).size).toBe(values.length);
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.string(), fc.string(), fc.string(), (a, b, c, d) => {
        const [one, two] = [patternKey("{x}:{y}", { x: a, y: b }), patternKey("{x}:{y}", { x: c, y: d })];
        expect(one === two).toBe(a === c && b === d);
        checkKey(one);
      }),
    );
  });

  test.each(["a:{", "a:}", "{a}{b}", "{a}-{b}", "{toString}", "{missing}", "{}"])("refuses %s", (pattern) => {
    expect(() => patternKey(pattern, { a: 1, b: 2 })).toThrow(
      expect.objectContaining({ kind: "usage", code: "invalid-pattern" }),
    );
  });
});

describe("the key of a record", () => {
  test("has its parts escaped", () => {
    expect(recordKey("users", 7)).toBe("users:7");
    expect(recordKey("users", "a:b", "app")).toBe("app:users:a%3Ab");
    expect(recordKey("a:b", "c")).not.toBe(recordKey("a", "b:c"));
    expect(escapePart("\ud800")).not.toBe(escapePart("\udfff"));
  });
});

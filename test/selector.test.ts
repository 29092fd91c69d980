import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CacheError } from "../src/errors.js";
import {
  type Candidate,
  checkSelector,
  compileFilter,
  compileGlob,
  filterOf,
  globPrefix,
  type Selector,
} from "../src/selector.js";

/** A part of a glob with what it means as a regular expression: the reference that the matcher is held against. */
type Part = readonly [glob: string, regexp: string];

const LITERALS = [..."ab-^.:/ é😀]{}$+|()\n"];
const quoted = (char: string) => char.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
const literal = fc.constantFrom(...LITERALS).map((char): Part => [char, quoted(char)]);
const escaped = fc.constantFrom(..."*?[]\\ab").map((char): Part => [`\\${char}`, quoted(char)]);
const range = fc.constantFrom<Part>(
  ["a", "a"],
  ["a-c", "a-c"],
  ["c-a", "a-c"],
  ["é", "é"],
  ["😀", "😀"],
  ["\\]", "\\]"],
  ["\\-", "\\-"],
  ["*", "\\*"],
  ["\\^", "\\^"],
);
const charClass = fc.tuple(fc.boolean(), fc.array(range, { minLength: 1, maxLength: 3 })).map(([not, ranges]): Part => {
  const [glob, regexp] = [ranges.map(([g]) => g).join(""), ranges.map(([, r]) => r).join("")];
  return [`[${not ? "^" : ""}${glob}]`, `[${not ? "^" : ""}${regexp}]`];
});
const wild = fc.constantFrom<Part>(["*", ".*"], ["?", "."], ["**", ".*"]);
const glob = fc.array(fc.oneof(literal, escaped, charClass, wild), { maxLength: 7 });
const subject = fc.array(fc.constantFrom(..."abc*?[]\\", ...LITERALS), { maxLength: 8 }).map((chars) => chars.join(""));

describe("globs", () => {
  it("match what the same regular expression matches", () => {
    fc.assert(
      fc.property(glob, fc.array(subject, { minLength: 5, maxLength: 5 }), (parts, keys) => {
        const pattern = parts.map(([g]) => g).join("");
        const reference = new RegExp(`^${parts.map(([, r]) => r).join("")}$`, "us");
        const test = compileGlob(pattern);
        for (const key of keys) expect([pattern, key, test(key)]).toEqual([pattern, key, reference.test(key)]);
      }),
      { numRuns: 3000 },
    );
  });

  it("match every key that is made from them", () => {
    const made = fc.array(
      fc.oneof(
        literal.map(([g]) => [g, g] as const),
        fc.string({ unit: "binary", maxLength: 3 }).map((text) => ["*", text] as const),
        fc
          .string({ unit: "grapheme", minLength: 1, maxLength: 1 })
          .map((text) => ["?", Array.from(text)[0] ?? ""] as const),
      ),
      { maxLength: 8 },
    );
    fc.assert(
      fc.property(made, (parts) => {
        const test = compileGlob(parts.map(([g]) => g).join(""));
        expect(test(parts.map(([, text]) => text).join(""))).toBe(true);
      }),
    );
  });

  it.each([
    ["", "", true],
    ["", "a", false],
    ["*", "", true],
    ["a*", "ba", false],
    ["*a", "ab", false],
    ["?", "😀", true],
    ["??", "😀", false],
    ["?", "\n", true],
    ["a*z", "a/:\n/z", true],
    ["[a-c]", "b", true],
    ["[^a-c]", "b", false],
    ["[^a-c]", "", false],
    ["[a^]", "^", true],
    ["[]", "a", false],
    ["[^]", "a", true],
    ["[a-]", "-", true],
    ["\\*", "*", true],
    ["\\*", "a", false],
    ["a\\b", "ab", true],
    ["a\\\\b", "a\\b", true],
    ["{a,b}", "a", false],
    ["{a,b}", "{a,b}", true],
    ["A", "a", false],
  ])("%j on %j is %s", (pattern, key, expected) => {
    expect(compileGlob(pattern)(key)).toBe(expected);
  });

  it.each(["[", "[a", "[^", "a\\", "[\\]"])("refuses %j", (pattern) => {
    expect(() => compileGlob(pattern)).toThrow(CacheError);
    expect(() => checkSelector({ match: pattern })).toThrow(
      expect.objectContaining({ code: "invalid-glob", kind: "usage" }),
    );
  });

  it("takes no exponential time", () => {
    const test = compileGlob(`${"a*".repeat(200)}b`);
    const start = performance.now();
    expect(test("a".repeat(1000))).toBe(false);
    expect(performance.now() - start).toBeLessThan(1000);
  });

  it("begin with their literal prefix in every key they match", () => {
    fc.assert(
      fc.property(glob, subject, (parts, key) => {
        const pattern = parts.map(([g]) => g).join("");
        if (compileGlob(pattern)(key)) expect(key.startsWith(globPrefix(pattern))).toBe(true);
      }),
      { numRuns: 2000 },
    );
    expect(globPrefix("a\\*b*c")).toBe("a*b");
    expect(globPrefix("a[b]")).toBe("a");
    expect(globPrefix("exact")).toBe("exact");
  });
});

describe("selectors", () => {
  it("must say what they are about", () => {
    for (const empty of [{}, { tags: [] }, { tagMode: "all" as const }, { types: ["hash"] }, { prefix: "" }]) {
      expect(() => checkSelector(empty)).toThrow(expect.objectContaining({ code: "empty-selector" }));
    }
    for (const good of [
      { all: true as const },
      { keys: [] },
      { prefix: "", tags: ["t"] },
      { all: true as const, types: ["hash"] },
      { keys: ["a"], types: ["hash"] },
      { minSize: 0 },
      { expiry: "none" as const },
    ]) {
      expect(() => checkSelector(good)).not.toThrow();
    }
    const wrong: unknown[] = [
      undefined,
      null,
      "a",
      { prefx: "b" },
      { all: true, prefix: "b" },
      { all: true, tags: ["t"] },
      { all: true, keys: ["a"] },
      { all: true, tagMode: "all" },
      { all: false },
      { all: undefined, prefix: "b" },
      { keys: undefined },
      { keys: undefined, prefix: "b" },
      { keys: ["a"], prefix: "b" },
      { keys: "ab" },
      { tags: "xy" },
      { tags: [1] },
      { tags: ["t"], tagMode: "al" },
      { prefix: 5 },
      { match: 5 },
      { minSize: Number.NaN },
      { minSize: -1 },
      { minSize: "1" },
      { expiry: "foo" },
      { all: true, types: "hash" },
    ];
    for (const one of wrong) {
      const refused = expect.objectContaining({ kind: "usage", code: "invalid-selector" });
      expect(() => checkSelector(one as Selector), JSON.stringify(one)).toThrow(refused);
    }
    for (const key of [5, null, undefined, {}]) {
      const refused = expect.objectContaining({ kind: "usage", code: "invalid-key" });
      expect(() => checkSelector({ keys: ["a", key] } as Selector)).toThrow(refused);
    }
    expect(filterOf({ all: true, types: ["hash"] })).toEqual({ types: ["hash"] });
    expect(filterOf({ all: true })).toEqual({});
  });

  it("hold when each of their conditions holds alone", () => {
    const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
    const tags = fc.subarray(["x", "y", "z"], { minLength: 1 });
    const filters = fc.record(
      {
        prefix: fc.constantFrom("", "a", "a:"),
        match: fc.constantFrom("*", "a*", "?", "*b"),
        minSize: fc.nat(3),
        expiry: fc.constantFrom("none" as const, "expired" as const),
        tags,
        tagMode: fc.constantFrom("any" as const, "all" as const),
      },
      { requiredKeys: [] },
    );
    const candidates = fc
      .record({
        key: fc.constantFrom("a", "a:b", "b", ""),
        size: maybe(fc.nat(4)),
        expiresAt: maybe(fc.nat(20)),
        tags: maybe(tags),
      })
      .map(
        ({ key, size, expiresAt, tags }): Candidate => ({
          key,
          ...(size !== undefined && { size }),
          ...(expiresAt !== undefined && { expiresAt }),
          ...(tags && { tags }),
        }),
      );
    const now = 10;
    fc.assert(
      fc.property(filters, candidates, (filter, entry) => {
        const carried = entry.tags ?? [];
        const conditions = [
          filter.prefix === undefined || entry.key.startsWith(filter.prefix),
          filter.match === undefined || compileGlob(filter.match)(entry.key),
          filter.minSize === undefined || (entry.size !== undefined && entry.size >= filter.minSize),
          filter.expiry !== "none" || entry.expiresAt === undefined,
          filter.expiry !== "expired" || (entry.expiresAt !== undefined && entry.expiresAt <= now),
          filter.tags === undefined ||
            (filter.tagMode === "all"
              ? filter.tags.every((t) => carried.includes(t))
              : filter.tags.some((t) => carried.includes(t))),
        ];
        expect(compileFilter(filter, () => now)(entry)).toBe(conditions.every(Boolean));
      }),
      { numRuns: 3000 },
    );
  });
});

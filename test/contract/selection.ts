import { describe, expect, test } from "vitest";
import type { Backend } from "../../src/backends/backend.js";
import { CacheError } from "../../src/errors.js";
import { compileFilter, type Filter, type Selector } from "../../src/selector.js";
import { type Current, entry, HOSTILE_KEYS, keysOf, put, texts } from "./harness.js";

/** Text on both sides of the borders where a prefix range, a LIKE or a glob goes wrong. */
const NEIGHBOURS: readonly string[] = [
  ...["a", "a[bc]", "a[bc]x", "ab", "ac", "abx", "a*", "a*x", "a?", "a?x", "axx", "a\\", "a\\*", "a\\x"],
  ...["%", "%x", "x%", "_", "_x", "xx", "a%", "a%x", "a_", "a_x", "A", "Ab"],
  ...["\ud7ff", "\ud7ffx", "\ue000", "\uffff", "\uffffx", "\uffff\uffff", "x\uffff", "x\uffffy", "y"],
  ...["\u{10000}", "\u{10ffff}", "\u{10ffff}x", "\u{10ffff}\u{10ffff}", "x\u{10ffff}", "x\u{10ffff}y", "z"],
  ...["😀", "😀x", "😁", "😁x", "\u{1f5ff}", "é", "éx", "e\u0301", "e\u0301x", "e"],
  ...["ns:", "ns:x", "ns;", "ns", "ns::x", "{t}", "{t}x", "{", "'", "'x", "''"],
];

/** What these say beside keys or everything would not count. */
const MISLEADING: readonly Selector[] = [
  { all: true, prefix: "b" },
  { keys: ["a"], prefix: "b" },
];

const PREFIXES = NEIGHBOURS.filter((text) => text.length <= 5);

export function describeSelection(current: Current): void {
  /** What must be selected, worked out on our side from the same rules. */
  const expected = (filter: Filter, keys: readonly string[]) => {
    const holds = compileFilter(filter, () => current().clock.now());
    return keys.filter((key) => holds({ key })).sort();
  };

  async function expectSelected(backend: Backend, filter: Filter, keys: readonly string[]): Promise<void> {
    expect({ filter, keys: await keysOf(backend, filter) }).toEqual({ filter, keys: expected(filter, keys) });
  }

  describe("selectors", () => {
    test("a prefix is literal text, whatever characters it has, in a scan", async () => {
      const backend = await current().open();
      await put(backend, ...NEIGHBOURS);
      for (const prefix of PREFIXES) await expectSelected(backend, { prefix }, NEIGHBOURS);
    });

    test("a prefix is literal text, whatever characters it has, in a deletion", async () => {
      const backend = await current().open();
      let left = [...NEIGHBOURS];
      await put(backend, ...left);
      for (const prefix of [...PREFIXES].sort((a, b) => b.length - a.length)) {
        const doomed = expected({ prefix }, left);
        const report = await backend.deleteWhere({ prefix });
        expect({ prefix, ...report }).toMatchObject({ prefix, deleted: doomed.length, complete: true });
        left = left.filter((key) => !doomed.includes(key));
        expect({ prefix, keys: await keysOf(backend) }).toEqual({ prefix, keys: [...left].sort() });
      }
    });

    test("hostile keys can be found by themselves as a prefix", async () => {
      const backend = await current().open();
      await put(backend, ...HOSTILE_KEYS);
      for (const prefix of HOSTILE_KEYS) await expectSelected(backend, { prefix }, HOSTILE_KEYS);
    });

    test.each([
      "*",
      "?",
      "??",
      "a*",
      "*x",
      "a?",
      "a[bc]*",
      "a[^b]*",
      "a\\[bc\\]*",
      "a\\*",
      "a\\\\*",
      "\\%*",
      "_*",
      "a_*",
      "[a-c]*",
      "[^a-z]*",
      "[😀-😁]",
      "[\ue000-\u{10ffff}]*",
      "😀*",
      "*\u{10ffff}*",
      "é*",
      "ns:*",
      "{t}*",
      "'*",
      "",
      "[]",
      "[^]",
      "*[\\]]*",
    ])("the glob %j means the same in every store", async (match) => {
      const backend = await current().open();
      await put(backend, ...NEIGHBOURS);
      await expectSelected(backend, { match }, NEIGHBOURS);
      const doomed = expected({ match }, NEIGHBOURS);
      expect((await backend.deleteWhere({ match })).deleted).toBe(doomed.length);
      expect(await keysOf(backend)).toEqual(NEIGHBOURS.filter((key) => !doomed.includes(key)).sort());
    });

    test("all conditions of a selector hold at once", async () => {
      const { open, clock } = current();
      const backend = await open();
      const expiresAt = clock.now() + 60_000;
      await put(
        backend,
        entry("p:hit", "x".repeat(100), { tags: ["t"] }),
        entry("p:small", "x", { tags: ["t"] }),
        entry("p:timed", "x".repeat(100), { tags: ["t"], expiresAt }),
        entry("p:untagged", "x".repeat(100)),
        entry("q:hit", "x".repeat(100), { tags: ["t"] }),
        entry("p:hiT", "x".repeat(100), { tags: ["t"] }),
      );
      const selector = { prefix: "p:", match: "*t", tags: ["t"], minSize: 100, expiry: "none" } as const;
      expect(await keysOf(backend, selector)).toEqual(["p:hit"]);
      expect(await backend.deleteWhere(selector)).toMatchObject({ deleted: 1, complete: true });
      expect((await keysOf(backend)).length).toBe(5);
    });

    test("minSize counts the bytes of the value, exactly", async () => {
      const backend = await current().open();
      await put(backend, entry("empty", ""), entry("9", "x".repeat(9)), entry("10", "é".repeat(5)));
      await put(backend, { key: "big", value: Buffer.alloc(300_000) });
      expect(await keysOf(backend, { minSize: 10 })).toEqual(["10", "big"]);
      expect(await keysOf(backend, { minSize: 0 })).toEqual(["10", "9", "big", "empty"]);
      expect((await backend.deleteWhere({ minSize: 10 })).deleted).toBe(2);
      expect(await keysOf(backend)).toEqual(["9", "empty"]);
    });

    test("expiry none selects what never expires", async () => {
      const { open, clock } = current();
      const backend = await open();
      await put(backend, entry("timed", "v", { expiresAt: clock.now() + 60_000 }), "never", "never too");
      expect(await keysOf(backend, { expiry: "none" })).toEqual(["never", "never too"]);
      expect((await backend.deleteWhere({ expiry: "none" })).deleted).toBe(2);
      expect(await keysOf(backend)).toEqual(["timed"]);
    });

    test("expiry expired never selects a live entry", async () => {
      const { open, advance, clock, shortTtl } = current();
      const backend = await open();
      const expiresAt = clock.now() + shortTtl;
      await put(backend, ...["a", "b", "c"].map((key) => entry(key, "v", { expiresAt })));
      await put(backend, entry("timed", "v", { expiresAt: clock.now() + 3_600_000 }), "never");
      expect(await keysOf(backend, { expiry: "expired" })).toEqual([]);
      await advance(shortTtl);
      for (const key of await keysOf(backend, { expiry: "expired" })) expect(["a", "b", "c"]).toContain(key);
      const report = await backend.deleteWhere({ expiry: "expired" });
      expect(report.complete).toBe(true);
      expect(report.deleted).toBeLessThanOrEqual(3);
      expect(await keysOf(backend, { expiry: "expired" })).toEqual([]);
      expect(await keysOf(backend)).toEqual(["never", "timed"]);
    });

    test("a list of keys is a selector: what is not there is neither listed nor counted", async () => {
      const backend = await current().open();
      await put(backend, "a", "b", "a*", "c");
      const selector = { keys: ["a*", "none", "b"] };
      expect(await keysOf(backend, selector)).toEqual(["a*", "b"]);
      expect(await backend.deleteWhere(selector)).toMatchObject({ deleted: 2, softened: 0, complete: true });
      expect(await keysOf(backend)).toEqual(["a", "c"]);
      expect(await keysOf(backend, { keys: [] })).toEqual([]);
      expect(await backend.deleteWhere({ keys: [] })).toMatchObject({ deleted: 0, complete: true });
    });

    test.each<Selector>([{}, { tags: [] }, { match: "[a" }, { match: "a\\" }, { prefix: "" }, ...MISLEADING])(
      "the selector %j is refused before anything is touched",
      async (selector) => {
        const backend = await current().open();
        await put(backend, "a", "b");
        await expect(backend.deleteWhere(selector)).rejects.toBeInstanceOf(CacheError);
        await expect(keysOf(backend, selector)).rejects.toBeInstanceOf(CacheError);
        expect(await keysOf(backend)).toEqual(["a", "b"]);
      },
    );
  });

  describe("namespaces", () => {
    test("a namespace never reaches another, nor the root", async () => {
      const { open } = current();
      const names = ["a:", "ab:", "a:b:", "A:", "a%:", "a_:", "a*:", "a[bc]:", "{a}:", "é:"];
      const backends = await Promise.all(names.map(async (name) => ({ name, backend: await open(name) })));
      for (const { name, backend } of backends) await put(backend, entry("k", name), entry("only", name));
      for (const { name, backend } of backends) {
        expect(await texts(backend, ["k", "only"])).toEqual([name, name]);
        if (name !== "a:") expect(await keysOf(backend)).toEqual(["k", "only"]);
      }
      for (const { name, backend } of backends.filter(({ name }) => name !== "a:")) {
        expect(await backend.deleteMany(["k"])).toEqual([true]);
        expect({ name, ...(await backend.deleteWhere({ all: true })) }).toMatchObject({ name, deleted: 1 });
        expect(await keysOf(backend)).toEqual([]);
        expect(await texts(await backendOf("a:"), ["k", "only"])).toEqual(["a:", "a:"]);
      }
      async function backendOf(wanted: string): Promise<Backend> {
        const found = backends.find(({ name }) => name === wanted);
        if (!found) throw new Error(`no namespace ${wanted}`);
        return found.backend;
      }
    });

    test("tags are a namespace's own", async () => {
      const { open } = current();
      const [a, b] = [await open("a:"), await open("b:")];
      await put(a, entry("k", "a", { tags: ["t"] }));
      await put(b, entry("k", "b", { tags: ["t"] }));
      expect((await a.deleteWhere({ tags: ["t"] })).deleted).toBe(1);
      expect(await texts(a, ["k"])).toEqual([undefined]);
      expect(await texts(b, ["k"])).toEqual(["b"]);
      expect(await keysOf(b, { tags: ["t"] })).toEqual(["k"]);
    });

    test("the namespace's own text in a key is nothing special", async () => {
      const { open } = current();
      const a = await open("a:");
      await put(a, "a:", "a:k", "k", ":");
      expect(await keysOf(a)).toEqual([":", "a:", "a:k", "k"]);
      expect(await keysOf(a, { prefix: "a:" })).toEqual(["a:", "a:k"]);
      expect(await keysOf(a, { match: "a:*" })).toEqual(["a:", "a:k"]);
      expect((await a.deleteWhere({ prefix: "a:" })).deleted).toBe(2);
      expect(await keysOf(a)).toEqual([":", "k"]);
    });

    test("without a namespace the whole store is seen, under full names, and nothing that a backend keeps for itself", async () => {
      const { open } = current();
      const a = await open("a:");
      if (!a.capabilities.persistent) return;
      await put(a, entry("tagged", "v", { tags: ["t", "u"], meta: Buffer.from("m") }), "plain");
      await a.count({ hits: 1 });
      const root = await open();
      await put(root, "own");
      expect(await keysOf(root)).toEqual(["a:plain", "a:tagged", "own"]);
      expect(await keysOf(root, { match: "*" })).toEqual(["a:plain", "a:tagged", "own"]);
      expect(await texts(root, ["a:tagged", "tagged"])).toEqual(["v", undefined]);
      expect((await root.deleteWhere({ all: true })).deleted).toBe(3);
      expect(await keysOf(a)).toEqual([]);
    });
  });
}

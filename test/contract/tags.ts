import { describe, expect, test } from "vitest";
import { type Current, entry, HOSTILE_KEYS, HOSTILE_TAGS, keysOf, put, texts } from "./harness.js";

export function describeTags(current: Current): void {
  describe("tags", () => {
    const filled = async () => {
      const backend = await current().open();
      await put(
        backend,
        entry("r", "v", { tags: ["red"] }),
        entry("b", "v", { tags: ["blue"] }),
        entry("rb", "v", { tags: ["red", "blue"] }),
        entry("rbg", "v", { tags: ["green", "blue", "red"] }),
        entry("none", "v", { tags: [] }),
        "plain",
      );
      return backend;
    };

    test("one tag, any of several, all of several", async () => {
      const backend = await filled();
      expect(await keysOf(backend, { tags: ["red"] })).toEqual(["r", "rb", "rbg"]);
      expect(await keysOf(backend, { tags: ["red", "blue"] })).toEqual(["b", "r", "rb", "rbg"]);
      expect(await keysOf(backend, { tags: ["red", "blue"], tagMode: "any" })).toEqual(["b", "r", "rb", "rbg"]);
      expect(await keysOf(backend, { tags: ["red", "blue"], tagMode: "all" })).toEqual(["rb", "rbg"]);
      expect(await keysOf(backend, { tags: ["red", "red"], tagMode: "all" })).toEqual(["r", "rb", "rbg"]);
      expect(await keysOf(backend, { tags: ["red", "none"], tagMode: "all" })).toEqual([]);
      expect(await keysOf(backend, { tags: ["none"] })).toEqual([]);
    });

    test("deletion by any tag counts each entry once", async () => {
      const backend = await filled();
      expect(await backend.deleteWhere({ tags: ["red", "blue"] })).toMatchObject({ deleted: 4, complete: true });
      expect(await keysOf(backend)).toEqual(["none", "plain"]);
    });

    test("deletion by all tags leaves what has only some", async () => {
      const backend = await filled();
      expect((await backend.deleteWhere({ tags: ["red", "blue"], tagMode: "all" })).deleted).toBe(2);
      expect(await keysOf(backend)).toEqual(["b", "none", "plain", "r"]);
      expect(await keysOf(backend, { tags: ["green"] })).toEqual([]);
      expect((await backend.deleteWhere({ tags: ["red"] })).deleted).toBe(1);
      expect((await backend.deleteWhere({ tags: ["red"] })).deleted).toBe(0);
    });

    test("an overwrite with other tags is not hit by the old one", async () => {
      const backend = await filled();
      await put(backend, entry("r", "new", { tags: ["blue"] }));
      expect(await keysOf(backend, { tags: ["red"] })).toEqual(["rb", "rbg"]);
      expect((await backend.deleteWhere({ tags: ["red"] })).deleted).toBe(2);
      expect(await texts(backend, ["r"])).toEqual(["new"]);
      expect((await backend.deleteWhere({ tags: ["blue"] })).deleted).toBe(2);
      expect(await texts(backend, ["r"])).toEqual([undefined]);
    });

    test("an untagged overwrite is hit by no tag", async () => {
      const backend = await filled();
      await put(backend, entry("rb", "new"));
      expect(await keysOf(backend, { tags: ["red", "blue"], tagMode: "all" })).toEqual(["rbg"]);
      await backend.deleteWhere({ tags: ["red", "blue"] });
      expect(await texts(backend, ["rb"])).toEqual(["new"]);
    });

    test("what was deleted and written again without tags is hit by no tag", async () => {
      const backend = await filled();
      await backend.deleteMany(["r"]);
      expect(await keysOf(backend, { tags: ["red"] })).toEqual(["rb", "rbg"]);
      await put(backend, entry("r", "new"));
      expect((await backend.deleteWhere({ tags: ["red"] })).deleted).toBe(2);
      expect(await texts(backend, ["r"])).toEqual(["new"]);
    });

    test("what expired and was written again without tags is hit by no tag", async () => {
      const { open, advance, clock, shortTtl } = current();
      const backend = await open();
      await put(backend, entry("k", "old", { tags: ["t"], expiresAt: clock.now() + shortTtl }));
      await advance(shortTtl);
      await put(backend, entry("k", "new"));
      expect((await backend.deleteWhere({ tags: ["t"] })).deleted).toBe(0);
      expect(await texts(backend, ["k"])).toEqual(["new"]);
    });

    test("a tag can be used again after its purge", async () => {
      const backend = await filled();
      await backend.deleteWhere({ tags: ["red"] });
      await put(backend, entry("r2", "v", { tags: ["red"] }));
      expect(await keysOf(backend, { tags: ["red"] })).toEqual(["r2"]);
      expect((await backend.deleteWhere({ tags: ["red"] })).deleted).toBe(1);
    });

    test("a tag named twice on an entry is one tag", async () => {
      const backend = await current().open();
      await put(backend, entry("k", "v", { tags: ["t", "t"] }));
      expect((await backend.getMany(["k"], { want: "all" }))[0]?.tags).toEqual(["t"]);
      expect(await keysOf(backend, { tags: ["t"] })).toEqual(["k"]);
      expect((await backend.deleteWhere({ tags: ["t"] })).deleted).toBe(1);
    });

    test("hostile names are each their own tag", async () => {
      const backend = await current().open();
      await put(backend, ...HOSTILE_TAGS.map((tag, i) => entry(`k${i}`, "v", { tags: [tag] })));
      for (const [i, tag] of HOSTILE_TAGS.entries()) {
        expect({ tag, keys: await keysOf(backend, { tags: [tag] }) }).toEqual({ tag, keys: [`k${i}`] });
      }
      for (const [i, tag] of HOSTILE_TAGS.entries()) {
        expect({ tag, ...(await backend.deleteWhere({ tags: [tag] })) }).toMatchObject({ tag, deleted: 1 });
        expect((await backend.getMany([`k${i}`]))[0]).toBeUndefined();
      }
      expect(await keysOf(backend)).toEqual([]);
    });

    test("hostile keys under one tag", async () => {
      const backend = await current().open();
      await put(backend, ...HOSTILE_KEYS.map((key) => entry(key, "v", { tags: ["t"] })), "other");
      expect(await keysOf(backend, { tags: ["t"] })).toEqual([...HOSTILE_KEYS].sort());
      expect((await backend.deleteWhere({ tags: ["t"] })).deleted).toBe(HOSTILE_KEYS.length);
      expect(await keysOf(backend)).toEqual(["other"]);
    });

    test("many entries under one tag, many tags on one entry", async () => {
      const backend = await current().open();
      const many = Array.from({ length: 2500 }, (_, i) => entry(`k${i}`, "v", { tags: ["all", `half${i % 2}`] }));
      const tags = Array.from({ length: 100 }, (_, i) => `tag${i}`);
      await put(backend, ...many, entry("many", "v", { tags }));
      expect(await keysOf(backend, { tags, tagMode: "all" })).toEqual(["many"]);
      expect((await backend.deleteWhere({ tags: ["half1"] })).deleted).toBe(1250);
      expect((await backend.deleteWhere({ tags: ["all"] })).deleted).toBe(1250);
      expect(await keysOf(backend)).toEqual(["many"]);
    });
  });
}

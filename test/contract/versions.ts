import { describe, expect, test } from "vitest";
import type { Backend } from "../../src/backends/backend.js";
import { leased, openFull, openTwo, versionOf } from "./full.js";
import { type Current, entry, keysOf, put, texts } from "./harness.js";

/** Changes after which a copy of `k` with the tag `t` is not to be stored. */
const OVERTAKEN_BY: Record<string, (backend: Backend) => unknown> = {
  "a set": (b) => b.setMany([entry("k", "new")]),
  "a deletion": (b) => b.deleteMany(["k"]),
  "a deletion by prefix": (b) => b.deleteWhere({ prefix: "k" }),
  "a deletion by glob": (b) => b.deleteWhere({ match: "?" }),
  "a purge of its tag": (b) => b.deleteWhere({ tags: ["t"] }),
  "a deletion of everything": (b) => b.deleteWhere({ all: true }),
  "a soft deletion": (b) => b.deleteWhere({ prefix: "k" }, { soft: true }),
  "a batch": (b) => b.atomic([{ delete: "k" }]),
  "a load": async (b) => b.commit(entry("k", "new"), await leased(b, "k")),
  "an announcement": (b) => b.announce("write", { keys: ["k"] }),
};

export function describeVersions(current: Current): void {
  describe("versions", () => {
    test("tell one write from another, also of the same bytes, and are the same for every reader", async () => {
      const [one, two] = await openTwo(current);
      const { versionsByContent = false } = current();
      let writes = 0;
      const next = () => entry("k", versionsByContent ? `write ${++writes}` : "same");
      const seen = new Set<string>();
      for (const backend of [one, two, one]) {
        await put(backend, next());
        const version = await versionOf(one, "k");
        expect(await versionOf(two, "k")).toBe(version);
        seen.add(version);
      }
      await one.deleteMany(["k"]);
      await put(two, next());
      seen.add(await versionOf(one, "k"));
      await one.atomic([{ set: next() }]);
      seen.add(await versionOf(one, "k"));
      const writer = await two.openWrite({ key: "k" });
      await writer.commit();
      seen.add(await versionOf(one, "k"));
      await one.deleteMany(["k"]);
      await one.commit(next(), await leased(one, "k"));
      seen.add(await versionOf(one, "k"));
      expect(seen.size).toBe(7);
    });

    test("of the keys of a batch each has one", async () => {
      const backend = await openFull(current);
      await put(backend, "a", "b", "c");
      const versions = (await backend.getMany(["a", "b", "c"], { want: "all" })).map((stored) => stored?.version);
      expect(versions.every((version) => typeof version === "string" && version !== "")).toBe(true);
    });

    test("deleteMany with versions deletes what has the one that was named", async () => {
      const [one, two] = await openTwo(current);
      await put(one, entry("a", "1"), entry("b", "1"), entry("c", "1", { tags: ["t"] }));
      const keys = ["a", "b", "c"];
      const versions = await Promise.all(keys.map((key) => versionOf(one, key)));
      await put(two, entry("b", "2"));
      const [a = "", b = "", c = ""] = versions;
      expect(await one.deleteMany([...keys, "absent"], { versions: [a, b, c, a] })).toEqual([true, false, true, false]);
      expect(await texts(two, keys)).toEqual([undefined, "2", undefined]);
      expect(await keysOf(two, { tags: ["t"] })).toEqual([]);
      expect(await one.deleteMany(["b"], { versions: ["no version of this store"] })).toEqual([false]);
      expect(await texts(two, ["b"])).toEqual(["2"]);
    });
  });

  describe("since", () => {
    const copy = entry("k", "copy", { tags: ["t"] });

    test("a copy is stored where nothing changed", async () => {
      const [one, two] = await openTwo(current);
      await two.position();
      await put(two, entry("k", "older"));
      const since = await one.position();
      await put(two, entry("other", "v", { tags: ["t"] }));
      await two.deleteMany(["kk"]);
      await two.deleteWhere({ tags: ["u"] });
      await two.deleteWhere({ prefix: "kk" });
      expect(await one.setMany([copy], { since })).toEqual(["stored"]);
      expect(await texts(two, ["k"])).toEqual(["copy"]);
    });

    test.each(Object.entries(OVERTAKEN_BY))("not after %s", async (_, act) => {
      const [one, two] = await openTwo(current);
      const since = await one.position();
      await act(two);
      const left = await texts(two, ["k"]);
      expect(await one.setMany([copy], { since })).toEqual(["condition"]);
      expect(await texts(two, ["k"])).toEqual(left);
    });

    test("nor after another deadline", async () => {
      const [one, two] = await openTwo(current);
      await put(one, entry("k", "v", { expiresAt: current().clock.now() + 3_600_000 }));
      const since = await one.position();
      await two.touchMany([{ key: "k", expiresAt: null }]);
      expect(await one.setMany([copy], { since })).toEqual(["condition"]);
    });

    test("each entry of a batch is judged by itself", async () => {
      const [one, two] = await openTwo(current);
      const since = await one.position();
      await two.deleteMany(["b"]);
      await two.deleteWhere({ tags: ["t"] });
      const batch = [entry("a"), entry("b"), entry("c", "v", { tags: ["t"] }), entry("d", "v", { tags: ["u"] })];
      expect(await one.setMany(batch, { since })).toEqual(["stored", "condition", "condition", "stored"]);
      expect(await keysOf(two)).toEqual(["a", "d"]);
    });

    test("the mode holds as well", async () => {
      const [one, two] = await openTwo(current);
      await put(two, entry("k", "there"));
      const since = await one.position();
      expect(await one.setMany([copy], { since, mode: "if-absent" })).toEqual(["condition"]);
      expect(await one.setMany([entry("absent")], { since, mode: "if-present" })).toEqual(["condition"]);
      expect(await one.setMany([copy], { since, mode: "if-present" })).toEqual(["stored"]);
    });

    test("a copy that was stored is a change itself", async () => {
      const [one, two] = await openTwo(current);
      const since = await one.position();
      expect(await one.setMany([copy], { since })).toEqual(["stored"]);
      expect(await two.setMany([entry("k", "another", { tags: ["t"] })], { since })).toEqual(["condition"]);
    });
  });
}

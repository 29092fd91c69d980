import { describe, expect, test } from "vitest";
import type { Backend, NewEntry } from "../../src/backends/backend.js";
import { leased, openFull, openTwo, versionOf } from "./full.js";
import { bytes, type Current, entry, keysOf, put, texts } from "./harness.js";

type Act = (backend: Backend, key: string) => unknown;

/** What overtakes a load of `key`, whose result carries the tags `t` and `u`. */
const OVERTAKEN_BY: Record<string, Act> = {
  "its key was deleted": (b, key) => b.deleteMany([key]),
  "its key was deleted among many": (b, key) => b.deleteMany(["x", key, "y"]),
  "its prefix was deleted": (b) => b.deleteWhere({ prefix: "k" }),
  "a glob over it was deleted": (b) => b.deleteWhere({ match: "*:1" }),
  "a list with it was deleted": (b, key) => b.deleteWhere({ keys: ["x", key] }),
  "one of its tags was purged": (b) => b.deleteWhere({ tags: ["u", "else"] }),
  "all of its tags were purged": (b) => b.deleteWhere({ tags: ["t", "u"], tagMode: "all" }),
  "a prefix and a tag of it were deleted": (b) => b.deleteWhere({ prefix: "k:", tags: ["t"] }),
  "everything was deleted": (b) => b.deleteWhere({ all: true }),
  "its prefix was marked stale": (b) => b.deleteWhere({ prefix: "k:" }, { soft: true }),
  "it was set": (b, key) => b.setMany([entry(key, "set")]),
  "it was set and deleted": async (b, key) => {
    await b.setMany([entry(key, "set")]);
    await b.deleteMany([key]);
  },
  "it was set in a batch": (b, key) => b.atomic([{ set: entry(key, "set") }]),
  "it was deleted in a batch": (b, key) => b.atomic([{ delete: key }]),
  "it was written as a stream": async (b, key) => {
    const writer = await b.openWrite({ key });
    await writer.write(bytes("set"));
    await writer.commit();
  },
  "a change of it elsewhere was announced": (b, key) => b.announce("write", { keys: [key] }),
  "a purge of its tag elsewhere was announced": (b) => b.announce("delete", { tags: ["t"] }),
};

/** What goes on beside a load and does not concern it. */
const BESIDE: Record<string, Act> = {
  "another key is set": (b) => b.setMany([entry("x", "v", { tags: ["t", "u"] })]),
  "another key is deleted": (b) => b.deleteMany(["x", "kk"]),
  "another prefix is deleted": (b) => b.deleteWhere({ prefix: "x" }),
  "another tag is purged": (b) => b.deleteWhere({ tags: ["else"] }),
  "one of its tags is purged with one that it has not": (b) => b.deleteWhere({ tags: ["t", "else"], tagMode: "all" }),
  "another batch is done": (b) => b.atomic([{ set: entry("{x}1") }, { delete: "{x}2" }]),
  "it is read": (b, key) => b.getMany([key]),
  "another key is loaded": async (b) => b.commit(entry("y"), await leased(b, "y")),
  "its lease is asked for": (b, key) => b.lease(key, 1000),
};

export function describeLeases(current: Current): void {
  const loaded = (more: Partial<NewEntry> = {}) => entry("k:1", "loaded", { tags: ["t", "u"], ...more });

  describe("leases", () => {
    test("one at a time: taken, held, given back, taken by the next", async () => {
      const [one, two] = await openTwo(current);
      const lease = await leased(one, "k", 5000);
      expect(lease).toMatchObject({ key: "k", token: expect.any(String), since: expect.any(String) });
      expect(lease.over).toBeUndefined();
      const held = await two.lease("k", 5000);
      expect(held).toEqual({ outcome: "held", waitMs: expect.any(Number) });
      const waitMs = held.outcome === "held" ? held.waitMs : 0;
      expect(waitMs).toBeGreaterThan(0);
      expect(waitMs).toBeLessThanOrEqual(5000);
      expect((await two.lease("other", 5000)).outcome).toBe("taken");
      await one.release(lease);
      const next = await leased(two, "k", 5000);
      expect(next.token).not.toBe(lease.token);
      // What is no longer ours is neither given back nor renewed.
      await one.release(lease);
      expect(await one.renew(lease, 5000)).toBe(false);
      expect((await one.lease("k", 5000)).outcome).toBe("held");
      expect(await one.commit(entry("k", "late"), lease)).toBe(false);
      expect(await two.commit(entry("k", "loaded"), next)).toBe(true);
      expect(await texts(one, ["k"])).toEqual(["loaded"]);
    });

    test("of many that ask at once, one gets it", async () => {
      const [one, two] = await openTwo(current);
      const answers = await Promise.all(
        Array.from({ length: 40 }, async (_, i) => (i % 2 === 0 ? one : two).lease("k", 60_000)),
      );
      expect(answers.filter(({ outcome }) => outcome === "taken").length).toBe(1);
      expect(answers.filter(({ outcome }) => outcome === "held").length).toBe(39);
    });

    test("a namespace has its own", async () => {
      const one = await openFull(current, "a:");
      const two = await openFull(current, "b:");
      await leased(one, "k");
      await leased(two, "k");
    });

    test("where there is another entry than believed, that is said", async () => {
      const [one, two] = await openTwo(current);
      expect(await one.lease("k", 5000, { over: "believed" })).toEqual({ outcome: "changed" });
      await put(one, entry("k", "1"));
      const first = await versionOf(one, "k");
      expect(await two.lease("k", 5000)).toEqual({ outcome: "changed" });
      await put(one, entry("k", "2"));
      expect(await two.lease("k", 5000, { over: first })).toEqual({ outcome: "changed" });
      const second = await versionOf(two, "k");
      const lease = await leased(two, "k", 5000, second);
      expect(lease.over).toBe(second);
      expect((await one.lease("k", 5000, { over: second })).outcome).toBe("held");
      // Whoever does not know of the entry is told, also while it is being refreshed.
      expect(await one.lease("k", 5000)).toEqual({ outcome: "changed" });
    });

    test("it ends by itself", async () => {
      const { shortTtl, advance } = current();
      const [one, two] = await openTwo(current);
      const lease = await leased(one, "k", shortTtl);
      await advance(shortTtl);
      expect(await one.renew(lease, 60_000)).toBe(false);
      const next = await leased(two, "k");
      expect(await one.commit(loaded({ key: "k" }), lease)).toBe(false);
      expect(await texts(one, ["k"])).toEqual([undefined]);
      expect(await two.commit(entry("k", "loaded"), next)).toBe(true);
    });

    test("after its end nothing is stored, though nobody else took it", async () => {
      const { shortTtl, advance } = current();
      const backend = await openFull(current);
      const lease = await leased(backend, "k", shortTtl);
      await advance(shortTtl);
      expect(await backend.commit(entry("k"), lease)).toBe(false);
      expect(await keysOf(backend)).toEqual([]);
    });

    test("renewed it lasts", async () => {
      const { shortTtl, advance } = current();
      const [one, two] = await openTwo(current);
      const lease = await leased(one, "k", shortTtl);
      expect(await one.renew(lease, shortTtl * 10)).toBe(true);
      await advance(shortTtl);
      expect((await two.lease("k", 1000)).outcome).toBe("held");
      expect(await one.commit(entry("k", "loaded"), lease)).toBe(true);
      expect(await texts(two, ["k"])).toEqual(["loaded"]);
    });

    test.each(["load", "refresh"])("under the lease of a %s nothing else is different", async (kind) => {
      const { clock } = current();
      const [one, two] = await openTwo(current, "n:");
      if (kind === "refresh") await put(one, entry("k", "old", { tags: ["t"] }));
      const before = await two.getMany(["k"], { want: "all" });
      const entries = (await two.describe()).entries;
      await leased(one, "k", 60_000, before[0]?.version);
      expect(await two.getMany(["k"], { want: "all" })).toEqual(before);
      const there = kind === "refresh";
      expect(await keysOf(two)).toEqual(there ? ["k"] : []);
      expect(await keysOf(two, { prefix: "k" })).toEqual(there ? ["k"] : []);
      expect((await two.describe()).entries).toBe(entries);
      expect(await two.hottest(10)).toEqual(there ? ["k"] : []);
      const reader = await two.openRead("k");
      reader?.close();
      expect(reader !== undefined).toBe(there);
      expect(await two.touchMany([{ key: "k", expiresAt: clock.now() + 3_600_000 }])).toEqual([there]);
      expect(await two.deleteWhere({ all: true })).toMatchObject({ deleted: there ? 1 : 0 });
      await leased(one, "l");
      expect(await two.deleteMany(["l"])).toEqual([false]);
      await leased(one, "m");
      expect(await two.setMany([entry("m", "v")], { mode: "if-present" })).toEqual(["condition"]);
      expect(await two.setMany([entry("m", "v")], { mode: "if-absent" })).toEqual(["stored"]);
      expect(await texts(one, ["m"])).toEqual(["v"]);
    });
  });

  describe("commit", () => {
    test("stores the entry with all that belongs to it, and gives the lease back", async () => {
      const { clock, deadlineTolerance } = current();
      const [one, two] = await openTwo(current);
      const expiresAt = clock.now() + 3_600_000;
      const lease = await leased(one, "k:1");
      const fresh = loaded({ expiresAt, staleAt: expiresAt - 1_000_000, meta: bytes("meta") });
      expect(await one.commit(fresh, lease)).toBe(true);
      const [stored] = await two.getMany(["k:1"], { want: "all" });
      expect(Buffer.from(stored?.value ?? []).toString()).toBe("loaded");
      expect(Buffer.from(stored?.meta ?? []).toString()).toBe("meta");
      expect([...(stored?.tags ?? [])].sort()).toEqual(["t", "u"]);
      expect(Math.abs((stored?.expiresAt ?? 0) - expiresAt)).toBeLessThanOrEqual(deadlineTolerance);
      expect(stored?.staleAt).toBeDefined();
      expect(await keysOf(two, { tags: ["t"] })).toEqual(["k:1"]);
      await leased(two, "k:1", 5000, stored?.version);
      expect(await one.commit(fresh, lease)).toBe(false);
    });

    test("of a refresh replaces the entry that it is over", async () => {
      const [one, two] = await openTwo(current);
      await put(one, entry("k:1", "old", { tags: ["old"] }));
      const lease = await leased(two, "k:1", 60_000, await versionOf(two, "k:1"));
      expect(await two.commit(loaded(), lease)).toBe(true);
      expect(await texts(one, ["k:1"])).toEqual(["loaded"]);
      expect(await keysOf(one, { tags: ["old"] })).toEqual([]);
      expect(await keysOf(one, { tags: ["u"] })).toEqual(["k:1"]);
    });

    test.each(Object.entries(OVERTAKEN_BY))("of a load stores nothing after %s", async (_, act) => {
      const [one, two] = await openTwo(current);
      const lease = await leased(one, "k:1");
      await act(two, "k:1");
      const left = await texts(two, ["k:1"]);
      expect(await one.commit(loaded(), lease)).toBe(false);
      expect(await texts(two, ["k:1"])).toEqual(left);
      // And who comes next is not held up by it.
      if (left[0] === undefined) await leased(two, "k:1");
    });

    test.each([
      ...Object.entries(OVERTAKEN_BY),
      ["it was given another deadline", (b: Backend, key: string) => b.touchMany([{ key, expiresAt: null }])] as const,
      ["its old tag was purged", (b: Backend) => b.deleteWhere({ tags: ["old"] })] as const,
    ])("of a refresh stores nothing after %s", async (_, act) => {
      const { clock } = current();
      const [one, two] = await openTwo(current);
      const now = clock.now();
      const window = { staleAt: now + 1_800_000, expiresAt: now + 3_600_000 };
      await put(one, entry("k:1", "old", { tags: ["t", "u", "old"], ...window }));
      const lease = await leased(one, "k:1", 60_000, await versionOf(one, "k:1"));
      await act(two, "k:1");
      const left = await texts(two, ["k:1"]);
      expect(await one.commit(loaded(), lease)).toBe(false);
      expect(await texts(two, ["k:1"])).toEqual(left);
    });

    test.each(Object.entries(BESIDE))("stores what was loaded while %s", async (_, act) => {
      const [one, two] = await openTwo(current);
      await put(one, entry("x"), entry("kk", "v", { tags: ["else"] }));
      const lease = await leased(one, "k:1");
      await act(two, "k:1");
      expect(await one.commit(loaded(), lease)).toBe(true);
      expect(await texts(two, ["k:1"])).toEqual(["loaded"]);
    });

    test("a tag that the load did not give does not concern it", async () => {
      const [one, two] = await openTwo(current);
      const lease = await leased(one, "k:1");
      await two.deleteWhere({ tags: ["t"] });
      expect(await one.commit(entry("k:1", "loaded", { tags: ["v"] }), lease)).toBe(true);
      const other = await leased(one, "k:2");
      await two.deleteWhere({ tags: ["t"] });
      expect(await one.commit(entry("k:2", "loaded"), other)).toBe(true);
    });

    test("what changed before the lease does not concern it", async () => {
      const [one, two] = await openTwo(current);
      await two.position();
      await two.deleteWhere({ tags: ["t"] });
      await two.deleteMany(["k:1"]);
      const lease = await leased(one, "k:1");
      expect(await one.commit(loaded(), lease)).toBe(true);
    });
  });
}

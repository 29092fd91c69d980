import { describe, expect, test } from "vitest";
import type { Backend } from "../../src/backends/backend.js";
import { type Current, entry, keysOf, put, textOf, texts } from "./harness.js";

const HOUR = 3_600_000;

export function describeDeadlines(current: Current): void {
  const inFuture = (ms: number) => current().clock.now() + ms;

  /** The deadline, rounded to the wanted one where it is within the store's tolerance, so that toEqual can be used. */
  async function deadlineOf(backend: Backend, key: string, wanted: number | undefined): Promise<number | undefined> {
    const [stored] = await backend.getMany([key], { want: "expiry" });
    expect(stored).toBeDefined();
    const found = stored?.expiresAt;
    if (found === undefined || wanted === undefined) return found;
    return Math.abs(found - wanted) <= current().deadlineTolerance ? wanted : found;
  }

  describe("deadlines", () => {
    test("an entry is never served after its deadline, nor listed, counted or deleted", async () => {
      const { open, advance, shortTtl } = current();
      const backend = await open();
      await put(backend, entry("short", "v", { expiresAt: inFuture(shortTtl), tags: ["t"] }), entry("long", "v"));
      expect(await texts(backend, ["short"])).toEqual(["v"]);
      await advance(shortTtl);
      expect(await texts(backend, ["short", "long"])).toEqual([undefined, "v"]);
      expect((await backend.getMany(["short"], { peek: true, want: "all" }))[0]).toBeUndefined();
      expect(await keysOf(backend)).toEqual(["long"]);
      expect(await keysOf(backend, { prefix: "short" })).toEqual([]);
      expect(await keysOf(backend, { tags: ["t"] })).toEqual([]);
      expect(await keysOf(backend, { keys: ["short", "long"] })).toEqual(["long"]);
      const info = await backend.describe();
      if (info.entries !== undefined) expect(info.entries).toBe(1);
      expect(await backend.deleteMany(["short"])).toEqual([false]);
    });

    test("an expired entry that nobody looked at is deleted and counted by no selector", async () => {
      const { open, advance, shortTtl } = current();
      const backend = await open();
      await put(backend, entry("p:short", "v", { expiresAt: inFuture(shortTtl), tags: ["t"] }));
      await put(backend, entry("p:long", "v", { tags: ["t"] }), "p:untagged");
      await advance(shortTtl);
      expect((await backend.deleteWhere({ tags: ["t"] })).deleted).toBe(1);
      expect((await backend.deleteWhere({ prefix: "p:" })).deleted).toBe(1);
      expect(await keysOf(backend)).toEqual([]);
    });

    test("the deadline is kept as an absolute time; none is none", async () => {
      const backend = await current().open();
      const soon = inFuture(60_000);
      const far = inFuture(1000 * 365 * 86_400_000);
      await put(backend, entry("soon", "v", { expiresAt: soon }), entry("far", "v", { expiresAt: far }), "never");
      expect(await deadlineOf(backend, "soon", soon)).toBe(soon);
      expect(await deadlineOf(backend, "far", far)).toBe(far);
      expect(await deadlineOf(backend, "never", undefined)).toBeUndefined();
    });

    test("an entry that stays for less than its deadline ends then, and keeps its deadline until then", async () => {
      const { open, advance, shortTtl } = current();
      const backend = await open();
      const far = inFuture(HOUR);
      await backend.setMany([entry("far", "v", { expiresAt: far }), entry("never")], { stayMs: shortTtl });
      await backend.setMany([entry("sooner", "v", { expiresAt: inFuture(shortTtl) })], { stayMs: HOUR });
      expect(await deadlineOf(backend, "far", far)).toBe(far);
      expect(await deadlineOf(backend, "never", undefined)).toBeUndefined();
      await advance(shortTtl);
      expect(await texts(backend, ["sooner"])).toEqual([undefined]);
      if (!backend.capabilities.takesCopies) return;
      expect(await keysOf(backend)).toEqual([]);
      expect(await texts(backend, ["far", "never"])).toEqual([undefined, undefined]);
    });

    test("an entry set with a deadline in the past is not served, and hides what was there", async () => {
      const backend = await current().open();
      await put(backend, entry("k", "old", { tags: ["t"] }));
      await backend.setMany([
        entry("k", "late", { expiresAt: inFuture(-1000) }),
        entry("new", "late", { expiresAt: 1 }),
      ]);
      expect(await texts(backend, ["k", "new"])).toEqual([undefined, undefined]);
      expect(await keysOf(backend)).toEqual([]);
      expect(await keysOf(backend, { tags: ["t"] })).toEqual([]);
    });

    test("a fresh write over an expired entry lives", async () => {
      const { open, advance, shortTtl } = current();
      const backend = await open();
      await put(backend, entry("k", "old", { expiresAt: inFuture(shortTtl) }));
      await advance(shortTtl);
      await put(backend, entry("k", "new", { expiresAt: inFuture(HOUR) }));
      await backend.prune();
      expect(await texts(backend, ["k"])).toEqual(["new"]);
    });

    test("set modes take an expired entry for none", async () => {
      const { open, advance, shortTtl } = current();
      const backend = await open();
      const expiresAt = inFuture(shortTtl);
      await put(backend, entry("a", "old", { expiresAt }), entry("b", "old", { expiresAt }));
      await advance(shortTtl);
      expect(await backend.setMany([entry("a", "new")], { mode: "if-present" })).toEqual(["condition"]);
      expect(await backend.setMany([entry("b", "new")], { mode: "if-absent" })).toEqual(["stored"]);
      expect(await texts(backend, ["a", "b"])).toEqual([undefined, "new"]);
    });
  });

  describe("keepDeadline", () => {
    test("an entry that has a deadline keeps it, one that has none keeps none, a new one takes the given", async () => {
      const backend = await current().open();
      const [kept, given] = [inFuture(60_000), inFuture(HOUR)];
      await put(backend, entry("timed", "old", { expiresAt: kept }), entry("never", "old"));
      const again = { keepDeadline: true, expiresAt: given };
      await put(backend, entry("timed", "new", again), entry("never", "new", again), entry("fresh", "new", again));
      expect(await texts(backend, ["timed", "never", "fresh"])).toEqual(["new", "new", "new"]);
      expect(await deadlineOf(backend, "timed", kept)).toBe(kept);
      expect(await deadlineOf(backend, "never", undefined)).toBeUndefined();
      expect(await deadlineOf(backend, "fresh", given)).toBe(given);
    });

    test("without a deadline of its own: kept where there is one, never for a new entry", async () => {
      const backend = await current().open();
      const kept = inFuture(60_000);
      await put(backend, entry("timed", "old", { expiresAt: kept }));
      await put(backend, entry("timed", "new", { keepDeadline: true }), entry("fresh", "new", { keepDeadline: true }));
      expect(await deadlineOf(backend, "timed", kept)).toBe(kept);
      expect(await deadlineOf(backend, "fresh", undefined)).toBeUndefined();
    });

    test("the deadline of an expired entry is not kept", async () => {
      const { open, advance, shortTtl } = current();
      const backend = await open();
      await put(backend, entry("k", "old", { expiresAt: inFuture(shortTtl) }));
      await advance(shortTtl);
      const given = inFuture(HOUR);
      await put(backend, entry("k", "new", { keepDeadline: true, expiresAt: given }));
      expect(await texts(backend, ["k"])).toEqual(["new"]);
      expect(await deadlineOf(backend, "k", given)).toBe(given);
    });

    test("it goes together with tags, meta and if-present", async () => {
      const backend = await current().open();
      const kept = inFuture(60_000);
      await put(backend, entry("k", "old", { expiresAt: kept, tags: ["red"] }));
      const again = entry("k", "new", { keepDeadline: true, expiresAt: inFuture(HOUR), tags: ["blue"] });
      expect(await backend.setMany([again], { mode: "if-present" })).toEqual(["stored"]);
      expect(await deadlineOf(backend, "k", kept)).toBe(kept);
      expect(await keysOf(backend, { tags: ["red"] })).toEqual([]);
      expect(await keysOf(backend, { tags: ["blue"] })).toEqual(["k"]);
    });

    test("a kept deadline still ends the entry and its place under its tags", async () => {
      const { open, advance, shortTtl } = current();
      const backend = await open();
      await put(backend, entry("k", "old", { expiresAt: inFuture(shortTtl), tags: ["t"] }));
      await put(backend, entry("k", "new", { keepDeadline: true, expiresAt: inFuture(HOUR), tags: ["t"] }));
      await advance(shortTtl);
      expect(await texts(backend, ["k"])).toEqual([undefined]);
      expect(await keysOf(backend, { tags: ["t"] })).toEqual([]);
    });
  });

  describe("touch", () => {
    test("a new deadline, none, and false where there is nothing", async () => {
      const backend = await current().open();
      const later = inFuture(HOUR);
      await put(
        backend,
        entry("a", "v", { expiresAt: inFuture(60_000) }),
        entry("b", "v", { expiresAt: later }),
        entry("c", "v"),
      );
      const changes = [
        { key: "a", expiresAt: later },
        { key: "none", expiresAt: later },
        { key: "b", expiresAt: null },
        { key: "c", expiresAt: later },
      ];
      expect(await backend.touchMany(changes)).toEqual([true, false, true, true]);
      expect(await deadlineOf(backend, "a", later)).toBe(later);
      expect(await deadlineOf(backend, "b", undefined)).toBeUndefined();
      expect(await deadlineOf(backend, "c", later)).toBe(later);
      expect(await texts(backend, ["a", "none", "b", "c"])).toEqual(["v", undefined, "v", "v"]);
    });

    test("none on an entry that never expired is still true: there is an entry", async () => {
      const backend = await current().open();
      await put(backend, "k");
      expect(await backend.touchMany([{ key: "k", expiresAt: null }])).toEqual([true]);
    });

    test("a longer deadline is lived to, a shorter one ends the entry", async () => {
      const { open, advance, shortTtl } = current();
      const backend = await open();
      await put(backend, entry("longer", "v", { expiresAt: inFuture(shortTtl), tags: ["t"] }));
      await put(backend, entry("shorter", "v", { expiresAt: inFuture(HOUR), tags: ["t"] }), entry("saved", "v"));
      expect(
        await backend.touchMany([
          { key: "longer", expiresAt: inFuture(HOUR) },
          { key: "shorter", expiresAt: inFuture(shortTtl) },
          { key: "saved", expiresAt: inFuture(shortTtl) },
          { key: "saved", expiresAt: null },
        ]),
      ).toEqual([true, true, true, true]);
      await advance(shortTtl);
      expect(await texts(backend, ["longer", "shorter", "saved"])).toEqual(["v", undefined, "v"]);
      expect(await keysOf(backend, { tags: ["t"] })).toEqual(["longer"]);
      expect((await backend.deleteWhere({ tags: ["t"] })).deleted).toBe(1);
    });

    test("a deadline in the past ends the entry at once", async () => {
      const backend = await current().open();
      await put(backend, "k");
      expect(await backend.touchMany([{ key: "k", expiresAt: inFuture(-1) }])).toEqual([true]);
      expect(await texts(backend, ["k"])).toEqual([undefined]);
    });

    test("an expired entry is not brought back", async () => {
      const { open, advance, shortTtl } = current();
      const backend = await open();
      await put(backend, entry("k", "v", { expiresAt: inFuture(shortTtl) }));
      await advance(shortTtl);
      expect(await backend.touchMany([{ key: "k", expiresAt: inFuture(HOUR) }])).toEqual([false]);
      expect(await texts(backend, ["k"])).toEqual([undefined]);
    });

    test("value, tags and meta stay as they are", async () => {
      const backend = await current().open();
      await put(backend, entry("k", "v", { tags: ["t"], meta: Buffer.from("m"), expiresAt: inFuture(60_000) }));
      await backend.touchMany([{ key: "k", expiresAt: inFuture(HOUR) }]);
      const [stored] = await backend.getMany(["k"], { want: "all" });
      expect(textOf(stored)).toBe("v");
      expect(stored?.tags).toEqual(["t"]);
      expect(Buffer.from(stored?.meta ?? []).toString()).toBe("m");
    });
  });

  describe("prune", () => {
    test("removes what has expired and nothing else", async () => {
      const { open, advance, shortTtl } = current();
      const backend = await open();
      const expiresAt = inFuture(shortTtl);
      const doomed = Array.from({ length: 30 }, (_, i) => entry(`doomed:${i}`, "v", { expiresAt, tags: ["t"] }));
      await put(backend, ...doomed, entry("later", "v", { expiresAt: inFuture(HOUR), tags: ["t"] }), "never");
      expect(await backend.prune()).toBe(0);
      await advance(shortTtl);
      const removed = await backend.prune();
      expect(removed).toBeGreaterThanOrEqual(0);
      expect(removed).toBeLessThanOrEqual(30);
      expect(await backend.prune()).toBe(0);
      expect(await keysOf(backend)).toEqual(["later", "never"]);
      expect(await keysOf(backend, { tags: ["t"] })).toEqual(["later"]);
    });
  });
}

import { describe, expect, test } from "vitest";
import { type Backend, CHUNK_BYTES, MAX_META_BYTES, type NewEntry, type Touch } from "../../src/backends/backend.js";
import { MAGIC } from "../../src/backends/envelope.js";
import { drain, follow, leased, openFull, openTwo, pattern, versionOf } from "./full.js";
import { bytes, type Current, entry, keysOf, put, textOf } from "./harness.js";

const HOUR = 3_600_000;

/** What a store may have before it is touched: it may keep each of them in a form of its own. */
const BEFORE: Record<string, Partial<NewEntry>> = {
  "a plain value": {},
  "a stale window": { staleAt: 1 },
  meta: { meta: bytes("old") },
  "meta of the same length": { meta: bytes("12345") },
  "meta of no bytes": { meta: bytes("") },
  "meta and a stale window": { meta: bytes("old"), staleAt: 1 },
  tags: { tags: ["t", "u"] },
  "tags, meta and a stale window": { tags: ["t", "u"], meta: bytes("old"), staleAt: 1 },
  "a value that looks like an envelope": { value: Buffer.concat([MAGIC, Buffer.alloc(40, 1)]) },
  "no bytes": { value: bytes("") },
};

/** What is compared of an entry. */
interface Known {
  value: Buffer;
  expiresAt: number | undefined;
  staleAt: number | undefined;
  tags: string[];
  meta: string | undefined;
}

export function describeTouches(current: Current): void {
  const inFuture = (ms: number) => current().clock.now() + ms;

  /** All that is known but its version; the deadline rounded to the wanted one, within the tolerance of the store. */
  async function headOf(backend: Backend, key: string, wanted?: number): Promise<Known | undefined> {
    const [stored] = await backend.getMany([key], { want: "all" });
    if (stored === undefined) return undefined;
    const { expiresAt, staleAt, tags = [], meta } = stored;
    const isNear = expiresAt !== undefined && Math.abs(expiresAt - (wanted ?? 0)) <= current().deadlineTolerance;
    return {
      value: Buffer.from(stored.value),
      expiresAt: isNear ? wanted : expiresAt,
      staleAt,
      tags: [...tags].sort(),
      meta: meta && Buffer.from(meta).toString(),
    };
  }

  async function touch(backend: Backend, change: Touch): Promise<boolean | undefined> {
    return (await backend.touchMany([change]))[0];
  }

  describe("touch of staleness and meta", () => {
    test.each(Object.entries(BEFORE))("over %s: what is given is new, the rest stays", async (_, before) => {
      const [one, two] = await openTwo(current);
      const [expiresAt, later] = [inFuture(HOUR), inFuture(2 * HOUR)];
      const stale = inFuture(60_000);
      const old = { ...entry("k"), expiresAt, ...before };
      const kept: Known = {
        value: Buffer.from(old.value),
        expiresAt,
        staleAt: old.staleAt,
        tags: [...(old.tags ?? [])].sort(),
        meta: old.meta && Buffer.from(old.meta).toString(),
      };
      const steps: [Omit<Touch, "key">, Partial<Known>][] = [
        [{}, {}],
        [{ meta: bytes("12345") }, { meta: "12345" }],
        [{ staleAt: stale }, { staleAt: stale }],
        [{ staleAt: null }, { staleAt: undefined }],
        [{ staleAt: null }, { staleAt: undefined }],
        [
          { expiresAt: later, meta: bytes("a longer one") },
          { expiresAt: later, meta: "a longer one" },
        ],
        [
          { staleAt: stale, meta: bytes("") },
          { staleAt: stale, meta: "" },
        ],
        [{ expiresAt: null }, { expiresAt: undefined }],
      ];
      // Each alone, and then one after the other.
      for (const [change, changed] of steps) {
        await put(one, old);
        expect(await touch(one, { key: "k", ...change })).toBe(true);
        const wanted = { ...kept, ...changed };
        expect(await headOf(two, "k", wanted.expiresAt)).toEqual(wanted);
      }
      await put(one, old);
      let wanted = kept;
      for (const [change, changed] of steps) {
        await touch(one, { key: "k", ...change });
        wanted = { ...wanted, ...changed };
      }
      expect(await headOf(two, "k")).toEqual(wanted);
      if (kept.tags.length === 0) return;
      expect(await keysOf(two, { tags: ["t"] })).toEqual(["k"]);
      expect((await two.deleteWhere({ tags: ["u"] })).deleted).toBe(1);
    });

    test("a value in pieces stays as it is", async () => {
      const [one, two] = await openTwo(current);
      const value = pattern(2 * CHUNK_BYTES + 5);
      const [expiresAt, stale] = [inFuture(HOUR), inFuture(60_000)];
      const writer = await one.openWrite({ key: "k", expiresAt, tags: ["t"], meta: bytes("old") });
      await writer.write(value);
      expect(await writer.commit()).toBe("stored");
      const version = await versionOf(two, "k");
      const change = { key: "k", staleAt: stale, meta: bytes("longer than the old"), ifVersion: version };
      expect(await one.touchMany([change, change])).toEqual([true, false]);
      expect(await touch(one, { key: "k", staleAt: null })).toBe(true);
      const reader = await two.openRead("k");
      expect(reader?.head).toMatchObject({ size: value.length, tags: ["t"] });
      expect(reader?.head.staleAt).toBeUndefined();
      expect(Buffer.from(reader?.head.meta ?? []).toString()).toBe("longer than the old");
      expect((await drain(reader)).equals(value)).toBe(true);
      expect((await headOf(two, "k", expiresAt))?.expiresAt).toBe(expiresAt);
      expect((await two.deleteWhere({ tags: ["t"] })).deleted).toBe(1);
    });

    test("meta may have 64 KiB, and no more", async () => {
      const backend = await openFull(current);
      await put(backend, entry("k", "v", { meta: bytes("old") }), "other");
      const meta = pattern(MAX_META_BYTES);
      expect(await touch(backend, { key: "k", meta })).toBe(true);
      expect(await touch(backend, { key: "k", staleAt: inFuture(60_000) })).toBe(true);
      const [stored] = await backend.getMany(["k"], { want: "all" });
      expect(Buffer.from(stored?.meta ?? []).equals(meta)).toBe(true);
      const tooMuch = [
        { key: "other", meta: bytes("new") },
        { key: "k", meta: Buffer.concat([meta, bytes("1")]) },
      ];
      await expect((async () => backend.touchMany(tooMuch))()).rejects.toMatchObject({ code: "meta-too-large" });
      expect((await headOf(backend, "other"))?.meta).toBeUndefined();
    });

    test("a time to go stale that is not before the end counts as none", async () => {
      const backend = await openFull(current);
      const [expiresAt, sooner] = [inFuture(HOUR), inFuture(60_000)];
      await put(backend, entry("a", "v", { expiresAt }), entry("b", "v", { expiresAt, staleAt: inFuture(120_000) }));
      await backend.touchMany([
        { key: "a", staleAt: inFuture(2 * HOUR) },
        { key: "b", expiresAt: sooner },
      ]);
      expect((await headOf(backend, "a"))?.staleAt).toBeUndefined();
      expect((await headOf(backend, "b"))?.staleAt).toBeUndefined();
    });

    test("there is nothing to touch where there is no entry, or one that has ended", async () => {
      const { advance, shortTtl } = current();
      const backend = await openFull(current);
      await put(backend, entry("k", "v", { expiresAt: inFuture(shortTtl) }));
      await advance(shortTtl);
      const changes = ["k", "absent"].map((key) => ({ key, meta: bytes("m"), staleAt: 1 }));
      expect(await backend.touchMany(changes)).toEqual([false, false]);
      expect(await keysOf(backend)).toEqual([]);
    });
  });

  describe("touch by version", () => {
    test("changes the entry that has it, and no other", async () => {
      const [one, two] = await openTwo(current);
      await put(one, entry("k", "v", { tags: ["t"] }));
      const ifVersion = await versionOf(one, "k");
      expect(await touch(two, { key: "k", meta: bytes("1"), ifVersion })).toBe(true);
      expect(await touch(one, { key: "k", meta: bytes("2"), ifVersion })).toBe(false);
      expect(await touch(one, { key: "k", expiresAt: 1, ifVersion: "none of this store" })).toBe(false);
      expect(await touch(one, { key: "absent", meta: bytes("1"), ifVersion })).toBe(false);
      expect(await headOf(one, "k")).toMatchObject({ value: bytes("v"), meta: "1" });
      const next = await versionOf(one, "k");
      expect(next).not.toBe(ifVersion);
      await put(two, entry("k", "another", { meta: bytes("1") }));
      expect(await touch(one, { key: "k", meta: bytes("2"), ifVersion: next })).toBe(false);
      expect(textOf((await one.getMany(["k"]))[0])).toBe("another");
    });

    test("of many at once that name one version, one is made", async () => {
      const [one, two] = await openTwo(current);
      await put(one, entry("k", "v", { meta: bytes("0") }));
      for (let round = 1; round <= 5; round++) {
        const ifVersion = await versionOf(one, "k");
        const answers = await Promise.all(
          Array.from({ length: 8 }, (_, i) =>
            touch(i % 2 === 0 ? one : two, { key: "k", meta: bytes(`${round}.${i}`), ifVersion }),
          ),
        );
        expect(answers.filter(Boolean)).toHaveLength(1);
        expect((await headOf(two, "k"))?.meta).toBe(`${round}.${answers.indexOf(true)}`);
      }
    });

    test("a new meta gives a new version: a deletion and a load by the old one find another entry", async () => {
      const backend = await openFull(current);
      await put(backend, entry("k", "v", { meta: bytes("old") }));
      const old = await versionOf(backend, "k");
      const lease = await leased(backend, "k", HOUR, old);
      await touch(backend, { key: "k", meta: bytes("new") });
      expect(await backend.deleteMany(["k"], { versions: [old] })).toEqual([false]);
      expect(await backend.commit(entry("k", "loaded"), lease)).toBe(false);
      expect((await backend.lease("k", HOUR, { over: old })).outcome).toBe("changed");
      expect((await headOf(backend, "k"))?.meta).toBe("new");
    });
  });

  describe("touch in the log", () => {
    test("is heard, and no copy of before is stored", async () => {
      const [one, two] = await openTwo(current);
      await put(one, "a", "b", "c");
      const heard = await follow(current, two);
      const since = await one.position();
      await touch(one, { key: "a", meta: bytes("new") });
      await touch(one, { key: "b", staleAt: 1 });
      await heard.untilCovered({ key: "a" }, { key: "b" });
      await heard.stop();
      const copies = ["a", "b", "c"].map((key) => entry(key, "copy"));
      expect(await two.setMany(copies, { since })).toEqual(["condition", "condition", "stored"]);
      const writer = await two.openWrite({ key: "a" }, { since });
      await writer.write(bytes("copy"));
      expect(await writer.commit()).toBe("condition");
      expect((await headOf(two, "a"))?.meta).toBe("new");
    });
  });
}

import { randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import { bytes, type Current, entry, HOSTILE_KEYS, keysOf, put, textOf, texts } from "./harness.js";

export function describeValues(current: Current): void {
  describe("values", () => {
    test("a key never set is undefined, and the only miss", async () => {
      const backend = await current().open();
      expect(await backend.getMany(["nothing"])).toEqual([undefined]);
      expect(await backend.getMany(HOSTILE_KEYS)).toEqual(HOSTILE_KEYS.map(() => undefined));
    });

    test("order is kept, with misses and repeats in between", async () => {
      const backend = await current().open();
      await put(backend, entry("a", "1"), entry("b", "2"), entry("c", "3"));
      expect(await texts(backend, ["c", "x", "a", "c", "y", "b"])).toEqual(["3", undefined, "1", "3", undefined, "2"]);
    });

    test("empty batches give empty answers", async () => {
      const backend = await current().open();
      await put(backend, "k");
      expect(await backend.getMany([])).toEqual([]);
      expect(await backend.setMany([])).toEqual([]);
      expect(await backend.touchMany([])).toEqual([]);
      expect(await backend.deleteMany([])).toEqual([]);
      expect(await keysOf(backend)).toEqual(["k"]);
    });

    test.each(["", "0", "false", "null", "undefined", " ", "\0", "\n", "\r\n", '""'])(
      "the falsy or blank value %j is a value",
      async (text) => {
        const backend = await current().open();
        await put(backend, entry("k", text));
        const [stored] = await backend.getMany(["k"]);
        expect(textOf(stored)).toBe(text);
        expect(stored?.size).toBe(text.length);
        expect(await backend.setMany([entry("k", "new")], { mode: "if-absent" })).toEqual(["condition"]);
        expect(await backend.deleteMany(["k"])).toEqual([true]);
      },
    );

    test("every byte survives, also what is no UTF-8 and what looks like a number", async () => {
      const backend = await current().open();
      const all = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
      await put(backend, { key: "all", value: all }, { key: "bad", value: Buffer.from([0xff, 0xfe, 0xc0, 0x80]) });
      await put(backend, entry("number", "12345678901234567890"), entry("float", "1.0"));
      const [a, b] = await backend.getMany(["all", "bad"]);
      expect(Buffer.from(a?.value ?? [])).toEqual(all);
      expect(Buffer.from(b?.value ?? [])).toEqual(Buffer.from([0xff, 0xfe, 0xc0, 0x80]));
      expect(await texts(backend, ["number", "float"])).toEqual(["12345678901234567890", "1.0"]);
    });

    test("a view into a larger buffer stores its own bytes alone", async () => {
      const backend = await current().open();
      const whole = new Uint8Array(64).fill(1);
      await put(backend, { key: "k", value: whole.subarray(10, 13) });
      const [stored] = await backend.getMany(["k"]);
      expect(Array.from(stored?.value ?? [])).toEqual([1, 1, 1]);
      expect(stored?.size).toBe(3);
    });

    test("values around the sizes where storage changes, and one of 5 MB", async () => {
      const backend = await current().open();
      const sizes = [1, 4095, 4096, 4097, 65_535, 65_536, 262_143, 262_144, 262_145, 5_000_000];
      const values = sizes.map((size) => randomBytes(size));
      await put(backend, ...values.map((value, i) => ({ key: `v${sizes[i]}`, value })));
      const stored = await backend.getMany(sizes.map((size) => `v${size}`));
      for (const [i, value] of values.entries()) {
        expect(stored[i]?.size).toBe(value.length);
        expect(value.equals(stored[i]?.value ?? new Uint8Array())).toBe(true);
      }
    });

    test("a shorter value leaves nothing of the longer one before it", async () => {
      const backend = await current().open();
      await put(backend, { key: "k", value: randomBytes(600_000) });
      await put(backend, entry("k", "short"));
      expect(await texts(backend, ["k"])).toEqual(["short"]);
      await put(backend, { key: "k", value: Buffer.alloc(300_000, 7) });
      const [stored] = await backend.getMany(["k"]);
      expect(Buffer.alloc(300_000, 7).equals(stored?.value ?? new Uint8Array())).toBe(true);
    });

    test("what the caller does to its arrays afterwards changes nothing stored", async () => {
      const backend = await current().open();
      const value = bytes("mine");
      const meta = bytes("meta");
      const tags = ["red"];
      const given = { key: "k", value, meta, tags, expiresAt: current().clock.now() + 60_000 };
      const list = [given];
      expect(await backend.setMany(list)).toEqual(["stored"]);
      value.fill(0);
      meta.fill(0);
      tags[0] = "blue";
      given.expiresAt = 1;
      list.length = 0;
      const [stored] = await backend.getMany(["k"], { want: "all" });
      expect(textOf(stored)).toBe("mine");
      expect(Buffer.from(stored?.meta ?? []).toString()).toBe("meta");
      expect(stored?.tags).toEqual(["red"]);
      expect(await keysOf(backend, { tags: ["blue"] })).toEqual([]);
    });

    test("what one reader does to its answer no other reader sees", async () => {
      const backend = await current().open();
      await put(backend, entry("k", "mine", { meta: bytes("meta"), tags: ["red"] }));
      const answers = await backend.getMany(["k", "k"], { want: "all" });
      answers[0]?.value.fill(0);
      answers[0]?.meta?.fill(0);
      if (answers[0]) Object.assign(answers[0], { tags: ["x"], size: 99, expiresAt: 1 });
      expect(textOf(answers[1])).toBe("mine");
      for await (const page of backend.scan({ all: true }, { fields: "all" })) {
        for (const info of page.entries) {
          info.meta?.fill(0);
          Object.assign(info, { key: "other", tags: [] });
        }
      }
      const [again] = await backend.getMany(["k"], { want: "all" });
      expect(textOf(again)).toBe("mine");
      expect(Buffer.from(again?.meta ?? []).toString()).toBe("meta");
      expect(again?.tags).toEqual(["red"]);
      expect(again?.size).toBe(4);
    });

    test("hostile keys are each their own entry", async () => {
      const backend = await current().open();
      await put(backend, ...HOSTILE_KEYS.map((key, i) => entry(key, `value ${i}`)));
      expect(await texts(backend, HOSTILE_KEYS)).toEqual(HOSTILE_KEYS.map((_, i) => `value ${i}`));
      expect(await keysOf(backend)).toEqual([...HOSTILE_KEYS].sort());
      const every2nd = HOSTILE_KEYS.filter((_, i) => i % 2 === 0);
      expect(await backend.deleteMany(every2nd)).toEqual(every2nd.map(() => true));
      expect(await texts(backend, HOSTILE_KEYS)).toEqual(
        HOSTILE_KEYS.map((_, i) => (i % 2 === 0 ? undefined : `value ${i}`)),
      );
    });

    test("a foreign key (a byte that is no UTF-8) is not mixed up with the replacement character", async () => {
      const backend = await current().open();
      await put(backend, entry("\ufffd", "replacement"), entry("a\ufffd", "replacement"));
      expect(await texts(backend, ["\udcff", "a\udc80", "\udc80\udcff"])).toEqual([undefined, undefined, undefined]);
      expect(await backend.deleteMany(["\udcff", "a\udc80"])).toEqual([false, false]);
      expect(await backend.touchMany([{ key: "\udcff", expiresAt: null }])).toEqual([false]);
      expect(await texts(backend, ["\ufffd", "a\ufffd"])).toEqual(["replacement", "replacement"]);
    });

    test("batches of 2,000", async () => {
      const backend = await current().open();
      const keys = Array.from({ length: 2000 }, (_, i) => `key:${i}`);
      await put(backend, ...keys);
      expect(await texts(backend, keys)).toEqual(keys.map((key) => `value of ${key}`));
      const expiresAt = current().clock.now() + 3_600_000;
      expect(await backend.touchMany(keys.map((key) => ({ key, expiresAt })))).toEqual(keys.map(() => true));
      expect((await keysOf(backend)).length).toBe(2000);
      expect(await backend.deleteMany([...keys, "none"])).toEqual([...keys.map(() => true), false]);
      expect(await keysOf(backend)).toEqual([]);
    });
  });

  describe("writes", () => {
    test("an overwrite replaces the value and all that went with it", async () => {
      const backend = await current().open();
      const now = current().clock.now();
      const old = { expiresAt: now + 60_000, staleAt: now + 30_000, tags: ["red"], meta: bytes("old") };
      await put(backend, entry("k", "old", old));
      await put(backend, entry("k", "new"));
      const [stored] = await backend.getMany(["k"], { want: "all" });
      expect(textOf(stored)).toBe("new");
      expect(stored?.expiresAt).toBeUndefined();
      expect(stored?.staleAt).toBeUndefined();
      expect(stored?.meta).toBeUndefined();
      expect(stored?.tags ?? []).toEqual([]);
    });

    test("if-absent stores only where there is nothing", async () => {
      const backend = await current().open();
      await put(backend, entry("there", "old"));
      const outcomes = await backend.setMany([entry("there", "new"), entry("fresh", "new")], { mode: "if-absent" });
      expect(outcomes).toEqual(["condition", "stored"]);
      expect(await texts(backend, ["there", "fresh"])).toEqual(["old", "new"]);
    });

    test("if-present stores only where there is something", async () => {
      const backend = await current().open();
      await put(backend, entry("there", "old"));
      const outcomes = await backend.setMany([entry("there", "new"), entry("fresh", "new")], { mode: "if-present" });
      expect(outcomes).toEqual(["stored", "condition"]);
      expect(await texts(backend, ["there", "fresh"])).toEqual(["new", undefined]);
    });

    test("a write whose condition fails changes neither tags nor deadline", async () => {
      const backend = await current().open();
      const expiresAt = current().clock.now() + 60_000;
      await put(backend, entry("there", "old", { tags: ["red"], expiresAt }));
      const denied = entry("there", "new", { tags: ["blue"], meta: bytes("m") });
      expect(await backend.setMany([denied], { mode: "if-absent" })).toEqual(["condition"]);
      expect(await backend.setMany([entry("fresh", "x", { tags: ["blue"] })], { mode: "if-present" })).toEqual([
        "condition",
      ]);
      expect(await keysOf(backend, { tags: ["blue"] })).toEqual([]);
      expect(await keysOf(backend, { tags: ["red"] })).toEqual(["there"]);
      const [stored] = await backend.getMany(["there"], { want: "all" });
      expect(Math.abs((stored?.expiresAt ?? 0) - expiresAt)).toBeLessThanOrEqual(current().deadlineTolerance);
      expect(stored?.meta).toBeUndefined();
    });

    test("of two writes to one key in a batch the last stands, tags included", async () => {
      const backend = await current().open();
      await put(backend, entry("k", "first", { tags: ["red"] }), "other", entry("k", "last", { tags: ["blue"] }));
      expect(await texts(backend, ["k"])).toEqual(["last"]);
      expect(await keysOf(backend, { tags: ["red"] })).toEqual([]);
      expect(await keysOf(backend, { tags: ["blue"] })).toEqual(["k"]);
      await put(backend, entry("k", "tagged", { tags: ["red"] }), entry("k", "plain"));
      expect(await keysOf(backend, { tags: ["red"] })).toEqual([]);
      await put(backend, entry("k", "plain"), entry("k", "tagged", { tags: ["red"] }));
      expect(await texts(backend, ["k"])).toEqual(["tagged"]);
      expect(await keysOf(backend, { tags: ["red"] })).toEqual(["k"]);
    });

    test("conditions see what the same batch wrote before", async () => {
      const backend = await current().open();
      const twice = [entry("k", "first"), entry("k", "second")];
      expect(await backend.setMany(twice, { mode: "if-absent" })).toEqual(["stored", "condition"]);
      expect(await texts(backend, ["k"])).toEqual(["first"]);
    });

    test("head data comes back as it was given", async () => {
      const backend = await current().open();
      const now = current().clock.now();
      const meta = randomBytes(65_536);
      const expiresAt = now + 3_600_000;
      const staleAt = now + 60_000;
      await put(backend, entry("full", "v", { expiresAt, staleAt, meta, tags: ["b", "a"] }));
      await put(backend, entry("meta", "v", { meta: new Uint8Array([0, 255]) }), entry("stale", "v", { staleAt }));
      const [full, onlyMeta, onlyStale] = await backend.getMany(["full", "meta", "stale"], { want: "all" });
      const tolerance = current().deadlineTolerance;
      expect(meta.equals(full?.meta ?? new Uint8Array())).toBe(true);
      expect([...(full?.tags ?? [])].sort()).toEqual(["a", "b"]);
      expect(Math.abs((full?.expiresAt ?? 0) - expiresAt)).toBeLessThanOrEqual(tolerance);
      expect(Math.abs((full?.staleAt ?? 0) - staleAt)).toBeLessThanOrEqual(tolerance);
      expect(Array.from(onlyMeta?.meta ?? [])).toEqual([0, 255]);
      expect(textOf(onlyMeta)).toBe("v");
      expect(Math.abs((onlyStale?.staleAt ?? 0) - staleAt)).toBeLessThanOrEqual(tolerance);
      expect(onlyStale?.expiresAt).toBeUndefined();
      if (backend.capabilities.knowsAge) {
        expect(Math.abs((full?.createdAt ?? 0) - now)).toBeLessThanOrEqual(tolerance);
      }
    });

    test("a read that wants a part of the head gets at least that part, once and again", async () => {
      const backend = await current().open();
      const now = current().clock.now();
      const [expiresAt, staleAt] = [now + 3_600_000, now + 60_000];
      await put(backend, entry("full", "v", { expiresAt, staleAt, meta: bytes("head"), tags: ["b", "a"] }), "bare");
      const tolerance = current().deadlineTolerance;
      for (let read = 0; read < 2; read++) {
        const [copied, bare, none] = await backend.getMany(["full", "bare", "none"], { want: "copy" });
        expect(textOf(copied)).toBe("v");
        expect(copied?.size).toBe(1);
        expect(Buffer.from(copied?.meta ?? []).toString()).toBe("head");
        expect([...(copied?.tags ?? [])].sort()).toEqual(["a", "b"]);
        for (const stored of [copied, (await backend.getMany(["full"], { want: "expiry" }))[0]]) {
          expect(Math.abs((stored?.expiresAt ?? 0) - expiresAt)).toBeLessThanOrEqual(tolerance);
        }
        for (const stored of [copied, (await backend.getMany(["full"], { want: "freshness" }))[0]]) {
          expect(Math.abs((stored?.staleAt ?? 0) - staleAt)).toBeLessThanOrEqual(tolerance);
        }
        expect([textOf(bare), bare?.expiresAt, bare?.staleAt, bare?.meta, bare?.tags ?? []]).toEqual([
          "value of bare",
          undefined,
          undefined,
          undefined,
          [],
        ]);
        expect(none).toBeUndefined();
      }
    });

    test("deleteMany tells where there was an entry, once", async () => {
      const backend = await current().open();
      await put(backend, "a", "b");
      expect(await backend.deleteMany(["a", "none", "a", "b"])).toEqual([true, false, false, true]);
      expect(await texts(backend, ["a", "b"])).toEqual([undefined, undefined]);
      expect(await backend.deleteMany(["a"])).toEqual([false]);
    });
  });
}

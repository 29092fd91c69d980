import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as zlib from "node:zlib";
import fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import { type Backend, readsDecoded } from "../../src/backends/backend.js";
import { MAGIC, TRANSFORM_MAGIC } from "../../src/backends/envelope.js";
import { openMemory } from "../../src/backends/memory/index.js";
import { makeHeader } from "../../src/backends/transform/header.js";
import { type Algorithm, KeyRing, type TransformOptions, transformed } from "../../src/backends/transform/index.js";
import { CacheError } from "../../src/errors.js";
import type { CacheEvent, WarningEvent } from "../../src/events.js";
import { bytes, entry, put, textOf, texts } from "../contract/harness.js";
import { FakeClock } from "../support/fake-clock.js";
import { until } from "../support/until.js";

const secret = Buffer.alloc(32, 7);
const keys = new KeyRing([{ id: "k1", key: secret }]);
const encryption = { keys };
const compression = { algorithm: "brotli" } as const;
const TEXT = JSON.stringify(Array.from({ length: 200 }, (_, id) => ({ id, name: `name of ${id}` })));

/** Memory below, and what is put over it. */
function setUp(namespace = "app:") {
  const clock = new FakeClock();
  const events: WarningEvent[] = [];
  const context = {
    namespace,
    clock,
    emit: (event: CacheEvent) => {
      if (event.type === "warning") events.push(event);
    },
  };
  const inner = openMemory({ ...context, maxBytes: 1_000_000_000 });
  onTestFinished(() => inner.close());
  return {
    inner,
    events,
    over: (options: Partial<TransformOptions> = {}, below: Backend = inner, readOnly = false) =>
      transformed(below, { namespace, ...options }, { ...context, readOnly }),
    /** The bytes that are really there. */
    raw: (key = "k") => Buffer.from(inner.getMany([key], { peek: true })[0]?.value ?? []),
  };
}

/** The backend with some of its methods in other hands. */
const altered = (backend: Backend, changed: Partial<Backend>): Backend =>
  new Proxy(backend, {
    get(target, name) {
      const value: unknown = Reflect.get(Object.hasOwn(changed, name) ? changed : target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });

const failure = (work: () => unknown) =>
  (async () => work())().then(
    () => "no failure",
    (error: unknown) => error,
  );

const hasZstd = "zstdCompressSync" in zlib;

interface Golden {
  keyId: string;
  encryptionKey: string;
  namespace: string;
  payloads: { name: string; key: string; value: string; stored: string }[];
}

const golden: Golden = JSON.parse(readFileSync(join(import.meta.dirname, "../fixtures/transform-1.json"), "utf8"));

describe("format", () => {
  test.each(golden.payloads)("the bytes of version 1: $name", async ({ name, key, value, stored }) => {
    const { inner, over } = setUp(golden.namespace);
    await put(inner, { key, value: Buffer.from(stored, "base64") });
    const backend = over({
      encryption: { keys: new KeyRing([{ id: golden.keyId, key: golden.encryptionKey }]) },
    });
    if (name === "zstd" && !hasZstd) {
      expect(await failure(() => backend.getMany([key]))).toMatchObject({ code: "zstd-unavailable" });
      return;
    }
    const [read] = await backend.getMany([key]);
    expect(Buffer.from(read?.value ?? []).toString("base64")).toBe(value);
    const reader = await backend.openRead(key);
    const pieces: Uint8Array[] = [];
    for await (const piece of reader?.body ?? []) pieces.push(piece);
    expect(Buffer.concat(pieces).toString("base64")).toBe(value);
  });

  test("plain values stay the bytes they are, those of a store's own envelope too", async () => {
    const { over, raw } = setUp();
    const value = Buffer.concat([MAGIC, Buffer.from("anything")]);
    await put(over(), { key: "k", value });
    expect(raw().equals(value)).toBe(true);
  });

  test.each(["none", "compression", "encryption"])("what begins with the magic comes back: %s", async (name) => {
    const { over, raw } = setUp();
    const backend = over(name === "encryption" ? { encryption } : name === "compression" ? { compression } : {});
    const value = Buffer.concat([makeHeader({ algorithm: undefined, size: 0, encryption: undefined }), bytes("x")]);
    await put(backend, { key: "k", value });
    expect(raw().length).toBeGreaterThan(value.length);
    const [read] = await backend.getMany(["k"]);
    expect(Buffer.from(read?.value ?? []).equals(value)).toBe(true);
  });

  test("a sound header of a later version is an error, and stays", async () => {
    const { inner, over } = setUp();
    for (const change of [
      (h: Buffer) => h.writeUInt8(2, 8),
      (h: Buffer) => h.writeUInt8(16, 9),
      (h: Buffer) => h.writeUInt8(9, 10),
      (h: Buffer) => h.writeUInt8(1, 19),
    ]) {
      const header = makeHeader({ algorithm: undefined, size: 1, encryption: undefined });
      change(header);
      header.writeUInt32BE(zlib.crc32(header.subarray(0, 20)), 20);
      await put(inner, { key: "k", value: Buffer.concat([header, bytes("x")]) });
      const error = await failure(() => over().getMany(["k"]));
      expect(error).toMatchObject({ kind: "serialization", code: "envelope-unsupported", key: "k" });
      expect(await failure(() => over().openRead("k"))).toMatchObject({ code: "envelope-unsupported" });
    }
    expect(inner.getMany(["k"])[0]).toBeDefined();
  });

  test("whatever stands behind the magic, a read gives a value, a miss, or an error of ours", async () => {
    const { inner, over } = setUp();
    const backend = over({ encryption });
    const small = fc.oneof(fc.constantFrom(0, 1, 2, 3, 4, 6, 7), fc.nat(255));
    const parts = {
      version: fc.constantFrom(1, 1, 1, 2),
      flags: small,
      algorithm: small,
      id: fc.constantFrom("k1", "", "\x1b[31m"),
    };
    const stored = fc.record({
      ...parts,
      size: fc.constantFrom(0, 5, 1000, 2 ** 48 - 1),
      rest: fc.uint8Array({ maxLength: 80 }),
    });
    await fc.assert(
      fc.asyncProperty(stored, fc.boolean(), async ({ version, flags, algorithm, id, size, rest }, sound) => {
        const base = Buffer.alloc(24);
        TRANSFORM_MAGIC.copy(base);
        base.set([version, flags, algorithm, id.length], 8);
        base.writeUIntBE(size, 12, 6);
        const value = Buffer.concat([base, Buffer.from(id), rest]);
        const nonceBytes = flags & 4 ? 16 : flags & 2 ? 12 : 0;
        const header = value.subarray(24, 24 + id.length + nonceBytes);
        if (sound) value.writeUInt32BE(zlib.crc32(header, zlib.crc32(value.subarray(0, 20))), 20);
        for (const read of [
          () => backend.getMany(["k"]),
          () => backend.openRead("k"),
          () => backend.openRead("k", { start: 1, end: 9 }),
        ]) {
          await put(inner, { key: "k", value });
          const error = await failure(read);
          if (error === "no failure") continue;
          expect(error).toBeInstanceOf(CacheError);
          expect(error).toMatchObject({ kind: "serialization", message: expect.not.stringContaining("\x1b") });
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe("compression", () => {
  const algorithms: Algorithm[] = ["gzip", "brotli", ...(hasZstd ? (["zstd"] as const) : [])];

  test.each(algorithms)("%s shrinks, and is read whatever is configured", async (algorithm) => {
    const { over, raw } = setUp();
    const large = Buffer.from(TEXT.repeat(50));
    await put(over({ compression: { algorithm } }), entry("k", TEXT), { key: "large", value: large });
    expect(raw().length).toBeLessThan(TEXT.length / 3);
    expect(raw("large").length).toBeLessThan(large.length / 10);
    for (const backend of [over(), over({ compression }), over({ encryption })]) {
      const [small, big] = await backend.getMany(["k", "large"], { want: "all" });
      expect(textOf(small)).toBe(TEXT);
      expect(small?.size).toBe(TEXT.length);
      expect(large.equals(big?.value ?? new Uint8Array())).toBe(true);
    }
  });

  test("only from the threshold on, and only where it shrinks, its header included", async () => {
    const { over, raw } = setUp();
    await put(over({ compression }), entry("below", "a".repeat(511)), entry("at", "a".repeat(512)));
    expect([raw("below").length, raw("at").length < 60]).toEqual([511, true]);
    const noise = randomBytes(2000);
    await put(
      over({ compression: { ...compression, threshold: 0 } }),
      { key: "noise", value: noise },
      entry("tiny", "aaaaaaaaaaaa"),
      entry("empty", ""),
    );
    expect(raw("noise").equals(noise)).toBe(true);
    expect([raw("tiny").toString(), raw("empty").length]).toEqual(["aaaaaaaaaaaa", 0]);
  });

  test("a scan and minSize tell what is stored, a read what the value is", async () => {
    const { over, raw } = setUp();
    const backend = over({ compression });
    await put(backend, entry("k", TEXT));
    for await (const page of backend.scan({ all: true }, { fields: "all" })) {
      expect(page.entries[0]?.size).toBe(raw().length);
    }
    expect(await backend.deleteWhere({ minSize: raw().length + 1 })).toMatchObject({ deleted: 0 });
    expect((await backend.openRead("k"))?.head.size).toBe(TEXT.length);
    expect((await backend.describe()).bytes).toBe(raw().length);
  });

  test("wrong settings are refused", () => {
    const { over } = setUp();
    const refused = (options: Partial<TransformOptions>) => {
      try {
        over(options);
      } catch (error) {
        return error;
      }
      return undefined;
    };
    const usage = { kind: "usage", code: "invalid-compression" };
    expect(refused({ compression: { algorithm: "brotli", level: 12 } })).toMatchObject(usage);
    expect(refused({ compression: { algorithm: "gzip", level: 0 } })).toMatchObject(usage);
    expect(refused({ compression: { algorithm: "gzip", threshold: -1 } })).toMatchObject(usage);
    expect(refused({ compression: JSON.parse('{"algorithm":"lzma"}') })).toMatchObject(usage);
    expect(refused({ compression: JSON.parse('{"algorithm":"constructor"}') })).toMatchObject(usage);
    expect(refused({ maxDecompressedBytes: 0 })).toMatchObject(usage);
    if (!hasZstd) {
      expect(refused({ compression: { algorithm: "zstd" } })).toMatchObject({
        kind: "usage",
        code: "zstd-unavailable",
      });
    }
  });

  test("a bomb is a miss: one that says how large it is stays, one that lies is removed", async () => {
    const { inner, over, events } = setUp();
    const bomb = zlib.gzipSync(Buffer.alloc(10_000_000));
    const saying = (size: number) =>
      Buffer.concat([makeHeader({ algorithm: "gzip", size, encryption: undefined }), bomb]);
    await put(
      inner,
      { key: "honest", value: saying(10_000_000) },
      { key: "lies", value: saying(1000) },
      { key: "lies less", value: saying(9_999_999) },
      { key: "lies more", value: saying(10_000_001) },
    );
    const backend = over({ maxDecompressedBytes: 11_000_000 });
    expect((await backend.getMany(["honest"]))[0]?.size).toBe(10_000_000);
    const careful = over({ maxDecompressedBytes: 9_999_999 });
    expect(await careful.getMany(["honest", "lies", "lies less"])).toEqual([undefined, undefined, undefined]);
    expect(await backend.getMany(["lies more"])).toEqual([undefined]);
    expect(events.map(({ code }) => code)).toEqual([
      "value-too-large",
      "damaged-value",
      "damaged-value",
      "damaged-value",
    ]);
    expect(inner.getMany(["honest", "lies", "lies less", "lies more"]).map((one) => one !== undefined)).toEqual([
      true,
      false,
      false,
      false,
    ]);
    expect(inner.counters().counters.errors).toBe(3);
  });
});

describe("encryption", () => {
  test("nothing of the value is left to see, and no two writes are alike", async () => {
    const { over, raw } = setUp();
    const backend = over({ encryption });
    const seen = new Set<string>();
    for (let i = 0; i < 50; i++) {
      await put(backend, entry("k", "the same text"));
      expect(raw().includes("same")).toBe(false);
      seen.add(raw().toString("base64"));
    }
    expect(seen.size).toBe(50);
  });

  test("a retired key reads what it wrote, and the first writes", async () => {
    const { over, raw } = setUp();
    await put(over({ encryption }), entry("k", "old"));
    const both = over({
      encryption: {
        keys: new KeyRing([
          { id: "k2", key: randomBytes(32) },
          { id: "k1", key: secret },
        ]),
      },
    });
    expect(await texts(both, ["k"])).toEqual(["old"]);
    await put(both, entry("k", "new"));
    expect(raw().toString("latin1", 24, 26)).toBe("k2");
    expect(await failure(() => over({ encryption }).getMany(["k"]))).toMatchObject({ code: "encryption-key-missing" });
  });

  test("without its key a value is an error, not a miss, and stays", async () => {
    const { inner, over } = setUp();
    await put(over({ encryption }), entry("k", "secret"), entry("l", "secret"));
    const stream = await over({ encryption }).openWrite({ key: "stream" });
    await stream.write(randomBytes(100_000));
    await stream.commit();
    for (const key of ["k", "stream"]) {
      const error = await failure(() => over().getMany(["nothing", key]));
      expect(error).toMatchObject({ kind: "serialization", code: "encryption-key-missing", key });
      expect(await failure(() => over().openRead(key))).toMatchObject({ code: "encryption-key-missing" });
      expect(await failure(() => over().openRead(key, { start: 5, end: 9 }))).toMatchObject({
        code: "encryption-key-missing",
      });
      expect(inner.getMany([key])[0]).toBeDefined();
    }
  });

  const WRONG: Record<string, (stored: Buffer) => [key: string, stored: Buffer]> = {
    "another name": (stored) => ["l", stored],
    "a byte too few": (stored) => ["k", stored.subarray(0, -1)],
    "a byte too many": (stored) => ["k", Buffer.concat([stored, Buffer.alloc(1)])],
    "the header alone": (stored) => ["k", stored.subarray(0, 40)],
    "half a header": (stored) => ["k", stored.subarray(0, 20)],
  };
  describe.each(["at once", "in segments", "compressed"])("%s", (how) => {
    async function written(namespace = "app:") {
      const world = setUp(namespace);
      const backend = world.over({ encryption, ...(how === "compressed" && { compression }) });
      if (how !== "in segments") await put(backend, entry("k", TEXT));
      else {
        const writer = await backend.openWrite({ key: "k" });
        await writer.write(bytes(TEXT));
        await writer.commit();
      }
      return { ...world, backend };
    }

    test.each(Object.keys(WRONG))("%s makes a miss that is counted, told and removed", async (name) => {
      for (const read of ["getMany", "openRead", "a part"] as const) {
        const { inner, over, raw, events } = await written();
        const [key, stored] = WRONG[name]?.(raw()) ?? ["", raw()];
        await put(inner, { key, value: stored });
        const backend = over({ encryption });
        const found =
          read === "getMany"
            ? (await backend.getMany([key]))[0]
            : await backend.openRead(key, read === "a part" ? { start: 3, end: 9 } : {});
        expect({ read, found }).toEqual({ read, found: undefined });
        expect(inner.getMany([key])).toEqual([undefined]);
        expect(events).toMatchObject([{ code: "damaged-value", message: expect.stringContaining(`"${key}"`) }]);
        expect(inner.counters().counters.errors).toBe(1);
      }
    });

    test("the same key of another namespace is another name", async () => {
      const { raw } = await written();
      const { inner, over } = setUp("other:");
      await put(inner, { key: "k", value: raw() });
      expect(await over({ encryption }).getMany(["k"])).toEqual([undefined]);
      // Where the namespace is part of the key, it is the same name.
      const whole = setUp("");
      await put(whole.inner, { key: "app:k", value: raw() });
      expect(await texts(whole.over({ encryption }), ["app:k"])).toEqual([TEXT]);
    });

    test("no flipped bit gives another value", async () => {
      const { inner, raw, backend } = await written();
      const stored = raw();
      const places = [...Array(80).keys(), ...Array.from({ length: 20 }, (_, i) => stored.length - 1 - i * 7)];
      for (const place of places.filter((at) => at >= TRANSFORM_MAGIC.length)) {
        const changed = Buffer.from(stored);
        changed[place] = (changed[place] ?? 0) ^ (1 << (place % 8));
        await put(inner, { key: "k", value: changed });
        expect({ place, found: await backend.getMany(["k"]) }).toEqual({ place, found: [undefined] });
      }
    });
  });

  test("a fresh value is not removed with the broken one that was read", async () => {
    const { inner, over, events } = setUp();
    await put(over({ encryption }), entry("l", "moved"));
    const moved = inner.getMany(["l"])[0]?.value ?? new Uint8Array();
    for (const moment of ["before the look", "before the deletion"] as const) {
      await put(inner, { key: "k", value: moved });
      const backend = over(
        { encryption },
        altered(inner, {
          getMany(asked, options) {
            if (options?.want === "all" && moment === "before the look") inner.setMany([entry("k", "fresh")]);
            return inner.getMany(asked, options);
          },
          deleteMany(asked, options) {
            if (moment === "before the deletion") inner.setMany([entry("k", "fresh")]);
            return inner.deleteMany(asked, options);
          },
        }),
      );
      expect(await backend.getMany(["k"])).toEqual([undefined]);
      expect(await texts(backend, ["k"])).toEqual(["fresh"]);
    }
    expect(events.length).toBe(2);
  });

  test("read-only, what is broken stays; and a store that fails to remove it fails no read", async () => {
    const { inner, over, events } = setUp();
    await put(over({ encryption }), entry("l", "moved"));
    await put(inner, { key: "k", value: inner.getMany(["l"])[0]?.value ?? new Uint8Array() });
    expect(await over({ encryption }, inner, true).getMany(["k", "l"])).toMatchObject([undefined, { size: 5 }]);
    expect(inner.getMany(["k"])[0]).toBeDefined();
    const failing = altered(inner, { deleteMany: () => Promise.reject(new Error("away")) });
    expect(await over({ encryption }, failing).getMany(["k"])).toEqual([undefined]);
    expect(events.at(-1)?.message).toContain("away");
    expect(inner.getMany(["k"])[0]).toBeDefined();
  });
});

describe("over memory", () => {
  test("what is plain or small is answered at once", () => {
    const { over } = setUp();
    for (const backend of [over(), over({ compression, encryption })]) {
      expect(backend.setMany([entry("k", TEXT)])).toEqual(["stored"]);
      expect(backend.getMany(["k"])).toMatchObject([{ size: TEXT.length }]);
    }
  });

  test("a large batch is worked on in turns, in order", async () => {
    const { over } = setUp();
    const backend = over({ compression, encryption });
    const entries = Array.from({ length: 500 }, (_, i) => entry(`k${i}`, `${i}${TEXT.slice(0, 600)}`));
    let turns = 0;
    const timer = setInterval(() => {
      turns += 1;
    }, 0);
    await put(backend, ...entries);
    const read = await texts(
      backend,
      entries.map(({ key }) => key),
    );
    clearInterval(timer);
    expect(read).toEqual(entries.map(({ value }) => Buffer.from(value).toString()));
    expect(turns).toBeGreaterThan(5);
  });

  test("getDecoded decodes what was undone, for each key its own", async () => {
    const { inner, over, events } = setUp();
    const backend = over({ compression, encryption });
    if (!readsDecoded(backend)) throw new Error("memory keeps decoded values");
    const decode = (value: Uint8Array): unknown => JSON.parse(Buffer.from(value).toString());
    await put(backend, entry("a", '{"n":1}'), entry("b", TEXT));
    expect(backend.getDecoded("a", decode)).toEqual({ n: 1 });
    expect(backend.getDecoded("b", decode)).toEqual(JSON.parse(TEXT));
    expect(backend.getDecoded("a", decode)).toEqual({ n: 1 });
    await put(inner, { key: "c", value: inner.getMany(["a"])[0]?.value ?? new Uint8Array() });
    expect(backend.getDecoded("c", decode)).toBeUndefined();
    expect(events).toMatchObject([{ code: "damaged-value" }]);
    await until(() => inner.getMany(["c"])[0] === undefined);
    const [without] = [over()];
    if (!readsDecoded(without)) throw new Error("memory keeps decoded values");
    await put(backend, entry("d", "{}"));
    expect(await failure(() => without.getDecoded("d", decode))).toMatchObject({ code: "encryption-key-missing" });
  });
});

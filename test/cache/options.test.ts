import { runInNewContext } from "node:vm";
import { afterEach, describe, expect, test } from "vitest";
import { openMemory } from "../../src/backends/memory/index.js";
import { Cache } from "../../src/cache/cache.js";
import { hashKey, patternKey, recordKey } from "../../src/cache/keys.js";
import type { Serializer } from "../../src/cache/serializer.js";
import { FakeClock } from "../support/fake-clock.js";

const clock = new FakeClock();
const open = (more: object = {}) =>
  new Cache(openMemory({ namespace: "", clock, emit: () => undefined, sweepMs: 0 }), {
    clock,
    countInterval: 0,
    ...more,
  });
let cache = open();
afterEach(async () => {
  await cache.close();
  cache = open();
});

/** What a program without types may give. */
const wrong = (options: unknown) => options as never;
const usage = (code: string) => expect.objectContaining({ kind: "usage", code });
const each = async (items: AsyncIterable<unknown>) => {
  for await (const _ of items);
};

const CALLS: [name: string, call: (options: never) => unknown][] = [
  ["get", (options) => cache.get("k", options)],
  ["getBytes", (options) => cache.getBytes("k", options)],
  ["getMany", (options) => cache.getMany(["k"], options)],
  ["has", (options) => cache.has("k", options)],
  ["set", (options) => cache.set("k", 2, options)],
  ["setMany", (options) => cache.setMany([["k", 2]], options)],
  ["writeMany", (options) => cache.writeMany([{ key: "k", value: Buffer.from("2") }], options)],
  ["delete", (options) => cache.delete("k", options)],
  ["touch", (options) => cache.touch("k", 1, options)],
  ["atomic", (options) => cache.atomic([{ delete: "k" }], options)],
  ["invalidate", (options) => cache.invalidate({ prefix: "k" }, options)],
  ["clear", (options) => cache.clear(options)],
  ["openRead", (options) => cache.openRead("k", options)],
  ["openWrite", (options) => cache.openWrite("k", options)],
  ["keys", (options) => each(cache.keys({ all: true }, options))],
  ["countWhere", (options) => cache.countWhere({ all: true }, options)],
  ["position", (options) => cache.position(options)],
  ["setBytes", (options) => cache.setBytes("k", Buffer.from("2"), options)],
  ["setEach", (options) => cache.setEach([{ key: "k", value: 2 }], options)],
  ["touchEach", (options) => cache.touchEach([{ key: "k" }], options)],
  ["scan", (options) => each(cache.scan({ all: true }, options))],
  ["start", (options) => cache.start(options)],
  ["stats", (options) => cache.stats(options)],
  ["counters", (options) => cache.counters(options)],
];

describe("options", () => {
  test.each(CALLS)("of %s that are misspelt or of another type are refused, and nothing is done", async (_, call) => {
    await cache.set("k", 1);
    for (const options of [{ timeot: 5 }, { signal: "now" }, null, 5, "now", [], true]) {
      await expect((async () => call(wrong(options)))()).rejects.toEqual(usage("invalid-options"));
    }
    await expect((async () => call(wrong({ timeout: Number.NaN })))()).rejects.toEqual(usage("invalid-timeout"));
    expect(await cache.get("k")).toBe(1);
    await (async () => call(wrong({ timeout: undefined, signal: undefined })))();
  });

  test("that are one of several words are one of them", async () => {
    for (const call of [
      () => cache.set("k", 1, wrong({ mode: "bogus" })),
      () => cache.openWrite("k", wrong({ mode: "bogus" })),
      () => cache.readMany(["k"], wrong({ want: "everything" })),
      () => cache.get("k", wrong({ peek: "yes" })),
      () => cache.invalidate({ all: true }, wrong({ soft: 1 })),
      () => cache.invalidate({ all: true }, wrong({ rate: 0 })),
      () => cache.invalidate({ all: true }, wrong({ onProgress: 1 })),
      () => each(cache.keys({ all: true }, wrong({ fields: "none" }))),
    ]) {
      await expect(call()).rejects.toEqual(usage("invalid-options"));
    }
    expect(await cache.get("k")).toBeUndefined();
  });

  test("of a load", async () => {
    for (const options of [
      { ttls: 5 },
      { staleIfError: "5" },
      { loadTimeout: 0 },
      { ttlJitter: 2 },
      { lockWait: -1 },
    ]) {
      await expect(cache.getOrSet("k", () => 1, wrong(options))).rejects.toEqual(usage("invalid-load-options"));
    }
    expect(() => cache.cached(() => 1, wrong({ prefix: "p", ttls: 5 }))).toThrow(usage("invalid-options"));
    expect(() => cache.cached(() => 1, wrong({ prefix: "p", key: "id" }))).toThrow(usage("invalid-options"));
    for (const tags of [[""], "abc", 5, [5]]) {
      const load = cache.getOrSet("k", (context) => context.setTags(wrong(tags)));
      await expect(load, String(tags)).rejects.toEqual(usage("invalid-tag"));
      await expect(cache.set("k", 1, { tags: wrong(tags) }), String(tags)).rejects.toEqual(usage("invalid-tag"));
    }
  });

  test("of a monitor", () => {
    for (const options of [
      { intervall: 5 },
      { interval: "5" },
      { thresholds: true },
      { thresholds: { hitRateBelow: 5 } },
      { thresholds: { errorRateAbove: 1.5 } },
      { thresholds: { hitRate: 0.5 } },
      { onAlert: "log" },
    ]) {
      expect(() => cache.monitor(wrong(options)), JSON.stringify(options)).toThrow(usage("invalid-monitor"));
    }
  });

  test("of records", async () => {
    const source = { get: (id: number) => ({ id }) };
    expect(() => cache.records(source, wrong({}))).toThrow(usage("invalid-prefix"));
    expect(() => cache.records(source, wrong({ prefix: 5 }))).toThrow(usage("invalid-prefix"));
    for (const options of [undefined, { prefix: "r", idof: () => 1 }, { prefix: "r", cache: true }]) {
      expect(() => cache.records(source, wrong(options))).toThrow(usage("invalid-options"));
    }
    expect(() => cache.records(source, wrong({ prefix: "r", ttl: "1h" }))).toThrow(usage("invalid-ttl"));
    const records = cache.records(source, { prefix: "r" });
    for (const id of [undefined, null, {}]) await expect(records.get(wrong(id))).rejects.toEqual(usage("invalid-key"));
  });
});

const LISTS: [name: string, field: string, call: (list: never) => unknown][] = [
  ["writeMany", "tagss", (list) => cache.writeMany(list)],
  ["setEach", "expiresAt", (list) => cache.setEach(list)],
  ["touchEach", "ttl", (list) => cache.touchEach(list)],
];

describe("lists", () => {
  test.each(LISTS)(
    "of %s are lists of objects without the field %s, and nothing is done",
    async (name, field, call) => {
      await cache.set("k", 1);
      const right = { key: "k", ...(name !== "touchEach" && { value: name === "setEach" ? 2 : Buffer.from("2") }) };
      const bad = [null, 5, "k", { 0: right }, [null], [5], ["k"], [right, { ...right, [field]: 5 }]];
      for (const list of bad) await expect((async () => call(wrong(list)))()).rejects.toEqual(usage("invalid-entry"));
      expect(await cache.get("k")).toBe(1);
      await (async () => call(wrong([{ ...right, [field]: undefined }])))();
    },
  );

  test("of an atomic batch are steps, each one thing", async () => {
    await cache.set("k", 1);
    const bad = [
      null,
      5,
      {},
      [null],
      [5],
      [{ delete: "k" }, {}, { drop: "k" }],
      [{ set: { key: "k", value: 2 }, delete: "k" }],
    ];
    for (const steps of [...bad, [{ set: null }], [{ set: { key: "k", value: 2, ttll: 5 } }]]) {
      await expect(cache.atomic(wrong(steps))).rejects.toEqual(usage("invalid-entry"));
    }
    expect(await cache.get("k")).toBe(1);
  });

  test("of keys are lists of keys, and a selector is none", async () => {
    for (const keys of [null, 5, "k", { 0: "k" }]) {
      for (const call of [
        () => cache.touchMany(wrong(keys), 1),
        () => cache.deleteMany(wrong(keys)),
        () => cache.getMany(wrong(keys)),
        () => cache.getOrSetMany(wrong(keys), () => []),
      ])
        await expect(call()).rejects.toEqual(usage("invalid-key"));
    }
    await expect(cache.invalidate(wrong(["k"]))).rejects.toEqual(usage("invalid-selector"));
  });
});

test("functions are functions, and a source is an object", async () => {
  for (const given of [null, undefined, 5, "x", {}]) {
    await expect(cache.getOrSet("k", wrong(given))).rejects.toEqual(usage("invalid-function"));
    await expect(cache.getOrSetMany(["k"], wrong(given))).rejects.toEqual(usage("invalid-function"));
    await expect(cache.transaction(wrong(given))).rejects.toEqual(usage("invalid-function"));
  }
  for (const source of [null, undefined, 5, "x"])
    expect(() => cache.records(wrong(source), wrong({ prefix: "r" }))).toThrow(
      expect.objectContaining({ code: "invalid-source" }),
    );
  for (const options of [null, 5, "x", []])
    await expect(cache.getOrSet("k", () => 1, wrong(options))).rejects.toEqual(usage("invalid-load-options"));
  expect(await cache.health(wrong(null))).toMatchObject({ ok: false, error: { code: "invalid-options" } });
});

describe("values", () => {
  test("as bytes are bytes", async () => {
    for (const value of ["text", 5, null, [1], new ArrayBuffer(1), new Uint16Array(1)]) {
      await expect(cache.setBytes("k", wrong(value))).rejects.toEqual(usage("invalid-value"));
      const writer = await cache.openWrite("k");
      await expect(writer.write(wrong(value))).rejects.toEqual(usage("invalid-value"));
      await writer.abort();
    }
    expect(await cache.getBytes("k")).toBeUndefined();
    expect(await cache.setBytes("k", runInNewContext("new Uint8Array([1])"))).toBe("stored");
  });

  test("of an encoder that gives something else are refused", async () => {
    const serializer: Serializer = { name: "text", encode: (value) => wrong(String(value)), decode: String };
    cache = open({ serializer });
    const refused = { kind: "serialization", code: "not-serializable" };
    await expect(cache.set("k", "text")).rejects.toMatchObject(refused);
  });
});

test("keys are made of what keys can be made of", () => {
  expect(() => patternKey("a:{b}", wrong(null))).toThrow(usage("invalid-pattern"));
  expect(() => patternKey(wrong(5), {})).toThrow(usage("invalid-pattern"));
  for (const id of [undefined, null, {}, true]) {
    expect(() => recordKey("users", wrong(id))).toThrow(usage("invalid-key"));
  }
  expect(hashKey(undefined)).not.toBe(hashKey(null));
});

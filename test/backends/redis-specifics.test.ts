import { crc32 } from "node:zlib";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Backend, EntryInfo } from "../../src/backends/backend.js";
import { readsForeign } from "../../src/backends/backend.js";
import { MAGIC, wrap } from "../../src/backends/envelope.js";
import { openRedis } from "../../src/backends/redis/index.js";
import { systemClock } from "../../src/clock.js";
import type { Selector } from "../../src/selector.js";
import { HOSTILE_KEYS } from "../contract/harness.js";
import { type RedisServer, redisCli, redisCliBytes, startRedis } from "../support/redis-server.js";
import { until } from "../support/until.js";

let server: RedisServer;
const opened: Backend[] = [];

beforeAll(async () => {
  server = await startRedis();
});
afterEach(async () => {
  for (const backend of opened.splice(0)) await backend.close();
  await cli("FLUSHALL");
});
afterAll(() => server.stop());

const cli = (...args: string[]) => redisCli(server, ...args);

async function open(namespace = ""): Promise<Backend> {
  const backend = await openRedis({ url: server.url, namespace, clock: systemClock, emit: () => {} });
  opened.push(backend);
  return backend;
}

const entry = (key: string, value = "v", more: object = {}) => ({ key, value: Buffer.from(value), ...more });

/** Commands on keys with NUL in their names, which can't be arguments of a process. */
const onInternal = (command: string, key: string) =>
  redisCliBytes(server, ["EVAL", `return redis.call('${command}', ARGV[1])`, "0"], Buffer.from(key)).then((bytes) =>
    bytes.toString().trim(),
  );

async function list(backend: Backend, selector: Selector = { all: true }): Promise<EntryInfo[]> {
  const out: EntryInfo[] = [];
  for await (const page of backend.scan(selector, { fields: "all" })) out.push(...page.entries);
  return out.sort((a, b) => (a.key < b.key ? -1 : 1));
}

/** Everything in the database that is not one of these keys: what the backend keeps for itself. */
async function internals(...keys: string[]): Promise<string[]> {
  const all = (await cli("--raw", "KEYS", "*")).split("\n").filter((key) => key !== "");
  return all.filter((key) => !keys.includes(key));
}

describe("plain by default", () => {
  test("what is written is the bytes under namespace and key with the store's own expiry, and nothing beside", async () => {
    const backend = await open("app:");
    await backend.setMany([entry("k", '{"a":1}', { expiresAt: systemClock.now() + 60_000 }), entry("never")]);
    expect(await cli("GET", "app:k")).toBe('{"a":1}');
    expect(Number(await cli("PTTL", "app:k"))).toBeGreaterThan(55_000);
    expect(await cli("PTTL", "app:never")).toBe("-1");
    expect(await cli("DBSIZE")).toBe("2");
  });

  test("without a namespace counting writes nothing, and the server's own counters are given as such", async () => {
    const backend = await open();
    await backend.count({ hits: 5 });
    expect(await cli("DBSIZE")).toBe("0");
    await backend.getMany(["none"]);
    const { counters, source } = await backend.counters();
    expect(source).toBe("server");
    expect(counters.misses).toBeGreaterThan(0);
    await expect((async () => backend.resetCounters())()).rejects.toMatchObject({ code: "counters-not-ours" });
  });

  test("a value that somebody else wrote with the magic but no header is what it is", async () => {
    const bytes = Buffer.concat([MAGIC, Buffer.from("somebody else's")]);
    await redisCliBytes(server, ["SET", "k"], bytes);
    const backend = await open();
    const [stored] = await backend.getMany(["k"], { want: "all" });
    expect(bytes.equals(stored?.value ?? Buffer.alloc(0))).toBe(true);
    expect((await list(backend))[0]?.size).toBe(bytes.length);
  });

  test("foreign bytes as a key are listed, read, touched and deleted", async () => {
    await redisCliBytes(server, ["EVAL", "return redis.call('SET', 'f\\255\\254:k', ARGV[1])", "0"], Buffer.from("v"));
    const backend = await open();
    const [info] = await list(backend);
    expect(info?.key).toBe("f\udcff\udcfe:k");
    const key = info?.key ?? "";
    expect((await backend.getMany([key]))[0]?.size).toBe(1);
    expect(await backend.touchMany([{ key, expiresAt: systemClock.now() + 60_000 }])).toEqual([true]);
    expect(await list(backend, { prefix: "f\udcff" })).toHaveLength(1);
    expect(await list(backend, { match: "f??:k" })).toHaveLength(1);
    expect(await backend.deleteMany([key])).toEqual([true]);
    expect(await cli("DBSIZE")).toBe("0");
  });
});

describe("tags and other clients", () => {
  test("a foreign overwrite is hit by no tag, listed without tags, and survives the purge", async () => {
    const backend = await open("n:");
    await backend.setMany([entry("a", "v", { tags: ["t"] }), entry("b", "v", { tags: ["t"] })]);
    await cli("SET", "n:a", "foreign");
    expect((await backend.getMany(["a"], { want: "all" }))[0]?.tags).toBeUndefined();
    expect((await list(backend, { tags: ["t"] })).map(({ key }) => key)).toEqual(["b"]);
    expect(await backend.deleteWhere({ tags: ["t"] })).toMatchObject({ deleted: 1, complete: true });
    expect(await cli("GET", "n:a")).toBe("foreign");
    expect(await internals("n:a")).toEqual(expect.arrayContaining([expect.stringContaining("cachectl:tags")]));
    expect(await internals("n:a")).toHaveLength(1);
  });

  test("a foreign deletion and another value under the same key: the old tag reaches nothing", async () => {
    const backend = await open();
    await backend.setMany([entry("a", "v", { tags: ["t"] })]);
    await cli("DEL", "a");
    await cli("HSET", "a", "f", "v");
    expect((await backend.deleteWhere({ tags: ["t"] })).deleted).toBe(0);
    expect(await cli("HGET", "a", "f")).toBe("v");
  });

  test("overwriting and deleting leaves no members behind, also for entries that never expire", async () => {
    const backend = await open();
    for (let i = 0; i < 20; i++) await backend.setMany([entry("k", `${i}`, { tags: ["t", `u${i % 2}`] })]);
    const indexes = (await internals("k")).filter((key) => key.includes(":t:{"));
    const sizes = await Promise.all(indexes.map((key) => onInternal("ZCARD", key)));
    expect(sizes.map(Number).reduce((a, b) => a + b, 0)).toBe(2);
    await backend.setMany([entry("k", "untagged")]);
    expect((await internals("k")).filter((key) => !key.endsWith(":tags"))).toEqual([]);
    await backend.setMany([entry("k", "again", { tags: ["t"] })]);
    await backend.deleteMany(["k"]);
    expect((await internals()).filter((key) => !key.endsWith(":tags"))).toEqual([]);
    await backend.setMany([entry("k", "again", { tags: ["t"] })]);
    await backend.deleteWhere({ prefix: "k" });
    expect((await internals()).filter((key) => !key.endsWith(":tags"))).toEqual([]);
  });

  test.each(["", "n:", "{n}:", "a}b:", "a{b:"])(
    "a purge leaves nothing, whatever the keys: namespace %j",
    async (namespace) => {
      const backend = await open(namespace);
      const odd = [...HOSTILE_KEYS, "a}b", "a{}b", "{}{x}", "{a", "a{b}c}", "}{", "{{a}}", "a:b", ":"];
      const many = Array.from({ length: 650 }, (_, i) => `k${i}`);
      const keys = [...new Set([...odd, ...many])];
      await backend.setMany(keys.map((key, i) => entry(key, key, { tags: ["t", `u${i % 3}`] })));
      await backend.setMany([entry("stays", "v", { tags: ["u1"] }), entry("k7", "v", { tags: ["u0"] })]);
      expect(await backend.deleteWhere({ tags: ["t"] })).toEqual({
        deleted: keys.length - 1,
        softened: 0,
        complete: true,
      });
      expect((await list(backend)).map(({ key }) => key)).toEqual(["k7", "stays"]);
      expect((await list(backend, { tags: ["u0"] })).map(({ key }) => key)).toEqual(["k7"]);
      expect(await backend.deleteWhere({ tags: ["u0", "u1"] })).toMatchObject({ deleted: 2 });
      expect((await internals()).filter((key) => !key.endsWith(":tags"))).toEqual([]);
    },
  );

  test.each(["nocolon", "\\255\\254:a}b", "\\255:plain", ":noid", ":a}b", "x:", "x:\\255\\254}"])(
    "a purge ends, whatever somebody has put into the index: %s",
    async (member) => {
      const backend = await open("n:");
      await backend.setMany([entry("a", "v", { tags: ["t"] }), entry("b}c", "v", { tags: ["t"] })]);
      const add = `return redis.call('ZADD', ARGV[1]..'t:{'..redis.sha1hex('t')..'}', 0, '${member}')`;
      await redisCliBytes(server, ["EVAL", add, "0"], Buffer.from("n:\0cachectl:"));
      expect(await backend.deleteWhere({ tags: ["t"] })).toEqual({ deleted: 2, softened: 0, complete: true });
      expect((await internals()).filter((key) => !key.endsWith(":tags"))).toEqual([]);
    },
  );

  test("a purge ends where it is told to, and goes on from there", async () => {
    const backend = await open();
    const keys = Array.from({ length: 3000 }, (_, i) => `k${i}`);
    await backend.setMany(keys.map((key) => entry(key, "v", { tags: ["t"] })));
    const over = new AbortController();
    const onProgress = () => over.abort();
    const first = await backend.deleteWhere({ tags: ["t"] }, { signal: over.signal, onProgress });
    expect(first.complete).toBe(false);
    expect(first.deleted).toBeGreaterThan(0);
    expect(Number(await cli("EVAL", "return #redis.call('KEYS', 'k*')", "0"))).toBe(3000 - first.deleted);
    const { cursor = "" } = first;
    const rest = await backend.deleteWhere({ tags: ["t"] }, { cursor });
    expect(rest).toEqual({ deleted: 3000 - first.deleted, softened: 0, complete: true });
    expect((await internals()).filter((key) => !key.endsWith(":tags"))).toEqual([]);
  });

  test("sidecars, indexes and the registry end with the longest of their entries", async () => {
    const backend = await open();
    const now = systemClock.now();
    await backend.setMany([
      entry("short", "v", { tags: ["t"], expiresAt: now + 60_000 }),
      entry("long", "v", { tags: ["t"], expiresAt: now + 600_000 }),
    ]);
    const ttl = async (part: string) => {
      const key = (await internals()).find((name) => name.includes(part)) ?? "";
      return Number(await onInternal("PTTL", key));
    };
    for (const part of ["w:{long}", ":t:{", "cachectl:tags"]) {
      const left = await ttl(part);
      expect(left).toBeGreaterThan(590_000);
      expect(left).toBeLessThanOrEqual(600_000);
    }
    expect(await ttl("w:{short}")).toBeLessThanOrEqual(60_000);
    await backend.touchMany([{ key: "long", expiresAt: null }]);
    for (const part of ["w:{long}", ":t:{", "cachectl:tags"]) expect(await ttl(part)).toBe(-1);
    await backend.touchMany([{ key: "long", expiresAt: now + 1500 }]);
    expect(await ttl("w:{long}")).toBeLessThanOrEqual(1500);
  });

  test("when all tagged entries have expired, nothing internal is left", async () => {
    const backend = await open();
    const expiresAt = systemClock.now() + 100;
    await backend.setMany([
      entry("a", "v", { tags: ["t"], expiresAt }),
      entry("b", "v", { tags: ["t", "u"], expiresAt }),
    ]);
    await until(async () => (await internals()).length === 0);
  });

  test("prune takes expired members out of an index that lives on", async () => {
    const backend = await open();
    const expiresAt = systemClock.now() + 100;
    const many = Array.from({ length: 100 }, (_, i) => entry(`k${i}`, "v", { tags: ["t"], expiresAt }));
    await backend.setMany([...many, entry("stays", "v", { tags: ["t"] })]);
    await until(async () => (await list(backend)).length === 1);
    const index = (await internals()).find((key) => key.includes(":t:{")) ?? "";
    await backend.prune();
    expect(await onInternal("ZCARD", index)).toBe("1");
  });

  test("a purge that was cut is finished by the next, and what was tagged since then stays reachable", async () => {
    const backend = await open();
    const many = Array.from({ length: 1000 }, (_, i) => entry(`k${i}`, "v", { tags: ["t"] }));
    await backend.setMany(many);
    const abort = new AbortController();
    const cut = await backend.deleteWhere({ tags: ["t"] }, { signal: abort.signal, onProgress: () => abort.abort() });
    expect(cut.complete).toBe(false);
    expect(cut.deleted).toBeLessThan(1000);
    expect(await list(backend, { tags: ["t"] })).toHaveLength(1000 - cut.deleted);
    await backend.setMany([entry("new", "v", { tags: ["t"] })]);
    const rest = await backend.deleteWhere({ tags: ["t"] });
    expect(rest).toMatchObject({ deleted: 1001 - cut.deleted, complete: true });
    expect((await internals()).filter((key) => !key.endsWith(":tags"))).toEqual([]);
  });

  test("the rate is kept", async () => {
    const backend = await open();
    await backend.setMany(Array.from({ length: 60 }, (_, i) => entry(`k${i}`)));
    const start = performance.now();
    await backend.deleteWhere({ prefix: "k" }, { rate: 200 });
    expect(performance.now() - start).toBeGreaterThan(200);
    expect(await cli("DBSIZE")).toBe("0");
  });

  test("keys with hash tags keep their sidecar in their slot", async () => {
    const node = await startRedis({ config: { "cluster-enabled": "yes" } });
    try {
      const backend = await open("n:");
      const keys = ["plain", "{tag}:x", "a{tag}b", "{", "{a", "é{ü}", "{}{x}"];
      await backend.setMany(keys.map((key) => entry(key, "v", { tags: ["t"] })));
      const sidecars = await internals(...keys.map((key) => `n:${key}`));
      const slot = async (key: string) =>
        (await redisCliBytes(node, ["CLUSTER", "KEYSLOT"], Buffer.from(key))).toString().trim();
      for (const key of keys.filter((key) => key !== "{}{x}")) {
        const mine = sidecars.filter((name) => name.endsWith(`s:n:${key}`) || name.endsWith(`w:{n:${key}}`));
        expect({ key, slots: await Promise.all(mine.map(slot)) }).toEqual({ key, slots: [await slot(`n:${key}`)] });
      }
    } finally {
      await node.stop();
    }
  });
});

describe("other types", () => {
  const fill = async () => {
    await cli("HSET", "h", "f", "1", "g", "2");
    await cli("RPUSH", "l", "a", "b", "c");
    await cli("SADD", "s", "x");
    await cli("ZADD", "z", "1.5", "m");
    await cli("XADD", "st", "1-1", "f", "v");
    await cli("SET", "str", "v");
  };

  test("are listed with their type, and a selector can name them", async () => {
    await fill();
    const backend = await open();
    const types = (await list(backend)).map(({ key, type }) => `${key}:${type ?? "string"}`);
    expect(types).toEqual(["h:hash", "l:list", "s:set", "st:stream", "str:string", "z:zset"]);
    expect((await list(backend, { all: true, types: ["hash"] })).map(({ key }) => key)).toEqual(["h"]);
    expect((await list(backend, { all: true, types: ["hash", "set"] })).map(({ key }) => key)).toEqual(["h", "s"]);
  });

  test("are deleted only where they are named", async () => {
    await fill();
    const backend = await open();
    expect((await backend.deleteWhere({ all: true })).deleted).toBe(1);
    expect(await cli("DBSIZE")).toBe("5");
    expect((await backend.deleteWhere({ match: "l", types: ["hash"] })).deleted).toBe(0);
    expect((await backend.deleteWhere({ match: "h", types: ["hash"] })).deleted).toBe(1);
    expect((await backend.deleteWhere({ prefix: "s", types: ["set", "zset"] })).deleted).toBe(1);
    expect((await backend.deleteWhere({ all: true, types: ["any"] })).deleted).toBe(3);
    expect(await cli("DBSIZE")).toBe("0");
  });

  test("are shown, bounded", async () => {
    await fill();
    const backend = await open();
    if (!readsForeign(backend)) throw new Error("the backend can't read other types");
    expect(await backend.readForeign("l", 2)).toEqual({ type: "list", items: ["a", "b"], truncated: true });
    expect(await backend.readForeign("l", 3)).toEqual({ type: "list", items: ["a", "b", "c"], truncated: false });
    expect(await backend.readForeign("h", 9)).toEqual({
      type: "hash",
      items: [
        ["f", "1"],
        ["g", "2"],
      ],
      truncated: false,
    });
    expect(await backend.readForeign("s", 9)).toEqual({ type: "set", items: ["x"], truncated: false });
    expect(await backend.readForeign("z", 9)).toEqual({ type: "zset", items: [["m", 1.5]], truncated: false });
    expect(await backend.readForeign("st", 9)).toEqual({
      type: "stream",
      items: [["1-1", ["f", "v"]]],
      truncated: false,
    });
    expect(await backend.readForeign("str", 9)).toBeUndefined();
    expect(await backend.readForeign("none", 9)).toBeUndefined();
    await cli("EVAL", "for i=1,5000 do redis.call('HSET','big',i,i) end", "0");
    const big = await backend.readForeign("big", 700);
    expect(big?.truncated).toBe(true);
    expect(new Set(big?.items.map((item) => String(item))).size).toBe(700);
  });
});

describe("reads", () => {
  test("calls of one tick go out as one MGET", async () => {
    const backend = await open();
    await backend.setMany(Array.from({ length: 50 }, (_, i) => entry(`k${i}`, `${i}`)));
    await cli("CONFIG", "RESETSTAT");
    const answers = await Promise.all(Array.from({ length: 50 }, async (_, i) => backend.getMany([`k${i}`])));
    expect(answers.map(([stored]) => Buffer.from(stored?.value ?? []).toString())).toEqual(
      answers.map((_, i) => `${i}`),
    );
    const stats = await cli("INFO", "commandstats");
    expect(/cmdstat_mget:calls=(\d+)/.exec(stats)?.[1]).toBe("1");
    expect(stats).not.toContain("cmdstat_pttl");
  });
});

test.each(["value", "copy"] as const)(
  "a value of a later version fails the call that asked for it, and no other of its tick: %s",
  async (want) => {
    const backend = await open();
    await backend.setMany([entry("a"), entry("b")]);
    const later = Buffer.from(wrap({ value: Buffer.from("v"), staleAt: 1 }));
    later[8] = 2;
    later.writeUInt32BE(crc32(later.subarray(0, 16)), 16);
    await redisCliBytes(server, ["SET", "later"], later);
    const answers = await Promise.allSettled(
      [["a"], ["b", "later"], ["b"]].map((keys) => backend.getMany(keys, { want })),
    );
    expect(answers.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect(answers[1]).toMatchObject({ reason: { code: "envelope-unsupported" } });
  },
);

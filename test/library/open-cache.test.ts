import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type Cache, type CacheEvent, KeyRing, type OpenCacheOptions, openCache } from "../../src/index.js";
import { FakeClock } from "../support/fake-clock.js";
import { type RedisServer, redisCli, startRedis } from "../support/redis-server.js";
import { tempDir } from "../support/temp-dir.js";
import { until } from "../support/until.js";

let server: RedisServer;

beforeAll(async () => {
  server = await startRedis();
});

afterAll(() => server.stop());

/** A cache that is closed when the test is over. */
async function opened(options: OpenCacheOptions): Promise<Cache> {
  const cache = await openCache(options);
  onTestFinished(() => cache.close());
  return cache;
}

const sqlite = () => `sqlite:${join(tempDir("library"), "c.db")}`;

const failure = (work: Promise<unknown>) =>
  work.then(
    () => "no failure",
    (error: unknown) => error,
  );

describe("openCache", () => {
  test("keeps namespaces apart, under the keys that any client sees", async () => {
    const [app, other] = [
      await opened({ store: server.url, namespace: "app" }),
      await opened({ store: { kind: "redis", url: server.url }, namespace: "other:" }),
    ];
    await app.set("k", { a: 1 });
    await other.set("k", "text");
    expect(await redisCli(server, "GET", "app:k")).toContain('{"a":1}');
    expect(await redisCli(server, "GET", "other:k")).toContain('"text"');
    expect((await app.clear()).deleted).toBe(1);
    expect(await other.get("k")).toBe("text");
  });

  test.each<[string, Partial<OpenCacheOptions>, number | undefined]>([
    ["", {}, 3_600_000],
    ["?ttl=10m", {}, 600_000],
    ["?ttl=10m", { ttl: 5000 }, 5000],
    ["?ttl=10m", { ttl: null }, undefined],
    ["?ttl=none", {}, undefined],
  ])("the TTL of a store %j with %j is %s", async (query, options, ttl) => {
    const clock = new FakeClock();
    const cache = await opened({ store: `${sqlite()}${query}`, clock, ...options });
    await cache.set("k", 1);
    const [entry] = await cache.readMany(["k"], { want: "all" });
    expect(entry?.expiresAt).toBe(ttl === undefined ? undefined : clock.now() + ttl);
  });

  test("read-only, nothing is written", async () => {
    const store = sqlite();
    await (await opened({ store })).set("k", 1);
    const cache = await opened({ store, readOnly: true });
    expect(await cache.get("k")).toBe(1);
    expect(await failure(cache.set("k", 2))).toMatchObject({ kind: "refused", code: "read-only" });
  });

  test("a serializer of one's own choice", async () => {
    const cache = await opened({ store: "memory:", serializer: "msgpack" });
    const value = { when: new Date(0), ids: new Set([1n]) };
    await cache.set("k", value);
    expect(await cache.get("k")).toEqual(value);
  });

  test("compresses and encrypts, and reads what was whatever is asked for now", async () => {
    const store = sqlite();
    const keys = [{ id: "k1", key: randomBytes(32).toString("base64") }];
    const text = "a secret ".repeat(1000);
    const both = await opened({ store, compression: "brotli", encryptionKeys: keys });
    await both.set("k", text);
    await (await opened({ store, compression: { algorithm: "gzip", level: 9 } })).set("compressed", text);
    expect(readFileSync(store.slice("sqlite:".length), "latin1")).not.toContain("a secret");
    expect(await (await opened({ store, encryptionKeys: new KeyRing(keys) })).get("k")).toBe(text);
    const plain = await opened({ store });
    expect(await plain.get("compressed")).toBe(text);
    expect(await failure(plain.get("k"))).toMatchObject({ kind: "serialization", code: "encryption-key-missing" });
    expect(await plain.delete("k")).toBe(true);
  });

  test("tells of what fails no call", async () => {
    const store = sqlite();
    const events: CacheEvent[] = [];
    const encryptionKeys = [{ id: "k", key: randomBytes(32) }];
    const cache = await opened({ store, encryptionKeys, onEvent: (event) => events.push(event) });
    await cache.set("k", 1);
    const db = new Database(store.slice("sqlite:".length));
    const body = db.prepare<[], Buffer>("SELECT body FROM bodies").pluck().get() ?? Buffer.alloc(0);
    body.writeUInt8(body.readUInt8(body.length - 1) ^ 1, body.length - 1);
    db.prepare("UPDATE bodies SET body = ?").run(body);
    db.close();
    expect(await cache.get("k")).toBeUndefined();
    expect(events).toMatchObject([{ type: "warning", code: "damaged-value" }]);
    expect((await cache.stats()).counters).toMatchObject({ errors: 1, misses: 1 });
  });

  test("several stores are tiers: a change by another process is obeyed", async () => {
    const store = sqlite();
    const tiers = await opened({ store: ["memory:?ttl=5m", store] });
    const other = await opened({ store: { kind: "sqlite", path: store.slice("sqlite:".length) } });
    await tiers.set("k", "old");
    await until(async () => {
      await tiers.get("k");
      return (await tiers.get("k", { tier: "memory" })) === "old";
    });
    await other.set("k", "new");
    await until(async () => (await tiers.get("k")) === "new", { timeoutMs: 1000 });
    await other.delete("k");
    await until(async () => (await tiers.get("k")) === undefined, { timeoutMs: 1000 });
  });

  test("a store that is away is no failure of the opening, and another one can stand in for it", async () => {
    const away = await startRedis();
    await away.stop();
    const events: CacheEvent[] = [];
    const resilience = { retries: 0, healthIntervalMs: 0 };
    const alone = await opened({ store: away.url, resilience, timeout: 300 });
    expect(await failure(alone.set("k", 1))).toMatchObject({ kind: "connection" });
    expect(await failure(openCache({ store: away.url, resilience: false, timeout: 300 }))).toMatchObject({
      kind: "connection",
    });
    const cache = await opened({
      store: away.url,
      namespace: "app",
      fallback: sqlite(),
      resilience,
      timeout: 300,
      onEvent: (event) => events.push(event),
    });
    await cache.set("k", 1);
    expect(await cache.get("k")).toBe(1);
    expect(events.map((event) => event.code)).toContain("fallback-on");
  });

  const STORES: Record<string, () => OpenCacheOptions["store"]> = {
    memory: () => "memory:",
    SQLite: sqlite,
    file: () => `file:${tempDir("library")}`,
    Redis: () => server.url,
    tiers: () => ["memory:", sqlite()],
  };
  test.each(Object.entries(STORES))("no key of a cache on %s can be anything but text", async (_, store) => {
    const cache = await opened({ store: store(), namespace: "keys" });
    await cache.set("5", "kept");
    for (const wrong of [5, null, undefined, {}, Symbol("s"), ["5"]]) {
      const key = wrong as string;
      const calls: Record<string, () => unknown> = {
        get: () => cache.get(key),
        getBytes: () => cache.getBytes(key),
        getMany: () => cache.getMany(["5", key]),
        readMany: () => cache.readMany([key]),
        has: () => cache.has(key),
        set: () => cache.set(key, 1),
        setMany: () => cache.setMany([[key, 1]]),
        delete: () => cache.delete(key),
        deleteMany: () => cache.deleteMany(["5", key]),
        touch: () => cache.touch(key, null),
        atomic: () => cache.atomic([{ delete: "5" }, { delete: key }]),
        invalidate: () => cache.invalidate({ keys: ["5", key] }),
        openRead: () => cache.openRead(key),
        openWrite: () => cache.openWrite(key),
      };
      for (const [name, call] of Object.entries(calls)) {
        const refused = { name, error: { kind: "usage", code: "invalid-key" } };
        expect({ name, error: await failure((async () => call())()) }).toMatchObject(refused);
      }
    }
    const list = "5" as never;
    for (const call of [() => cache.getMany(list), () => cache.deleteMany(list)]) {
      expect(await failure(call())).toMatchObject({ kind: "usage", code: "invalid-key" });
    }
    expect(await cache.get("5")).toBe("kept");
  });

  test("a listener that fails fails no call, and is told of once", async () => {
    const away = await startRedis();
    await away.stop();
    const warnings: string[] = [];
    const heard = (warning: Error) => void warnings.push(warning.message);
    process.on("warning", heard);
    onTestFinished(() => void process.off("warning", heard));
    for (const onEvent of [
      () => {
        throw new Error("no listener");
      },
      async () => Promise.reject(new Error("no listener")),
    ]) {
      const cache = await opened({
        store: away.url,
        namespace: "app",
        resilience: { retries: 0, healthIntervalMs: 0 },
        timeout: 300,
        onEvent,
      });
      const result = cache.transaction((tx) => {
        tx.delete("k");
        return "committed";
      });
      expect(await result).toBe("committed");
      expect(await cache.get("k")).toBeUndefined();
    }
    await until(() => warnings.length > 0);
    expect(warnings.filter((message) => message.includes("no listener"))).toHaveLength(2);
  });

  const WRONG: Record<string, [options: unknown, code: string]> = {
    "no store": [{}, "invalid-store"],
    "a store of null": [{ store: null }, "invalid-store"],
    "no URL": [{ store: "cache.db" }, "invalid-store"],
    "an unknown kind": [{ store: "mongo://h" }, "invalid-store"],
    "no store in a list": [{ store: [] }, "invalid-store"],
    "an object of no kind": [{ store: { kind: "mongo" } }, "invalid-store"],
    "one store twice": [{ store: ["sqlite:/tmp/c.db", { kind: "sqlite", path: "/tmp/c.db" }] }, "store-twice"],
    "a fallback that is the store": [{ store: "sqlite:/tmp/c.db", fallback: "sqlite:/tmp/c.db" }, "store-twice"],
    "a resilience that can't be": [{ store: "redis://127.0.0.1:1", resilience: { retries: -1 } }, "invalid-resilience"],
    "a TTL of zero": [{ store: "memory:", ttl: 0 }, "invalid-ttl"],
    "a TTL that is no number": [{ store: "memory:", ttl: Number.NaN }, "invalid-ttl"],
    "a timeout of zero": [{ store: "memory:", timeout: 0 }, "invalid-timeout"],
    "a namespace with NUL": [{ store: "memory:", namespace: "a\0b" }, "invalid-key"],
    "an unknown compression": [{ store: "memory:", compression: "lzma" }, "invalid-compression"],
    "a short key": [{ store: "memory:", encryptionKeys: [{ id: "k", key: "AAAA" }] }, "invalid-encryption-key"],
    "no key": [{ store: "memory:", encryptionKeys: [] }, "invalid-encryption-key"],
    "no options": [undefined, "invalid-options"],
    "options of null": [null, "invalid-options"],
    "a misspelt option": [{ store: "memory:", namspace: "a" }, "invalid-options"],
    "a namespace that is no text": [{ store: "memory:", namespace: 5 }, "invalid-options"],
    "a listener that is none": [{ store: "memory:", onEvent: "log" }, "invalid-options"],
    "a signal that is none": [{ store: "memory:", signal: {} }, "invalid-options"],
    "keys that are none": [{ store: "memory:", encryptionKeys: 5 }, "invalid-options"],
    "a TTL of text": [{ store: "memory:", ttl: "1h" }, "invalid-ttl"],
    "a TTL of text in a store": [{ store: { kind: "memory", ttl: "1h" } }, "invalid-ttl"],
    "a timeout of text": [{ store: "memory:", timeout: "1s" }, "invalid-timeout"],
    "a timeout that is too long": [{ store: "memory:", timeout: 2 ** 31 }, "invalid-timeout"],
    "a misspelt part of a resilience": [{ store: "memory:", resilience: { retry: 1 } }, "invalid-resilience"],
    "a misspelt part of a breaker": [
      { store: "memory:", resilience: { breaker: { openFor: 1 } } },
      "invalid-resilience",
    ],
    "a misspelt part of a store": [{ store: { kind: "memory", maxEntrys: 1 } }, "invalid-store"],
    "a relative path": [{ store: { kind: "sqlite", path: "cache.db" } }, "invalid-store"],
    "SQLite without a path": [{ store: { kind: "sqlite" } }, "invalid-store"],
    "files without a path": [{ store: { kind: "file", path: undefined } }, "invalid-store"],
    "Redis without a URL": [{ store: { kind: "redis" } }, "invalid-store"],
    "a kind that every object has": [{ store: { kind: "constructor" } }, "invalid-store"],
    "a policy that is none": [{ store: { kind: "sqlite", path: "/tmp/c.db", policy: "lfu" } }, "invalid-store"],
    "an unknown serializer": [{ store: "memory:", serializer: "xml" }, "invalid-serializer"],
  };
  test.each(Object.entries(WRONG))("%s is refused", async (_, [options, code]) => {
    const untyped: (options: unknown) => Promise<Cache> = openCache as never;
    expect(await failure(untyped(options))).toMatchObject({ kind: "usage", code });
  });

  test("a password that can't be one is told to nobody", async () => {
    const store = { kind: "redis", url: "redis://127.0.0.1:1", password: 76_543_210 };
    const error = await failure(openCache({ store } as never));
    expect(error).toMatchObject({ kind: "usage", code: "invalid-store" });
    expect(String(error)).not.toContain("76543210");
  });

  test("nothing is opened under a signal that is given", async () => {
    const store = sqlite();
    const signal = AbortSignal.abort(new Error("no longer"));
    expect(await failure(openCache({ store, signal }))).toMatchObject({ kind: "timeout", code: "aborted" });
    expect(existsSync(store.slice("sqlite:".length))).toBe(false);
  });

  test("what is refused leaves no store behind", async () => {
    const store = sqlite();
    const options: OpenCacheOptions = { store, compression: { algorithm: "brotli", level: 99 } };
    expect(await failure(openCache(options))).toMatchObject({ code: "invalid-compression" });
    expect(existsSync(store.slice("sqlite:".length))).toBe(false);
  });
});

describe("a store that is away", () => {
  test("fails no read: a miss, counted and told; a write is an error", async () => {
    const server = await startRedis();
    const events: string[] = [];
    const resilience = { retries: 0, breaker: false } as const;
    const cache = await openCache({
      store: server.url,
      namespace: "n",
      resilience,
      onEvent: ({ code }) => events.push(code),
    });
    try {
      await cache.set("k", 1);
      expect(await cache.get("k")).toBe(1);
      await server.kill();
      expect([await cache.get("k"), await cache.has("k"), await cache.getMany(["k"])]).toEqual([
        undefined,
        false,
        [undefined],
      ]);
      expect(events).toContain("cache-bypassed");
      await expect(cache.set("k", 2)).rejects.toMatchObject({ kind: "connection" });
      await expect(cache.delete("k")).rejects.toMatchObject({ kind: "connection" });
      await expect(cache.get("k", { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "aborted" });
      expect(await cache.getOrSet("k", () => "loaded")).toBe("loaded");
    } finally {
      await cache.close();
      await server.stop();
    }
  });
});

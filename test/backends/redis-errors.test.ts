import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { inspect } from "node:util";
import { afterEach, describe, expect, test } from "vitest";
import type { Backend } from "../../src/backends/backend.js";
import { openRedis, type RedisOptions } from "../../src/backends/redis/index.js";
import { systemClock } from "../../src/clock.js";
import { CacheError } from "../../src/errors.js";
import { freePort, type RedisServer, type RedisServerOptions, redisCli, startRedis } from "../support/redis-server.js";
import { respServer } from "../support/resp-server.js";
import { until } from "../support/until.js";

const SECRET = "hunter2-s3cret";
const ending: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end();
});

async function server(options?: RedisServerOptions): Promise<RedisServer> {
  const started = await startRedis(options);
  ending.push(() => started.stop());
  return started;
}

async function open(url: string, more: Partial<RedisOptions> = {}): Promise<Backend> {
  const backend = await openRedis({ url, namespace: "", clock: systemClock, emit: () => {}, ...more });
  ending.push(() => backend.close());
  return backend;
}

/** The failure, which never holds the secret, wherever one looks. */
async function failure(work: Promise<unknown>): Promise<CacheError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof CacheError)) throw new Error(`not a CacheError: ${inspect(error)}`);
  expect(inspect(error, { depth: 10, showHidden: true })).not.toContain(SECRET);
  return error;
}

const value = Buffer.from("v");

describe("reaching a server", () => {
  test("nothing listens: connection, at once", async () => {
    const port = await freePort();
    const start = performance.now();
    const error = await failure(open(`redis://:${SECRET}@127.0.0.1:${port}/3`));
    expect(error).toMatchObject({ kind: "connection", code: "store-unreachable" });
    expect(error.message).toContain(`redis://127.0.0.1:${port}/3`);
    expect(performance.now() - start).toBeLessThan(2000);
  });

  test("a name that nobody knows: connection", async () => {
    const error = await failure(open("redis://no-such-host.invalid:6379"));
    expect(error).toMatchObject({ kind: "connection", code: "store-unreachable" });
  });

  test("something that takes the connection and says nothing: within the timeout", async () => {
    const silent = createServer(() => {});
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    ending.push(async () => silent.close());
    const address = silent.address();
    const port = typeof address === "object" ? address?.port : 0;
    const start = performance.now();
    const error = await failure(open(`redis://127.0.0.1:${port}`, { connectTimeoutMs: 300, commandTimeoutMs: 300 }));
    expect(["connection", "timeout"]).toContain(error.kind);
    expect(performance.now() - start).toBeLessThan(3000);
  });

  test.each(["nonsense", "http://127.0.0.1", "redis://127.0.0.1/db"])("the address %s: usage", async (url) => {
    expect(await failure(open(url))).toMatchObject({ kind: "usage", code: "invalid-url" });
  });

  test("a database that the server does not have: usage, and nothing is done in database 0", async () => {
    const redis = await server();
    expect(await failure(open(`${redis.url}/99`))).toMatchObject({ kind: "usage", code: "invalid-database" });
    const other = await open(redis.url, { db: 5 });
    await other.setMany([{ key: "k", value }]);
    expect(await redisCli(redis, "-n", "5", "GET", "k")).toBe("v");
    expect(await redisCli(redis, "DBSIZE")).toBe("0");
  });

  test("a server that is killed: calls fail with connection, never hang, and go on when it is back", async () => {
    const redis = await server();
    const backend = await open(redis.url, { commandTimeoutMs: 1000, connectTimeoutMs: 1000 });
    await backend.setMany([{ key: "k", value }]);
    await redis.kill();
    for (let i = 0; i < 3; i++) {
      const start = performance.now();
      expect(await failure(Promise.resolve(backend.getMany(["k"])))).toMatchObject({ kind: "connection" });
      expect(performance.now() - start).toBeLessThan(3000);
    }
    expect(await failure(Promise.resolve(backend.setMany([{ key: "k", value }])))).toMatchObject({
      kind: "connection",
    });
    expect(await failure(backend.deleteWhere({ all: true }))).toMatchObject({ kind: "connection" });
    await redis.restart();
    await until(async () => (await backend.setMany([{ key: "k", value }]))[0] === "stored");
    expect((await backend.getMany(["k"]))[0]?.size).toBe(1);
  });

  test("giving up while attempts are under way does not end later ones", async () => {
    const redis = await server();
    const backend = await open(redis.url, { connectTimeoutMs: 50, commandTimeoutMs: 1000 });
    await redis.kill();
    for (let i = 0; i < 4; i++)
      expect((await failure(Promise.resolve(backend.getMany(["k"])))).kind).toBe("connection");
    await redis.restart();
    await until(async () => (await backend.setMany([{ key: "k", value }]))[0] === "stored");
  });

  test("a server that stops answering: timeout", async () => {
    const redis = await server();
    const backend = await open(redis.url, { commandTimeoutMs: 200 });
    redis.pause();
    ending.push(async () => redis.resume());
    expect(await failure(Promise.resolve(backend.getMany(["k"])))).toMatchObject({ kind: "timeout", retryable: true });
  });
});

describe("who we are", () => {
  test("password: missing, wrong, right", async () => {
    const redis = await server({ password: SECRET });
    expect(await failure(open(redis.url))).toMatchObject({ kind: "authentication", code: "authentication-required" });
    const wrong = await failure(open(redis.url, { password: `${SECRET}-wrong` }));
    expect(wrong).toMatchObject({ kind: "authentication", code: "authentication-failed" });
    const backend = await open(redis.url.replace("://", `://:${SECRET}@`));
    expect(await backend.setMany([{ key: "k", value }])).toEqual(["stored"]);
    expect(JSON.stringify(await backend.describe())).not.toContain(SECRET);
  });

  test("a password that the server does not need is no failure and prints nothing", async () => {
    const redis = await server();
    const backend = await open(redis.url, { password: SECRET });
    expect(await backend.setMany([{ key: "k", value }])).toEqual(["stored"]);
  });

  test("an ACL user: its own keys, and not-permitted beyond them", async () => {
    const redis = await server({ users: [{ name: "app", password: SECRET, rights: "~app:* +@all -info -dbsize" }] });
    const backend = await open(redis.url, { username: "app", password: SECRET, namespace: "app:" });
    expect(await backend.setMany([{ key: "k", value, tags: ["t"] }])).toEqual(["stored"]);
    expect((await backend.deleteWhere({ tags: ["t"] })).deleted).toBe(1);
    expect((await backend.describe()).facts).toEqual({});
    const outside = await open(redis.url, { username: "app", password: SECRET });
    expect(await failure(Promise.resolve(outside.getMany(["other"])))).toMatchObject({
      kind: "authentication",
      code: "not-permitted",
    });
    expect(await failure(Promise.resolve(outside.setMany([{ key: "other", value }])))).toMatchObject({
      code: "not-permitted",
    });
  });

  test("an ACL user without scripts: reads, plain writes, scans and deletions work, tags are refused clearly", async () => {
    const redis = await server({ users: [{ name: "app", password: SECRET, rights: "~* +@all -@scripting" }] });
    const full = await open(redis.url);
    const expiresAt = systemClock.now() + 60_000;
    await full.setMany([
      { key: "tagged", value, tags: ["t"] },
      { key: "purged", value, tags: ["t", "u"] },
      { key: "timed", value, expiresAt },
    ]);
    const backend = await open(redis.url, { username: "app", password: SECRET });
    expect((await backend.getMany(["tagged"], { want: "all" }))[0]?.tags).toEqual(["t"]);
    const again = [
      { key: "timed", value: Buffer.from("new"), keepDeadline: true },
      { key: "fresh", value, keepDeadline: true, expiresAt },
      { key: "late", value, expiresAt: 1 },
    ];
    expect(await backend.setMany(again)).toEqual(["stored", "stored", "stored"]);
    const [timed, fresh, late] = await backend.getMany(["timed", "fresh", "late"], { want: "expiry" });
    expect(timed?.expiresAt).toBeGreaterThan(systemClock.now());
    expect(fresh?.expiresAt).toBeGreaterThan(systemClock.now());
    expect(late).toBeUndefined();
    const outcomes = await backend.setMany(
      [again[1], { key: "n", value }].flatMap((e) => e ?? []),
      { mode: "if-absent" },
    );
    expect(outcomes).toEqual(["condition", "stored"]);
    expect(await failure(Promise.resolve(backend.setMany([{ key: "k", value, tags: ["t"] }])))).toMatchObject({
      kind: "authentication",
      code: "scripting-not-permitted",
    });
    expect(await backend.touchMany([{ key: "n", expiresAt }])).toEqual([true]);
    for (const change of [{ staleAt: null }, { meta: value }, { expiresAt, ifVersion: "1" }]) {
      expect(await failure(Promise.resolve(backend.touchMany([{ key: "n", ...change }])))).toMatchObject({
        code: "scripting-not-permitted",
      });
    }
    expect(await backend.touchMany([{ key: "n" }, { key: "absent" }])).toEqual([true, false]);
    expect(await backend.deleteMany(["purged", "none"])).toEqual([true, false]);
    expect((await backend.deleteWhere({ tags: ["t"] })).deleted).toBe(1);
    expect((await backend.deleteWhere({ all: true })).deleted).toBe(3);
    expect(await redisCli(redis, "DBSIZE")).toBe("1");
    expect(await redisCli(redis, "KEYS", "*cachectl:tags")).not.toBe("");
  });
});

describe("TLS", () => {
  test("with the authority: works; without: a clear failure; plain text to a TLS port and the other way round", async () => {
    const redis = await server({ tls: true, password: SECRET });
    const ca = readFileSync(redis.tls?.ca ?? "", "utf8");
    const backend = await open(redis.url, { tls: { ca }, password: SECRET });
    expect(await backend.setMany([{ key: "k", value }])).toEqual(["stored"]);
    expect((await backend.describe()).target).toBe(`rediss://127.0.0.1:${redis.port}/0`);
    expect(await failure(open(redis.url, { password: SECRET }))).toMatchObject({
      kind: "connection",
      code: "tls-failed",
    });
    const lax = await open(redis.url, { tls: { rejectUnauthorized: false }, password: SECRET });
    expect((await lax.getMany(["k"]))[0]?.size).toBe(1);
    const plain = await server();
    const wrongPort = await failure(
      open(plain.url.replace("redis:", "rediss:"), { tls: { ca }, connectTimeoutMs: 1000 }),
    );
    expect(wrongPort.kind).toBe("connection");
    const noTls = await failure(
      open(redis.url.replace("rediss:", "redis:"), { connectTimeoutMs: 1000, commandTimeoutMs: 1000 }),
    );
    expect(["connection", "timeout"]).toContain(noTls.kind);
  });
});

describe("servers that refuse", () => {
  test("a replica takes no writes: store-read-only; described as such", async () => {
    const primary = await server();
    const replica = await server({ config: { replicaof: ["127.0.0.1", `${primary.port}`] } });
    await until(async () => (await redisCli(replica, "INFO", "replication")).includes("master_link_status:up"));
    const backend = await open(replica.url);
    await redisCli(primary, "SET", "there", "v");
    await until(async () => (await redisCli(replica, "EXISTS", "there")) === "1");
    const refused = { kind: "store", code: "store-read-only" };
    expect(await failure(Promise.resolve(backend.setMany([{ key: "k", value }])))).toMatchObject(refused);
    expect(await failure(Promise.resolve(backend.setMany([{ key: "k", value, tags: ["t"] }])))).toMatchObject(refused);
    expect(await failure(backend.deleteWhere({ all: true }))).toMatchObject(refused);
    expect((await backend.getMany(["there"]))[0]?.size).toBe(1);
    expect((await backend.describe()).warnings.join()).toContain("replica");
  });

  test("maxmemory with noeviction: store-full, warned about before", async () => {
    const redis = await server({ config: { maxmemory: "3mb", "maxmemory-policy": "noeviction" } });
    const backend = await open(redis.url);
    const fill = async () => {
      for (let i = 0; i < 200; i++) await backend.setMany([{ key: `k${i}`, value: Buffer.alloc(50_000) }]);
    };
    expect(await failure(fill())).toMatchObject({ kind: "store", code: "store-full" });
    expect((await backend.describe()).warnings.join()).toContain("nearly full");
    expect((await backend.deleteWhere({ all: true })).deleted).toBeGreaterThan(0);
  });

  test("allkeys eviction: described with a warning about tags", async () => {
    const redis = await server({ config: { maxmemory: "50mb", "maxmemory-policy": "allkeys-lru" } });
    const info = await (await open(redis.url)).describe();
    expect(info.warnings.join()).toContain("tag");
    expect(info.facts).toMatchObject({ maxmemory_policy: "allkeys-lru", maxmemory: 52_428_800, role: "master" });
  });

  test("a node of a cluster that has no slots: connection", async () => {
    const redis = await server({ config: { "cluster-enabled": "yes" } });
    const error = await failure(open(redis.url));
    expect(error).toMatchObject({ kind: "connection", code: "store-unreachable", retryable: true });
    expect(error.message).toContain("cluster is down");
  });

  test("another type under the key: told with the key, the type survives, the others are written", async () => {
    const redis = await server();
    await redisCli(redis, "HSET", "h", "f", "v");
    const backend = await open(redis.url);
    const entries = [
      { key: "a", value },
      { key: "h", value },
      { key: "b", value },
    ];
    const wanted = { kind: "store", code: "wrong-type", key: "h", message: expect.stringMatching(/: h holds another/) };
    expect(await backend.setMany(entries)).toEqual(["stored", "other-type", "stored"]);
    expect(await failure(Promise.resolve(backend.touchMany([{ key: "h", expiresAt: null }])))).toMatchObject(wanted);
    expect(await failure(Promise.resolve(backend.deleteMany(["a", "h"])))).toMatchObject(wanted);
    expect(await redisCli(redis, "HGET", "h", "f")).toBe("v");
    expect(await redisCli(redis, "MGET", "a", "b")).toBe("\nv");
    expect((await backend.getMany(["h"]))[0]).toBeUndefined();
  });
});

describe("a store of several servers that are all away says which they are and what each did", () => {
  const opening = (url: string, ms = 2000) => failure(open(url, { connectTimeoutMs: ms, commandTimeoutMs: ms }));

  test("a cluster", async () => {
    const error = await opening(`redis+cluster://user:${SECRET}@127.0.0.1:1,no-such-host.invalid:7000,127.0.0.1:2`);
    expect(error).toMatchObject({ kind: "connection", code: "store-unreachable", retryable: true });
    expect(error.message).toMatch(
      /^can't reach the Redis Cluster redis\+cluster:\/\/127\.0\.0\.1:1,no-such-host\.invalid:7000,127\.0\.0\.1:2 \(127\.0\.0\.1:1, 127\.0\.0\.1:2: nothing listens there; no-such-host\.invalid:7000: its name [^;]*\)$/,
    );
    expect(error.hint).toMatch(/^Check/);
  });

  test("Sentinels, and a primary that they name", async () => {
    const sentinel = await respServer(() => "*2\r\n$9\r\n127.0.0.1\r\n$1\r\n2\r\n");
    try {
      const place = new URL(sentinel.url).host;
      const { message } = await opening(`redis+sentinel://127.0.0.1:1,${place}/main`);
      expect(message).toBe(
        `can't reach the primary behind the Sentinels redis+sentinel://127.0.0.1:1,${place}/main/0 (Sentinel 127.0.0.1:1, primary 127.0.0.1:2: nothing listens there)`,
      );
    } finally {
      await sentinel.stop();
    }
  });

  test("one that is silent makes it a timeout", async () => {
    const silent = await respServer(() => undefined);
    try {
      const place = new URL(silent.url).host;
      const error = await opening(`redis+cluster://127.0.0.1:1,${place}`, 150);
      expect(error).toMatchObject({ kind: "timeout", code: "store-timeout", message: expect.stringContaining(place) });
      expect(error.message).toMatch(/127\.0\.0\.1:1: nothing listens there; \S+: it did not answer in time\)$/);
    } finally {
      await silent.stop();
    }
  });
});

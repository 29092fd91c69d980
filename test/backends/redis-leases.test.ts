import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Backend, Lease } from "../../src/backends/backend.js";
import { openRedis } from "../../src/backends/redis/index.js";
import { systemClock } from "../../src/clock.js";
import { type RedisServer, redisCli, startRedis } from "../support/redis-server.js";

let server: RedisServer;
const opened: Backend[] = [];

beforeAll(async () => {
  server = await startRedis();
});
beforeEach(() => redisCli(server, "FLUSHALL"));
afterEach(async () => {
  for (const backend of opened.splice(0)) await backend.close();
});
afterAll(() => server.stop());

async function open(namespace = "app:", url = server.url): Promise<Backend> {
  const backend = await openRedis({ url, namespace, clock: systemClock, emit: () => {} });
  opened.push(backend);
  return backend;
}

const entry = (key: string, value = "v", more: object = {}) => ({ key, value: Buffer.from(value), ...more });

async function taken(backend: Backend, key: string, over?: string): Promise<Lease> {
  const answer = await backend.lease(key, 60_000, over === undefined ? {} : { over });
  if (answer.outcome !== "taken") throw new Error(answer.outcome);
  return answer.lease;
}

async function listed(backend: Backend, fields: "key" | "all" = "key"): Promise<string[]> {
  const keys: string[] = [];
  for await (const page of backend.scan({ all: true }, { fields })) keys.push(...page.entries.map(({ key }) => key));
  return keys;
}

describe("a client that knows nothing of us", () => {
  test.each([
    ["deletes the key", ["DEL", "app:k"], undefined],
    ["unlinks the key", ["UNLINK", "app:k"], undefined],
    ["sets the key", ["SET", "app:k", "theirs"], "theirs"],
    [
      "sets the key to a list",
      ["EVAL", "redis.call('DEL',ARGV[1]) redis.call('RPUSH',ARGV[1],'x')", "0", "app:k"],
      undefined,
    ],
  ] as const)("%s: what was loaded before is not stored", async (_, command, left) => {
    const backend = await open();
    const lease = await taken(backend, "k");
    await redisCli(server, ...command);
    expect(await backend.commit(entry("k", "loaded"), lease)).toBe(false);
    expect(await backend.renew(lease, 1000)).toBe(false);
    const [stored] = await backend.getMany(["k"]);
    expect(stored && Buffer.from(stored.value).toString()).toBe(left);
  });

  test("deletes the entry that is being refreshed", async () => {
    const backend = await open();
    await backend.setMany([entry("k", "old")]);
    const [stored] = await backend.getMany(["k"], { want: "all" });
    const lease = await taken(backend, "k", stored?.version);
    await redisCli(server, "DEL", "app:k");
    expect(await backend.commit(entry("k", "loaded"), lease)).toBe(false);
    expect(await redisCli(server, "EXISTS", "app:k")).toBe("0");
  });
});

describe("a placeholder", () => {
  test("is seen by nobody, whatever namespace he looks from", async () => {
    const [one, two, all, deep] = [await open(), await open(), await open(""), await open("app:deep:")];
    const lease = await taken(one, "deep:k");
    expect(await redisCli(server, "EXISTS", "app:deep:k")).toBe("1");
    for (const [backend, key] of [
      [two, "deep:k"],
      [all, "app:deep:k"],
      [deep, "k"],
    ] as const) {
      for (const want of ["value", "freshness", "expiry", "all"] as const) {
        expect(await backend.getMany([key], { want })).toEqual([undefined]);
      }
      expect(await listed(backend)).toEqual([]);
      expect(await listed(backend, "all")).toEqual([]);
      expect(await backend.hottest(10)).toEqual([]);
      expect(await backend.openRead(key)).toBeUndefined();
      expect(await backend.touchMany([{ key, expiresAt: null }])).toEqual([false]);
      for await (const page of backend.scan({ keys: [key] })) expect(page.entries).toEqual([]);
      for await (const page of backend.scan({ match: key })) expect(page.entries).toEqual([]);
      expect(await backend.deleteWhere({ prefix: "zzz" })).toMatchObject({ deleted: 0 });
    }
    expect(await one.commit(entry("deep:k"), lease)).toBe(true);
    expect(await listed(all)).toEqual(["app:deep:k"]);
  });

  test("is taken along by every deletion of ours, and counted by none", async () => {
    const [one, two] = [await open(), await open()];
    const deletions: ((b: Backend, key: string) => Promise<unknown>)[] = [
      async (b, key) => (await b.deleteMany([key]))[0],
      async (b) => (await b.deleteWhere({ all: true })).deleted > 0,
      async (b, key) => (await b.deleteWhere({ keys: [key] })).deleted > 0,
      async (b, key) => (await b.deleteWhere({ match: `${key}*` })).deleted > 0,
    ];
    for (const [i, act] of deletions.entries()) {
      const lease = await taken(one, `k${i}`);
      expect(await act(two, `k${i}`)).toBe(false);
      expect(await redisCli(server, "EXISTS", `app:k${i}`)).toBe("0");
      expect(await one.renew(lease, 1000)).toBe(false);
    }
  });

  test("is not put among the keys of a store without a namespace", async () => {
    const backend = await open("");
    const lease = await taken(backend, "k");
    expect(await redisCli(server, "EXISTS", "k")).toBe("0");
    expect(await backend.commit(entry("k"), lease)).toBe(true);
    expect(await redisCli(server, "GET", "k")).toBe("v");
  });

  test("costs a scan nothing once the leases have ended", async () => {
    const backend = await open();
    const lease = await backend.lease("k", 100);
    expect(lease.outcome).toBe("taken");
    expect(Number(await redisCli(server, "DBSIZE"))).toBeGreaterThan(1);
    const marks = await redisCli(server, "EVAL", "return redis.call('PTTL','app:\\0cachectl:marks')", "0");
    expect(Number(marks)).toBeGreaterThan(0);
    expect(Number(marks)).toBeLessThanOrEqual(5100);
  });
});

describe("the deadline of an entry", () => {
  test("is not that of the placeholder it replaces", async () => {
    const backend = await open();
    await taken(backend, "k");
    await backend.setMany([entry("k", "v", { keepDeadline: true })]);
    expect(await redisCli(server, "PTTL", "app:k")).toBe("-1");
  });
});

test("after the server was killed, what was being loaded is not stored", async () => {
  const own = await startRedis();
  try {
    const backend = await open("app:", own.url);
    const lease = await taken(backend, "k");
    await own.kill();
    await own.restart();
    expect(await backend.commit(entry("k"), lease)).toBe(false);
    expect(await backend.getMany(["k"])).toEqual([undefined]);
  } finally {
    await own.stop();
  }
});

test("atomic leaves everything as it was where another type is in the way", async () => {
  const backend = await open();
  await redisCli(server, "RPUSH", "app:list", "x");
  await backend.setMany([entry("a", "old")]);
  const batch = backend.atomic([{ set: entry("a", "new") }, { delete: "list" }]);
  await expect(batch).rejects.toMatchObject({ code: "other-type", key: "list" });
  expect(await redisCli(server, "GET", "app:a")).toBe("old");
});

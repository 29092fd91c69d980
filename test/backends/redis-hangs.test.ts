import { afterEach, describe, expect, test } from "vitest";
import type { Backend } from "../../src/backends/backend.js";
import { openRedis, type RedisOptions } from "../../src/backends/redis/index.js";
import { systemClock } from "../../src/clock.js";
import { CacheError } from "../../src/errors.js";
import { type RedisServer, redisCli, startRedis } from "../support/redis-server.js";
import { type RespServer, respServer } from "../support/resp-server.js";
import { until } from "../support/until.js";

const ending: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end();
});

async function open(url: string, more: Partial<RedisOptions> = {}): Promise<Backend> {
  const backend = await openRedis({ url, namespace: "n:", clock: systemClock, emit: () => {}, ...more });
  ending.push(() => backend.close());
  return backend;
}

async function redis(): Promise<RedisServer> {
  const server = await startRedis();
  ending.push(() => server.stop());
  return server;
}

async function scripted(answer: Parameters<typeof respServer>[0]): Promise<RespServer> {
  const server = await respServer(answer);
  ending.push(() => server.stop());
  return server;
}

/** The failure and how many milliseconds it took. */
async function failing(work: unknown): Promise<{ error: CacheError; took: number }> {
  const began = performance.now();
  const error = await Promise.resolve(work).catch((thrown: unknown) => thrown);
  if (!(error instanceof CacheError)) throw new Error(`not a CacheError: ${String(error)}`);
  return { error, took: performance.now() - began };
}

const later = (ms: number, bytes: string) => systemClock.sleep(ms).then(() => bytes);
const GREETING: Readonly<Record<string, string>> = { PING: "+PONG\r\n", INFO: "$0\r\n\r\n", SELECT: "+OK\r\n" };

describe("one deadline", () => {
  test("is over connecting and the first answer", async () => {
    const server = await scripted(([name]) => (name === "SELECT" ? later(700, "+OK\r\n") : undefined));
    const limits = { connectTimeoutMs: 1000, commandTimeoutMs: 1000 };
    const { error, took } = await failing(open(server.url, { db: 1, ...limits }));
    expect(server.heard).toContain("PING");
    expect(error).toMatchObject({ kind: "timeout", code: "store-timeout" });
    expect(took).toBeGreaterThan(950);
    expect(took).toBeLessThan(1400);
  });

  test("is over coming back and the answer", async () => {
    let slow = false;
    const server = await scripted(([name = ""]) =>
      slow && name === "SELECT" ? later(700, "+OK\r\n") : GREETING[name],
    );
    const backend = await open(server.url, { db: 1, connectTimeoutMs: 1000, commandTimeoutMs: 1000 });
    slow = true;
    server.drop();
    await until(() => server.heard.filter((name) => name === "SELECT").length === 2);
    const { error, took } = await failing(backend.getMany(["k"]));
    expect(server.heard).toContain("MGET");
    expect(error).toMatchObject({ kind: "timeout" });
    expect(took).toBeLessThan(1400);
  });
});

describe("after a timeout", () => {
  test("counting does not wait again, and goes on when the server answers again", async () => {
    const server = await redis();
    const backend = await open(server.url, { commandTimeoutMs: 600 });
    server.pause();
    expect((await failing(backend.getMany(["k"]))).error.kind).toBe("timeout");
    const { error, took } = await failing(backend.count({ misses: 1 }));
    expect(error).toMatchObject({ kind: "timeout", code: "store-timeout" });
    expect(took).toBeLessThan(300);
    server.resume();
    await until(async () => (await backend.getMany(["k"])).length === 1);
    await backend.count({ misses: 1 });
    expect((await backend.counters()).counters.misses).toBe(1);
  });

  test("closing does not wait either", async () => {
    const server = await redis();
    const backend = await open(server.url, { commandTimeoutMs: 300 });
    server.pause();
    await failing(backend.getMany(["k"]));
    const began = performance.now();
    await backend.close();
    expect(performance.now() - began).toBeLessThan(300);
    server.resume();
  });
});

describe("the signal", () => {
  const aborted = { kind: "timeout", code: "aborted", retryable: false };

  test("ends the opening of a server that says nothing", async () => {
    const server = await scripted(() => undefined);
    const stop = new AbortController();
    const opening = failing(
      open(server.url, { signal: stop.signal, connectTimeoutMs: 20_000, commandTimeoutMs: 20_000 }),
    );
    await until(() => server.heard.includes("PING"));
    stop.abort();
    const { error, took } = await opening;
    expect(error).toMatchObject(aborted);
    expect(took).toBeLessThan(3000);
    expect((await failing(open(server.url, { signal: stop.signal }))).error).toMatchObject(aborted);
  });

  test.each<[string, (backend: Backend) => unknown]>([
    ["describe", (backend) => backend.describe()],
    ["counters", (backend) => backend.counters()],
    ["deleteWhere", (backend) => backend.deleteWhere({ prefix: "a" })],
    ["scan", async (backend) => backend.scan({ all: true })[Symbol.asyncIterator]().next()],
    ["getMany", (backend) => backend.getMany(["a"])],
  ])("ends a %s that waits for a silent server, and what comes after it", async (_, call) => {
    const server = await redis();
    const stop = new AbortController();
    const backend = await open(server.url, { signal: stop.signal, commandTimeoutMs: 20_000 });
    server.pause();
    const calling = failing(call(backend));
    stop.abort();
    const { error, took } = await calling;
    expect(error).toMatchObject(aborted);
    expect(took).toBeLessThan(3000);
    const after = await failing(backend.count({ hits: 1 }));
    expect(after.error).toMatchObject(aborted);
    expect(after.took).toBeLessThan(300);
    server.resume();
  });

  test("lets a server that answers finish what is under way", async () => {
    const server = await redis();
    const stop = new AbortController();
    const backend = await open(server.url, { signal: stop.signal });
    const script = "for i = 1, 50000 do redis.call('SET', 'n:' .. i, '1') end";
    await redisCli(server, "EVAL", script, "0");
    const deleting = backend.deleteWhere({ all: true });
    stop.abort();
    expect(await deleting).toEqual({ deleted: 50_000, softened: 0, complete: true });
    await backend.count({ deletes: 50_000 });
    expect((await backend.counters()).counters.deletes).toBe(50_000);
  });
});

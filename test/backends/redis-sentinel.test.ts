import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Backend } from "../../src/backends/backend.js";
import { openRedis, type RedisOptions } from "../../src/backends/redis/index.js";
import { systemClock } from "../../src/clock.js";
import { describeBackend } from "../contract/backend.js";
import { bytes, put, texts } from "../contract/harness.js";
import { redisHarness } from "../support/redis-harness.js";
import { type SentinelSet, startSentinels } from "../support/redis-sentinel.js";
import { redisCli, replicated } from "../support/redis-server.js";
import { until } from "../support/until.js";

let set: SentinelSet;
const opened: Backend[] = [];

async function open(more: Partial<RedisOptions> = {}): Promise<Backend> {
  const backend = await openRedis({ url: set.url, namespace: "", clock: systemClock, emit: () => {}, ...more });
  opened.push(backend);
  return backend;
}

const close = async () => {
  for (const backend of opened.splice(0)) await backend.close();
};

beforeAll(async () => {
  set = await startSentinels();
});

afterAll(() => set.stop());

const harness = redisHarness(
  () => set.url,
  async () => redisCli(await set.primary(), "FLUSHALL"),
);

// With the log, leases, streams and batches in test/deep.
describeBackend("redis sentinel", harness);

describe("a primary that Sentinels watch", () => {
  afterEach(close);

  test("an unknown name and a server that is no Sentinel: usage", async () => {
    await expect(open({ url: `${set.url}-not` })).rejects.toMatchObject({ kind: "usage", code: "unknown-primary" });
    const [server] = set.servers;
    const url = `redis+sentinel://127.0.0.1:${server?.port}/name`;
    await expect(open({ url })).rejects.toMatchObject({ kind: "usage", code: "no-sentinel" });
  });

  test("one Sentinel is enough, no Sentinel is a failure of the connection", async () => {
    const [first] = set.sentinels;
    const gone = "127.0.0.1:1";
    const backend = await open({ url: `redis+sentinel://${gone},127.0.0.1:${first?.port}/${set.name}` });
    expect(await backend.ping()).toBeGreaterThan(0);
    await expect(open({ url: `redis+sentinel://${gone}/${set.name}` })).rejects.toMatchObject({
      kind: "connection",
      code: "store-unreachable",
    });
  });

  test("a primary that hangs: a timeout, no second wait for the sake of counting, and then the next primary", async () => {
    const before = await set.settled();
    const backend = await open({ namespace: "n:", commandTimeoutMs: 400, connectTimeoutMs: 400 });
    await put(backend, "kept");
    await replicated(before);
    before.pause();
    try {
      const calls = await Promise.allSettled([backend.getMany(["kept"]), backend.ping(), backend.describe()]);
      for (const call of calls) {
        expect(call).toMatchObject({ status: "rejected", reason: { retryable: true } });
        if (call.status === "rejected") expect(["timeout", "connection"]).toContain(call.reason.kind);
      }
      const began = performance.now();
      await expect(Promise.resolve(backend.count({ hits: 1 }))).rejects.toMatchObject({ kind: "timeout" });
      expect(performance.now() - began).toBeLessThan(200);
      await until(async () => (await texts(backend, ["kept"]))[0] === "value of kept", { timeoutMs: 15_000 });
    } finally {
      before.resume();
    }
    expect(await set.settled()).not.toBe(before);
  });

  test("a planned failover: every call succeeds or fails with the connection, none hangs, and writes go on", async () => {
    const backend = await open();
    const failures: unknown[] = [];
    let done = false;
    let written = 0;
    const writing = (async () => {
      for (; !done; written++) {
        const began = performance.now();
        await Promise.resolve(backend.setMany([{ key: "k", value: bytes(`${written}`) }])).catch((error: unknown) => {
          failures.push(error);
        });
        expect(performance.now() - began).toBeLessThan(5500);
        await systemClock.sleep(5);
      }
    })();
    const after = await set.failover();
    await put(backend, "after");
    done = true;
    await writing;
    for (const failure of failures) expect(["connection", "store"]).toContain((failure as { kind: string }).kind);
    expect(await redisCli(after, "GET", "after")).toBe("value of after");
    expect(written).toBeGreaterThan(10);
  });

  test("a primary that is killed: what its replicas have is kept, and the connection finds the next one", async () => {
    const before = await set.settled();
    const backend = await open();
    await put(backend, "kept");
    await replicated(before);
    await before.kill();
    const began = performance.now();
    await expect(backend.getMany(["kept"])).rejects.toMatchObject({ kind: "connection" });
    expect(performance.now() - began).toBeLessThan(1000);
    await until(async () => (await texts(backend, ["kept"]))[0] === "value of kept", { timeoutMs: 15_000 });
    await put(backend, "new");
    const named = () => set.primary().then((primary) => redisCli(primary, "GET", "new"));
    await until(async () => (await named()) === "value of new", { timeoutMs: 15_000 });
    await before.restart();
    expect(await set.settled()).not.toBe(before);
  });
});

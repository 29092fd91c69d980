import { monitorEventLoopDelay } from "node:perf_hooks";
import { setImmediate as turn } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Backend } from "../../src/backends/backend.js";
import { openRedis } from "../../src/backends/redis/index.js";
import { type ResilienceOptions, type Resilient, resilient } from "../../src/backends/resilient/index.js";
import { systemClock } from "../../src/clock.js";
import { CacheError } from "../../src/errors.js";
import { bytes, entry, keysOf, listed, put, texts } from "../contract/harness.js";
import { type RedisServer, redisCli, startRedis } from "../support/redis-server.js";
import { type ProxyFault, type TcpProxy, tcpProxy } from "../support/tcp-proxy.js";
import { until } from "../support/until.js";

const DEADLINE_MS = 300;
/** More than this a call may never take beyond its deadline, but for what this process was busy with itself. */
const MARGIN_MS = 50;

const unhandled: unknown[] = [];
process.on("unhandledRejection", (reason) => unhandled.push(reason));
const ending: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end();
  await turn();
  expect(unhandled.splice(0)).toEqual([]);
});

let shared: RedisServer;
beforeAll(async () => {
  shared = await startRedis({ config: { "enable-debug-command": "local" } });
});
afterAll(() => shared.stop());

let spaces = 0;
const ownSpace = () => {
  spaces += 1;
  return `n${spaces}:`;
};

/** A backend with retries and breaker over a connection of its own, in a namespace of its own. */
function open(port: number, options: ResilienceOptions = {}, namespace = ownSpace()): Resilient {
  const context = { clock: systemClock, emit: () => {} };
  const limits = { connectTimeoutMs: DEADLINE_MS, commandTimeoutMs: DEADLINE_MS };
  const backend = resilient(
    () => openRedis({ url: `redis://127.0.0.1:${port}`, namespace, ...context, ...limits }),
    { timeoutMs: DEADLINE_MS, retryBaseMs: 20, breaker: { openMs: 50 }, healthIntervalMs: 0, ...options },
    context,
  );
  ending.push(() => backend.close());
  return backend;
}

async function proxied(): Promise<TcpProxy> {
  const proxy = await tcpProxy(shared.port);
  ending.push(() => proxy.stop());
  return proxy;
}

interface Ended {
  /** Milliseconds, without those in which this process was too busy to end anything. */
  took: number;
  error?: CacheError;
}

/** How a call ended, and when; anything but a `CacheError` is a failure of the test. */
async function ended(call: () => unknown): Promise<Ended> {
  const lag = monitorEventLoopDelay({ resolution: 5 });
  lag.enable();
  const began = performance.now();
  const error = await Promise.resolve()
    .then(call)
    .then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
  const took = performance.now() - began;
  lag.disable();
  // What is measured is the time between two looks, 5 ms apart.
  const busy = Math.max(0, lag.max / 1e6 - 10);
  if (error !== undefined && !(error instanceof CacheError)) throw error;
  return { took: took - busy, ...(error && { error }) };
}

const OPERATIONS: Record<string, (backend: Backend) => unknown> = {
  get: (backend) => backend.getMany(["k1", "k2"]),
  set: (backend) => backend.setMany([entry("k1", "new"), entry("x", "new")]),
  delete: (backend) => backend.deleteMany(["k1", "k2"]),
  deleteWhere: (backend) => backend.deleteWhere({ prefix: "k" }),
  scan: (backend) => listed(backend, { all: true }),
};

const FAULTS: { name: string; fault: ProxyFault; kinds: readonly string[] }[] = [
  { name: "a latency above the deadline", fault: { kind: "latency", ms: 1000 }, kinds: ["timeout"] },
  // Between its attempts to come back the client waits, and a call that meets it so may end by its deadline.
  { name: "a cut", fault: { kind: "cut" }, kinds: ["connection", "timeout"] },
  { name: "a half-open connection", fault: { kind: "half-open" }, kinds: ["timeout"] },
  { name: "a network that stalls", fault: { kind: "stall" }, kinds: ["timeout"] },
  { name: "answers cut in the middle", fault: { kind: "cut-reply", bytes: 3 }, kinds: ["connection", "timeout"] },
  { name: "a slow drip", fault: { kind: "drip", ms: 100 }, kinds: ["timeout"] },
];

describe("a Redis behind a bad network", () => {
  test.each(FAULTS)(
    "$name: every call ends in time, as what it is, and goes on when it is over",
    async ({ fault, kinds }) => {
      const keys = Array.from({ length: 40 }, (_, i) => `k${i}`);
      await Promise.all(
        Object.entries(OPERATIONS).map(async ([name, operation]) => {
          const proxy = await proxied();
          const backend = open(proxy.port);
          await put(backend, ...keys);
          proxy.set(fault);
          for (let round = 0; round < 3; round++) {
            const { took, error } = await ended(() => operation(backend));
            expect(took, `${name}, round ${round}`).toBeLessThan(DEADLINE_MS + MARGIN_MS);
            expect([...kinds, "connection"], `${name}: ${error?.code}`).toContain(error?.kind);
            if (round === 0) expect(kinds, `${name}: ${error?.code}`).toContain(error?.kind);
          }
          expect(backend.state()).toMatchObject({ connected: false });
          proxy.set({ kind: "none" });
          await until(async () => (await operation(backend)) !== undefined);
          await backend.setMany([entry("after", name)]);
          expect(await texts(backend, ["after"])).toEqual([name]);
          expect(backend.state()).toMatchObject({ breaker: "closed", connected: true });
        }),
      );
    },
  );

  test("one answer that was cut is asked for again, and no caller hears of it", async () => {
    for (const [name, operation] of Object.entries(OPERATIONS)) {
      const proxy = await proxied();
      const backend = open(proxy.port, { timeoutMs: 3000 });
      await put(backend, "k1", "k2");
      proxy.set({ kind: "cut-reply", bytes: 2, once: true });
      await operation(backend);
      expect(backend.state(), name).toMatchObject({ retries: expect.any(Number), breaker: "closed", connected: true });
      expect(backend.state().retries, name).toBeGreaterThan(0);
    }
  });

  test("a latency below the deadline is only a latency", async () => {
    const proxy = await proxied();
    const backend = open(proxy.port, { timeoutMs: 2000 });
    await put(backend, "k1", "k2");
    proxy.set({ kind: "latency", ms: 20 });
    for (const operation of Object.values(OPERATIONS)) await operation(backend);
    expect(backend.state()).toMatchObject({ failures: 0, timeouts: 0 });
  });

  test("a store that is away at the start is none when it comes", async () => {
    const proxy = await proxied();
    proxy.set({ kind: "cut" });
    const backend = open(proxy.port);
    expect((await ended(() => backend.getMany(["k"]))).error?.kind).toBe("connection");
    proxy.set({ kind: "none" });
    await until(async () => (await backend.getMany(["k"])).length === 1);
    expect(backend.name).toBe("redis");
  });

  test("a breaker that is open asks nothing of the store", async () => {
    const proxy = await proxied();
    const backend = open(proxy.port, { breaker: { openMs: 60_000 } });
    await put(backend, "k");
    proxy.set({ kind: "cut" });
    while (backend.state().breaker === "closed") await ended(() => backend.getMany(["k"]));
    const { connections } = proxy;
    for (let i = 0; i < 50; i++) {
      const { error, took } = await ended(() => backend.getMany(["k"]));
      expect(error?.code).toBe("breaker-open");
      expect(took).toBeLessThan(MARGIN_MS);
    }
    // The client's own attempts to come back end by themselves.
    expect(proxy.connections - connections).toBeLessThan(4);
  });
});

describe("a Redis in trouble", () => {
  test("CLIENT KILL is not noticed by who may be asked again", async () => {
    const backend = open(shared.port, { timeoutMs: 3000 });
    await put(backend, entry("k", "v"));
    for (let round = 0; round < 5; round++) {
      await redisCli(shared, "CLIENT", "KILL", "TYPE", "normal");
      expect(await texts(backend, ["k"])).toEqual(["v"]);
    }
    expect(backend.state().breaker).toBe("closed");
  });

  test.each<[string, (server: RedisServer) => Promise<unknown>]>([
    ["CLIENT PAUSE", (server) => redisCli(server, "CLIENT", "PAUSE", "900", "ALL")],
    ["DEBUG SLEEP", async (server) => void redisCli(server, "DEBUG", "SLEEP", "0.9").catch(() => undefined)],
    [
      "SIGSTOP",
      async (server) => {
        server.pause();
        setTimeout(() => server.resume(), 900);
      },
    ],
  ])("%s: calls end in time, and work when it is over", async (_, trouble) => {
    const server = await startRedis({ config: { "enable-debug-command": "local" } });
    ending.push(() => server.stop());
    const backend = open(server.port);
    await put(backend, entry("other", "v"));
    await trouble(server);
    await until(async () => (await ended(() => backend.getMany(["other"]))).error !== undefined);
    for (const [name, operation] of Object.entries(OPERATIONS)) {
      const { took } = await ended(() => operation(backend));
      expect(took, name).toBeLessThan(DEADLINE_MS + MARGIN_MS);
    }
    await until(async () => (await texts(backend, ["other"]))[0] === "v");
  });

  test("kill -9 and restart under load: what was acknowledged is there, and nothing hangs", async () => {
    const server = await startRedis({ config: { appendonly: "yes", appendfsync: "always" } });
    ending.push(() => server.stop());
    const backend = open(server.port, {}, "load:");
    const acknowledged = new Map<string, string>();
    const failures: CacheError[] = [];
    let longest = 0;
    let working = true;
    const worker = async (number: number) => {
      for (let i = 0; working; i++) {
        const key = `w${number}:${i % 50}`;
        const value = `${i}`;
        const { error, took } = await ended(() => backend.setMany([{ key, value: bytes(value) }]));
        longest = Math.max(longest, took);
        if (error) failures.push(error);
        // What failed may have been written or not; from then on the key says nothing.
        if (error) acknowledged.delete(key);
        else acknowledged.set(key, value);
        if (error) await systemClock.sleep(5);
      }
    };
    const load = Promise.all([0, 1, 2, 3].map(worker));
    for (let round = 0; round < 3; round++) {
      const { size } = acknowledged;
      await until(() => acknowledged.size > Math.min(size, 20));
      await systemClock.sleep(50);
      await server.kill();
      const before = failures.length;
      await until(() => failures.length > before);
      await server.restart();
      await until(() => backend.state().breaker === "closed");
    }
    working = false;
    await load;
    expect(longest).toBeLessThan(DEADLINE_MS + MARGIN_MS);
    expect(new Set(failures.map(({ kind }) => kind)).size).toBeGreaterThan(0);
    for (const { kind, code } of failures) expect(["connection", "timeout"], code).toContain(kind);
    const keys = [...acknowledged.keys()];
    expect(keys.length).toBeGreaterThan(20);
    const there = await texts(backend, keys);
    const lost = keys.filter((key, i) => there[i] !== acknowledged.get(key));
    expect(lost).toEqual([]);
    expect((await keysOf(backend)).length).toBeGreaterThanOrEqual(keys.length);
  });
});

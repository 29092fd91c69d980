import { afterAll, beforeAll } from "vitest";
import type { Backend } from "../../src/backends/backend.js";
import { type MemoryBackend, openMemory } from "../../src/backends/memory/index.js";
import { openRedis } from "../../src/backends/redis/index.js";
import { resilient } from "../../src/backends/resilient/index.js";
import { systemClock } from "../../src/clock.js";
import { describeBackend } from "../contract/backend.js";
import { FakeClock } from "../support/fake-clock.js";
import { type RedisServer, redisCli, startRedis } from "../support/redis-server.js";

describeBackend("resilient(memory)", async () => {
  const clock = new FakeClock();
  const opened: MemoryBackend[] = [];
  return {
    clock,
    async open(namespace = "", options = {}) {
      const backend = openMemory({ namespace, clock, emit: () => {}, maxEntries: 100_000, ...options });
      opened.push(backend);
      return resilient(backend, {}, { clock, emit: () => {} });
    },
    advance: (ms) => clock.advance(ms),
    shortTtl: 1000,
    deadlineTolerance: 0,
    async dispose() {
      for (const backend of opened) await backend.close();
    },
  };
});

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

describeBackend("resilient(redis)", async () => {
  const opened: Backend[] = [];
  return {
    clock: systemClock,
    open: async (namespace = "", { readOnly = false } = {}) => {
      const context = { clock: systemClock, emit: () => {} };
      const open = async () => await openRedis({ url: server.url, namespace, ...context, readOnly });
      // The suite asks what a store can do before it asks it for anything.
      const backend = resilient(open, {}, { ...context, target: server.url });
      await backend.ping();
      opened.push(backend);
      return backend;
    },
    advance: (ms) => systemClock.sleep(ms + 5),
    shortTtl: 150,
    deadlineTolerance: 100,
    async dispose() {
      await Promise.all(opened.map((backend) => backend.close()));
      await redisCli(server, "FLUSHALL");
    },
  };
});

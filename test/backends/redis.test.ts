import { afterAll, beforeAll } from "vitest";
import type { Backend } from "../../src/backends/backend.js";
import { openRedis } from "../../src/backends/redis/index.js";
import { systemClock } from "../../src/clock.js";
import { describeBackend, type Harness } from "../contract/backend.js";
import { type RedisServer, redisCli, startRedis } from "../support/redis-server.js";

let server: RedisServer;

beforeAll(async () => {
  server = await startRedis();
});

afterAll(() => server.stop());

const harness = async (): Promise<Harness> => {
  const opened: Backend[] = [];
  return {
    clock: systemClock,
    open: async (namespace = "", { readOnly = false } = {}) => {
      const backend = await openRedis({ url: server.url, namespace, clock: systemClock, emit: () => {}, readOnly });
      opened.push(backend);
      return backend;
    },
    // Redis counts in whole milliseconds of its own.
    advance: (ms) => systemClock.sleep(ms + 5),
    shortTtl: 150,
    deadlineTolerance: 100,
    versionsByContent: true,
    async dispose() {
      await Promise.all(opened.map((backend) => backend.close()));
      await redisCli(server, "FLUSHALL");
    },
  };
};

describeBackend("redis", harness, { full: true });

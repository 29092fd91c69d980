import { afterAll, beforeAll } from "vitest";
import type { Backend } from "../../src/backends/backend.js";
import { openRedis } from "../../src/backends/redis/index.js";
import { systemClock } from "../../src/clock.js";
import { describeBackend, type Harness } from "../contract/backend.js";
import { type RedisCluster, startCluster } from "../support/redis-cluster.js";

let cluster: RedisCluster;

beforeAll(async () => {
  cluster = await startCluster({ replicas: 0 });
});

afterAll(() => cluster.stop());

const harness = async (): Promise<Harness> => {
  const opened: Backend[] = [];
  return {
    clock: systemClock,
    open: async (namespace = "", { readOnly = false } = {}) => {
      const backend = await openRedis({ url: cluster.url, namespace, clock: systemClock, emit: () => {}, readOnly });
      opened.push(backend);
      return backend;
    },
    // Redis counts in whole milliseconds of its own.
    advance: (ms) => systemClock.sleep(ms + 5),
    shortTtl: 150,
    deadlineTolerance: 100,
    versionsByContent: true,
    tellsTwice: true,
    async dispose() {
      await Promise.all(opened.map((backend) => backend.close()));
      await cluster.flush();
    },
  };
};

describeBackend("redis cluster", harness, { full: true });

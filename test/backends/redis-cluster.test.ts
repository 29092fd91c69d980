import { afterAll, beforeAll } from "vitest";
import { describeBackend } from "../contract/backend.js";
import { type RedisCluster, startCluster } from "../support/redis-cluster.js";
import { redisHarness } from "../support/redis-harness.js";

let cluster: RedisCluster;

beforeAll(async () => {
  cluster = await startCluster({ replicas: 0 });
});

afterAll(() => cluster.stop());

const harness = redisHarness(
  () => cluster.url,
  () => cluster.flush(),
  { tellsTwice: true },
);

describeBackend("redis cluster", harness, { full: true });

import { afterAll, beforeAll } from "vitest";
import { describeBackend } from "../contract/backend.js";
import { redisHarness } from "../support/redis-harness.js";
import { type RedisServer, redisCli, startRedis } from "../support/redis-server.js";

let server: RedisServer;

beforeAll(async () => {
  server = await startRedis();
});

afterAll(() => server.stop());

const harness = redisHarness(
  () => server.url,
  () => redisCli(server, "FLUSHALL"),
);

describeBackend("redis", harness, { full: true });

import { afterAll, beforeAll } from "vitest";
import { describeBackend } from "../contract/backend.js";
import { redisHarness } from "../support/redis-harness.js";
import { type SentinelSet, startSentinels } from "../support/redis-sentinel.js";
import { redisCli } from "../support/redis-server.js";

let set: SentinelSet;

beforeAll(async () => {
  set = await startSentinels();
});

afterAll(() => set.stop());

const harness = redisHarness(
  () => set.url,
  async () => redisCli(await set.primary(), "FLUSHALL"),
);

describeBackend("redis sentinel", harness, { full: true });

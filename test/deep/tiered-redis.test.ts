import { afterAll, beforeAll } from "vitest";
import { openRedis } from "../../src/backends/redis/index.js";
import { systemClock } from "../../src/clock.js";
import { describeBackend } from "../contract/backend.js";
import { type RedisServer, redisCli, startRedis } from "../support/redis-server.js";
import { memoryOver } from "../support/tiered-harness.js";

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

describeBackend(
  "memory over redis",
  async () => {
    const open = (namespace: string, readOnly = false) =>
      openRedis({ url: server.url, namespace, clock: systemClock, emit: () => {}, readOnly });
    const more = { shortTtl: 150, deadlineTolerance: 100, versionsByContent: true };
    return memoryOver({ clock: systemClock, open, more, after: () => redisCli(server, "FLUSHALL") });
  },
  { full: true },
);

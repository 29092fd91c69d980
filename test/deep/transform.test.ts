import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";
import { openRedis } from "../../src/backends/redis/index.js";
import { openSqlite } from "../../src/backends/sqlite/index.js";
import { systemClock } from "../../src/clock.js";
import { describeBackend } from "../contract/backend.js";
import { FakeClock } from "../support/fake-clock.js";
import { type RedisServer, redisCli, startRedis } from "../support/redis-server.js";
import { tempDir } from "../support/temp-dir.js";
import { transformedHarness } from "../support/transformed-harness.js";

let server: RedisServer;

beforeAll(async () => {
  server = await startRedis();
});

afterAll(() => server.stop());

describeBackend(
  "sqlite, compressed and encrypted",
  async () => {
    const clock = new FakeClock();
    const path = join(tempDir("sqlite"), "cache.db");
    const time = { advance: (ms: number) => clock.advance(ms), shortTtl: 1000, deadlineTolerance: 0 };
    return transformedHarness(clock, (context) => openSqlite({ ...context, path }), time);
  },
  { full: true },
);

describeBackend(
  "redis, compressed and encrypted",
  async () => {
    const time = { advance: (ms: number) => systemClock.sleep(ms + 5), shortTtl: 150, deadlineTolerance: 100 };
    const open = transformedHarness(systemClock, (context) => openRedis({ ...context, url: server.url }), time);
    return {
      ...open,
      async dispose() {
        await open.dispose();
        await redisCli(server, "FLUSHALL");
      },
    };
  },
  { full: true },
);

import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";
import type { FullBackend } from "../../src/backends/backend.js";
import { type MemoryBackend, openMemory } from "../../src/backends/memory/index.js";
import { openRedis } from "../../src/backends/redis/index.js";
import { openSqlite } from "../../src/backends/sqlite/index.js";
import { openTiered } from "../../src/backends/tiered/index.js";
import { type Clock, systemClock } from "../../src/clock.js";
import { describeBackend, type Harness } from "../contract/backend.js";
import { FakeClock } from "../support/fake-clock.js";
import { type RedisServer, redisCli, startRedis } from "../support/redis-server.js";
import { expectSound } from "../support/sqlite-invariants.js";
import { tempDir } from "../support/temp-dir.js";

interface Below {
  clock: Clock;
  open(namespace: string, readOnly: boolean): Promise<FullBackend>;
  more: Partial<Harness>;
  after?(): Promise<unknown>;
}

/** A memory tier over whatever is opened below it. */
function memoryOver({ clock, open, more, after }: Below): Harness {
  const opened: FullBackend[] = [];
  const memories: MemoryBackend[] = [];
  return {
    clock,
    async open(namespace = "", { readOnly = false } = {}) {
      const memory = openMemory({ namespace, clock, emit: () => {}, maxEntries: 10_000 });
      memories.push(memory);
      const lowest = await open(namespace, readOnly);
      const tiers = [
        { name: "memory", backend: memory },
        { name: "lowest", backend: lowest },
      ];
      const backend = openTiered(tiers, { clock, emit: () => {}, readOnly, namespace });
      opened.push(backend);
      return backend;
    },
    advance: (ms) => (clock instanceof FakeClock ? clock.advance(ms) : clock.sleep(ms + 5)),
    shortTtl: 1000,
    deadlineTolerance: 0,
    validate() {
      const found = memories.flatMap((memory) => memory.contradictions());
      if (found.length > 0) throw new Error(found.join("; "));
    },
    async dispose() {
      await Promise.all(opened.map((backend) => backend.close()));
      await after?.();
    },
    ...more,
  };
}

describeBackend(
  "memory over memory",
  async () => {
    const clock = new FakeClock();
    const open = async (namespace: string, readOnly: boolean) =>
      openMemory({ namespace, clock, emit: () => {}, maxEntries: 100_000, readOnly });
    return memoryOver({ clock, open, more: {} });
  },
  { full: true },
);

describeBackend(
  "memory over sqlite",
  async () => {
    const clock = new FakeClock();
    const path = join(tempDir("tiered"), "cache.db");
    const open = (namespace: string, readOnly: boolean) =>
      openSqlite({ path, namespace, clock, emit: () => {}, readOnly });
    const validate = () => {
      if (existsSync(path)) expectSound(path);
    };
    return memoryOver({ clock, open, more: { validate } });
  },
  { full: true },
);

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

describeBackend(
  "memory over redis",
  async () => {
    const open = (namespace: string, readOnly: boolean) =>
      openRedis({ url: server.url, namespace, clock: systemClock, emit: () => {}, readOnly });
    const more = { shortTtl: 150, deadlineTolerance: 100 };
    return memoryOver({ clock: systemClock, open, more, after: () => redisCli(server, "FLUSHALL") });
  },
  { full: true },
);

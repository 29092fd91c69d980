import { expect, test } from "vitest";
import type { Backend } from "../../src/backends/backend.js";
import { openMemory } from "../../src/backends/memory/index.js";
import { openRedis } from "../../src/backends/redis/index.js";
import { openSqlite } from "../../src/backends/sqlite/index.js";
import { openTiered } from "../../src/backends/tiered/index.js";
import type { Clock } from "../../src/clock.js";
import { FakeClock } from "../support/fake-clock.js";
import { startRedis } from "../support/redis-server.js";
import { tempDir } from "../support/temp-dir.js";
import { type Interleaved, interleave } from "./interleaving.js";
import { explore } from "./seeds.js";

const memory = (slow: boolean) => async (): Promise<Interleaved> => {
  const clock = new FakeClock();
  return { clock, slow, backends: [openMemory({ namespace: "", clock, emit: () => undefined, sweepMs: 0 })] };
};

/** No stale value is left behind, over each kind of store, in so many random runs each. */
export function staleValueTests(runs: number): void {
  test.each([false, true])("no stale value is left behind in memory (calls in steps: %s)", async (slow) => {
    const { runs: tried, failures } = await explore(`memory-${slow}`, runs, memory(slow), interleave);
    expect(failures).toEqual([]);
    expect(tried).toBe(runs);
  });

  test("no stale value is left behind in a SQLite file that two share", async () => {
    const path = `${tempDir("interleaving")}/c.db`;
    await share("sqlite", runs, false, (clock) => openSqlite({ path, namespace: "", clock, emit: () => undefined }));
  });

  test("no stale value is left behind in memory over a SQLite file that two share", async () => {
    const path = `${tempDir("interleaving")}/c.db`;
    const open = async (clock: Clock) => {
      const context = { namespace: "", clock, emit: () => undefined };
      const upper = openMemory({ ...context, sweepMs: 0 });
      const lower = await openSqlite({ ...context, path });
      const tiers = [
        { name: "memory", backend: upper },
        { name: "sqlite", backend: lower },
      ];
      return openTiered(tiers, context);
    };
    await share("tiered", Math.ceil(runs / 5), false, open);
  });

  test("no stale value is left behind in a Redis that two share", async () => {
    const server = await startRedis();
    const { url } = server;
    const open = (clock: Clock) => openRedis({ url, namespace: "i:", clock, emit: () => undefined });
    // Each takes as long as five of the others.
    await share("redis", Math.ceil(runs / 5), true, open);
    await server.stop();
  });
}

async function share(
  name: string,
  runs: number,
  remote: boolean,
  open: (clock: Clock) => Promise<Backend>,
): Promise<void> {
  const clock = new FakeClock();
  const backends = [await open(clock), await open(clock)];
  const fresh = async (): Promise<Interleaved> => {
    await backends[0]?.deleteWhere({ all: true });
    return { clock, slow: true, remote, backends };
  };
  const { runs: tried, failures } = await explore(name, runs, fresh, interleave);
  expect(failures).toEqual([]);
  expect(tried).toBe(runs);
  for (const backend of backends) await backend.close();
}

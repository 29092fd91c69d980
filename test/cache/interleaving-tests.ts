import { expect, test } from "vitest";
import { openMemory } from "../../src/backends/memory/index.js";
import { openSqlite } from "../../src/backends/sqlite/index.js";
import { FakeClock } from "../support/fake-clock.js";
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
    const clock = new FakeClock();
    const path = `${tempDir("interleaving")}/c.db`;
    const open = () => openSqlite({ path, namespace: "", clock, emit: () => undefined });
    const backends = [await open(), await open()];
    const fresh = async (): Promise<Interleaved> => {
      await backends[0]?.deleteWhere({ all: true });
      return { clock, slow: true, backends };
    };
    const { runs: tried, failures } = await explore("sqlite", runs, fresh, interleave);
    expect(failures).toEqual([]);
    expect(tried).toBe(runs);
    for (const backend of backends) await backend.close();
  });
}

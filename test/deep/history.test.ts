import { describe, expect, test } from "vitest";
import { runHistory } from "../support/history/run.js";
import { TOPOLOGIES } from "../support/history/topologies.js";

const MS = Number(process.env.HISTORY_MS ?? 60_000);

describe("what several processes see of one cache, with faults", () => {
  test.each(TOPOLOGIES)("%s", async (topology) => {
    const seed = Math.floor(Math.random() * 2 ** 31);
    const report = await runHistory({ topology, seed, ms: MS, workers: 3, faults: true });
    console.log(JSON.stringify(report, null, 1));
    expect(report).toMatchObject({ violations: [], lost: [], late: [], hanging: [], unhandled: [] });
    expect(report.values).toBeGreaterThan(MS / 10);
  });
});

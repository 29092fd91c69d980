import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { runHistory } from "../support/history/run.js";
import { TOPOLOGIES, type TopologyName } from "../support/history/topologies.js";

/** Milliseconds in which workers work on each topology; HISTORY_MS for another time. */
const MS = Number(process.env.HISTORY_MS ?? 60_000);

/** Seeds that failed once, by topology; the last of each is taken in the place of a new one. A seed gives the same faults and steps, not the same times. */
const FOLDER = join(import.meta.dirname, "failed-seeds");
const PATH = join(FOLDER, "history.json");

function failedSeeds(): Partial<Record<TopologyName, number[]>> {
  return existsSync(PATH) ? JSON.parse(readFileSync(PATH, "utf8")) : {};
}

describe("what several processes see of one cache, while workers, the server and the network fail", () => {
  test.each(TOPOLOGIES)("%s", async (topology) => {
    const known = failedSeeds();
    const seed = known[topology]?.at(-1) ?? Math.floor(Math.random() * 2 ** 31);
    const report = await runHistory({ topology, seed, ms: MS, workers: 3, faults: true });
    console.log(JSON.stringify(report, null, 1));
    const wrong = [report.violations, report.lost, report.late, report.hanging, report.unhandled].flat();
    if (wrong.length > 0) {
      mkdirSync(FOLDER, { recursive: true });
      writeFileSync(PATH, JSON.stringify({ ...known, [topology]: [...(known[topology] ?? []), seed] }));
    }
    expect(wrong).toEqual([]);
    expect(report.values).toBeGreaterThan(MS / 20);
  });
});

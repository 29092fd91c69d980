import fc from "fast-check";
import { expect, test } from "vitest";
import { faults, plan, runHistory } from "../support/tier-histories.js";

const RUNS = 5000;

/** Always the same, so that a fault that comes back is seen; and one that found a fault once (a copy that arrived late in a store that was not asked since when). */
const SEEDS = [1, 2, 867_329_237];

test.each(SEEDS)(`${RUNS} random interleavings, seed %i`, async (seed) => {
  let reads = 0;
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), plan, faults, faults, fc.boolean(), async (...given) => {
      reads += await runHistory(...given);
    }),
    { numRuns: RUNS, seed },
  );
  expect(reads).toBeGreaterThan(RUNS / 4);
});

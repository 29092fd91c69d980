import fc from "fast-check";
import { expect, test } from "vitest";
import { faults, plan, runHistory } from "../support/tier-histories.js";

const RUNS = 600;

// A failing run prints its seed and path; with them in fc.assert, and in test/deep/tiered-interleaving.test.ts, it is seen again.
test(`${RUNS} random interleavings of two processes leave nothing old in any tier`, { timeout: 120_000 }, async () => {
  let reads = 0;
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), plan, faults, faults, fc.boolean(), async (...given) => {
      reads += await runHistory(...given);
    }),
    { numRuns: RUNS },
  );
  expect(reads).toBeGreaterThan(RUNS / 4);
});

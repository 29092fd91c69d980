import fc from "fast-check";
import { expect, test } from "vitest";
import { Differential } from "../serve/differential/run.js";
import { scenario } from "../serve/differential/scenario.js";

test("RFC 9111: of thousands of random requests and responses, none is answered as a model of the RFC forbids", async () => {
  const differential = new Differential();
  await differential.start();
  try {
    await fc.assert(
      fc.asyncProperty(scenario, (steps) => differential.play(steps)),
      { numRuns: 5000 },
    );
  } finally {
    await differential.stop();
  }
  const { steps, allowed, reused } = differential.tally;
  expect(steps).toBeGreaterThan(30_000);
  expect(reused / allowed).toBeGreaterThan(0.7);
});

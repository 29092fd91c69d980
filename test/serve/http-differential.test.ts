import fc from "fast-check";
import { expect, test } from "vitest";
import { Differential } from "./differential/run.js";
import { scenario } from "./differential/scenario.js";

test("RFC 9111: of random requests and responses, none is answered as a model of the RFC forbids", async () => {
  const differential = new Differential();
  await differential.start();
  try {
    await fc.assert(
      fc.asyncProperty(scenario, (steps) => differential.play(steps)),
      { numRuns: 60 },
    );
  } finally {
    await differential.stop();
  }
  const { steps, allowed, reused, validated } = differential.tally;
  expect(steps).toBeGreaterThan(300);
  // It is a cache. In the long run it uses three quarters of what it may.
  expect(reused / allowed).toBeGreaterThan(0.5);
  expect(validated).toBeGreaterThan(5);
});

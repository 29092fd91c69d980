import { afterEach, beforeEach, describe } from "vitest";
import { describeAtomic } from "./atomic.js";
import { describeDeadlines } from "./deadlines.js";
import { describeDeletion } from "./deletion.js";
import type { Harness } from "./harness.js";
import { describeLeases } from "./leases.js";
import { describeLifeCycle } from "./life-cycle.js";
import { describeLog } from "./log.js";
import { describeModel } from "./model.js";
import { describeScans } from "./scans.js";
import { describeSelection } from "./selection.js";
import { describeStreams } from "./streams.js";
import { describeTags } from "./tags.js";
import { describeTouches } from "./touches.js";
import { describeValues } from "./values.js";
import { describeVersions } from "./versions.js";

export type { Harness } from "./harness.js";

/**
 * The contract of src/backends/backend.ts as tests that every backend passes.
 * @param create makes a harness on an empty store; called before each test
 * @param parts `full`: also what makes it a `Backend`: the log, leases, versions, streams, atomic batches
 */
export function describeBackend(
  name: string,
  create: () => Promise<Harness>,
  { full = false }: { full?: boolean } = {},
): void {
  describe(`contract: ${name}`, () => {
    let harness: Harness | undefined;
    const current = () => {
      if (!harness) throw new Error("there is a harness only while a test runs");
      return harness;
    };
    beforeEach(async () => {
      harness = await create();
    });
    afterEach(async () => {
      const last = harness;
      harness = undefined;
      try {
        await last?.validate?.();
      } finally {
        await last?.dispose();
      }
    });
    describeValues(current);
    describeDeadlines(current);
    describeSelection(current);
    describeScans(current);
    describeDeletion(current);
    describeTags(current);
    describeLifeCycle(current);
    describeModel(current);
    if (!full) return;
    describeLog(current);
    describeLeases(current);
    describeVersions(current);
    describeTouches(current);
    describeStreams(current);
    describeAtomic(current);
  });
}

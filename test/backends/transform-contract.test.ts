import { openMemory } from "../../src/backends/memory/index.js";
import { describeBackend } from "../contract/backend.js";
import { FakeClock } from "../support/fake-clock.js";
import { transformedHarness } from "../support/transformed-harness.js";

// The same over SQLite and Redis is in test/deep/transform.test.ts.
describeBackend(
  "memory, compressed and encrypted",
  async () => {
    const clock = new FakeClock();
    const time = { advance: (ms: number) => clock.advance(ms), shortTtl: 1000, deadlineTolerance: 0 };
    return transformedHarness(clock, (context) => openMemory({ ...context, maxEntries: 100_000 }), time);
  },
  { full: true },
);

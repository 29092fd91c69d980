import { existsSync } from "node:fs";
import { join } from "node:path";
import { openMemory } from "../../src/backends/memory/index.js";
import { openSqlite } from "../../src/backends/sqlite/index.js";
import { describeBackend } from "../contract/backend.js";
import { FakeClock } from "../support/fake-clock.js";
import { expectSound } from "../support/sqlite-invariants.js";
import { tempDir } from "../support/temp-dir.js";
import { memoryOver, SteppedClock } from "../support/tiered-harness.js";

describeBackend("memory over memory", async () => {
  const clock = new FakeClock();
  const open = async (namespace: string, readOnly = false) =>
    openMemory({ namespace, clock, emit: () => {}, maxEntries: 100_000, readOnly });
  return memoryOver({ clock, open, more: {} });
});

describeBackend(
  "memory over sqlite",
  async () => {
    const clock = new SteppedClock();
    const path = join(tempDir("tiered"), "cache.db");
    const open = (namespace: string, readOnly = false) =>
      openSqlite({ path, namespace, clock, emit: () => {}, readOnly, wait: "async" });
    const validate = () => {
      if (existsSync(path)) expectSound(path);
    };
    return memoryOver({ clock, open, more: { validate } });
  },
  { full: true },
);

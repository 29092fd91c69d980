import { join } from "node:path";
import type { Backend } from "../../src/backends/backend.js";
import { openSqlite } from "../../src/backends/sqlite/index.js";
import { describeBackend } from "../contract/backend.js";
import { FakeClock } from "../support/fake-clock.js";
import { tempDir } from "../support/temp-dir.js";

describeBackend("sqlite", async () => {
  const clock = new FakeClock();
  const path = join(tempDir("sqlite"), "cache.db");
  const opened: Backend[] = [];
  return {
    clock,
    async open(namespace = "", options = {}) {
      const backend = await openSqlite({ path, namespace, clock, emit: () => {}, ...options });
      opened.push(backend);
      return backend;
    },
    advance: (ms: number) => clock.advance(ms),
    shortTtl: 1000,
    deadlineTolerance: 0,
    async dispose() {
      for (const backend of opened) await backend.close();
    },
  };
});

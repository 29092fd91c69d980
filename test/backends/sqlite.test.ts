import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Backend } from "../../src/backends/backend.js";
import { openSqlite, type SqliteOptions } from "../../src/backends/sqlite/index.js";
import { describeBackend } from "../contract/backend.js";
import { FakeClock } from "../support/fake-clock.js";
import { expectSound } from "../support/sqlite-invariants.js";
import { tempDir } from "../support/temp-dir.js";

async function sqliteHarness(more: Partial<SqliteOptions> = {}) {
  const clock = new FakeClock();
  const path = join(tempDir("sqlite"), "cache.db");
  const opened: Backend[] = [];
  return {
    clock,
    async open(namespace = "", options = {}) {
      const backend = await openSqlite({ path, namespace, clock, emit: () => {}, ...more, ...options });
      opened.push(backend);
      return backend;
    },
    advance: (ms: number) => clock.advance(ms),
    shortTtl: 1000,
    deadlineTolerance: 0,
    validate() {
      if (existsSync(path)) expectSound(path);
    },
    async dispose() {
      for (const backend of opened) await backend.close();
    },
  };
}

describeBackend("sqlite", () => sqliteHarness(), { full: true });
describeBackend(
  "sqlite, bounded",
  () => sqliteHarness({ maxEntries: 10_000, maxBytes: 100_000_000, policy: "lru", wait: "async" }),
  {
    full: true,
  },
);

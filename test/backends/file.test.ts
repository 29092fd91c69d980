import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Backend } from "../../src/backends/backend.js";
import { openFile } from "../../src/backends/file/index.js";
import { describeBackend } from "../contract/backend.js";
import { FakeClock } from "../support/fake-clock.js";
import { expectSound } from "../support/sqlite-invariants.js";
import { tempDir } from "../support/temp-dir.js";

async function fileHarness() {
  const clock = new FakeClock();
  const path = tempDir("file");
  const opened: Backend[] = [];
  return {
    clock,
    async open(namespace = "", options = {}) {
      const backend = await openFile({ path, namespace, clock, emit: () => {}, ...options });
      opened.push(backend);
      return backend;
    },
    advance: (ms: number) => clock.advance(ms),
    shortTtl: 1000,
    deadlineTolerance: 0,
    validate() {
      if (existsSync(join(path, "index.db"))) expectSound(join(path, "index.db"));
    },
    async dispose() {
      for (const backend of opened) await backend.close();
    },
  };
}

describeBackend("file", fileHarness, { full: true });

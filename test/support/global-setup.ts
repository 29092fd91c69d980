import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { codeOf } from "../../src/errors.js";
import { TEMP_ROOT_VARIABLE } from "./temp-dir.js";

const PREFIX = "cachectl-test-";

/** One folder for everything that a test run writes, named after its process so that a killed run's can be told. */
export default function setup(): () => void {
  sweepDeadRuns();
  const root = join(tmpdir(), `${PREFIX}${process.pid}`);
  mkdirSync(root, { recursive: true, mode: 0o700 });
  process.env[TEMP_ROOT_VARIABLE] = root;
  return () => rmSync(root, { recursive: true, force: true, maxRetries: 3 });
}

function sweepDeadRuns(): void {
  for (const name of readdirSync(tmpdir())) {
    const pid = name.startsWith(PREFIX) ? Number(name.slice(PREFIX.length)) : Number.NaN;
    if (Number.isInteger(pid) && !isRunning(pid)) rmSync(join(tmpdir(), name), { recursive: true, force: true });
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === "EPERM";
  }
}

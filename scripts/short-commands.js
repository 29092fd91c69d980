import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** What shell scripts run again and again, and so should start fast. */
export const SHORT_COMMANDS = [
  ["set", "key", "value"],
  ["get", "key"],
  ["exists", "key"],
  ["touch", "key", "--ttl", "1h"],
  ["keys"],
  ["stats"],
  ["invalidate", "key", "--yes"],
];

/**
 * Runs commands in this process, on an SQLite store of their own. One that fails (the settings of whoever builds, SQLite's driver that is not compiled) makes later starts
 * slower, and nothing worse.
 * @param {() => Promise<void>} main
 * @param {readonly (readonly string[])[]} commands
 */
export async function runCommands(main, commands) {
  const folder = mkdtempSync(join(tmpdir(), "cachectl-build-"));
  try {
    for (const words of commands) {
      process.argv = [process.execPath, "cache", ...words, "--store", `sqlite:${join(folder, "cache.db")}`];
      await main();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
    process.exitCode = 0;
  }
}

import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { makeFolder } from "../src/new-folder.js";
import { runCli } from "./support/run-cli.js";
import { tempDir } from "./support/temp-dir.js";

test("makes what is missing, for its owner alone, and is content with what is there", () => {
  const folder = join(tempDir("folders"), "a/b/c");
  makeFolder(folder);
  makeFolder(folder);
  for (const path of [folder, join(folder, ".."), join(folder, "../..")])
    expect(statSync(path).mode & 0o777).toBe(0o700);
});

test("fails where it can't be made", () => {
  const file = join(tempDir("folders"), "file");
  writeFileSync(file, "");
  expect(() => makeFolder(join(file, "a/b"))).toThrow("ENOTDIR");
});

test("fails also in a file system that takes no folder, where Node's own way never ends", async () => {
  // Elsewhere than on Linux it is any folder that isn't there and can't be made.
  expect(() => makeFolder("/proc/x/y")).toThrow(/ENOENT|EACCES|EROFS/);
  const { code, stderr } = await runCli(["get", "a", "-s", "file:/proc/x"], { cwd: tempDir("folders") });
  expect([code, stderr]).toEqual([1, expect.stringContaining("/proc/x")]);
});

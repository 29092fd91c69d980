import { execFile } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { tempDir } from "../support/temp-dir.js";

const ROOT = resolve(import.meta.dirname, "../..");

/** What the test run itself is, or would change the machine. */
const NOT_RUN_HERE: Readonly<Record<string, string>> = {
  "npm ci && npm test": "is this test run",
  "npm install --global .": "would change the machine",
};

function shellBlocks(file: string): string[] {
  const text = readFileSync(join(ROOT, file), "utf8");
  return [...text.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map((match) => (match[1] ?? "").trim());
}

test("every shell block of the README works, in order, in an empty home", { timeout: 60_000 }, async () => {
  const home = tempDir("readme");
  const bin = join(home, "bin");
  mkdirSync(bin);
  cpSync(join(ROOT, "examples"), join(home, "examples"), { recursive: true });
  const program = join(bin, "cache");
  writeFileSync(program, `#!/bin/sh\nexec "${process.execPath}" "${join(ROOT, "bin/cache.js")}" "$@"\n`);
  chmodSync(program, 0o755);
  const env = { HOME: home, PATH: `${bin}${delimiter}${process.env.PATH}` };
  const blocks = shellBlocks("README.md");
  const skipped = blocks.filter((block) => block in NOT_RUN_HERE);
  expect(skipped).toHaveLength(Object.keys(NOT_RUN_HERE).length);
  const outputs: string[] = [];
  for (const block of blocks.filter((one) => !skipped.includes(one))) {
    // The clone is installed already, and `npx cache` in it is this program.
    const script = block.replaceAll("npm ci && ", "").replaceAll("npx cache", "cache");
    const { stdout } = await promisify(execFile)("bash", ["-euo", "pipefail", "-c", script], { cwd: home, env });
    outputs.push(stdout);
  }
  expect(outputs.length).toBeGreaterThanOrEqual(6);
  expect(outputs.join("")).toContain('"name": "Desk lamp"');
});

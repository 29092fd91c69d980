import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { ROOT } from "../support/documents.js";
import { doFourJobs } from "../support/four-jobs.js";
import { tempDir } from "../support/temp-dir.js";

const run = promisify(execFile);
const digest = (path: string) => createHash("sha256").update(readFileSync(path)).digest("hex");

const node = async (script: string, ...args: string[]) =>
  (await run(process.execPath, [script, ...args], { cwd: ROOT })).stdout.trim();

/** Every file below a folder, with what is in it. */
function filesIn(folder: string): Map<string, string> {
  const paths = readdirSync(folder, { recursive: true, encoding: "utf8" }).sort();
  const files = paths.filter((path) => statSync(join(folder, path)).isFile());
  return new Map(files.map((path) => [path, digest(join(folder, path))]));
}

test("two builds give the same bytes", async () => {
  const built: Map<string, string>[] = [];
  for (const name of ["one", "two"]) {
    const folder = join(tempDir("build"), name);
    await node("scripts/build.js", folder);
    built.push(filesIn(folder));
  }
  expect(built[0]?.size).toBeGreaterThan(30);
  expect(built[1]).toEqual(built[0]);
});

describe("the tarball that needs nothing", () => {
  test("has the same bytes when it is made again, and does what people have it for where there is no Node.js", async () => {
    const [first, second] = [
      await node("scripts/pack-standalone.js", tempDir()),
      await node("scripts/pack-standalone.js", tempDir()),
    ];
    expect(first).toMatch(/cachectl-\d+\.\d+\.\d+-\w+-\w+\.tar\.gz$/);
    if (process.platform === "linux") expect(digest(second)).toBe(digest(first));
    expect(statSync(first).size).toBeLessThan(60e6);

    const folder = tempDir("opt");
    await run("tar", ["-xzf", first, "-C", folder]);
    const bin = join(tempDir("machine"), "bin");
    mkdirSync(bin);
    for (const tool of ["sh", "dirname", "readlink"]) {
      const { stdout } = await run("sh", ["-c", `command -v ${tool}`]);
      symlinkSync(stdout.trim(), join(bin, tool));
    }
    symlinkSync(join(folder, "cachectl/bin/cache"), join(bin, "cache"));
    const env = { PATH: bin, HOME: tempDir("home") };
    await doFourJobs({ command: [join(bin, "cache")], cwd: tempDir("empty"), env });
  });
});

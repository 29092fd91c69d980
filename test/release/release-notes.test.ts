import { execFile } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { ROOT, readDocument } from "../support/documents.js";
import { tempDir } from "../support/temp-dir.js";

const run = promisify(execFile);
const CHANGELOG = "# Changelog\n\n## Unreleased\n\n- A new thing.\n\n## 0.1.0\n\n- The first things.\n";
const EPOCH = "1770000000";

/** A repository with the scripts of this one that `npm version` runs, and a changelog of its own. */
async function repository(changelog = CHANGELOG) {
  const cwd = tempDir("release");
  mkdirSync(join(cwd, "scripts"));
  copyFileSync(join(ROOT, "scripts/release-notes.js"), join(cwd, "scripts/release-notes.js"));
  const { version: script } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")).scripts;
  const manifest = { name: "x", version: "0.1.0", type: "module", scripts: { version: script } };
  writeFileSync(join(cwd, "package.json"), JSON.stringify(manifest));
  writeFileSync(join(cwd, "CHANGELOG.md"), changelog);
  const home = tempDir("home");
  const env = { PATH: process.env.PATH, HOME: home, GIT_CONFIG_NOSYSTEM: "1", TZ: "Pacific/Auckland" };
  const call = (program: string, args: readonly string[], more: NodeJS.ProcessEnv = {}) =>
    run(program, args, { cwd, env: { ...env, ...more } });
  await call("git", ["init", "-q"]);
  await call("git", ["config", "user.name", "me"]);
  await call("git", ["config", "user.email", "me@example.com"]);
  await call("git", ["add", "."]);
  await call("git", ["commit", "-qm", "Begin"], { GIT_COMMITTER_DATE: `@${EPOCH} +0000` });
  return { cwd, call };
}

const RELEASED =
  "# Changelog\n\n## Unreleased\n\n## 0.2.0 (2026-02-02)\n\n- A new thing.\n\n## 0.1.0\n\n- The first things.\n";

test("npm version gives what is unreleased its version and the day of the last commit, in its own commit and tag", async () => {
  const { cwd, call } = await repository();
  await call("npm", ["version", "minor"]);
  expect(readFileSync(join(cwd, "CHANGELOG.md"), "utf8")).toBe(RELEASED);
  expect((await call("git", ["show", "v0.2.0:CHANGELOG.md"])).stdout).toBe(RELEASED);
  expect((await call("git", ["status", "--porcelain"])).stdout).toBe("");
  const { stdout } = await call(process.execPath, ["scripts/release-notes.js", "--show", "0.2.0"]);
  expect(stdout).toBe("- A new thing.\n");
});

test("SOURCE_DATE_EPOCH says another day", async () => {
  const { cwd, call } = await repository();
  writeFileSync(join(cwd, "package.json"), '{"version": "0.2.0", "type": "module"}');
  await call(process.execPath, ["scripts/release-notes.js"], { SOURCE_DATE_EPOCH: "0" });
  expect(readFileSync(join(cwd, "CHANGELOG.md"), "utf8")).toBe(RELEASED.replace("2026-02-02", "1970-01-01"));
});

test.each<[string, string, string, NodeJS.ProcessEnv]>([
  ["nothing is unreleased", "# Changelog\n\n## Unreleased\n\n## 0.0.9\n", "nothing is under", {}],
  ["the version is there already", CHANGELOG.replace("0.1.0", "0.1.0 (2026-01-01)"), "has 0.1.0 already", {}],
  ["there is no place for it", "# Changelog\n", 'no "## Unreleased"', {}],
  ["the time is none", CHANGELOG.replace("## 0.1.0", "## 0.0.9"), "SOURCE_DATE_EPOCH", { SOURCE_DATE_EPOCH: "today" }],
])("is refused where %s, and changes nothing", async (_, changelog, message, env) => {
  const { cwd, call } = await repository(changelog);
  await expect(call(process.execPath, ["scripts/release-notes.js"], env)).rejects.toThrow(message);
  expect(readFileSync(join(cwd, "CHANGELOG.md"), "utf8")).toBe(changelog);
});

test("the changelog of this project can be released", () => {
  expect(readDocument("CHANGELOG.md")).toMatch(/^# Changelog\n\n## Unreleased\n/);
});

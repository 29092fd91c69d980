// node scripts/release-notes.js: gives what is under "Unreleased" in CHANGELOG.md the version of package.json and a date. `npm version` runs it between its bump and its commit.
// node scripts/release-notes.js --show VERSION: prints what changed in a version.
import { execFileSync } from "node:child_process";
import { readFileSync, realpathSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** What a release is dated by, so that making it again gives the same bytes: SOURCE_DATE_EPOCH, or the last commit. Seconds since 1970. */
export function releaseTime() {
  const given = process.env.SOURCE_DATE_EPOCH;
  const text = given ?? execFileSync("git", ["log", "-1", "--format=%ct"], { encoding: "utf8" }).trim();
  if (!/^\d{1,11}$/.test(text))
    throw new Error(`no time of a release: ${JSON.stringify(text)}; set SOURCE_DATE_EPOCH to seconds since 1970`);
  return Number(text);
}

const heading = (/** @type {string} */ name) =>
  new RegExp(`^## ${name.replaceAll(".", "\\.")}(?: \\(\\d{4}-\\d\\d-\\d\\d\\))?\\n`, "m");

/** @param {string} changelog @param {string} name a version, or Unreleased @returns {string} what is said of it */
export function notesOf(changelog, name) {
  const found = heading(name).exec(changelog);
  if (!found) throw new Error(`CHANGELOG.md has no "## ${name}"`);
  const [notes = ""] = changelog.slice(found.index + found[0].length).split(/^## /m);
  return notes.trim();
}

/** @param {string} changelog @param {string} version @param {number} time seconds since 1970 @returns {string} the changelog with that version */
export function release(changelog, version, time) {
  if (heading(version).test(changelog)) throw new Error(`CHANGELOG.md has ${version} already`);
  if (notesOf(changelog, "Unreleased") === "") throw new Error('nothing is under "Unreleased" in CHANGELOG.md');
  const day = new Date(time * 1000).toISOString().slice(0, 10);
  return changelog.replace(heading("Unreleased"), `## Unreleased\n\n## ${version} (${day})\n`);
}

function main() {
  const [option, shown = ""] = process.argv.slice(2);
  const changelog = readFileSync("CHANGELOG.md", "utf8");
  if (option === "--show") {
    process.stdout.write(`${notesOf(changelog, shown)}\n`);
    return;
  }
  const { version } = JSON.parse(readFileSync("package.json", "utf8"));
  writeFileSync("CHANGELOG.md", release(changelog, version, releaseTime()));
}

if (realpathSync(process.argv[1] ?? "") === fileURLToPath(import.meta.url)) main();

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { DOCUMENTS, ROOT, readDocument } from "../support/documents.js";
import { runCli } from "../support/run-cli.js";
import { tempDir } from "../support/temp-dir.js";

interface Flag {
  name: string;
  environment?: string;
}

/** Flags of npm, git, systemctl, podman and scripts that documents call. */
const FOREIGN_FLAGS = new Set(["follow-tags", "global", "ignore-scripts", "install", "now", "rm", "show"]);

let flags: Set<string>;
let variables: Set<string>;

beforeAll(async () => {
  const { stdout } = await runCli(["man", "--json"], { cwd: tempDir() });
  const manual: { commands: { flags: Flag[] }[]; flags: Flag[]; variables: { name: string }[] } = JSON.parse(stdout);
  const all = [...manual.flags, ...manual.commands.flatMap((command) => command.flags)];
  flags = new Set([...all.map(({ name }) => name), "help", "version"]);
  // Beside their own, settings have names that other programs use.
  const folder = join(ROOT, "src/config");
  const sources = readdirSync(folder).map((name) => readFileSync(join(folder, name), "utf8"));
  const compatible = sources.flatMap((text) => text.match(/\b(?:ENABLE|REDIS)_[A-Z_]+\b/g) ?? []);
  const own = all.flatMap(({ environment }) => (environment === undefined ? [] : [environment]));
  variables = new Set([...own, ...manual.variables.map(({ name }) => name), ...compatible]);
});

/** Each name that a pattern finds in the documents and that is not known, with where. */
function unknown(pattern: RegExp, ...known: ReadonlySet<string>[]): string[] {
  const found = DOCUMENTS.flatMap((document) =>
    [...readDocument(document).matchAll(pattern)].map(([, name = ""]) => ({ document, name })),
  );
  expect(found.length).toBeGreaterThan(20);
  return found
    .filter(({ name }) => !known.some((names) => names.has(name)))
    .map(({ document, name }) => `${document}: ${name}`);
}

test("every flag that a document names is one", () => {
  expect(unknown(/(?<![\w-])--([a-z][a-z0-9-]*)/g, flags, FOREIGN_FLAGS)).toEqual([]);
});

test("every variable that a document names is one", () => {
  expect(unknown(/\b((?:CACHE|CACHEABLE|ENABLE|REDIS)_[A-Z_]+)\b/g, variables)).toEqual([]);
});

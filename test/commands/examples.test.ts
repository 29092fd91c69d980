import { readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, test } from "vitest";
import { COMMAND_NAMES } from "../support/command-names.js";
import { ExampleFolder, shellBlocks } from "../support/example-folder.js";
import { Workspace } from "../support/workspace.js";

const COMMANDS = join(import.meta.dirname, "../../src/commands");

interface Example {
  id: string;
  script: string;
}

/** Every example of every command class, and those of the overview: a new one is run without being listed here. */
async function allExamples(): Promise<Example[]> {
  const found: Example[] = [];
  for (const file of readdirSync(COMMANDS, { recursive: true, encoding: "utf8" })) {
    if (!file.endsWith(".ts")) continue;
    const loaded: unknown = await import(join(COMMANDS, file));
    const id = file.replace(/\.ts$/, "").replaceAll("/", " ");
    for (const example of examplesOf(loaded))
      found.push({ id, script: example.replaceAll("<%= config.bin %>", "cache") });
  }
  const { stdout } = await new Workspace().bare(["--help"]);
  for (const [, script = ""] of stdout.matchAll(/^ +\$ (cache [a-z].*)$/gm)) found.push({ id: "--help", script });
  return found;
}

function examplesOf(loaded: unknown): string[] {
  if (typeof loaded !== "object" || loaded === null || !("default" in loaded)) return [];
  const command = loaded.default;
  if (typeof command !== "function" || !("examples" in command) || !Array.isArray(command.examples)) return [];
  return command.examples.map(String);
}

const EXAMPLES = await allExamples();

let folder: ExampleFolder;
beforeAll(async () => {
  folder = await ExampleFolder.create();
});
afterAll(() => folder.close());

describe("examples in help", () => {
  it("are there for every command", () => {
    const ids = new Set(EXAMPLES.map(({ id }) => id));
    for (const id of [...COMMAND_NAMES, "--help"]) {
      expect(ids).toContain(id);
    }
    expect(EXAMPLES.length).toBeGreaterThan(35);
  });

  test.concurrent.each(EXAMPLES)("$id: $script", async ({ script }) => {
    const { code, stderr } = await folder.run(script);
    expect({ script, code, stderr: stderr.replaceAll(/^(?!error:).*\n?/gm, "") }).toEqual({
      script,
      code: 0,
      stderr: "",
    });
  });
});

describe("the runner of examples", () => {
  it("fails where a command in the middle fails, also in a pipe", async () => {
    expect((await folder.run("cache get never\ncache get product:1")).code).toBe(3);
    expect((await folder.run("cache get never | cat")).code).toBe(3);
    expect(
      (await folder.run("cache get banner && cache keys --count --store redis://127.0.0.1:6379")).stdout.toString(),
    ).toBe("Free delivery above 50 €0\n");
  });

  it("starts each from the same state", async () => {
    await folder.run("cache invalidate product:1");
    expect((await folder.run("cache get product:1 --path name")).stdout.toString()).toBe("Desk lamp");
  });

  it("finds blocks in Markdown with their lines", () => {
    const markdown = "a\n\n```sh\n$ one\ntwo\n```\n```json\n{}\n```\n\n```sh\nthree\n```\n";
    expect(shellBlocks(markdown)).toEqual([
      { line: 4, script: "one\ntwo\n" },
      { line: 12, script: "three\n" },
    ]);
  });
});

import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, test } from "vitest";
import { COMMAND_NAMES } from "../support/command-names.js";
import { ExampleFolder, shellBlocks } from "../support/example-folder.js";
import { KEYS } from "../support/pty.js";
import { until } from "../support/until.js";
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

/** What goes on until somebody ends it: when it has begun, with which keys it is ended, and what it then exits with. */
const ENDLESS: Readonly<Record<string, { begun: (text: string, cwd: string) => boolean; keys: string; code: number }>> =
  {
    "cache stats --watch": { begun: (text) => text.includes("q quit"), keys: "q", code: 0 },
    "cache stats --watch --interval 10s >> stats.ndjson": {
      begun: (_text, cwd) => existsSync(join(cwd, "stats.ndjson")) && statSync(join(cwd, "stats.ndjson")).size > 0,
      keys: KEYS.ctrlC,
      code: 130,
    },
    "cache keys -i": { begun: (text) => text.includes("product:1"), keys: KEYS.escape, code: 7 },
    "cache invalidate": { begun: (text) => text.includes("product:1"), keys: KEYS.escape, code: 7 },
  };

let folder: ExampleFolder;
beforeAll(async () => {
  folder = await ExampleFolder.create();
});
afterAll(() => folder.close());

describe("examples in help", () => {
  it("are there for every command", () => {
    const ids = new Set(EXAMPLES.map(({ id }) => id));
    expect(EXAMPLES.map(({ script }) => script)).toEqual(expect.arrayContaining(Object.keys(ENDLESS)));
    for (const id of [...COMMAND_NAMES, "--help"]) {
      expect(ids).toContain(id);
    }
    expect(EXAMPLES.length).toBeGreaterThan(35);
  });

  test.concurrent.each(EXAMPLES.filter(({ script }) => script in ENDLESS))("$id: $script", async ({ script }) => {
    const { begun, keys, code } = ENDLESS[script] ?? {};
    const { terminal, cwd } = folder.runInTerminal(script);
    await until(() => begun?.(terminal.text(), cwd));
    terminal.send(keys ?? "");
    expect(await terminal.exit).toBe(code);
  });

  test.concurrent.each(EXAMPLES.filter(({ script }) => !(script in ENDLESS)))("$id: $script", async ({ script }) => {
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

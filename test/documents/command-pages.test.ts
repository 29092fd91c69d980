import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT } from "../support/documents.js";
import { runProgram } from "../support/run-binary.js";
import { Workspace } from "../support/workspace.js";

const SCRIPT = join(ROOT, "scripts/command-pages.js");

test("docs/commands is what the commands say of themselves; else: npm run build && npm run docs", async () => {
  const { stdout } = await new Workspace().bare(["man", "--json"]);
  const { code, stderr } = await runProgram(process.execPath, [SCRIPT, "--check"], { stdin: stdout });
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
});

test("a page that is no longer so is told", async () => {
  const { stdout } = await new Workspace().bare(["man", "--json"]);
  const other = stdout.replace("Show the value of", "Show the worth of").replace('"name":"touch"', '"name":"poke"');
  const { code, stderr } = await runProgram(process.execPath, [SCRIPT, "--check"], { stdin: other });
  expect(code).toBe(1);
  for (const name of ["README.md", "get.md", "poke.md", "touch.md"]) expect(stderr).toContain(name);
});

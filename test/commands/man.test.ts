import { describe, expect, test } from "vitest";
import { manualPage } from "../../src/cli/man.js";
import type { Reference } from "../../src/cli/reference.js";
import { COMMAND_NAMES } from "../support/command-names.js";
import { runProgram } from "../support/run-binary.js";
import { Workspace } from "../support/workspace.js";

const work = new Workspace();

/** The page as a terminal 100 columns wide shows it, without bold and underlined. */
async function shown(page: string): Promise<{ text: string; stderr: string; code: number | null }> {
  const { stdout, stderr, code } = await runProgram("groff", ["-man", "-Tutf8", "-ww", "-P-cbou", "-rLL=100n"], {
    stdin: page,
  });
  return { text: stdout.toString(), stderr, code };
}

describe("cache man", () => {
  test("prints a page that groff and man have nothing to say against", async () => {
    const { stdout, code } = await work.bare(["man"]);
    expect(code).toBe(0);
    const { text, stderr, code: groff } = await shown(stdout);
    expect({ stderr, groff }).toEqual({ stderr: "", groff: 0 });
    work.write("cache.1", stdout);
    const man = await runProgram("man", ["--warnings", "-l", work.path("cache.1")], { env: { MANPAGER: "cat" } });
    expect({ stderr: man.stderr, code: man.code }).toEqual({ stderr: "", code: 0 });
    for (const name of COMMAND_NAMES) expect(text).toContain(`cache ${name}\n`);
    expect(text).toContain("-s, --store URL");
    expect(text).toContain("keys that match this glob: * ? [a-z] [^a] \\");
    expect(text).toMatch(/CACHE_READ_ONLY\n\s+as --read-only; in files readOnly/);
    expect(text).toMatch(/EXIT STATUS\n\s+0\s+done/);
  });

  test("tells the same as data", async () => {
    const { commands, flags, exitCodes } = (await work.bare(["man", "--json"])).json();
    expect(commands).toContainEqual(
      expect.objectContaining({ name: "config show", usage: "cache config show [FLAGS]", args: [] }),
    );
    expect(flags).toContainEqual(
      expect.objectContaining({ name: "read-only", environment: "CACHE_READ_ONLY", configKey: "readOnly" }),
    );
    expect(flags).not.toContainEqual(expect.objectContaining({ name: "password", configKey: "password" }));
    expect(exitCodes).toContainEqual({ code: 7, meaning: expect.stringContaining("--yes") });
  });

  test("on a terminal says how to read it", async () => {
    const { stderr, stdout } = await work.bare(["man"], { terminal: true });
    expect(stdout).toMatch(/^\.TH CACHE 1 /);
    expect(stderr).toContain("cache man | man -l -");
  });
});

test("no text of a command is taken for troff", async () => {
  const nasty = [".so /etc/passwd", "'br", "\\fBbold\\n[.x]", "a-b --c", '"q"', "`~^`", "é 漢", "two\nlines\n.sp"];
  const reference: Reference = {
    commands: nasty.map((text) => ({
      name: text,
      usage: text,
      summary: text,
      description: text,
      examples: [text],
      args: [{ name: text, description: text, required: false, repeatable: false, options: [text] }],
      flags: [{ name: text, summary: text, value: text, repeatable: false, required: false }],
    })),
    flags: nasty.map((text) => ({
      name: text,
      summary: text,
      group: text,
      environment: text,
      configKey: text,
      repeatable: false,
      required: false,
    })),
    variables: nasty.map((text) => ({ name: text, meaning: text })),
    exitCodes: nasty.map((meaning, code) => ({ code, meaning })),
  };
  const { text, stderr } = await shown(manualPage(reference, nasty.join(" ")));
  expect(stderr).toBe("");
  for (const one of nasty.slice(0, -1)) {
    const times = text.split(one).length - 1;
    expect({ one, often: times >= 10 }).toEqual({ one, often: true });
  }
  expect(text).toContain("two lines .sp");
});

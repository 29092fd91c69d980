import { describe, expect, test } from "vitest";
import { Workspace } from "../support/workspace.js";

const work = new Workspace();

describe("cache completion", () => {
  test.each(["bash", "zsh", "fish"])(
    "prints the script of %s, which asks the program and says where it goes",
    async (shell) => {
      const { code, stdout, stderr } = await work.bare(["completion", shell]);
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      expect(stdout).toContain(`cache __complete ${shell}`);
      const { script } = (await work.bare(["completion", shell, "--json"])).json();
      expect(script).toBe(stdout);
    },
  );

  test("takes the shell that SHELL names, and says on a terminal how to keep it", async () => {
    const { stdout, stderr } = await work.bare(["completion"], { env: { SHELL: "/usr/bin/zsh" }, terminal: true });
    expect(stdout).toMatch(/^#compdef cache\n/);
    expect(stderr).toContain("~/.zshrc");
  });

  test("says which shells there are where that tells nothing", async () => {
    for (const env of [{}, { SHELL: "/bin/tcsh" }, { SHELL: "/bin/constructor" }]) {
      const { code, stdout, stderr } = await work.bare(["completion"], { env });
      expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
      expect(stderr).toContain("bash, zsh, fish");
    }
    expect((await work.bare(["completion", "tcsh", "--json"])).json().error?.code).toBe("invalid-arguments");
  });

  test("is not told of in help as what shells ask", async () => {
    expect((await work.bare(["--help"])).stdout).not.toContain("__complete");
    expect((await work.bare(["man"])).stdout).not.toContain("__complete");
  });
});

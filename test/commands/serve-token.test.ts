import { createHash } from "node:crypto";
import { chmodSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readTokens } from "../../src/config/admin-tokens.js";
import { runCli } from "../support/run-cli.js";
import { tempDir } from "../support/temp-dir.js";

const made = (cwd: string, ...args: string[]) => runCli(["serve", "token", ...args], { cwd });

describe("cache serve token", () => {
  test("shows the token once, and the line that knows it by its hash", async () => {
    const { code, stdout } = await made(tempDir("token"), "--name", "ci", "--role", "viewer");
    const [token = "", line = "", ...rest] = stdout.split("\n");
    expect([code, rest]).toEqual([0, [""]]);
    expect(token).toMatch(/^[\w-]{43}$/);
    const sha256 = createHash("sha256").update(token).digest("hex");
    expect(JSON.parse(line)).toEqual({ name: "ci", role: "viewer", sha256 });
    expect((await made(tempDir("token"), "--name", "ci")).stdout).not.toContain(token);
  });

  test("adds lines to a file that only its owner can read, and puts no token into it", async () => {
    const cwd = tempDir("token");
    const path = join(cwd, "admin.tokens");
    const first = await made(cwd, "--name", "a", "--file", "admin.tokens");
    expect(first.stdout).toMatch(/^[\w-]{43}\n$/);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    // A person's editor may leave the last line without its end.
    writeFileSync(path, readFileSync(path, "utf8").trimEnd());
    const second = await made(cwd, "--name", "b", "--role", "viewer", "--file", path, "--json");
    expect(readTokens(path)).toMatchObject([
      { name: "a", role: "operator" },
      { name: "b", role: "viewer" },
    ]);
    const { token, entry, file } = second.json();
    expect([entry, file]).toEqual([readTokens(path)[1], path]);
    const text = readFileSync(path, "utf8");
    expect(text).not.toContain(first.stdout.trim());
    expect(text).not.toContain(String(token));
    expect(first.stderr + second.stderr).not.toContain(first.stdout.trim());
  });

  test.each([
    [["--role", "viewer"], "name"],
    [["--name", "a", "--role", "root"], "root"],
    [["--name", ""], "name is empty"],
    [["--name", "a", "--file", "/proc/none/x"], "can't be written"],
    [["--name", "a", "--file", "/dev/null"], "/dev/null is no file"],
  ])("%j is refused with exit 2", async (args, said) => {
    const { code, stdout, stderr } = await made(tempDir("token"), ...args);
    expect([code, stdout, stderr]).toEqual([2, "", expect.stringContaining(said)]);
  });

  test("a file that others can read is not added to", async () => {
    const cwd = tempDir("token");
    const path = join(cwd, "open");
    writeFileSync(path, "");
    chmodSync(path, 0o644);
    const { code, stderr } = await made(cwd, "--name", "a", "--file", path);
    expect([code, stderr, readFileSync(path, "utf8")]).toEqual([2, expect.stringContaining("chmod 600"), ""]);
  });
});

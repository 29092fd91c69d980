import { chmodSync, existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { LIMITED } from "../support/limited.js";
import { runBinary, runShell } from "../support/run-binary.js";
import { tempDir } from "../support/temp-dir.js";

const ESC = "\x1b";

describe("colour, each stream by itself", () => {
  const args = ["get", "nobody", "--store", "sqlite:c.db"];
  test.concurrent.each([
    ["no terminal", {}, args, false],
    ["FORCE_COLOR", { FORCE_COLOR: "1" }, args, true],
    ["FORCE_COLOR and NO_COLOR", { FORCE_COLOR: "1", NO_COLOR: "1" }, args, false],
    ["FORCE_COLOR and --no-color", { FORCE_COLOR: "1" }, [...args, "--no-color"], false],
    ["an empty NO_COLOR is none", { FORCE_COLOR: "1", NO_COLOR: "" }, args, true],
  ])("%s", async (_name, env, argv, coloured) => {
    const run = await runBinary(argv, { env });
    expect(run.code).toBe(3);
    expect(run.stderr.includes(ESC)).toBe(coloured);
  });
});

describe("where files go", () => {
  test.concurrent("the default store lies in the user's cache folder, for nobody else to read", async () => {
    const home = tempDir("home");
    const run = await runBinary(["set", "a", "1"], { env: { HOME: home } });
    expect(run.code).toBe(0);
    const path = join(home, ".cache", "cachectl", "cache.db");
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(join(path, "..")).mode & 0o077).toBe(0);
    expect(run.stdout.toString()).toContain(path);
  });

  test.concurrent("XDG_CACHE_HOME moves it", async () => {
    const cache = tempDir("xdg");
    expect((await runBinary(["set", "a", "1"], { env: { XDG_CACHE_HOME: cache } })).code).toBe(0);
    expect(existsSync(join(cache, "cachectl", "cache.db"))).toBe(true);
  });

  test.concurrent.each([
    ["HOME", (dir: string) => ({ HOME: dir })],
    ["XDG_CACHE_HOME", (dir: string) => ({ XDG_CACHE_HOME: dir })],
  ])("%s that can't be written: a clear error, and --store helps", async (_name, envOf) => {
    const dir = tempDir("locked");
    chmodSync(dir, 0o500);
    const env = envOf(dir);
    const run = await runShell(`${LIMITED} "\${CACHE[@]}" set a 1`, { env });
    expect(run.code).toBe(2);
    expect(run.stderr).toMatch(/^error: .*(permission|EACCES|can't)/i);
    expect(run.stderr).not.toMatch(/\n\s+at /);
    const elsewhere = await runShell(`${LIMITED} "\${CACHE[@]}" set a 1 --store sqlite:here.db`, { env });
    expect(elsewhere).toMatchObject({ code: 0, stderr: "" });
  });

  test.concurrent("without HOME", async () => {
    const run = await runShell(
      "unset HOME; cache set a 1 --store sqlite:here.db && cache get a --store sqlite:here.db",
    );
    expect(run).toMatchObject({ code: 0 });
    expect(run.stdout.toString()).toMatch(/1$/);
  });

  test.concurrent("a working directory that was deleted", async () => {
    const run = await runShell(
      'mkdir gone && cd gone && rmdir ../gone && cache set a 1; echo "$?"; cache get a; echo "$?"',
    );
    expect(run.stderr).not.toMatch(/\n\s+at /);
    expect(run.stdout.toString()).toMatch(/\n0\n10\n$/);
  });

  test.concurrent("a working directory that can't be read", async () => {
    const run = await runShell(
      `mkdir -p closed && cd closed && chmod 000 . && ${LIMITED} "\${CACHE[@]}" set a 1 --store sqlite:"$HOME"/a.db; c=$?; cd ..; chmod 700 closed; exit $c`,
    );
    expect(run).toMatchObject({ code: 0 });
  });
});

describe("arguments", () => {
  test.concurrent("after -- a key may begin with a dash", async () => {
    const cwd = tempDir("dashes");
    const store = ["--store", "sqlite:c.db"];
    expect((await runBinary(["set", ...store, "--", "--help", "--json"], { cwd })).code).toBe(0);
    const run = await runBinary(["get", ...store, "--", "--help"], { cwd });
    expect(run).toMatchObject({ code: 0, stdout: Buffer.from("--json") });
  });

  test.concurrent("bytes that are no UTF-8 reach no store as another key", async () => {
    const run = await runShell(
      `cache set $'a\\xffb' 1 --store sqlite:c.db; echo "$?"; cache keys --store sqlite:c.db -0`,
    );
    expect(run.stdout.toString("latin1")).toMatch(/^2\n$/);
    expect(run.stderr).toMatch(/^error: .*UTF-8/);
  });

  test.concurrent("empty keys, empty flags", async () => {
    const runs = await Promise.all(
      [
        ["set", "", "1"],
        ["get", ""],
        ["get", "a", "--store", ""],
        ["keys", "--prefix", ""],
        ["keys", "--limit", ""],
        ["warm", ""],
      ].map((args) => runBinary(args.includes("--store") ? args : [...args, "--store", "sqlite:c.db"])),
    );
    expect(runs.map(({ code }) => code)).toEqual([2, 2, 2, 2, 2, 2]);
    for (const { stderr } of runs) expect(stderr).toMatch(/^error: ./);
  });

  test.concurrent("keys of 1,024 bytes fit, longer ones are refused", async () => {
    const cwd = tempDir("long");
    const store = ["--store", "sqlite:c.db"];
    expect((await runBinary(["set", "k".repeat(1024), "1", ...store], { cwd })).code).toBe(0);
    const run = await runBinary(["set", "é".repeat(513), "1", ...store], { cwd });
    expect(run).toMatchObject({ code: 2, stderr: expect.stringContaining("1026 bytes") });
  });

  test.concurrent("settings from the environment that can't be right name the variable", async () => {
    const run = await runBinary(["keys"], { env: { CACHE_TIMEOUT: "never" } });
    expect(run).toMatchObject({ code: 2, stderr: expect.stringContaining("CACHE_TIMEOUT") });
  });

  test.concurrent("a project file is found upwards, and a broken one is named", async () => {
    const cwd = tempDir("project");
    mkdirSync(join(cwd, "deep", "er"), { recursive: true });
    writeFileSync(join(cwd, "cache.config.json"), '{"store":"sqlite:./here.db"}', { mode: 0o644 });
    expect((await runBinary(["set", "a", "1"], { cwd: join(cwd, "deep", "er"), env: { HOME: tempDir() } })).code).toBe(
      0,
    );
    expect(readdirSync(cwd)).toContain("here.db");
    writeFileSync(join(cwd, "cache.config.json"), '{"store":');
    const run = await runBinary(["keys"], { cwd });
    expect(run).toMatchObject({ code: 2, stderr: expect.stringContaining("cache.config.json") });
  });
});

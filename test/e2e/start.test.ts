import { writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, expect, test } from "vitest";
import { runBinary, runShell } from "../support/run-binary.js";
import { tempDir } from "../support/temp-dir.js";

/** A module for `node --require` that tells on stderr at the end which files of the package were read, and which modules of Node were loaded. */
const WATCH = `
const fs = require("node:fs");
const { readFileSync } = fs;
const read = [];
fs.readFileSync = (path, ...rest) => {
  read.push(String(path));
  return readFileSync(path, ...rest);
};
process.on("exit", () => fs.writeSync(2, JSON.stringify({ read, modules: process.moduleLoadList })));
`;

async function started(cwd: string, ...args: string[]): Promise<{ stdout: string; read: string[]; modules: string[] }> {
  writeFileSync(join(cwd, "watch.cjs"), WATCH);
  const env = { NODE_OPTIONS: `--require ${join(cwd, "watch.cjs")}` };
  const run = await runBinary([...args, "--store", "sqlite:store.db"], { cwd, env });
  const { read, modules } = JSON.parse(run.stderr.slice(run.stderr.indexOf("{")));
  return { stdout: run.stdout.toString(), read: read.map((path: string) => basename(path)), modules };
}

describe("the start of a command", () => {
  test("get on SQLite reads its half of the program, and loads no module of Node that takes long", async () => {
    const cwd = tempDir("start");
    await runBinary(["set", "a", "1", "--store", "sqlite:store.db"], { cwd });
    const { stdout, read, modules } = await started(cwd, "get", "a");
    expect(stdout).toBe("1");
    expect(read.filter((name) => /\.(?:cjs|code)$/.test(name)).sort()).toEqual([
      "main.cjs",
      expect.stringMatching(/^main\..*\.code$/),
    ]);
    const slow = ["stream", "net", "tty", "zlib", "crypto", "module", "readline", "worker_threads", "child_process"];
    expect(slow.filter((name) => modules.includes(`NativeModule ${name}`))).toEqual([]);
  });

  test("a command of the other half finds it", async () => {
    const { read, stdout } = await started(tempDir("start"), "info");
    expect(read).toContain("rest.cjs");
    expect(stdout).toContain("Backends");
  });

  test("an error that the other half throws is the same class to both", async () => {
    const run = await runBinary(["warm", "missing.ndjson", "--json", "--store", "file:values"]);
    expect([run.code, JSON.parse(run.stdout.toString()).error.code]).toEqual([2, "source-not-found"]);
  });
});

describe("output without a stream", () => {
  const cwd = tempDir("start");
  const value = join(cwd, "value");
  writeFileSync(value, "x".repeat(1_000_000));

  test("goes through a pipe whole, however slow its reader, and into a file where it is", async () => {
    await runBinary(["set", "big", "--file", "value", "--store", "sqlite:store.db"], { cwd });
    const slow = await runShell("cache get big --store sqlite:store.db | (sleep 0.3; wc -c)", { cwd });
    expect(slow.stdout.toString().trim()).toBe("1000000");
    const file = await runShell(
      "{ echo before; cache get big --store sqlite:store.db; echo after; } > out; wc -c < out",
      { cwd },
    );
    expect(file.stdout.toString().trim()).toBe("1000013");
  });
});

import { existsSync, readdirSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type RedisServer, redisCli, startRedis } from "../support/redis-server.js";
import { type RunningBinary, startBinary } from "../support/run-binary.js";
import { tempDir } from "../support/temp-dir.js";
import { until } from "../support/until.js";

const RECORDS = 200_000;
const cwd = tempDir("signals");
const file = join(cwd, "many.ndjson");

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
  const out = await open(file, "w");
  for (let i = 0; i < RECORDS; i += 10_000) {
    await out.write(
      Array.from({ length: 10_000 }, (_, j) => `{"key":"k:${i + j}","value":"value ${i + j}"}\n`).join(""),
    );
  }
  await out.close();
}, 60_000);
afterAll(() => server.stop());
afterEach(() => redisCli(server, "FLUSHALL"));

function fill(): Promise<string> {
  const script = "for i = 1, tonumber(ARGV[1]) do redis.call('SET', 'many:' .. i, string.rep('x', 100)) end";
  return redisCli(server, "EVAL", script, "0", String(RECORDS));
}

const start = (...args: string[]) => startBinary([...args, "--store", server.url], { cwd });
const size = async () => Number(await redisCli(server, "DBSIZE"));
const underWay = (run: RunningBinary) => until(() => run.stdout().length > 0, { timeoutMs: 20_000 });

describe("Ctrl-C stops at a safe point, says what was done and how to go on: 130", () => {
  test("warm with a checkpoint: what it says is stored is stored, and the same command goes on", async () => {
    const args = ["warm", file, "--checkpoint", "warm.checkpoint"];
    const run = start(...args);
    await until(async () => (await size()) > 1000, { timeoutMs: 20_000 });
    run.kill("SIGINT");
    const ended = await run.result;
    expect(ended).toMatchObject({ code: 130, signal: null });
    const said = Number(/stopped: stored (\d+) entries/.exec(ended.stdout.toString())?.[1]);
    expect(said).toBe(await size());
    expect(said).toBeLessThan(RECORDS);
    expect(ended.stderr).toMatch(/same command .*goes on/);

    const again = await start(...args, "--json").result;
    expect(again.code).toBe(0);
    const report = JSON.parse(again.stdout.toString());
    expect(report).toMatchObject({ stored: RECORDS, resumedFrom: { line: said + 1 } });
    expect(await size()).toBe(RECORDS);
    expect(existsSync(join(cwd, "warm.checkpoint"))).toBe(false);
  });

  test("warm without a checkpoint says that the next run begins anew", async () => {
    const run = start("warm", file);
    await until(async () => (await size()) > 1000, { timeoutMs: 20_000 });
    run.kill("SIGINT");
    const ended = await run.result;
    expect(ended.code).toBe(130);
    expect(ended.stderr).toContain("--checkpoint");
  });

  test("export to a file leaves no file behind, and says so", async () => {
    await fill();
    const drafts = () => readdirSync(cwd).filter((name) => name.startsWith("out.ndjson"));
    const run = start("export", "out.ndjson");
    await until(() => drafts().length > 0, { timeoutMs: 20_000 });
    run.kill("SIGINT");
    const ended = await run.result;
    expect(ended.code).toBe(130);
    expect(ended.stdout.toString() + ended.stderr).toMatch(/stopped before the end/);
    expect(drafts()).toEqual([]);
  });

  test("export to a pipe ends after a whole line", async () => {
    await fill();
    const run = start("export");
    await underWay(run);
    run.kill("SIGINT");
    const ended = await run.result;
    expect(ended.code).toBe(130);
    const lines = ended.stdout.toString().trimEnd().split("\n");
    expect(lines.length).toBeLessThan(RECORDS);
    expect(JSON.parse(lines.at(-1) ?? "")).toMatchObject({ key: expect.stringMatching(/^many:/) });
    expect(ended.stderr).toMatch(new RegExp(`exported ${lines.length} entries.*\\n.*stopped before the end`));
  });

  test("keys ends after a whole key, and gives a cursor to go on with", async () => {
    await fill();
    const run = start("keys", "-0");
    await underWay(run);
    run.kill("SIGINT");
    const ended = await run.result;
    expect(ended.code).toBe(130);
    const cursor = /stopped; go on with --cursor (\S+)/.exec(ended.stderr)?.[1] ?? "";
    const seen = ended.stdout.toString().split("\0");
    expect(seen.pop()).toBe("");
    expect(seen.length).toBeLessThan(RECORDS);
    const rest = await start("keys", "-0", "--cursor", cursor).result;
    expect(rest.code).toBe(0);
    expect(new Set([...seen, ...rest.stdout.toString().split("\0").slice(0, -1)]).size).toBe(RECORDS);
  });

  test("invalidate says how many went, and the same command takes the rest", async () => {
    const args = ["invalidate", "--prefix", "many:", "--yes", "--json"];
    await fill();
    const run = start(...args);
    await until(async () => (await size()) < RECORDS, { timeoutMs: 20_000 });
    run.kill("SIGINT");
    const ended = await run.result;
    expect(ended.code).toBe(130);
    const report = JSON.parse(ended.stdout.toString());
    expect(report).toMatchObject({ complete: false, deleted: RECORDS - (await size()) });
    expect(ended.stderr).toContain("the same command goes on with what is left");
    const again = await start(...args).result;
    expect(JSON.parse(again.stdout.toString())).toMatchObject({ complete: true, deleted: RECORDS - report.deleted });
    expect(await size()).toBe(0);
  });
});

test("a second Ctrl-C ends at once, even while the store does not answer", async () => {
  const run = start("warm", file, "--timeout", "20s");
  await until(async () => (await size()) > 1000, { timeoutMs: 20_000 });
  server.pause();
  try {
    run.kill("SIGINT");
    const early = await Promise.race([run.result.then(() => "ended"), new Promise((r) => setTimeout(r, 300, "waits"))]);
    expect(early).toBe("waits");
    const at = performance.now();
    run.kill("SIGINT");
    expect(await run.result).toMatchObject({ code: 130 });
    expect(performance.now() - at).toBeLessThan(1000);
  } finally {
    server.resume();
  }
});

test.each([
  ["warm", ["warm", file], async () => (await size()) > 1000],
  ["export to a file", ["export", "term.ndjson"], () => readdirSync(cwd).some((name) => name.startsWith("term."))],
])("SIGTERM stops %s at a safe point too, and ends with 143", async (_name, args, begun) => {
  if (args[0] === "export") await fill();
  const run = start(...args);
  await until(begun, { timeoutMs: 20_000 });
  run.kill("SIGTERM");
  const ended = await run.result;
  expect(ended).toMatchObject({ code: 143, signal: null });
  expect(ended.stdout.toString() + ended.stderr).toContain("stopped");
  expect(readdirSync(cwd).filter((name) => name.endsWith(".tmp"))).toEqual([]);
});

test("Ctrl-C while a value is read from a pipe that stays open stores nothing", async () => {
  const run = startBinary(["set", "cut", "-", "--store", server.url, "--password", "x"], {
    cwd,
    stdin: { open: true },
  });
  // The warning about the password is said when the settings are read, right before the value is.
  await until(() => run.stderr().includes("warning:"), { timeoutMs: 20_000 });
  run.kill("SIGINT");
  expect((await run.result).code).toBe(130);
  expect(await redisCli(server, "EXISTS", "cut")).toBe("0");
});

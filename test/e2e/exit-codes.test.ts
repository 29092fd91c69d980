import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RedisServer, redisCli, startRedis } from "../support/redis-server.js";
import { runBinary } from "../support/run-binary.js";
import { tempDir } from "../support/temp-dir.js";

let server: RedisServer;
let store: string;
const cwd = tempDir("exit-codes");

beforeAll(async () => {
  server = await startRedis({ users: [{ name: "reader", password: "only-looks", rights: "~* +@read +ping +client" }] });
  store = server.url;
  await redisCli(server, "MSET", "there", "1", "tidy:1", "x", "tidy:2", "y");
  writeFileSync(join(cwd, "good.json"), '{"w:1":1,"w:2":"two"}');
  writeFileSync(join(cwd, "half-bad.ndjson"), '{"key":"h:1","value":1}\n{"key":"h:2"}\n');
});
afterAll(() => server.stop());

const cache = (...args: string[]) => runBinary([...args, "--store", store], { cwd });

describe("each exit code, as the process has it", () => {
  test.concurrent.each<[code: number, what: string, args: string[]]>([
    [0, "a hit", ["get", "there"]],
    [0, "something is there", ["exists", "there"]],
    [0, "a value stored", ["set", "new", "1"]],
    [0, "nothing matched", ["invalidate", "--prefix", "nobody:", "--yes"]],
    [0, "a dry run", ["invalidate", "--prefix", "tidy:", "--dry-run"]],
    [0, "an answer to a probe", ["info", "--check"]],
    [0, "warmed", ["warm", "good.json"]],
    [2, "an unknown flag", ["get", "there", "--bogus"]],
    [2, "a key is missing", ["get"]],
    [2, "a wrong duration", ["set", "a", "1", "--ttl", "soon"]],
    [2, "a TTL of nothing", ["set", "a", "1", "--ttl", "0"]],
    [2, "a file that is not there", ["warm", "nowhere.json"]],
    [3, "a miss", ["get", "nobody"]],
    [3, "one of two is missing", ["exists", "there", "nobody"]],
    [3, "if-absent does not hold", ["set", "there", "2", "--if-absent"]],
    [3, "if-present does not hold", ["set", "nobody", "2", "--if-present"]],
    [3, "nothing matched, and that is a failure", ["invalidate", "--prefix", "nobody:", "--yes", "--fail-if-none"]],
    [6, "some records are bad", ["warm", "half-bad.ndjson"]],
    [7, "many would go and nobody said yes", ["invalidate", "--prefix", "tidy:"]],
    [7, "everything would go", ["invalidate", "--all", "--yes"]],
    [7, "read-only", ["set", "there", "2", "--read-only"]],
  ])("%i: %s", async (code, _what, args) => {
    const run = await cache(...args);
    expect({ code: run.code, signal: run.signal, stderr: run.stderr }).toEqual({
      code,
      signal: null,
      stderr: run.stderr,
    });
    if (code !== 0) expect(run.stderr).not.toMatch(/\n\s+at /);
    if (code === 2) expect(run.stderr).toMatch(/^error: .+\n {2}\S/);
  });

  test.concurrent("2: a word that is no command, with what was probably meant", async () => {
    const run = await runBinary(["invalidat"]);
    expect(run).toMatchObject({ code: 2, stderr: expect.stringContaining("cache invalidate") });
    expect(run.stdout).toHaveLength(0);
  });

  test.concurrent("4: the user may not do this", async () => {
    const run = await runBinary(["set", "a", "1", "--store", store, "--redis-username", "reader"], {
      env: { CACHE_PASSWORD: "only-looks", CACHE_STORE: store },
    });
    expect(run).toMatchObject({ code: 4, stderr: expect.stringContaining("may not do this") });
  });

  test.concurrent.each([
    [["invalidate", "--prefix", "tidy:"]],
    [["invalidate", "--all"]],
    [["get", "there", "--ask-password"]],
  ])("7 at once, never a hang: %j with nobody to ask, though standard input stays open", async (args) => {
    const run = await runBinary([...args, "--store", store], { cwd, stdin: { open: true }, timeoutMs: 10_000 });
    expect(run).toMatchObject({ code: 7, stderr: expect.stringMatching(/^error: .+\n {2}\S/) });
    expect(await redisCli(server, "EXISTS", "tidy:1")).toBe("1");
  });

  test.concurrent("5: nothing listens there", async () => {
    const run = await runBinary(["get", "a", "--store", "redis://127.0.0.1:1"]);
    expect(run).toMatchObject({ code: 5, stderr: expect.stringContaining("can't reach redis://127.0.0.1:1/0") });
  });

  test.concurrent.each([
    [3, ["get", "nobody", "--json"]],
    [2, ["get", "--json", "--bogus"]],
    [7, ["invalidate", "--prefix", "tidy:", "--json"]],
    [6, ["warm", "half-bad.ndjson", "--json"]],
  ])("%i also with --json, and stdout is one JSON text", async (code, args) => {
    const run = await cache(...args);
    expect(run.code).toBe(code);
    const said = JSON.parse(run.stdout.toString());
    if (code === 2 || code === 7) {
      expect(Object.keys(said)).toEqual(["error"]);
      expect(said.error).toMatchObject({ code: expect.stringMatching(/^[a-z-]+$/), message: expect.any(String) });
    } else expect(said).toMatchObject({ schema: expect.stringMatching(/^cache\.\w+\/1$/) });
  });

  test("help and version are on stdout, with 0; no command is 2", async () => {
    const [help, version, nothing, ofCommand] = await Promise.all(
      [["--help"], ["--version"], [], ["warm", "--help"]].map((args) => runBinary(args)),
    );
    expect(help).toMatchObject({ code: 0, stderr: "" });
    expect(help?.stdout.toString()).toContain("COMMANDS");
    expect(version).toMatchObject({ code: 0, stderr: "" });
    expect(version?.stdout.toString()).toMatch(/^cachectl\/\d+\.\d+\.\d+ .*node-v\d+/);
    expect(nothing?.code).toBe(2);
    expect(ofCommand?.stdout.toString()).toContain("--checkpoint");
  });
});

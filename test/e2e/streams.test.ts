import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RedisServer, redisCli, redisCliBytes, startRedis } from "../support/redis-server.js";
import { runBinary, runShell } from "../support/run-binary.js";
import { tempDir } from "../support/temp-dir.js";

let server: RedisServer;
let env: Record<string, string>;
const cwd = tempDir("streams");
/** Every byte, and sequences that no text holds. */
const binary = Buffer.concat([Buffer.from(Array.from({ length: 256 }, (_, i) => i)), Buffer.from("\r\n\0\n\xff\xfe")]);

beforeAll(async () => {
  server = await startRedis();
  env = { CACHE_STORE: server.url };
  await redisCliBytes(server, ["SET", "binary"], binary);
  await redisCli(server, "MSET", "text", "line", "json", '{"a": 1.0}', "empty", "");
  await redisCli(server, "SET", "big", "x".repeat(100_000));
});
afterAll(() => server.stop());

const cache = (args: string[], stdin?: string | Uint8Array) =>
  runBinary(args, { env, cwd, ...(stdin !== undefined && { stdin }) });

describe("bytes through a pipe are exact", () => {
  test.concurrent.each([
    ["binary", binary],
    ["text", Buffer.from("line")],
    ["json", Buffer.from('{"a": 1.0}')],
    ["empty", Buffer.alloc(0)],
  ])("get %s: the stored bytes, no newline", async (key, bytes) => {
    const run = await cache(["get", key]);
    expect(run).toMatchObject({ code: 0, stderr: "" });
    expect(run.stdout.equals(bytes)).toBe(true);
  });

  test.concurrent("several values end in NUL each with -0", async () => {
    const run = await cache(["get", "binary", "text", "-0"]);
    expect(run.stdout.equals(Buffer.concat([binary, Buffer.from("\0line\0")]))).toBe(true);
  });

  test.concurrent("--output writes them to a file of our own", async () => {
    const run = await cache(["get", "binary", "--output", "out.bin"]);
    expect(run.stdout).toHaveLength(0);
    expect(readFileSync(join(cwd, "out.bin")).equals(binary)).toBe(true);
  });

  test.concurrent("--json tells binary as base64", async () => {
    const run = await cache(["get", "binary", "--json"]);
    const { value } = JSON.parse(run.stdout.toString());
    expect(value).toEqual({ encoding: "base64", data: binary.toString("base64") });
  });
});

describe("standard input", () => {
  test.concurrent.each([
    ["set - takes every byte", ["set", "from-dash", "-"], "from-dash"],
    ["set --file - too", ["set", "from-file-dash", "--file", "-"], "from-file-dash"],
  ])("%s", async (_name, args, key) => {
    const sent = Buffer.concat([binary, randomBytes(200_000), Buffer.from("\n")]);
    expect((await cache(args, sent)).code).toBe(0);
    const there = await redisCliBytes(server, ["--raw", "GET", key]);
    expect(there.subarray(0, -1).equals(sent)).toBe(true);
  });

  test.concurrent("without - it is not read: a value is missing, at once, though the pipe stays open", async () => {
    const run = await runBinary(["set", "unasked"], { env, cwd, stdin: { open: true }, timeoutMs: 10_000 });
    expect(run.code).toBe(2);
    expect(await redisCli(server, "EXISTS", "unasked")).toBe("0");
  });

  test.concurrent("a get ends though nobody closes its standard input", async () => {
    const run = await runBinary(["get", "text"], { env, cwd, stdin: { open: true }, timeoutMs: 10_000 });
    expect(run).toMatchObject({ code: 0, stdout: Buffer.from("line") });
  });

  test.concurrent("warm - reads records as they come", async () => {
    const run = await cache(["warm", "-", "--format", "ndjson"], '{"key":"piped","value":"\\u0000\\u001b"}\n');
    expect(run).toMatchObject({ code: 0 });
    expect((await cache(["get", "piped"])).stdout.equals(Buffer.from("\0\x1b"))).toBe(true);
  });

  test.concurrent("invalidate --file - -0 takes keys with line feeds", async () => {
    await redisCli(server, "MSET", "two\nlines", "1", "second", "2");
    const run = await cache(["invalidate", "--file", "-", "-0", "--json"], "two\nlines\0second\0absent\0");
    expect(JSON.parse(run.stdout.toString())).toMatchObject({ deleted: 2 });
    expect(await redisCli(server, "EXISTS", "two\nlines", "second")).toBe("0");
  });

  test.concurrent("set - from an empty input stores the empty value", async () => {
    expect((await cache(["set", "from-nothing", "-"], "")).code).toBe(0);
    expect(await redisCli(server, "STRLEN", "from-nothing")).toBe("0");
    expect(await redisCli(server, "EXISTS", "from-nothing")).toBe("1");
  });

  test.concurrent("many keys through xargs, with a command line of megabytes", async () => {
    const keys = Array.from({ length: 3000 }, (_, i) => `long:${i}:${"k".repeat(300)}`);
    writeFileSync(join(cwd, "keys"), keys.join("\0"));
    const run = await runShell(`xargs -0 -n 3000 -s 1900000 "\${CACHE[@]}" exists --ndjson <keys | tail -1`, {
      env,
      cwd,
    });
    expect(JSON.parse(run.stdout.toString())).toMatchObject({ type: "summary", found: 0, missing: 3000 });
  });
});

test.concurrent("progress off a terminal is a plain line every few seconds", async () => {
  const record = `{"key":"slow:$i","value":1}`;
  const run = await runShell(
    `for i in $(seq 1000); do printf '%s\\n' "${record.replaceAll('"', '\\"')}"; [ $i = 600 ] && sleep 5.5; done |
      cache warm - --format ndjson --batch-size 100`,
    { env, cwd },
  );
  expect(run).toMatchObject({ code: 0, stderr: expect.stringMatching(/^warmed: \d+ \(\d+\/s\)\n$/) });
  expect(run.stdout.toString()).toContain("stored 1000 entries");
});

describe("a reader that goes away (EPIPE) is no failure", () => {
  test.concurrent("get | head -c 1", async () => {
    const run = await runShell(`cache get big | head -c 1; echo " \${PIPESTATUS[0]}"`, { env, cwd });
    expect(run).toMatchObject({ stderr: "", code: 0 });
    expect(run.stdout.toString()).toBe("x 0\n");
  });

  test.concurrent("a reader that never reads", async () => {
    const run = await runShell(`cache get big | true; echo "\${PIPESTATUS[0]}"`, { env, cwd });
    expect(run).toMatchObject({ stderr: "", stdout: Buffer.from("0\n") });
  });

  test.concurrent("closed standard error", async () => {
    const run = await runShell('cache get nobody 2>&-; echo "$?"', { env, cwd });
    expect(run.stdout.toString()).toBe("3\n");
  });

  test.concurrent("a full device is a failure that is told, not a crash", async () => {
    const run = await runShell('cache get big >/dev/full; echo "$?"', { env, cwd });
    expect(run.stdout.toString()).toBe("1\n");
    expect(run.stderr).toMatch(/^error: .*(ENOSPC|no space)/);
    expect(run.stderr).not.toMatch(/\n\s+at /);
  });
});

describe("a million keys", () => {
  beforeAll(async () => {
    await redisCli(
      server,
      "-n",
      "1",
      "EVAL",
      "for i = 1, 1e6 do redis.call('SET', 'many:' .. i, '0123456789') end",
      "0",
    );
    expect(await redisCli(server, "-n", "1", "DBSIZE")).toBe("1000000");
  });

  test.each([["keys"], ["keys --json"], ["keys --ndjson"], ["export"], ["keys -0"]])(
    "cache %s | head ends at once and quietly",
    async (command) => {
      const started = performance.now();
      const run = await runShell(`cache ${command} | head -c 100 | wc -c; echo "\${PIPESTATUS[0]}"`, {
        env: { CACHE_STORE: `${server.url}/1` },
        cwd,
      });
      expect(run.stderr).toBe("");
      expect(run.stdout.toString().trim().split(/\s+/)).toEqual(["100", "0"]);
      expect(performance.now() - started).toBeLessThan(5000);
    },
  );
});

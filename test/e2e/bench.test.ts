import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type RedisServer, redisCli, startRedis } from "../support/redis-server.js";
import { runBinary, startBinary } from "../support/run-binary.js";
import { tempDir } from "../support/temp-dir.js";
import { until } from "../support/until.js";

const cwd = tempDir("bench");
const MEASURING = ["bench", "--duration", "2m", "--workload", "get,set", "--keys", "50", "--concurrency", "2"];

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
afterEach(() => redisCli(server, "FLUSHALL"));

async function measuring() {
  const run = startBinary([...MEASURING, "-s", server.url, "-n", "app"], { cwd });
  await until(async () => Number(await redisCli(server, "DBSIZE")) >= 50, { timeoutMs: 20_000 });
  return run;
}

describe("bench", () => {
  test("that is killed leaves entries that expire, and nothing else", async () => {
    const run = await measuring();
    run.kill("SIGKILL");
    await run.result;
    const script =
      "local out = {} for _, k in ipairs(redis.call('KEYS', '*')) do out[#out + 1] = redis.call('PTTL', k) end return out";
    const left = (await redisCli(server, "EVAL", script, "0")).split("\n").map(Number);
    expect(left).toHaveLength(50);
    expect(Math.min(...left)).toBeGreaterThan(0);
    expect(Math.max(...left)).toBeLessThanOrEqual(600_000);
  });

  test("stopped a second time ends at once, and names what it leaves and the command that removes it", async () => {
    await redisCli(server, "SET", "app:theirs", "1");
    const run = await measuring();
    // Removing takes its time then.
    server.pause();
    try {
      run.kill("SIGINT");
      await until(() => run.stderr().includes("Ctrl-C again"), { timeoutMs: 20_000 });
      run.kill("SIGINT");
      expect(await run.result).toMatchObject({ code: 130, signal: null });
    } finally {
      server.resume();
    }
    const [, prefix] = /still holds what is under app:(bench:[0-9a-f]{12}:)/.exec(run.stderr()) ?? [];
    const [, command = ""] = /Remove it: cache (.+)/.exec(run.stderr()) ?? [];
    expect(command).toBe(`invalidate --prefix ${prefix} --yes -s ${server.url}/0 -n app:`);
    expect(await redisCli(server, "DBSIZE")).toBe("51");
    const removed = await runBinary(command.split(" "), { cwd });
    expect([removed.code, removed.stdout.toString()]).toEqual([0, expect.stringContaining("deleted 50 entries")]);
    expect(await redisCli(server, "KEYS", "app:bench:*")).toBe("");
    expect(await redisCli(server, "EXISTS", "app:theirs")).toBe("1");
  });
});

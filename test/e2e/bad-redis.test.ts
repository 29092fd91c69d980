import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { recordValue, writeRecords } from "../support/kill-rounds.js";
import { freePort, type RedisServer, type RedisServerOptions, redisCli, startRedis } from "../support/redis-server.js";
import { type RespServer, respServer } from "../support/resp-server.js";
import { runBinary, startBinary } from "../support/run-binary.js";
import { tempDir } from "../support/temp-dir.js";
import { until } from "../support/until.js";

const servers: RedisServer[] = [];
const ending: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop();
  for (const end of ending.splice(0)) await end();
});

async function silentAfterGreeting(): Promise<RespServer> {
  const server = await respServer(([name = ""]) => ({ PING: "+PONG\r\n", INFO: "$0\r\n\r\n" })[name]);
  ending.push(() => server.stop());
  return server;
}

async function start(options: RedisServerOptions = {}): Promise<RedisServer> {
  const server = await startRedis(options);
  servers.push(server);
  return server;
}

const at = (server: { url: string }, ...args: string[]) => runBinary([...args, "--store", server.url]);

describe("a server that says no", () => {
  test("a wrong password and none: 4, and the password is not shown", async () => {
    const server = await start({ password: "right" });
    const wrong = await runBinary(["get", "a"], { env: { CACHE_STORE: server.url, CACHE_PASSWORD: "wrong-one" } });
    expect(wrong).toMatchObject({ code: 4, stderr: expect.stringMatching(/refused the user or the password\n {2}\S/) });
    expect(wrong.stderr).not.toContain("wrong-one");
    expect(await at(server, "get", "a")).toMatchObject({
      code: 4,
      stderr: expect.stringContaining("asks for a password"),
    });
  });

  test("a user without rights: 4, and what was written is said", async () => {
    // Beside its own keys such a user needs those that this program keeps for tags.
    const rights = "~ok:* ~?cachectl:* &* +@all";
    const server = await start({ users: [{ name: "some", password: "secret", rights }] });
    const cwd = tempDir("acl");
    const records = Array.from({ length: 40 }, (_, i) => `{"key":"${i < 30 ? "ok" : "no"}:${i}","value":${i}}\n`);
    writeFileSync(join(cwd, "r.ndjson"), records.join(""));
    const args = ["warm", "r.ndjson", "--batch-size", "10", "--concurrency", "1", "--redis-username", "some"];
    const run = await runBinary(args, { cwd, env: { CACHE_STORE: server.url, CACHE_PASSWORD: "secret" } });
    expect(run).toMatchObject({ code: 4, stderr: expect.stringContaining("may not do this") });
    expect(run.stderr).toContain("stored 30 entries");
    expect(await redisCli(server, "DBSIZE")).toBe("30");
  });

  test("a replica takes no writes: 1 with the way out, reads go on", async () => {
    const primary = await start();
    await redisCli(primary, "SET", "a", "1");
    const replica = await start({ config: { replicaof: ["127.0.0.1", String(primary.port)] } });
    await until(async () => (await redisCli(replica, "GET", "a")) === "1", { timeoutMs: 20_000 });
    const [set, invalidate, get] = await Promise.all([
      at(replica, "set", "a", "2"),
      at(replica, "invalidate", "a"),
      at(replica, "get", "a"),
    ]);
    expect(set).toMatchObject({ code: 1, stderr: expect.stringMatching(/replica[\s\S]*primary/) });
    expect(invalidate).toMatchObject({ code: 1, stderr: expect.stringContaining("replica") });
    expect(get).toMatchObject({ code: 0, stdout: Buffer.from("1") });
    expect(await redisCli(primary, "GET", "a")).toBe("1");
  });

  test("no memory left and nothing evicted: 1, and what was written is said", async () => {
    const server = await start({ config: { maxmemory: "8mb", "maxmemory-policy": "noeviction" } });
    const file = join(tempDir("oom"), "records.ndjson");
    await writeRecords(file, 20_000, 1000);
    const run = await at(server, "warm", file, "--json", "--ttl", "none");
    expect(run.code).toBe(1);
    const { error } = JSON.parse(run.stdout.toString());
    expect(error).toMatchObject({ code: "store-full", hint: expect.stringContaining("maxmemory") });
    const { stored, unacknowledged } = error.report;
    const there = (await redisCli(server, "EVAL", "return #redis.call('KEYS','k:*')", "0")).length > 0;
    expect(there).toBe(true);
    const count = Number(await redisCli(server, "EVAL", "return #redis.call('KEYS','k:*')", "0"));
    expect(stored).toBeGreaterThan(0);
    expect(count).toBeGreaterThanOrEqual(stored);
    expect(count).toBeLessThanOrEqual(stored + unacknowledged);
    const again = await at(server, "invalidate", "--all", `--confirm=${server.url}/0`);
    expect(again.code).toBe(0);
  });

  test("a key of another type is shown; it is not overwritten, and goes only by its type", async () => {
    const server = await start();
    await redisCli(server, "RPUSH", "list", "one", "two");
    const get = await at(server, "get", "list", "--json");
    expect(JSON.parse(get.stdout.toString())).toMatchObject({ found: true, valueType: "list", value: ["one", "two"] });
    const set = await at(server, "set", "list", "1");
    expect(set).toMatchObject({ code: 1, stderr: expect.stringMatching(/another Redis type[\s\S]*\n {2}\S/) });
    expect((await at(server, "invalidate", "--prefix", "li", "--yes")).code).toBe(0);
    expect(await redisCli(server, "LRANGE", "list", "0", "-1")).toBe("one\ntwo");
    expect((await at(server, "invalidate", "--prefix", "li", "--type", "list", "--yes")).code).toBe(0);
    expect(await redisCli(server, "EXISTS", "list")).toBe("0");
  });
});

describe("a server that says nothing", () => {
  test("is away: 5 at once, nothing is queued", async () => {
    const url = `redis://127.0.0.1:${await freePort()}`;
    const began = performance.now();
    for (const args of [
      ["get", "a"],
      ["set", "a", "1"],
      ["invalidate", "a"],
      ["keys"],
      ["stats"],
      ["info", "--check"],
    ]) {
      const run = await at({ url }, ...args);
      expect([args[0], run.code]).toEqual([args[0], 5]);
      expect(run.stderr + run.stdout.toString()).toMatch(/nothing listens there/);
    }
    // Nothing is waited for, neither an answer nor the end of a socket: the limit is that of a busy machine.
    expect(performance.now() - began).toBeLessThan(8000);
  });

  test.each([
    ["get", ["get", "a"]],
    ["set", ["set", "a", "1"]],
    ["invalidate", ["invalidate", "--prefix", "a", "--yes"]],
    ["info --check", ["info", "--check"]],
  ])("is stopped: %s ends with 5 within its timeout", async (_name, args) => {
    const server = await start();
    server.pause();
    const began = performance.now();
    const run = await at(server, ...args, "--timeout", "700ms");
    const took = performance.now() - began;
    server.resume();
    expect(run.code).toBe(5);
    expect(took).toBeGreaterThan(700);
    // Beside the timeout there is the start of the program, on a machine that may be busy.
    expect(took).toBeLessThan(1800);
    expect(run.stderr + run.stdout.toString()).toMatch(/did not answer in time/);
  });

  test.each([
    ["get", ["get", "a"]],
    ["set", ["set", "a", "1"]],
    ["invalidate", ["invalidate", "a"]],
    ["stats", ["stats"]],
  ])("says nothing after its greeting: %s waits once, also where it counts", async (_name, args) => {
    const server = await silentAfterGreeting();
    const began = performance.now();
    const run = await at(server, ...args, "--timeout", "1500ms", "--namespace", "n");
    expect(run).toMatchObject({ code: 5, stderr: expect.stringContaining("did not answer in time") });
    expect(performance.now() - began).toBeLessThan(2700);
  });

  test.each([
    ["get", ["get", "a"]],
    ["set", ["set", "a", "1"]],
    ["keys", ["keys"]],
    ["stats", ["stats"]],
    ["info", ["info"]],
    ["invalidate", ["invalidate", "--prefix", "a", "--yes"]],
    ["warm", ["warm", "-", "--format", "ndjson"]],
  ])("Ctrl-C ends a %s that waits for it: 130", async (_name, args) => {
    const silent = await respServer(() => undefined);
    ending.push(() => silent.stop());
    const greeted = await silentAfterGreeting();
    const stdin = '{"key":"a","value":1}\n';
    for (const server of [silent, greeted]) {
      const run = startBinary([...args, "--store", server.url, "--timeout", "20s", "--namespace", "n"], { stdin });
      await until(() => server.heard.length > (server === greeted ? 2 : 0), { timeoutMs: 10_000 });
      const began = performance.now();
      run.kill("SIGINT");
      expect(await run.result).toMatchObject({ code: 130, signal: null });
      expect(performance.now() - began).toBeLessThan(2500);
    }
  });

  test("stops in the middle of a warm: 5 within the timeout, and what was written is said", async () => {
    const server = await start();
    const file = join(tempDir("paused"), "records.ndjson");
    await writeRecords(file, 200_000);
    const run = startBinary(["warm", file, "--store", server.url, "--timeout", "1s"]);
    await until(async () => Number(await redisCli(server, "DBSIZE")) > 2000, { timeoutMs: 20_000 });
    server.pause();
    const paused = performance.now();
    const ended = await run.result;
    expect(performance.now() - paused).toBeLessThan(5000);
    server.resume();
    expect(ended.code).toBe(5);
    expect(ended.stderr).toMatch(/stored [1-9]\d* entries[\s\S]*sent but not acknowledged/);
  });

  test("is still loading: 5, and says so", async () => {
    const config = { "key-load-delay": "1000", rdbcompression: "no" };
    const server = await start({ config });
    await redisCli(server, "EVAL", "for i = 1, 3000 do redis.call('SET', i, string.rep('x', 4000)) end", "0");
    expect(await redisCli(server, "SAVE")).toBe("OK");
    await server.kill();
    const back = server.restart();
    await until(async () => (await redisCli(server, "PING")).startsWith("LOADING"), { timeoutMs: 10_000 });
    const run = await at(server, "get", "1");
    expect(run).toMatchObject({ code: 5, stderr: expect.stringMatching(/still loading[\s\S]*try again/) });
    await back;
    expect((await at(server, "get", "1")).stdout).toHaveLength(4000);
  });

  test("dies in the middle of a warm: 5, what was written is said, and --checkpoint leaves nothing out", async () => {
    const server = await start({ config: { appendonly: "yes", appendfsync: "always" } });
    const cwd = tempDir("died");
    const count = 60_000;
    await writeRecords(join(cwd, "records.ndjson"), count);
    const args = ["warm", "records.ndjson", "--store", server.url, "--checkpoint", "c.json", "--json"];
    const run = startBinary(args, { cwd });
    await until(async () => Number(await redisCli(server, "DBSIZE")) > 5000, { timeoutMs: 20_000 });
    await server.kill();
    const ended = await run.result;
    expect(ended.code).toBe(5);
    const { error } = JSON.parse(ended.stdout.toString());
    expect(error).toMatchObject({ code: "store-unreachable", report: { stored: expect.any(Number) } });
    expect(existsSync(join(cwd, "c.json"))).toBe(true);
    expect(JSON.parse(readFileSync(join(cwd, "c.json"), "utf8")).counters.stored).toBe(error.report.stored);

    await server.restart();
    const again = await runBinary(args, { cwd });
    expect(again.code).toBe(0);
    expect(JSON.parse(again.stdout.toString())).toMatchObject({
      stored: count,
      resumedFrom: { line: error.report.stored + 1 },
    });
    expect(await redisCli(server, "EVAL", "return #redis.call('KEYS','k:*')", "0")).toBe(String(count));
    for (let i = 0; i < count; i += 997) expect(await redisCli(server, "GET", `k:${i}`)).toBe(recordValue(i));
  }, 60_000);

  test("dies in the middle of an invalidation: 5, and what is left is said to be left", async () => {
    const server = await start();
    await redisCli(server, "EVAL", "for i = 1, 300000 do redis.call('SET', 'gone:' .. i, '1') end", "0");
    const run = startBinary(["invalidate", "--prefix", "gone:", "--yes", "--store", server.url, "--rate", "20000"]);
    await until(async () => Number(await redisCli(server, "DBSIZE")) < 300_000, { timeoutMs: 20_000 });
    await server.kill();
    const ended = await run.result;
    expect(ended.code).toBe(5);
    expect(ended.stderr).toMatch(/^error: can't reach/m);
  });
});

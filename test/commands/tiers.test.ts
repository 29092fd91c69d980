import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type RedisServer, redisCli, startRedis } from "../support/redis-server.js";
import { until } from "../support/until.js";
import { Workspace } from "../support/workspace.js";

let server: RedisServer;

beforeAll(async () => {
  server = await startRedis();
});

afterAll(() => server.stop());

function setUp() {
  const work = new Workspace();
  const stores = ["memory:?maxEntries=10", `${server.url}/0`, "file:b"].flatMap((url) => ["-s", url]);
  const names = ["-n", `app${Math.random()}`];
  const run = (...argv: string[]) => work.bare([...argv, ...stores, ...names]);
  return { work, run, stores, names };
}

describe("a command on several stores", () => {
  it("writes to all and deletes from all; one of them is reached by its name", async () => {
    const { run, names } = setUp();
    const stored = await run("set", "k", "v", "--tag", "t");
    expect([stored.code, stored.stderr]).toEqual([0, ""]);
    expect(stored.stdout).toMatch(/in memory: over redis:\/\/127\.0\.0\.1:\d+\/0 over file:.*b, namespace/);
    const tier = async (name: string) => (await run("get", "k", "--tier", name)).stdout;
    expect([await tier("redis"), await tier("file"), (await run("get", "k")).stdout]).toEqual(["v", "v", "v"]);
    expect(await redisCli(server, "GET", `${names[1]}:k`)).toBe("v");
    expect((await run("invalidate", "--tag", "t", "--yes")).stdout).toMatch(/^deleted 1 entry from memory: over /);
    expect([await tier("redis"), await tier("file")]).toEqual(["", ""]);
    expect(await redisCli(server, "EXISTS", `${names[1]}:k`)).toBe("0");
  });

  it("names the tiers in every report", async () => {
    const { run } = setUp();
    await run("set", "k", "v");
    for (const argv of [["get", "k"], ["keys"], ["exists", "k"], ["export", "out.ndjson"]])
      expect((await run(...argv, "--json")).json(), argv[0]).toMatchObject({
        store: "file",
        tiers: ["memory", "redis", "file"],
      });
    expect((await run("keys", "--json", "--tier", "redis")).json()).toMatchObject({
      store: "redis",
      tiers: ["redis"],
      count: 1,
    });
  });

  it("says which tier knows what is shown of an entry", async () => {
    const { run } = setUp();
    await run("set", "k", "v");
    expect((await run("get", "k", "--meta", "--json")).json()).toMatchObject({ tier: "file" });
    expect((await run("get", "k", "--meta", "--json", "--tier", "redis")).json()).toMatchObject({ tier: "redis" });
  });

  it("counts and checks each of them", async () => {
    const { run, work, stores } = setUp();
    await run("set", "k", "v");
    await run("get", "k");
    await run("get", "missing");
    expect((await run("stats", "--json")).json()).toMatchObject({
      hits: 1,
      misses: 1,
      tiers: { redis: { connected: true }, file: { hits: 1, misses: 1, entries: 1 } },
    });
    expect((await run("stats")).stdout).toMatch(/^file +1 +1 +50\.0% +0$/m);
    const checked = await run("info", "--check");
    expect(checked.code).toBe(0);
    expect(checked.stdout).toMatch(
      /^✓ memory answers: each process has its own \(memory:\)\n✓ redis answers in [\d.]+ ms \(redis:.*\)\n✓ file answers/,
    );
    const away = stores.map((url) => url.replace(/:\d+\/0$/, ":1/0"));
    const failed = await work.bare(["info", "--check", ...away]);
    expect(failed.code).toBe(5);
    expect(failed.stdout).toMatch(/✓ memory.*\n✗ redis: .*\n✓ file/);
  });

  it("refuses lists that make no sense", async () => {
    const work = new Workspace();
    const refused = async (...argv: string[]) => {
      const { code, stderr } = await work.bare(["get", "k", ...argv]);
      return [code, stderr];
    };
    expect(await refused("-s", "memory:")).toEqual([
      2,
      expect.stringContaining("a memory store would be gone when this command ends"),
    ]);
    expect(await refused("-s", "sqlite:a", "-s", "memory:")).toEqual([
      2,
      expect.stringContaining("a memory store would be gone"),
    ]);
    expect(await refused("-s", "sqlite:a", "-s", "sqlite:./a")).toEqual([
      2,
      expect.stringContaining("the same sqlite store is named twice"),
    ]);
    expect(await refused("-s", "sqlite:a", "-s", "file:b", "--tier", "redis")).toEqual([
      2,
      expect.stringContaining('there is no tier "redis"'),
    ]);
    expect(await refused("-s", server.url, "--fallback", "memory:")).toEqual([
      2,
      expect.stringContaining("a memory fallback would be gone"),
    ]);
    expect(await refused("-s", "sqlite:a", "--fallback", "sqlite:a")).toEqual([
      2,
      expect.stringContaining("named twice"),
    ]);
    expect(await refused("-s", "sqlite:a", "--fallback", "sqlite:b")).toEqual([
      2,
      expect.stringMatching(
        /--fallback is for a store that can be away, this is a sqlite store\n {2}Leave out --fallback/,
      ),
    ]);
  });
});

describe("a fallback", () => {
  it("takes over while the store is away; afterwards the store is told what it missed before it is trusted", async () => {
    const away = await startRedis();
    try {
      const work = new Workspace();
      const run = (...argv: string[]) => work.bare([...argv, "-s", away.url, "-n", "app", "--fallback", "sqlite:f.db"]);
      await run("set", "old", "1");
      await run("set", "kept", "1");
      const checked = await run("info", "--check");
      expect([checked.code, checked.stdout]).toEqual([
        0,
        expect.stringMatching(/✓ redis .*\n✓ fallback answers .*f\.db/),
      ]);
      await away.kill();
      expect((await run("info", "--check")).stdout).toMatch(/✗ redis.*\n✓ fallback answers/);
      expect((await work.bare(["get", "kept", "-s", away.url, "-n", "app"])).code).toBe(5);
      const deleted = await run("invalidate", "old");
      expect([deleted.code, deleted.stderr]).toEqual([6, expect.stringContaining("noted down as pending")]);
      expect((await run("stats", "--json")).json()).toMatchObject({
        resilience: { fallback: { active: true, pending: 1 } },
      });
      const written = await run("set", "new", "2", "--quiet");
      expect([written.code, written.stderr]).toEqual([6, expect.stringContaining("sqlite stands in for it")]);
      expect((await run("set", "new", "2")).stdout).toMatch(/in the fallback sqlite:.*f\.db, pending for redis:/);
      expect((await run("touch", "new", "--ttl", "1h", "--json")).json()).toMatchObject({ touched: 1, pending: true });
      expect((await run("touch", "new", "--ttl", "1h")).stdout).toContain("in the fallback sqlite:");
      expect((await run("get", "new")).stdout).toBe("2");
      const answeredBy = expect.stringMatching(/^sqlite:.*f\.db$/);
      expect((await run("get", "new", "--json")).json()).toMatchObject({ found: true, answeredBy });
      expect((await run("keys", "--json")).json()).toMatchObject({ answeredBy });
      expect((await run("stats", "--json")).json()).toMatchObject({
        connected: false,
        answeredBy,
        tiers: { redis: { connected: false } },
      });
      const standIn = /the fallback sqlite:\S+f\.db in the place of redis:/;
      for (const argv of [["export"], ["invalidate", "--prefix", "n", "--dry-run"], ["stats"]]) {
        const { stdout, stderr } = await run(...argv);
        expect([argv, stdout + stderr]).toEqual([argv, expect.stringMatching(standIn)]);
      }
      expect((await run("get", "old")).code).toBe(3);
      await away.restart();
      await redisCli(away, "SET", "app:old", "1");
      await redisCli(away, "SET", "app:kept", "1");
      await until(async () => (await run("get", "kept")).stdout === "1");
      expect((await run("get", "kept", "--json")).json()).not.toHaveProperty("answeredBy");
      expect((await run("stats", "--json")).json()).toMatchObject({
        resilience: { fallback: { active: false, pending: 0 } },
      });
      expect((await run("get", "old")).code).toBe(3);
      expect(await redisCli(away, "EXISTS", "app:old")).toBe("0");
    } finally {
      await away.stop();
    }
  });
});

describe("a store that accepts and never answers, with a fallback", () => {
  const TIMEOUT_MS = 500;
  /** What may come on top, on a machine with other things to do; three more waits would be 1,500. */
  const SLACK_MS = 900;

  it("is waited for once a command", async () => {
    const hung = await startRedis();
    try {
      for (const argv of [
        ["get", "k"],
        ["get", "a", "b", "--json", "--meta"],
        ["set", "k", "1"],
        ["keys"],
        ["stats"],
        ["invalidate", "--prefix", "p", "--yes"],
      ]) {
        hung.resume();
        const work = new Workspace();
        const run = async (...more: string[]) => {
          const began = performance.now();
          const flags = ["-s", hung.url, "-n", "app", "--fallback", "sqlite:f.db", ...more];
          const result = await work.bare([...argv, ...flags]);
          return { ...result, took: performance.now() - began };
        };
        expect((await run("--timeout", "10s")).stderr).not.toContain("stands in");
        hung.pause();
        const { took, stderr, code } = await run("--timeout", `${TIMEOUT_MS}ms`);
        expect([argv, code, stderr]).toEqual([argv, expect.any(Number), expect.stringContaining("sqlite stands in")]);
        expect([argv, code]).not.toEqual([argv, 5]);
        expect([argv, Math.max(0, took - TIMEOUT_MS)]).toEqual([argv, expect.toSatisfy((ms) => ms < SLACK_MS)]);
      }
    } finally {
      hung.resume();
      await hung.stop();
    }
  });

  it("nor is it waited for at the end, where it is looked for because of the journal", async () => {
    const hung = await startRedis();
    try {
      hung.pause();
      const work = new Workspace();
      const flags = ["-s", hung.url, "-n", "app", "--fallback", "sqlite:f.db"];
      expect((await work.bare(["set", "k", "1", ...flags, "--timeout", "100ms"])).code).toBe(6);
      const began = performance.now();
      expect((await work.bare(["get", "k", ...flags, "--timeout", "20s"])).stdout).toBe("1");
      expect(performance.now() - began).toBeLessThan(4000);
    } finally {
      hung.resume();
      await hung.stop();
    }
  });
});

describe("compression and encryption", () => {
  it("of single values and by setting, read back with nothing said", async () => {
    const { run, names } = setUp();
    const text = "abc".repeat(1000);
    await run("set", "plain", text);
    await run("set", "small", text, "--compress");
    const size = async (key: string) => Number(await redisCli(server, "STRLEN", `${names[1]}:${key}`));
    expect([await size("plain"), (await size("small")) < 200]).toEqual([3000, true]);
    expect([(await run("get", "small")).stdout, (await run("get", "small", "--tier", "redis")).stdout]).toEqual([
      text,
      text,
    ]);
    await run("set", "zipped", text, "--compression", "gzip");
    expect([(await size("zipped")) < 200, (await run("get", "zipped")).stdout]).toEqual([true, text]);
  });

  it("needs the key that it was encrypted with", async () => {
    const work = new Workspace();
    const keys = work.write("keys", `a:${Buffer.alloc(32, 7).toString("base64")}\n`, 0o600);
    const store = ["-s", "sqlite:c.db"];
    const wrong = work.write("short", "a:AAAA\n", 0o600);
    await work.bare(["set", "k", "secret", ...store, "--encryption-key-file", keys]);
    expect((await work.bare(["get", "k", ...store, "--encryption-key-file", keys])).stdout).toBe("secret");
    const without = await work.bare(["get", "k", ...store]);
    expect([without.code !== 0, without.stdout, without.stderr]).toEqual([true, "", expect.stringContaining("key")]);
    expect(await work.bare(["get", "k", ...store, "--encryption-key-file", wrong])).toMatchObject({ code: 2 });
    expect(await work.bare(["get", "k", ...store, "--encryption-key-file", "missing"])).toMatchObject({ code: 2 });
  });
});

import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type RedisServer, redisCli, redisCliBytes, startRedis } from "../support/redis-server.js";
import { Workspace } from "../support/workspace.js";

let server: RedisServer;
let work: Workspace;

beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
beforeEach(async () => {
  await redisCli(server, "FLUSHALL");
  work = new Workspace(server.url);
});

const FOREIGN = Buffer.from([0x6b, 0xff, 0xfe, 0x0a]);
const redis = (...args: string[]) => redisCli(server, ...args);

async function otherTypes(): Promise<void> {
  await redis("RPUSH", "list", "a", "b", "c");
  await redis("HSET", "hash", "f", "v");
  await redis("SADD", "set", "m");
  await redis("ZADD", "zset", "1.5", "m");
  await redis("XADD", "stream", "1-1", "f", "v");
  await redis("SET", "string", "s");
}

describe("entries as Redis has them", () => {
  it("are plain strings under their own keys, with a relative deadline", async () => {
    await work.ok(["set", "k", '{"a":1}', "--ttl", "10m"]);
    expect(await redis("GET", "k")).toBe('{"a":1}');
    expect(Number(await redis("PTTL", "k"))).toBeGreaterThan(590_000);
    await work.ok(["set", "k", "2"]);
    expect(Number(await redis("PTTL", "k"))).toBeLessThanOrEqual(600_000);
    await work.ok(["touch", "k", "--ttl", "none"]);
    expect(await redis("TTL", "k")).toBe("-1");
    expect((await work.ok(["set", "k", "3"])).stdout).toContain("expires: never as before");
    await redis("SET", "theirs", "not ours");
    expect((await work.ok(["get", "theirs"])).stdout).toBe("not ours");
  });

  it("have no namespace unless one is named", async () => {
    await work.ok(["set", "k", "1"]);
    await work.ok(["set", "k", "2", "-n", "app"]);
    await work.bare([
      "set",
      "k",
      "3",
      "-n",
      "app",
      "--backend",
      "redis",
      "--redis-port",
      String(server.port),
      "--redis-key-prefix",
      "raw-",
    ]);
    const keys = (await redis("KEYS", "*")).split("\n").filter((key) => !key.includes("cachectl"));
    expect(keys.sort()).toEqual(["app:k", "k", "raw-app:k"]);
  });

  it("are missing without a reason that the server does not know", async () => {
    await redis("SET", "k", "1", "PX", "1");
    expect((await work.run(["get", "never"])).stderr).toBe("miss: never (not there)\n");
  });
});

describe("other types", () => {
  it.each([
    ["list", '"a"\n"b"\n"c"\n', ["a", "b", "c"]],
    ["hash", '["f","v"]\n', [["f", "v"]]],
    ["set", '"m"\n', ["m"]],
    ["zset", '["m",1.5]\n', [["m", 1.5]]],
    ["stream", '["1-1",["f","v"]]\n', [["1-1", ["f", "v"]]]],
  ])("a %s is shown with its type", async (type, text, value) => {
    await otherTypes();
    const { stdout, stderr } = await work.ok(["get", type]);
    expect([stdout, stderr]).toEqual([text, expect.stringContaining(`type: ${type}, `)]);
    expect((await work.ok(["get", type, "--json"])).json()).toMatchObject({
      key: type,
      found: true,
      valueType: type,
      truncated: false,
      value,
    });
    expect((await work.ok(["exists", type])).stdout).toBe(`yes\t${type}\n`);
  });

  it("are shown up to --limit", async () => {
    await otherTypes();
    const { stdout, stderr } = await work.ok(["get", "list", "--limit", "2"]);
    expect([stdout, stderr]).toEqual(['"a"\n"b"\n', "type: list, the first 2 elements, more with --limit\n"]);
    expect((await work.ok(["get", "list", "--limit", "2", "--json"])).json()).toMatchObject({
      truncated: true,
      value: ["a", "b"],
    });
    expect(await work.run(["get", "list", "--path", "a"])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("list is a list"),
    });
  });

  it("are listed with their type, or one type alone", async () => {
    await otherTypes();
    const { json } = await work.ok(["keys", "--json"]);
    const { entries } = json();
    const types = Array.isArray(entries) ? entries.map(({ key, valueType }) => [key, valueType]).sort() : [];
    expect(types).toEqual(["hash", "list", "set", "stream", "string", "zset"].map((type) => [type, type]));
    expect((await work.ok(["keys", "--type", "hash", "--type", "zset", "--count"])).stdout).toBe("2\n");
    expect(await work.run(["keys", "--type", "blob"])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('"blob" is no Redis type'),
    });
  });

  it("are deleted only with --type", async () => {
    await otherTypes();
    const named = await work.ok(["invalidate", "hash", "string", "never"]);
    expect(named.stdout).toMatch(/^deleted 1 entry from/);
    expect(named.stderr).toBe("warning: hash is a hash and stays\n  It goes with --type hash.\n");
    expect(await redis("EXISTS", "hash")).toBe("1");
    expect((await work.ok(["invalidate", "hash", "list", "--dry-run"])).stdout).toBe("");
    expect((await work.ok(["invalidate", "hash", "list", "--type", "hash", "--dry-run"])).stdout).toBe("hash\n");
    expect((await work.ok(["invalidate", "hash", "list", "--type", "hash", "--json"])).json().deleted).toBe(1);
    expect((await work.ok(["invalidate", "--prefix", "s", "--yes", "--json"])).json().deleted).toBe(0);
    expect((await work.ok(["invalidate", "--prefix", "s", "--type", "set", "--yes", "--json"])).json().deleted).toBe(1);
    expect((await redis("KEYS", "*")).split("\n").sort()).toEqual(["list", "stream", "zset"]);
    const target = `redis://127.0.0.1:${server.port}/0`;
    expect(
      (await work.ok(["invalidate", "--all", "--type", "any", `--confirm=${target}`, "--json"])).json().deleted,
    ).toBe(3);
    expect(await redis("DBSIZE")).toBe("0");
  });

  it("are counted and left out by export, and stop a backup", async () => {
    await otherTypes();
    const { stdout, stderr } = await work.ok(["export"]);
    expect(stdout.trimEnd().split("\n")).toHaveLength(1);
    expect(stderr).toContain("5 of other types than string left out");
    const { code } = await work.run(["invalidate", "--prefix", "l", "--type", "list", "--backup", "b.ndjson", "--yes"]);
    expect([code, await redis("EXISTS", "list")]).toEqual([7, "1"]);
  });
});

describe("keys that are no UTF-8", () => {
  beforeEach(async () => {
    await redisCliBytes(server, ["SET", "plain", "1"]);
    await redisCliBytes(server, ["EVAL", "return redis.call('SET', ARGV[1], 'v')", "0"], FOREIGN);
  });
  const base64 = FOREIGN.toString("base64");

  it("are shown escaped, and as base64 in JSON", async () => {
    const { stdout } = await work.ok(["keys"]);
    expect(
      stdout
        .split("\n")
        .map((line) => line.split("\t")[0])
        .sort(),
    ).toEqual(["", "k\\xff\\xfe\\n", "plain"]);
    const { entries } = (await work.ok(["keys", "--json"])).json();
    const found = Array.isArray(entries) ? entries.find((entry) => "keyBase64" in entry) : undefined;
    expect(found).toMatchObject({ keyBase64: base64 });
  });

  it("are read, touched and deleted by their base64", async () => {
    expect((await work.ok(["get", "--key-base64", base64])).stdout).toBe("v");
    expect((await work.ok(["exists", "--key-base64", base64])).stdout).toBe("yes\tk\\xff\\xfe\\n\n");
    expect((await work.ok(["touch", "--key-base64", base64, "--ttl", "5m"])).stdout).toBe(
      "k\\xff\\xfe\\n expires: 5m\n",
    );
    await work.ok(["invalidate", "--key-base64", base64]);
    expect(await redis("DBSIZE")).toBe("1");
  });

  it("go through keys -0 and invalidate --file as the bytes they are", async () => {
    const { bytes } = await work.ok(["keys", "--prefix", "k", "-0"]);
    expect(bytes).toEqual(Buffer.concat([FOREIGN, Buffer.alloc(1)]));
    expect((await work.ok(["invalidate", "--file", "-", "-0", "--json"], { stdin: bytes })).json().deleted).toBe(1);
    expect(await redis("KEYS", "*")).toBe("plain");
  });
});

describe("deleting everything", () => {
  it("names the whole database as its target, where there is no namespace", async () => {
    await redis("SET", "theirs", "1");
    const target = `redis://127.0.0.1:${server.port}/0`;
    const refused = await work.run(["invalidate", "--all", "--yes"]);
    expect([refused.code, refused.stderr]).toEqual([
      7,
      expect.stringContaining(`everything in ${target}\n  Say --confirm=${target}`),
    ]);
    for (const wrong of ["redis", `redis://127.0.0.1:${server.port}`, `redis://127.0.0.1:${server.port}/1`]) {
      expect((await work.run(["invalidate", "--all", `--confirm=${wrong}`])).code).toBe(7);
    }
    expect(await redis("EXISTS", "theirs")).toBe("1");
    await work.ok(["invalidate", "--all", `--confirm=${target}`]);
    expect(await redis("EXISTS", "theirs")).toBe("0");
  });

  it("takes the namespace alone where there is one", async () => {
    await redis("SET", "theirs", "1");
    await work.ok(["set", "k", "1", "-n", "app", "--tag", "t"]);
    await work.ok(["invalidate", "--all", "-n", "app", "--confirm", "app"]);
    expect((await redis("KEYS", "*")).split("\n").filter((key) => !key.includes("cachectl"))).toEqual(["theirs"]);
  });
});

describe("tags", () => {
  it("are listed, and deleted with what carries them now", async () => {
    await work.ok(["set", "a", "1", "--tag", "x", "--tag", "y"]);
    await work.ok(["set", "b", "1", "--tag", "x"]);
    await work.ok(["set", "b", "2"]);
    await work.ok(["set", "c", "1", "--tag", "y"]);
    expect((await work.ok(["keys", "--tag", "x", "-0"])).stdout).toBe("a\0");
    expect((await work.ok(["get", "a", "--meta", "--json"])).json()).toMatchObject({ tags: ["x", "y"], tier: "redis" });
    expect((await work.ok(["invalidate", "--tag", "x", "--yes", "--json"])).json().deleted).toBe(1);
    expect([await redis("EXISTS", "a"), await redis("EXISTS", "b"), await redis("EXISTS", "c")]).toEqual([
      "0",
      "1",
      "1",
    ]);
  });
});

describe("stats and info", () => {
  it("show the server's own figures without a namespace, and ours with one", async () => {
    await work.ok(["set", "k", "1"]);
    expect((await work.ok(["stats", "--json"])).json()).toMatchObject({
      source: "server",
      connected: true,
      store: "redis",
    });
    expect((await work.ok(["stats"])).stdout).toContain("the server's own, all clients");
    await work.ok(["set", "k", "1", "-n", "app"]);
    await work.run(["get", "k", "never", "-n", "app", "--json"]);
    expect((await work.ok(["stats", "-n", "app", "--json"])).json()).toMatchObject({
      source: "cache",
      hits: 1,
      misses: 1,
      sets: 1,
      hitRate: 0.5,
    });
    await work.ok(["stats", "--reset", "-n", "app"]);
    expect((await work.ok(["stats", "-n", "app", "--json"])).json()).toMatchObject({
      hits: 0,
      misses: 0,
      hitRate: null,
    });
  });

  it("show facts of the server, and check it", async () => {
    const { json } = await work.ok(["info", "--json"]);
    expect(json()).toMatchObject({
      healthy: true,
      tiers: [{ name: "redis", ok: true, facts: { maxmemory_policy: "noeviction", role: "master" } }],
    });
    expect((await work.ok(["info", "--check"])).stdout).toMatch(
      /^✓ redis answers in [\d.]+ ms \(redis:\/\/127.0.0.1:\d+\/0\)\n$/,
    );
    expect((await work.run(["info", "--check"])).code).toBe(0);
    const away = await work.bare(["info", "--check", "-s", "redis://127.0.0.1:1"]);
    expect([away.code, away.stdout]).toEqual([5, expect.stringContaining("✗ redis: ")]);
    expect((await work.bare(["info", "-s", "redis://127.0.0.1:1"])).code).toBe(0);
  });

  it("warn about a server that evicts what tags need", async () => {
    await redis("CONFIG", "SET", "maxmemory-policy", "allkeys-lru");
    try {
      expect((await work.ok(["info", "--check"])).stderr).toMatch(/^warning: The server evicts any key/);
      expect((await work.ok(["info", "--check", "-q"])).stderr).toBe("");
    } finally {
      await redis("CONFIG", "SET", "maxmemory-policy", "noeviction");
    }
  });
});

describe("a server that refuses", () => {
  it("says what it holds as its own error, 1", async () => {
    await otherTypes();
    const { code, stderr } = await work.run(["set", "string", "x", "--if-absent"]);
    expect([code, stderr]).toEqual([3, ""]);
    await redis("CONFIG", "SET", "maxmemory", "1");
    try {
      const full = await work.run(["set", "k", "v"]);
      expect([full.code, full.stderr.split("\n")[0]]).toEqual([1, expect.stringMatching(/memory/)]);
    } finally {
      await redis("CONFIG", "SET", "maxmemory", "0");
    }
  });

  it("is not reached by a write that may not be", async () => {
    const before = await redis("INFO", "stats");
    const commands = (info: string) => Number(/total_connections_received:(\d+)/.exec(info)?.[1]);
    work.write("in.json", '{"a":1}');
    for (const argv of [
      ["set", "a", "1"],
      ["touch", "a", "--ttl", "5m"],
      ["invalidate", "a"],
      ["warm", "in.json"],
      ["stats", "--reset"],
    ]) {
      expect([argv[0], (await work.run([...argv, "--read-only"])).code]).toEqual([argv[0], 7]);
    }
    // One connection more: that of redis-cli.
    expect(commands(await redis("INFO", "stats"))).toBe(commands(before) + 1);
    expect((await work.ok(["keys", "--read-only"])).code).toBe(0);
  });
});

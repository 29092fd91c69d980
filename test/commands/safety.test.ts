import { readFileSync } from "node:fs";
import { PassThrough } from "node:stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type RedisServer, redisCli, startRedis } from "../support/redis-server.js";
import { until } from "../support/until.js";
import { Workspace } from "../support/workspace.js";

describe("standard input", () => {
  it("has one reader: a password and a value can't both come from it", async () => {
    const work = new Workspace("redis://127.0.0.1:1");
    for (const argv of [
      ["set", "k", "-"],
      ["warm", "-", "--format", "ndjson"],
      ["invalidate", "--file", "-"],
    ]) {
      const { code, stderr } = await work.run([...argv, "--password-file", "-"], { stdin: "secret\nvalue" });
      expect([code, stderr]).toEqual([2, expect.stringContaining("standard input is wanted twice")]);
    }
  });

  it("that is empty is no password", async () => {
    const { code, stderr } = await new Workspace("redis://127.0.0.1:1").run(["get", "k", "--password-file", "-"]);
    expect([code, stderr]).toEqual([2, expect.stringContaining("the password on standard input is empty")]);
  });
});

describe("the store's own file", () => {
  it.each([
    ["export", "c.db"],
    ["export", "./link/../c.db-wal"],
    ["get", "k", "--output", "c.db"],
    ["warm", "in.ndjson", "--rejects", "c.db"],
    ["warm", "in.ndjson", "--checkpoint", "c.db"],
    ["invalidate", "--prefix", "k", "--yes", "--backup", "c.db-shm"],
  ])("is not written over: %s %s %s %s", async (...argv) => {
    const work = new Workspace();
    work.write("in.ndjson", '{"key":"n","value":1}\n');
    await work.ok(["set", "k", "v"]);
    const { code, stderr } = await work.run(argv);
    expect([code, stderr]).toEqual([2, expect.stringContaining("names the store itself")]);
    expect(work.keys()).toEqual(["k"]);
  });

  it("nor is what warm reads", async () => {
    const work = new Workspace();
    work.write("in.ndjson", "bad\n");
    const { code, stderr } = await work.run(["warm", "in.ndjson", "--rejects", "in.ndjson"]);
    expect([code, stderr]).toEqual([2, expect.stringContaining("names a file that is read")]);
    expect(work.read("in.ndjson").toString()).toBe("bad\n");
  });

  it("that is damaged is told also with --quiet", async () => {
    const work = new Workspace();
    work.write("c.db", "this is my diary, and no database at all\n".repeat(100));
    const { stderr } = await work.run(["get", "k", "-q"]);
    expect(stderr).toMatch(/warning: .*c\.db\.corrupt-/);
  });
});

describe("Ctrl-C while standard input says nothing more", () => {
  it.each([
    [["warm", "-", "--format", "ndjson", "--json"]],
    [["warm", "-", "--format", "object"]],
    [["set", "half", "-"]],
    [["invalidate", "--file", "-"]],
  ])("ends the command, which takes no half for the whole: %j", async (argv) => {
    const work = new Workspace();
    await work.ok(["set", "k", "v"]);
    const stdin = new PassThrough();
    stdin.write(argv.includes("object") ? '{"half":"a' : 'k\n{"key":"half","value":"a');
    const stop = new AbortController();
    const running = work.run(argv, { stdin, signal: stop.signal });
    await until(() => stdin.readableLength === 0);
    stop.abort();
    const { code, stdout, stderr } = await running;
    expect([code, stdout + stderr]).toEqual([130, expect.stringMatching(/stopped|interrupted":true/)]);
    expect(work.keys()).toEqual(["k"]);
  });
});

describe("an empty key, as an unset variable of a script gives it", () => {
  it.each([
    ["get", ""],
    ["get", "k", ""],
    ["exists", ""],
    ["set", "", "v"],
    ["touch", "", "--ttl", "1m"],
    ["invalidate", ""],
    ["invalidate", "k", "", "--dry-run"],
  ])("is refused: %s %s %s", async (...argv) => {
    const work = new Workspace();
    await work.ok(["set", "k", "v"]);
    const { code, stdout, stderr } = await work.run(argv);
    expect([code, stdout, stderr]).toEqual([2, "", expect.stringMatching(/^error: a key can't be empty\n {2}\S/)]);
    expect((await work.run([...argv, "--json"])).json().error?.code).toBe("invalid-key");
    expect([...work.keys()]).toEqual(["k"]);
  });
});

describe("a backup", () => {
  it("with --limit holds what goes, and no more", async () => {
    const work = new Workspace();
    for (const key of ["a1", "a2", "a3", "b"]) await work.ok(["set", key, key]);
    await work.ok(["invalidate", "--prefix", "a", "--limit", "2", "--yes", "--backup", "gone.ndjson"]);
    const saved = readFileSync(work.path("gone.ndjson"), "utf8").trimEnd().split("\n");
    const keys = saved.map((line) => JSON.parse(line).key as string);
    expect(keys).toHaveLength(2);
    expect([...work.keys(), ...keys].sort()).toEqual(["a1", "a2", "a3", "b"]);
  });
});

describe("an input that could be two things", () => {
  it("is refused: a JSON file that is one record", async () => {
    const work = new Workspace();
    work.write("one.json", '{"key":"solo","value":"1","expiresAt":null}\n');
    const { code, stderr } = await work.run(["warm", "one.json"]);
    expect([code, stderr]).toEqual([2, expect.stringContaining("could be one record")]);
    await work.ok(["warm", "one.json", "--format", "ndjson"]);
    expect(work.keys()).toEqual(["solo"]);
    await work.ok(["warm", "one.json", "--format", "object", "--prefix", "o:"]);
    expect(work.keys()).toEqual(["o:expiresAt", "o:key", "o:value", "solo"]);
  });

  it("is a bad record: one with ttl and expiresAt", async () => {
    const work = new Workspace();
    work.write("in.ndjson", '{"key":"k","value":1,"ttl":5,"expiresAt":null}\n');
    const { code, stderr } = await work.run(["warm", "in.ndjson"]);
    expect([code, stderr]).toEqual([6, expect.stringContaining("two ways to say one thing")]);
  });

  it("export says when a name will not tell warm what it holds", async () => {
    const work = new Workspace();
    await work.ok(["set", "k", "v"]);
    expect((await work.run(["export", "out.json"])).stderr).toContain("--format ndjson");
    expect((await work.run(["export", "out.ndjson.gz"])).stderr).not.toContain("--format");
  });
});

describe("keys of other Redis types", () => {
  let server: RedisServer;
  let work: Workspace;

  beforeAll(async () => {
    server = await startRedis();
    work = new Workspace(server.url);
    await redisCli(server, "RPUSH", "list", "x");
    await redisCli(server, "EXPIRE", "list", "100");
  });
  afterAll(() => server.stop());

  it("are left as they are by warm and set, which name them", async () => {
    work.write("in.ndjson", '{"key":"a","value":1}\n{"key":"list","value":2}\n{"key":"b","value":3}\n');
    const warmed = await work.run(["warm", "in.ndjson", "--json"]);
    expect(warmed.code).toBe(6);
    expect(warmed.json()).toMatchObject({ stored: 2, otherType: 1, otherTypeKeys: ["list"] });
    expect((await work.run(["warm", "in.ndjson"])).stdout).toContain("another Redis type: list");
    const set = await work.run(["set", "list", "v"]);
    expect([set.code, set.stderr]).toEqual([1, expect.stringContaining("list holds another Redis type")]);
    expect(await redisCli(server, "LRANGE", "list", "0", "-1")).toBe("x");
    expect(await redisCli(server, "MGET", "a", "b")).toBe("1\n3");
  });

  it("have a TTL and a type in --meta", async () => {
    const { ttl, valueType } = (await work.ok(["get", "list", "--meta", "--json"])).json();
    expect(valueType).toBe("list");
    expect(Number(ttl)).toBeGreaterThan(90_000);
  });

  it("keys -0 as JSON says the TTL and tags that there are", async () => {
    await work.ok(["set", "t", "v", "--ttl", "100s", "--tag", "x"]);
    const { entries } = (await work.ok(["keys", "--prefix", "t", "-0", "--json"])).json();
    expect(entries).toEqual([expect.objectContaining({ key: "t", tags: ["x"], ttl: expect.any(Number) })]);
  });

  it("an invalidation that loses its store says what it had done", async () => {
    const lost = await startRedis();
    const away = new Workspace(lost.url);
    away.write("in.ndjson", Array.from({ length: 2000 }, (_, i) => `{"key":"k${i}","value":1}\n`).join(""));
    await away.ok(["warm", "in.ndjson"]);
    const running = away.run(["invalidate", "--prefix", "k", "--yes", "--rate", "1000/s", "--timeout", "1s"]);
    while (Number(await redisCli(lost, "DBSIZE")) > 1800);
    await lost.kill();
    const { code, stderr } = await running;
    expect([code, stderr]).toEqual([5, expect.stringMatching(/at least \d+ entries had been dealt with/)]);
    await lost.stop();
  });
});

describe("a store that is not there", () => {
  it.each([
    ["keys"],
    ["export"],
    ["exists", "k"],
    ["stats"],
    ["invalidate", "--prefix", "k", "--dry-run"],
    ["get", "k", "--peek"],
  ])("is told, and not made by who only reads: %s", async (...argv) => {
    const work = new Workspace("sqlite:./nowhere/x.db");
    const { stderr } = await work.run(argv);
    expect(stderr).toContain("there is no store at sqlite:");
    expect(() => readFileSync(work.path("nowhere/x.db"))).toThrow(/ENOENT/);
  });

  it("is made by a lookup that counts", async () => {
    const work = new Workspace();
    expect((await work.run(["get", "k"])).code).toBe(3);
    expect((await work.ok(["stats", "--json"])).json()).toMatchObject({ misses: 1 });
  });
});

import { readFileSync, statSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { FakeClock } from "../support/fake-clock.js";
import { Workspace } from "../support/workspace.js";

const START = 1_700_000_000_000;
const OBJECT = '{"a": {"n": 1.0, "big": 12345678901234567890}, "b": "text", "c": null}';

const values = (work: Workspace) => Object.fromEntries(work.rows().map(({ key, value }) => [key, value.toString()]));

describe("input", () => {
  it("is an object of keys: strings as their text, all else as its own source", async () => {
    const work = new Workspace();
    work.write("in.json", OBJECT);
    const { stdout, stderr } = await work.ok(["warm", "in.json"]);
    expect(stdout).toMatch(new RegExp(`^stored 3 entries, 47 B, in sqlite:${work.path("c.db")} in \\d+`));
    expect(stderr).toBe("");
    expect(values(work)).toEqual({ a: '{"n": 1.0, "big": 12345678901234567890}', b: "text", c: "null" });
  });

  it("is an array or NDJSON of records", async () => {
    const clock = new FakeClock();
    const work = new Workspace();
    const records = [
      { key: "a", value: "x", ttl: "10m", tags: ["t"] },
      { key: "b", value: "AP8=", encoding: "base64", expiresAt: null },
      { key: "c", value: { d: 1 }, expiresAt: "2023-11-15T00:00:00Z" },
      { key: "d", value: 1, expiresAt: START - 1 },
    ];
    const rows = [
      { key: "a", value: Buffer.from("x"), expiresAt: START + 600_000, tags: ["t"] },
      { key: "b", value: Buffer.from([0, 255]), expiresAt: null, tags: [] },
      { key: "c", value: Buffer.from('{"d":1}'), expiresAt: Date.parse("2023-11-15T00:00:00Z"), tags: [] },
    ];
    work.write("in.json", JSON.stringify(records));
    const array = await work.ok(["warm", "in.json", "--json"], { clock });
    expect(array.json()).toMatchObject({
      schema: "cache.warm/1",
      store: "sqlite",
      read: 4,
      stored: 3,
      expired: 1,
      rejected: 0,
      interrupted: false,
      dryRun: false,
    });
    expect(work.rows()).toEqual(rows);
    work.write("in.ndjson", records.map((record) => `${JSON.stringify(record)}\r\n`).join(""));
    const lines = await work.bare(["warm", "in.ndjson", "-s", "sqlite:other.db", "--ndjson"], { clock });
    expect(lines.lines()).toEqual([expect.objectContaining({ type: "summary", stored: 3, expired: 1 })]);
    expect(work.rows("other.db")).toEqual(rows);
  });

  it("comes from standard input, compressed files, and several at once", async () => {
    const work = new Workspace();
    work.write("a.json.gz", gzipSync('{"a": 1}'));
    work.write("b.json", '{"b": 2, "a": 3}');
    await work.ok(["warm", "a.json.gz", "b.json", "-", "--format", "object"], { stdin: '{"c": 4}' });
    expect(values(work)).toEqual({ a: "3", b: "2", c: "4" });
  });

  it("is told by --format, and refused where it could be two", async () => {
    const work = new Workspace();
    const input = '{"key": "k", "value": "v"}\n';
    await work.ok(["warm", "-", "--format", "object"], { stdin: input });
    expect(values(work)).toEqual({ key: "k", value: "v" });
    await work.bare(["warm", "-", "--format", "ndjson", "-s", "sqlite:other.db"], { stdin: input });
    expect(work.keys("other.db")).toEqual(["k"]);
    const { code, stderr } = await work.run(["warm", "-"], { stdin: input });
    expect([code, stderr]).toEqual([2, expect.stringContaining("--format")]);
  });

  it.each([
    [["warm"], "FILES are missing"],
    [["warm", "none.json"], "there is no file"],
    [["warm", "."], "is a directory"],
    [["warm", "-", "--format", "csv"], "none of object, array, ndjson"],
    [["warm", "-", "-"], "once"],
    [["warm", "-", "--checkpoint", "cp"], "can't be read again"],
    [["warm", "in.json", "--batch-size", "0"], "--batch-size"],
    [["warm", "in.json", "--concurrency", "65"], "--concurrency"],
    [["warm", "in.json", "--ttl-jitter", "101"], "percentage"],
    [["warm", "in.json", "--ttl", "0"], "would store nothing"],
    [["warm", "in.json", "--tag", ""], "can't be a tag"],
    [["warm", "in.json", "--rejects", "no/such/file"], "can't be written"],
  ])("%j is refused", async (argv, message) => {
    const work = new Workspace();
    work.write("in.json", OBJECT);
    expect(await work.run(argv, { stdin: "{}" })).toMatchObject({
      code: 2,
      stdout: "",
      stderr: expect.stringContaining(message),
    });
  });
});

describe("what is written", () => {
  it("gets the default TTL where it is new, and keeps its deadline where not", async () => {
    const clock = new FakeClock();
    const work = new Workspace();
    work.write("in.json", OBJECT);
    await work.ok(["set", "a", "old", "--ttl", "none"], { clock });
    await work.ok(["warm", "in.json"], { clock });
    expect(work.rows().map(({ expiresAt }) => expiresAt)).toEqual([null, START + 3_600_000, START + 3_600_000]);
    await work.ok(["warm", "in.json", "--ttl", "5m"], { clock });
    expect(work.rows().map(({ expiresAt }) => expiresAt)).toEqual([1, 1, 1].map(() => START + 300_000));
    await work.ok(["warm", "in.json", "--ttl", "none"], { clock });
    expect(work.rows().map(({ expiresAt }) => expiresAt)).toEqual([null, null, null]);
  });

  it("expires a little earlier with --ttl-jitter, never later", async () => {
    const clock = new FakeClock();
    const work = new Workspace();
    work.write("in.json", JSON.stringify(Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`k${i}`, i]))));
    await work.ok(["warm", "in.json", "--ttl", "100s", "--ttl-jitter", "20"], { clock });
    const ttls = work.rows().map(({ expiresAt }) => (expiresAt ?? 0) - START);
    expect(Math.max(...ttls)).toBeLessThanOrEqual(100_000);
    expect(Math.min(...ttls)).toBeGreaterThanOrEqual(80_000);
    expect(new Set(ttls).size).toBeGreaterThan(10);
  });

  it("has the prefix, the namespace and the tags", async () => {
    const work = new Workspace();
    work.write("in.json", '[{"key": "k", "value": 1, "tags": ["own"]}]');
    await work.ok(["warm", "in.json", "--prefix", "p-", "-n", "app", "--tag", "x", "--tag", "y"]);
    expect(work.rows()).toMatchObject([{ key: "app:p-k" }]);
    expect(work.rows()[0]?.tags.sort()).toEqual(["own", "x", "y"]);
  });

  it("leaves what is there alone with --if-absent", async () => {
    const work = new Workspace();
    work.write("in.json", OBJECT);
    await work.ok(["set", "b", "mine"]);
    const { stdout } = await work.ok(["warm", "in.json", "--if-absent"]);
    expect(stdout).toMatch(/^stored 2 entries.*\n {2}1 left alone, there already\n$/);
    expect(work.row("b")?.value.toString()).toBe("mine");
  });

  it("is nothing in a dry run, which may look at what is read-only", async () => {
    const work = new Workspace();
    work.write("in.json", OBJECT);
    await work.ok(["set", "z", "1"]);
    expect((await work.ok(["warm", "in.json", "--dry-run", "--read-only"])).stdout).toMatch(
      /^dry run: would store 3 entries/,
    );
    expect(work.keys()).toEqual(["z"]);
    expect(await work.run(["warm", "in.json", "--read-only"])).toMatchObject({ code: 7, stdout: "" });
    expect(work.keys()).toEqual(["z"]);
  });

  it("is read back and compared with --verify", async () => {
    const work = new Workspace();
    work.write("in.json", OBJECT);
    expect((await work.ok(["warm", "in.json", "--verify", "--json"])).json()).toMatchObject({
      verified: 3,
      mismatched: 0,
    });
  });

  it("is nothing where the hit rate is good enough", async () => {
    const work = new Workspace();
    work.write("in.json", OBJECT);
    await work.ok(["set", "k", "1"]);
    await work.run(["get", "k", "never", "--json"]);
    const { stdout, code } = await work.run(["warm", "in.json", "--if-hit-rate-below", "50"]);
    expect([code, stdout]).toEqual([0, "nothing to do: the hit rate is 50.0%\n"]);
    expect((await work.ok(["warm", "in.json", "--if-hit-rate-below", "50", "--json"])).json()).toMatchObject({
      stored: 0,
      skippedBecause: "hit-rate",
      hitRate: 0.5,
    });
    expect(work.keys()).toEqual(["k"]);
    await work.ok(["warm", "in.json", "--if-hit-rate-below", "50.1"]);
    expect(work.keys()).toEqual(["a", "b", "c", "k"]);
  });

  it("is refused where it is larger than the store's bounds, and the rest goes in: 6", async () => {
    const work = new Workspace();
    work.write("in.json", '{"small": "x", "large": "xxxxxxxxxxxxxxxxxxxx"}');
    const { code, stdout } = await work.run(["warm", "in.json", "--max-bytes", "10"]);
    expect([code, stdout]).toEqual([6, expect.stringContaining("1 larger than the store's bounds, not written")]);
    expect(work.keys()).toEqual(["small"]);
  });
});

describe("bad records", () => {
  const LINES = [
    '{"key": "a", "value": 1}',
    '{"key": "", "value": 2}',
    "not json",
    '{"value": 3}',
    '{"key": "b", "value": 4}',
  ];

  it("are told with line and offset, and the good ones go in: 6", async () => {
    const work = new Workspace();
    work.write("in.ndjson", LINES.join("\n"));
    const { code, stdout, stderr } = await work.run(["warm", "in.ndjson", "--rejects", "bad.ndjson", "--no-color"]);
    expect([code, stdout]).toEqual([6, expect.stringMatching(/^stored 2 entries.*\n {2}3 bad, not written\n$/)]);
    const told = stderr.split("\n").slice(0, -1);
    expect(told).toHaveLength(3);
    expect(told[0]).toMatch(/^bad record: \S*in\.ndjson, line 2, offset 25: .*empty/);
    expect(told[1]).toMatch(/line 3, offset 49: /);
    expect(told[2]).toMatch(/line 4, offset 58: /);
    expect(values(work)).toEqual({ a: "1", b: "4" });
    expect(work.read("bad.ndjson").toString()).toBe(`${LINES.slice(1, 4).join("\n")}\n`);
    expect(statSync(work.path("bad.ndjson")).mode & 0o777).toBe(0o600);
    expect((await work.run(["warm", "in.ndjson", "--json"])).json()).toMatchObject({ stored: 2, rejected: 3 });
  });

  it("are told ten at most, the rest counted", async () => {
    const work = new Workspace();
    work.write("in.ndjson", "x\n".repeat(30));
    const { code, stderr } = await work.run(["warm", "in.ndjson"]);
    expect(code).toBe(6);
    expect(stderr.split("\n").slice(0, -1)).toHaveLength(11);
    expect(stderr).toMatch(/more bad records are only counted\n$/);
    expect((await work.run(["warm", "in.ndjson", "-q"])).stderr).toBe("");
  });

  it("stop it at --max-errors, and what was done is told", async () => {
    const work = new Workspace();
    work.write("in.ndjson", LINES.join("\n"));
    const { code, stderr } = await work.run([
      "warm",
      "in.ndjson",
      "--max-errors",
      "2",
      "--batch-size",
      "1",
      "--concurrency",
      "1",
    ]);
    expect([code, stderr]).toEqual([2, expect.stringContaining("stopped after 3 bad records")]);
    expect((await work.run(["warm", "in.ndjson", "--max-errors", "3"])).code).toBe(6);
    const json = await work.run(["warm", "in.ndjson", "--max-errors", "0", "--json"]);
    expect([json.code, json.json().error]).toMatchObject([2, { code: "too-many-rejects", report: { rejected: 3 } }]);
  });

  it("are no records of a file that ends too early: what came before is in, and said", async () => {
    const work = new Workspace();
    work.write("cut.json", '{"a": 1, "b": [1,');
    const { code, stdout, stderr } = await work.run(["warm", "cut.json"]);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(/error: .*line 1/);
    expect(values(work)).toEqual({ a: "1" });
  });
});

describe("a checkpoint", () => {
  it("lets a run go on, and is gone at the end", async () => {
    const work = new Workspace();
    work.write("in.ndjson", `${Array.from({ length: 20 }, (_, i) => `{"key": "k${i}", "value": ${i}}`).join("\n")}\n`);
    const stop = new AbortController();
    stop.abort();
    const argv = ["warm", "in.ndjson", "--checkpoint", "cp", "--batch-size", "5"];
    const stopped = await work.run(argv, { signal: stop.signal });
    expect([stopped.code, stopped.stderr]).toEqual([
      130,
      expect.stringContaining("the same command begins at the beginning"),
    ]);
    expect((await work.ok(argv)).stdout).toMatch(/^stored 20 entries/);
    expect(() => readFileSync(work.path("cp"))).toThrow(/ENOENT/);
    expect(work.keys()).toHaveLength(20);
  });
});

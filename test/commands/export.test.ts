import { existsSync, statSync } from "node:fs";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { HOSTILE_KEYS } from "../contract/harness.js";
import { FakeClock } from "../support/fake-clock.js";
import { Workspace } from "../support/workspace.js";

const START = 1_700_000_000_000;

async function filled(clock = new FakeClock()): Promise<Workspace> {
  const work = new Workspace();
  await work.ok(["set", "a:json", '{"n": 1.0}', "--ttl", "1h", "--tag", "t"], { clock });
  await work.ok(["set", "a:binary", "-", "--ttl", "none"], { clock, stdin: Buffer.from([0, 255]) });
  await work.ok(["set", "b\n", "text", "--ttl", "1m", "--tag", "u"], { clock });
  return work;
}

const records = (text: string): Record<string, unknown>[] =>
  text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));

describe("export", () => {
  it("writes NDJSON to standard output and its summary to stderr", async () => {
    const clock = new FakeClock();
    const work = await filled(clock);
    const { stdout, stderr } = await work.ok(["export"], { clock });
    expect(records(stdout)).toEqual([
      { key: "a:binary", value: "AP8=", encoding: "base64", expiresAt: null },
      { key: "a:json", value: '{"n": 1.0}', expiresAt: START + 3_600_000, tags: ["t"] },
      { key: "b\n", value: "text", expiresAt: START + 60_000, tags: ["u"] },
    ]);
    expect(stderr).toBe(`exported 3 entries (16 B) from sqlite:${work.path("c.db")}\n`);
    expect(await work.run(["export", "-"], { clock })).toMatchObject({ stdout });
    expect(await work.run(["export", "-q"], { clock })).toMatchObject({ stdout, stderr: "" });
    // Records alone, also where lines of JSON were asked for: warm takes them back as they are.
    expect(await work.run(["export", "--ndjson"], { clock })).toMatchObject({ stdout });
  });

  it.each([
    [
      ["--prefix", "a:"],
      ["a:binary", "a:json"],
    ],
    [["--match", "*j*"], ["a:json"]],
    [
      ["--tag", "t", "--tag", "u"],
      ["a:json", "b\n"],
    ],
    [["--tag", "t", "--tag", "u", "--all-tags"], []],
  ])("%j exports %j", async (argv, keys) => {
    const clock = new FakeClock();
    const work = await filled(clock);
    const { stdout } = await work.ok(["export", ...argv], { clock });
    expect(stdout === "" ? [] : records(stdout).map(({ key }) => key)).toEqual(keys);
  });

  it("leaves out what has expired", async () => {
    const clock = new FakeClock();
    const work = await filled(clock);
    clock.advance(60_000);
    expect(records((await work.ok(["export"], { clock })).stdout).map(({ key }) => key)).toEqual([
      "a:binary",
      "a:json",
    ]);
  });

  it.each([
    ["out.ndjson", (bytes: Buffer) => bytes],
    ["out.ndjson.gz", gunzipSync],
    ["out.jsonl.br", brotliDecompressSync],
  ])("writes the file %s, for nobody else to read", async (name, open) => {
    const clock = new FakeClock();
    const work = await filled(clock);
    const { stdout, stderr } = await work.ok(["export", name], { clock });
    expect([stdout, stderr]).toEqual([`exported 3 entries (16 B) from sqlite:${work.path("c.db")}\n`, ""]);
    expect(open(work.read(name)).toString()).toBe((await work.ok(["export"], { clock })).stdout);
    expect(statSync(work.path(name)).mode & 0o777).toBe(0o600);
  });

  it("is an object in JSON where the entries go to a file", async () => {
    const work = await filled();
    expect((await work.ok(["export", "out.ndjson", "--json"])).json()).toMatchObject({
      schema: "cache.export/1",
      store: "sqlite",
      file: work.path("out.ndjson"),
      otherTypes: 0,
    });
    const { code, json } = await work.run(["export", "--json"]);
    expect([code, json().error?.code]).toEqual([2, "conflicting-flags"]);
  });

  it("brings everything back through warm: bytes, tags and deadlines", async () => {
    const clock = new FakeClock();
    const work = new Workspace();
    for (const [i, key] of HOSTILE_KEYS.entries()) {
      const value = Buffer.from([i, 255 - i, ...Buffer.from(key)]);
      await work.ok(
        ["set", "--ttl", i % 3 === 0 ? "none" : `${i + 1}h`, "--tag", `t${i % 5}`, "--file", "-", "--", key],
        { clock, stdin: value },
      );
    }
    await work.ok(["export", "all.ndjson.gz"], { clock });
    clock.advance(1000);
    const back = await work.bare(["warm", "all.ndjson.gz", "-s", "sqlite:./other.db"], { clock });
    expect(back.code).toBe(0);
    expect(work.rows("other.db")).toEqual(work.rows());
  });

  it("says why it can't write, and leaves no half of a file", async () => {
    const work = await filled();
    expect(await work.run(["export", "no/such/out.ndjson"])).toMatchObject({
      code: 2,
      stdout: "",
      stderr: expect.stringContaining("can't be written"),
    });
    expect(await work.run(["export", "."])).toMatchObject({ code: 2, stderr: expect.stringContaining("directory") });
    expect(await work.run(["export", "a", "b"])).toMatchObject({ code: 2, stderr: expect.stringContaining('"b"') });
    expect((await work.bare(["export", "away.ndjson", "-s", "redis://127.0.0.1:1"])).code).toBe(5);
    expect(existsSync(work.path("away.ndjson"))).toBe(false);
  });

  it("counts nothing, and may be done where nothing may be written", async () => {
    const work = await filled();
    await work.ok(["export", "--read-only"]);
    expect((await work.ok(["stats", "--json"])).json()).toMatchObject({ hits: 0, misses: 0 });
  });

  it("ends quietly when nobody reads any more", async () => {
    const work = await filled();
    expect(await work.run(["export"], { closedAfter: 0 })).toMatchObject({ code: 0, stdout: "", stderr: "" });
  });
});

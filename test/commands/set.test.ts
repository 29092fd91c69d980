import { describe, expect, it } from "vitest";
import { HOSTILE_KEYS } from "../contract/harness.js";
import { FakeClock } from "../support/fake-clock.js";
import { Workspace } from "../support/workspace.js";

const START = 1_700_000_000_000;
const BINARY = Buffer.from(Array.from({ length: 256 }, (_, i) => i));

describe("the value", () => {
  it.each(["", "plain", " spaces ", "line\n", "😀\u0301", '{"a": 1.0}', "null", "-5", "-1e3"])(
    "%j is stored as its bytes",
    async (value) => {
      const work = new Workspace();
      await work.ok(["set", "k", value]);
      expect(work.row("k")?.value).toEqual(Buffer.from(value));
    },
  );

  it("may begin with a dash after --", async () => {
    const work = new Workspace();
    expect(await work.run(["set", "k", "-x"])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("no flag -x"),
    });
    await work.ok(["set", "--", "-k", "--x"]);
    expect(work.row("-k")?.value.toString()).toBe("--x");
  });

  it("comes from standard input or a file, byte for byte", async () => {
    const work = new Workspace();
    work.write("bytes.bin", BINARY);
    await work.ok(["set", "stdin", "-"], { stdin: BINARY });
    await work.ok(["set", "dash-file", "--file", "-"], { stdin: BINARY });
    await work.ok(["set", "file", "-f", "bytes.bin"]);
    await work.ok(["set", "absolute", "--file", work.path("bytes.bin")]);
    await work.ok(["set", "nothing", "-"], { stdin: "" });
    for (const key of ["stdin", "dash-file", "file", "absolute"]) expect(work.row(key)?.value).toEqual(BINARY);
    expect(work.row("nothing")?.value).toEqual(Buffer.alloc(0));
  });

  it("is named once", async () => {
    const work = new Workspace();
    work.write("f", "x");
    expect(await work.run(["set", "k", "v", "--file", "f"])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("given twice"),
    });
    expect(await work.run(["set", "k"], { stdin: "not read" })).toMatchObject({
      code: 2,
      stderr: "error: VALUE is missing\n  Give it as an argument, as - for standard input, or with --file.\n",
    });
    expect(await work.run(["set"])).toMatchObject({
      code: 2,
      stderr: "error: KEY is missing\n  See: cache set --help\n",
    });
    expect(await work.run(["set", "k", "v", "w"])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('no place for the argument "w"'),
    });
  });

  it("says why a file can't be read", async () => {
    const work = new Workspace();
    expect(await work.run(["set", "k", "--file", "none"])).toMatchObject({
      code: 2,
      stderr: "error: none can't be read: there is no such file or folder\n  Check the path and its permissions.\n",
    });
    expect(await work.run(["set", "k", "--file", "."])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("it is a folder"),
    });
  });
});

describe("the key", () => {
  it("can be any text", async () => {
    const work = new Workspace();
    for (const key of HOSTILE_KEYS) await work.ok(["set", "--", key, `value of ${key}`]);
    expect(
      work
        .rows()
        .map(({ key, value }) => [key, value.toString()])
        .sort(),
    ).toEqual(HOSTILE_KEYS.map((key) => [key, `value of ${key}`]).sort());
    for (const key of HOSTILE_KEYS) expect((await work.ok(["get", "--", key])).stdout).toBe(`value of ${key}`);
  });

  it.each([
    ["", "empty"],
    ["a\0b", "NUL"],
    ["k".repeat(1025), "too long"],
    ["\ud800", "surrogate"],
  ])("refuses %j and stores nothing", async (key, why) => {
    const work = new Workspace();
    const { code, stdout, stderr } = await work.run(["set", "--", key, "v"]);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toContain(why);
  });

  it("lies in the namespace, which is not shown", async () => {
    const work = new Workspace();
    const { stdout } = await work.ok(["set", "k", "1", "-n", "app"]);
    await work.ok(["set", "k", "2", "--namespace", "other:"]);
    expect(work.keys()).toEqual(["app:k", "other:k"]);
    expect(stdout).toMatch(/^stored k \(1 B, expires: 1h\) in sqlite:.*, namespace app:\n$/);
    expect((await work.run(["get", "k", "-n", "app:"])).stdout).toBe("1");
    expect((await work.run(["get", "k"])).code).toBe(3);
    expect((await work.ok(["keys", "-n", "app", "--json"])).json()).toMatchObject({
      entries: [{ key: "k" }],
      namespace: "app:",
    });
  });
});

describe("the deadline", () => {
  it("is the default TTL for a new key, and stays for one that is there", async () => {
    const clock = new FakeClock();
    const work = new Workspace();
    const first = await work.ok(["set", "k", "1"], { clock });
    expect(first.stdout).toContain("(1 B, expires: 1h) in ");
    clock.advance(600_000);
    const second = await work.ok(["set", "k", "2"], { clock });
    expect(second.stdout).toContain("(1 B, expires: 50m as before) in ");
    expect(work.row("k")).toMatchObject({ expiresAt: START + 3_600_000, value: Buffer.from("2") });
    expect((await work.ok(["set", "k", "3", "--ttl", "keep", "--json"], { clock })).json()).toMatchObject({
      ttl: 3_000_000,
      ttlKept: true,
      stored: true,
      size: 1,
    });
    // A key that has expired is a new one.
    clock.advance(3_000_000);
    expect((await work.ok(["set", "k", "4", "--json"], { clock })).json()).toMatchObject({
      ttl: 3_600_000,
      ttlKept: false,
    });
  });

  it.each([
    ["5m", 300_000],
    ["90", 90_000],
    ["500ms", 500],
    ["1h30m", 5_400_000],
    ["none", null],
  ])("--ttl %s sets it, also for a key that is there", async (ttl, ms) => {
    const clock = new FakeClock();
    const work = new Workspace();
    for (const value of ["1", "2"]) {
      expect((await work.ok(["set", "k", value, "--ttl", ttl, "--json"], { clock })).json()).toMatchObject({
        ttl: ms,
        ttlKept: false,
      });
      expect(work.row("k")?.expiresAt).toBe(ms === null ? null : START + ms);
    }
    // Never stays never.
    if (ms === null)
      expect((await work.ok(["set", "k", "3", "--ttl", "keep"], { clock })).stdout).toContain(
        "expires: never as before",
      );
  });

  it("has a default of its own, none included", async () => {
    const clock = new FakeClock();
    const work = new Workspace();
    await work.ok(["set", "flag", "1", "--cache-ttl", "2m"], { clock });
    await work.ok(["set", "none", "1", "--cache-ttl", "none"], { clock });
    await work.ok(["set", "env", "1"], { clock, env: { CACHE_TTL: "30" } });
    await work.bare(["set", "url", "1", "-s", "sqlite:./c.db?ttl=7s"], { clock });
    expect(Object.fromEntries(work.rows().map(({ key, expiresAt }) => [key, expiresAt]))).toEqual({
      flag: START + 120_000,
      none: null,
      env: START + 30_000,
      url: START + 7000,
    });
  });

  it.each(["0", "-5", "0s", "soon", "1001000d"])("refuses --ttl=%s", async (ttl) => {
    const work = new Workspace();
    const { code, stderr } = await work.run(["set", "k", "v", `--ttl=${ttl}`]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^error: --ttl: .*\n {2}\S.*\n$/);
    expect((await work.run(["set", "k", "v", `--cache-ttl=${ttl}`])).code).toBe(2);
  });
});

describe("tags and conditions", () => {
  it("has the tags that are given, and no others", async () => {
    const work = new Workspace();
    await work.ok(["set", "k", "1", "--tag", "a", "--tag", "b c", "--tag", "a"]);
    expect(work.row("k")?.tags.sort()).toEqual(["a", "b c"]);
    await work.ok(["set", "k", "2"]);
    expect(work.row("k")?.tags).toEqual([]);
    expect(await work.run(["set", "k", "3", "--tag", ""])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("can't be a tag"),
    });
    expect(work.row("k")?.value.toString()).toBe("2");
  });

  it("--if-absent leaves a key that is there", async () => {
    const work = new Workspace();
    expect((await work.run(["set", "k", "1", "--if-absent"])).code).toBe(0);
    const again = await work.run(["set", "k", "2", "--if-absent"]);
    expect([again.code, again.stdout]).toEqual([3, "not stored: k is there already\n"]);
    const json = await work.run(["set", "k", "2", "--if-absent", "--json"]);
    expect([json.code, json.json().stored]).toEqual([3, false]);
    expect(work.row("k")?.value.toString()).toBe("1");
  });

  it("--if-present leaves a key that is not there", async () => {
    const work = new Workspace();
    expect(await work.run(["set", "k", "1", "--if-present"])).toMatchObject({
      code: 3,
      stdout: "not stored: k is not there\n",
    });
    expect(work.keys()).toEqual([]);
    await work.ok(["set", "k", "1"]);
    expect((await work.run(["set", "k", "2", "--if-present"])).code).toBe(0);
    expect(work.row("k")?.value.toString()).toBe("2");
  });

  it("can't be both", async () => {
    expect(await new Workspace().run(["set", "k", "v", "--if-absent", "--if-present"])).toMatchObject({
      code: 2,
      stderr: "error: --if-absent and --if-present exclude each other\n  See: cache set --help\n",
    });
  });
});

describe("what is said", () => {
  it("has one object in JSON and one line in NDJSON", async () => {
    const work = new Workspace();
    expect((await work.ok(["set", "k", "v", "--ttl", "none", "--json"])).json()).toEqual({
      schema: "cache.set/1",
      store: "sqlite",
      target: `sqlite:${work.path("c.db")}`,
      key: "k",
      stored: true,
      size: 1,
      ttl: null,
      ttlKept: false,
    });
    expect((await work.ok(["set", "k", "v", "--ndjson"])).lines()).toEqual([
      expect.objectContaining({ type: "summary", stored: true }),
    ]);
  });

  it("is nothing with --quiet", async () => {
    const work = new Workspace();
    expect(await work.run(["set", "k", "v", "--quiet"])).toMatchObject({ code: 0, stdout: "", stderr: "" });
    expect(await work.run(["set", "k", "v", "-q", "--if-absent"])).toMatchObject({ code: 3, stdout: "", stderr: "" });
  });

  it("escapes the key", async () => {
    expect((await new Workspace().ok(["set", "a\nb\u001b", "v"])).stdout).toMatch(/^stored a\\nb\\x1b \(/);
  });

  it("refuses a value beyond the bounds of the store", async () => {
    const work = new Workspace();
    const { code, stderr } = await work.run(["set", "k", "123456789", "--max-bytes", "5"]);
    expect([code, stderr]).toEqual([
      1,
      "error: a value of 9 B is larger than the store's bounds\n  Raise --max-bytes, or maxBytes in the store's URL.\n",
    ]);
    expect(work.keys()).toEqual([]);
  });

  it("writes nothing where it may not", async () => {
    const work = new Workspace();
    await work.ok(["set", "k", "1"]);
    expect(await work.run(["set", "k", "2", "--read-only"])).toMatchObject({
      code: 7,
      stdout: "",
      stderr: expect.stringContaining("--read-only"),
    });
    expect(work.row("k")?.value.toString()).toBe("1");
    // Before a store is reached: this one is away.
    expect((await work.bare(["set", "k", "2", "--read-only", "-s", "redis://127.0.0.1:1"])).code).toBe(7);
    expect((await work.run(["set", "k", "3", "--read-only=false"], { env: { CACHE_READ_ONLY: "true" } })).code).toBe(0);
    expect(work.row("k")?.value.toString()).toBe("3");
  });
});

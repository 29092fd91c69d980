import { readFileSync, statSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { FakeClock } from "../support/fake-clock.js";
import { Workspace } from "../support/workspace.js";

const JSON_VALUE = '{"a":{"b":[1.0,12345678901234567890,"x\\ny"]},"odd.name":null,"":"empty","__proto__":1e400}';
const BINARY = Buffer.from([0, 255, 10, 128, 27]);

async function filled(): Promise<Workspace> {
  const work = new Workspace();
  await work.ok(["set", "json", JSON_VALUE, "--tag", "t", "--tag", "u", "--ttl", "10m"]);
  await work.ok(["set", "text", "line one\nline two \u001b[31mred\u0007", "--ttl", "none"]);
  await work.ok(["set", "binary", "-"], { stdin: BINARY });
  await work.ok(["set", "empty", ""]);
  return work;
}

describe("one key", () => {
  it("writes the stored bytes and nothing more where no person reads", async () => {
    const work = await filled();
    for (const [key, value] of Object.entries({ json: JSON_VALUE, binary: BINARY, empty: "" })) {
      const { bytes, code, stderr } = await work.run(["get", key]);
      expect([code, stderr]).toEqual([0, ""]);
      expect(bytes).toEqual(Buffer.from(value));
    }
  });

  it("lays JSON out and disarms control characters on a terminal", async () => {
    const work = await filled();
    const json = await work.run(["get", "json", "--no-color"], { terminal: true });
    expect(json.stdout).toContain('{\n  "a": {\n    "b": [\n      1.0,\n      12345678901234567890,\n');
    expect(json.stdout.endsWith("}\n")).toBe(true);
    const text = await work.run(["get", "text"], { terminal: true });
    expect(text.stdout).toBe("line one\nline two \\x1b[31mred\\x07\n");
    const binary = await work.run(["get", "binary"], { terminal: true });
    expect(binary.stdout).toMatch(/^\(binary, 5 bytes: .*--output FILE\)\n$/);
  });

  it("is one object with --json: JSON as itself, text as a string, binary as base64", async () => {
    const work = await filled();
    const json = await work.run(["get", "json", "--json"]);
    expect(json.stdout).toContain(`"value":${JSON_VALUE}`);
    expect(json.json()).toMatchObject({
      schema: "cache.get/1",
      store: "sqlite",
      target: `sqlite:${work.path("c.db")}`,
      key: "json",
      found: true,
    });
    expect((await work.run(["get", "text", "--json"])).json().value).toBe("line one\nline two \u001b[31mred\u0007");
    expect((await work.run(["get", "binary", "--json"])).json().value).toEqual({
      encoding: "base64",
      data: BINARY.toString("base64"),
    });
    expect((await work.run(["get", "empty", "--json"])).json().value).toBe("");
  });

  it("is a record and a summary with --ndjson", async () => {
    const work = await filled();
    const [record, summary, ...rest] = (await work.run(["get", "text", "--ndjson"])).lines();
    expect(record).toMatchObject({ type: "entry", key: "text", found: true });
    expect(summary).toMatchObject({ type: "summary", store: "sqlite", found: 1, missing: 0 });
    expect(rest).toEqual([]);
  });

  it("exits 3 for a miss, and says why on stderr alone", async () => {
    const clock = new FakeClock();
    const work = new Workspace();
    await work.ok(["set", "short", "1", "--ttl", "1s"], { clock });
    const never = await work.run(["get", "never"], { clock });
    expect(never).toMatchObject({ code: 3, stdout: "", stderr: "miss: never (not there)\n" });
    clock.advance(999);
    expect(await work.run(["get", "short"], { clock })).toMatchObject({ code: 0, stdout: "1" });
    clock.advance(1);
    expect(await work.run(["get", "short"], { clock })).toMatchObject({
      code: 3,
      stdout: "",
      stderr: "miss: short (expired)\n",
    });
    const json = await work.run(["get", "short", "--json"], { clock });
    expect(json.code).toBe(3);
    expect(json.json()).toMatchObject({ key: "short", found: false, reason: "expired" });
    expect(json.json()).not.toHaveProperty("value");
    // A longer key that is there does not speak for a shorter one, nor the other way round.
    await work.ok(["set", "shorter", "1"], { clock });
    expect((await work.run(["get", "sho"], { clock })).stderr).toContain("(not there)");
  });

  it("says nothing with --quiet but the exit code", async () => {
    expect(await new Workspace().run(["get", "never", "-q"])).toMatchObject({ code: 3, stdout: "", stderr: "" });
  });
});

describe("--path", () => {
  it.each([
    ["a.b[0]", "1.0"],
    ["a.b[1]", "12345678901234567890"],
    ["a.b[2]", "x\ny"],
    ["a", '{"b":[1.0,12345678901234567890,"x\\ny"]}'],
    ['["odd.name"]', "null"],
    ['[""]', "empty"],
    ["__proto__", "1e400"],
    ['["a"].b[0]', "1.0"],
  ])("%s is %s", async (path, expected) => {
    const work = await filled();
    expect(await work.run(["get", "json", "--path", path])).toMatchObject({ code: 0, stdout: expected, stderr: "" });
  });

  it("keeps numbers as written in JSON output too", async () => {
    const work = await filled();
    const { stdout } = await work.run(["get", "json", "--path", "a.b", "--json"]);
    expect(stdout).toContain('"value":[1.0,12345678901234567890,"x\\ny"]');
  });

  it.each(["a.c", "a.b[3]", "a[0]", "toString", "a.b.length", "[0]"])("%s leads nowhere: a miss", async (path) => {
    const work = await filled();
    expect(await work.run(["get", "json", "--path", path])).toMatchObject({
      code: 3,
      stdout: "",
      stderr: expect.stringContaining(`nothing at ${path}`),
    });
  });

  it.each(["", ".a", "a..b", "a.", "a[", "a[-1]", "a[x]", '["\\q"]', 'a"b'])("%j is no path", async (path) => {
    const work = await filled();
    const { code, stderr } = await work.run(["get", "json", "--path", path]);
    expect([code, stderr]).toEqual([2, `error: "${path}" is not a path\n  Write it like a.b[0] or a["odd.name"].\n`]);
  });

  it("can't look into what is no JSON", async () => {
    const work = await filled();
    for (const key of ["text", "binary", "empty"]) {
      const { code, stdout, stderr } = await work.run(["get", key, "--path", "a"]);
      expect([code, stdout, stderr.split("\n")[0]]).toEqual([
        1,
        "",
        "error: the value is not JSON, --path can't look into it",
      ]);
    }
  });
});

describe("--meta", () => {
  it("goes to stderr, so that the bytes stay what they are", async () => {
    const clock = new FakeClock();
    const work = new Workspace();
    await work.ok(["set", "k", "[1]", "--ttl", "1h", "--tag", "a b"], { clock });
    clock.advance(60_000);
    const { stdout, stderr, code } = await work.run(["get", "k", "--meta"], { clock });
    expect([code, stdout]).toEqual([0, "[1]"]);
    expect(stderr.split("\n").slice(0, -1)).toEqual([
      "ttl: 59m",
      "age: 1m",
      "size: 3 B",
      "tags: a b",
      "tier: sqlite",
      "encoding: json",
      "type: string",
    ]);
  });

  it("is milliseconds and bytes in JSON", async () => {
    const clock = new FakeClock();
    const work = new Workspace();
    await work.ok(["set", "k", "-", "--ttl", "1h"], { clock, stdin: BINARY });
    await work.ok(["set", "forever", "text", "--ttl", "none"], { clock });
    clock.advance(1500);
    const meta = (await work.run(["get", "k", "--meta", "--json"], { clock })).json();
    const expiresAt = new Date(1_700_000_000_000 + 3_600_000).toISOString();
    expect(meta).toMatchObject({
      ttl: 3_598_500,
      expiresAt,
      age: 1500,
      size: 5,
      tags: [],
      tier: "sqlite",
      encoding: "binary",
      valueType: "string",
    });
    const forever = (await work.run(["get", "forever", "--meta", "--json"], { clock })).json();
    expect(forever).toMatchObject({ ttl: null, expiresAt: null, encoding: "text" });
  });
});

describe("--output", () => {
  it("writes the bytes to a file that only we can read", async () => {
    const work = await filled();
    const { code, stdout, stderr } = await work.run(["get", "binary", "-o", "out.bin"], { terminal: true });
    expect([code, stdout, stderr]).toEqual([0, "", "5 bytes written to out.bin\n"]);
    expect(readFileSync(work.path("out.bin"))).toEqual(BINARY);
    expect(statSync(work.path("out.bin")).mode & 0o777).toBe(0o600);
  });

  it("writes it with --json too, and says where", async () => {
    const work = await filled();
    const { json } = await work.run(["get", "binary", "-o", "out.bin", "--json"]);
    expect(json()).toMatchObject({ key: "binary", found: true, output: "out.bin", bytes: 5 });
    expect(json()).not.toHaveProperty("value");
    expect(work.read("out.bin")).toEqual(BINARY);
  });

  it("takes - for standard output, a terminal or not", async () => {
    const work = await filled();
    expect((await work.run(["get", "binary", "-o", "-"], { terminal: true })).bytes).toEqual(BINARY);
    expect((await work.run(["get", "binary", "-o", "-", "--json"])).json().error?.code).toBe("conflicting-flags");
  });

  it("makes no file for a miss, and says why it can't", async () => {
    const work = await filled();
    expect((await work.run(["get", "never", "-o", "no.bin"])).code).toBe(3);
    expect(() => work.read("no.bin")).toThrow(/ENOENT/);
    const { code, stderr } = await work.run(["get", "json", "-o", "no/such/folder"]);
    expect([code, stderr]).toEqual([
      2,
      "error: no/such/folder can't be written: there is no such file or folder\n  Check its folder and its permissions.\n",
    ]);
  });
});

describe("several keys", () => {
  it("need a form that keeps them apart, off a terminal", async () => {
    const work = await filled();
    expect(await work.run(["get", "json", "text"])).toMatchObject({
      code: 2,
      stdout: "",
      stderr: expect.stringContaining("--json, --ndjson or -0"),
    });
    const zero = await work.run(["get", "empty", "binary", "-0"]);
    expect(zero.bytes).toEqual(Buffer.concat([Buffer.from("\0"), BINARY, Buffer.from("\0")]));
    const { code, stderr } = await work.run(["get", "json", "text", "-o", "f", "--json"]);
    expect([code, JSON.stringify(stderr)]).toEqual([2, '""']);
  });

  it("come under their names on a terminal", async () => {
    const work = await filled();
    const { stdout } = await work.run(["get", "empty", "text", "never"], { terminal: true, env: { NO_COLOR: "1" } });
    expect(stdout).toBe("empty:\n\ntext:\nline one\nline two \\x1b[31mred\\x07\n");
  });

  it("are a list with --json, in the order asked for, and 3 if one is missing", async () => {
    const work = await filled();
    const { code, json } = await work.run(["get", "text", "never", "empty", "text", "--json"]);
    expect(code).toBe(3);
    expect(json()).toMatchObject({
      schema: "cache.get/1",
      entries: [
        { key: "text", found: true },
        { key: "never", found: false, reason: "not there" },
        { key: "empty", value: "" },
        { key: "text" },
      ],
      found: 3,
      missing: 1,
    });
  });

  it("are a line each with --ndjson", async () => {
    const work = await filled();
    const lines = (await work.run(["get", "text", "never", "--ndjson"])).lines();
    expect(lines.map(({ type, key }) => [type, key])).toEqual([
      ["entry", "text"],
      ["entry", "never"],
      ["summary", undefined],
    ]);
  });

  it("may be given as base64 of their bytes", async () => {
    const work = await filled();
    const base64 = (text: string) => Buffer.from(text).toString("base64");
    expect(
      (await work.run(["get", "--key-base64", base64("empty"), "--key-base64", base64("text"), "-0"])).stdout,
    ).toMatch(/^\0line one/);
    expect((await work.run(["get", "--key-base64", base64("text").replaceAll("=", "")])).stdout).toMatch(/^line one/);
    expect(await work.run(["get", "--key-base64", "???"])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('"???" is not base64'),
    });
  });
});

describe("counting", () => {
  it("counts a hit and a miss, but not with --peek", async () => {
    const work = await filled();
    const counted = async () => {
      const { hits, misses } = (await work.ok(["stats", "--json"])).json();
      return [hits, misses];
    };
    await work.run(["get", "text", "--peek"]);
    await work.run(["get", "never", "--peek"]);
    expect(await counted()).toEqual([0, 0]);
    await work.run(["get", "text", "never", "empty", "--json"]);
    expect(await counted()).toEqual([2, 1]);
  });
});

describe("mistakes", () => {
  it("asks for a key, and never reads one from standard input", async () => {
    expect(await new Workspace().run(["get"], { stdin: "text" })).toMatchObject({
      code: 2,
      stdout: "",
      stderr: "error: KEYS are missing\n  Name a key.\n",
    });
  });

  it("tells an error as JSON where JSON was asked for, with the same exit code", async () => {
    const { code, json, stderr } = await new Workspace().run(["get", "k", "--path", "..", "--json", "--limit", "0"]);
    expect([code, stderr]).toEqual([2, ""]);
    expect(json()).toEqual({
      error: { code: "invalid-number", message: expect.stringContaining("--limit"), hint: expect.any(String) },
    });
    const away = await new Workspace("redis://127.0.0.1:1").run(["get", "k", "--ndjson"]);
    expect([away.code, away.lines()]).toEqual([
      5,
      [{ type: "error", error: expect.objectContaining({ code: expect.any(String), hint: expect.any(String) }) }],
    ]);
  });

  it("refuses a memory store, which would be gone", async () => {
    expect(await new Workspace("memory:").run(["get", "k"])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("would be gone"),
    });
  });

  it("ends quietly when nobody reads any more", async () => {
    const work = await filled();
    const result = await work.run(["get", "json", "text", "binary", "--ndjson"], { closedAfter: 1 });
    expect([result.code, result.stderr]).toEqual([0, ""]);
    expect(result.lines()).toHaveLength(1);
  });
});

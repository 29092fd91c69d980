import { describe, expect, it } from "vitest";
import { settingNamesOf, settingSpec } from "../../src/config/settings.js";
import { VERSION } from "../../src/version.js";
import { COMMAND_NAMES } from "../support/command-names.js";
import { Workspace } from "../support/workspace.js";

const work = new Workspace();
const cache = (...argv: string[]) => work.bare(argv);

describe("help", () => {
  it("lists every command after its examples", async () => {
    for (const argv of [["--help"], ["-h"], ["help"]]) {
      const { code, stdout, stderr } = await cache(...argv);
      expect([code, stderr]).toEqual([0, ""]);
      for (const id of COMMAND_NAMES) expect(stdout).toMatch(new RegExp(`^ +${id} +\\S`, "m"));
      expect(stdout.indexOf("EXAMPLES")).toBeLessThan(stdout.indexOf("USAGE"));
    }
  });

  it.each(COMMAND_NAMES)("of %s begins with examples and names every setting", async (id) => {
    const { code, stdout, stderr } = await cache(...id.split(" "), "--help");
    expect([code, stderr]).toEqual([0, ""]);
    const sections = ["EXAMPLES", "USAGE", "STORE FLAGS", "OUTPUT FLAGS"].map((title) => stdout.indexOf(title));
    expect(sections).toEqual([...sections].sort((a, b) => a - b));
    expect(sections[0]).toBeGreaterThan(0);
    for (const name of settingNamesOf(id)) expect(stdout).toContain(`--${settingSpec(name).flag}`);
    expect(stdout).toContain(`$ cache ${id}`);
    expect(stdout).not.toMatch(/\u001b|<%|undefined/);
    expect(Math.max(...stdout.split("\n").map((line) => (line.startsWith(" ") ? line.length : 0)))).toBeLessThanOrEqual(
      110,
    );
    expect((await cache("help", ...id.split(" "))).stdout).toBe(stdout);
    expect((await cache(...id.split(" "), "-h", "--nonsense")).stdout).toBe(stdout);
  });

  it("is no flag after --", async () => {
    const { code, stderr } = await work.run(["get", "--", "--help"]);
    expect([code, stderr]).toEqual([3, "miss: --help (not there)\n"]);
  });

  it("says the version", async () => {
    for (const argv of ["--version", "-v", "version"]) {
      expect(await cache(argv)).toMatchObject({
        code: 0,
        stdout: expect.stringMatching(new RegExp(`^cachectl/${VERSION.replaceAll(".", "\\.")} \\S+ node-v\\d`)),
      });
    }
  });
});

describe("what is no command", () => {
  it.each([
    ["gett", "get"],
    ["invaldate", "invalidate"],
    ["exsits", "exists"],
  ])("%s was probably %s", async (word, meant) => {
    expect(await cache(word, "k")).toMatchObject({
      code: 2,
      stdout: "",
      stderr: `error: there is no command "${word}"\n  Did you mean cache ${meant}?\n`,
    });
  });

  it("is told as JSON where JSON was asked for", async () => {
    expect((await cache("frobnicate", "--json")).json()).toEqual({
      error: { code: "unknown-command", message: 'there is no command "frobnicate"', hint: "See: cache --help" },
    });
    expect((await cache("gett", "--ndjson")).lines()).toEqual([
      { type: "error", error: expect.objectContaining({ code: "unknown-command" }) },
    ]);
  });

  it("may be a flag that came too early, whose value is not repeated", async () => {
    const { code, stderr } = await cache("--pasword=s3cret", "get", "k");
    expect([code, stderr]).toEqual([2, expect.stringContaining("flags follow the command: cache COMMAND --pasword\n")]);
    expect((await cache("toString")).code).toBe(2);
    expect((await cache("__proto__", "x")).code).toBe(2);
  });

  it("is nothing at all: the overview, and 2", async () => {
    expect(await cache()).toMatchObject({ code: 2, stdout: expect.stringContaining("COMMANDS") });
  });
});

describe("flags", () => {
  it.each([
    [["get", "k", "--jsn"], "--json"],
    [["keys", "--prefx", "a"], "--prefix"],
    [["invalidate", "--dryrun", "k"], "--dry-run"],
    [["get", "k", "--pasword=s3cret"], "--password"],
  ])("%j: did you mean %s?", async (argv, meant) => {
    const { code, stdout, stderr } = await work.run(argv);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toBe(
      `error: there is no flag ${(argv.find((arg) => arg.startsWith("--")) ?? "").replace(/=.*/, "")}\n  Did you mean ${meant}? See: cache ${argv[0]} --help\n`,
    );
  });

  it("of settings may also stand before the command", async () => {
    await work.ok(["set", "k", "v"]);
    expect((await work.bare(["-s", work.store, "get", "k"])).stdout).toBe("v");
    expect((await work.bare(["--json", `--store=${work.store}`, "get", "k"])).json()).toMatchObject({ value: "v" });
    expect((await work.bare(["--quiet", "config", "show", "--json"])).json()).toMatchObject({ store: "sqlite" });
    expect((await work.bare(["-s", work.store])).code).toBe(2);
  });

  it("may be given once, if they are no list", async () => {
    expect(await cache("get", "k", "--timeout", "1s", "--timeout", "2s")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("--timeout can only be specified once"),
    });
  });

  it("can be said false, which no value of an argument becomes", async () => {
    await work.ok(["set", "k", "v"]);
    const env = { CACHE_JSON: "true" };
    expect((await work.run(["get", "k"], { env })).json()).toMatchObject({ value: "v" });
    expect((await work.run(["get", "k", "--json=false"], { env })).stdout).toBe("v");
    expect((await work.run(["get", "k", "--json=true"])).json()).toMatchObject({ key: "k" });
    expect((await work.run(["get", "k", "--ndjson"], { env })).lines()).toHaveLength(2);
    expect((await work.run(["get", "k", "--nonsense"], { env })).json().error?.code).toBe("unknown-flag");
    expect((await work.run(["get", "--", "--json=false"])).stderr).toContain("miss: --json=false");
  });

  it("--json and --ndjson exclude each other, wherever both are said", async () => {
    for (const [argv, env] of [
      [["--json", "--ndjson"], {}],
      [[], { CACHE_JSON: "1", CACHE_NDJSON: "1" }],
    ] as const) {
      const { code, json } = await work.run(["get", "k", ...argv], { env });
      expect([code, json().error?.code]).toEqual([2, "conflicting-flags"]);
    }
  });

  it("--verbose says the store and the cause of an error", async () => {
    expect((await work.run(["get", "k", "--verbose"])).stderr).toBe(`store: sqlite:${work.path("c.db")} (--store)\n`);
    const away = await work.bare(["get", "k", "-s", "redis://127.0.0.1:1"], { env: { CACHE_VERBOSE: "1" } });
    expect([away.code, away.stderr]).toEqual([5, expect.stringContaining("caused by: ")]);
  });
});

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { KEYS, type PtyOptions, runBinaryInPty, runInPty } from "../support/pty.js";
import { type RedisServer, redisCli, redisCliBytes, startRedis } from "../support/redis-server.js";
import { BINARY } from "../support/run-binary.js";
import { tempDir } from "../support/temp-dir.js";
import { until } from "../support/until.js";

let server: RedisServer;
let target: string;
beforeAll(async () => {
  server = await startRedis();
  target = `${server.url}/0`;
});
afterAll(() => server.stop());
beforeEach(async () => {
  await redisCli(server, "FLUSHALL");
  await redisCli(server, "MSET", "tidy:1", "x", "tidy:2", "y", "other", "z");
});

const cache = (args: string[], options: PtyOptions = {}) =>
  runBinaryInPty(args, { ...options, env: { CACHE_STORE: server.url, ...options.env } });
const left = () => redisCli(server, "DBSIZE");

test.each([[["--help"]], [["get", "--help"]], [["serve", "token", "--help"]]])("cache %j shows help", async (args) => {
  const pty = cache(args);
  expect(await pty.exit).toBe(0);
  expect(pty.text()).toMatch(/\nEXAMPLES\n {2}\$ cache /);
});

describe("a question before many entries go", () => {
  const ask = ["invalidate", "--prefix", "tidy:"];

  test("shows the count, the keys and the store; y does it", async () => {
    const pty = cache(ask);
    expect(await pty.waitFor(/delete 2 entries\?.*/)).toMatch(/tidy:[12]\n {2}tidy:[12]\n/);
    expect(pty.text()).toContain(target);
    expect(pty.text()).toMatch(/\(y\/N\)/i);
    pty.send(`y${KEYS.enter}`);
    await pty.waitFor("deleted 2 entries");
    expect(await pty.exit).toBe(0);
    expect(await left()).toBe("1");
  });

  test.each([
    ["Enter alone", KEYS.enter, 7],
    ["n", `n${KEYS.enter}`, 7],
    ["Ctrl-C", KEYS.ctrlC, 130],
    ["Ctrl-D", KEYS.ctrlD, 7],
  ])("%s is a no: nothing is deleted", async (_name, keys, code) => {
    const pty = cache(ask);
    await pty.waitFor("entries?");
    pty.send(keys);
    expect(await pty.exit).toBe(code);
    expect(await left()).toBe("3");
    expect(pty.text()).not.toMatch(/\n\s+at /);
  });

  test("--no-input refuses at once instead", async () => {
    const pty = cache([...ask, "--no-input"]);
    expect(await pty.exit).toBe(7);
    expect(await left()).toBe("3");
  });
});

describe("everything goes only when the target is typed", () => {
  test("the right name", async () => {
    const pty = cache(["invalidate", "--all"]);
    await pty.waitFor(`Type ${target} to go on:`);
    pty.send(`${target}${KEYS.enter}`);
    expect(await pty.exit).toBe(0);
    expect(await left()).toBe("0");
  });

  test.each([
    ["yes", `yes${KEYS.enter}`, 7],
    ["nothing", KEYS.enter, 7],
    ["Ctrl-C", KEYS.ctrlC, 130],
  ])("%s is not it", async (_name, keys, code) => {
    const pty = cache(["invalidate", "--all", "--yes"]);
    await pty.waitFor("to go on:");
    pty.send(keys);
    expect(await pty.exit).toBe(code);
    expect(await left()).toBe("3");
  });
});

test("--ask-password shows nothing of what is typed, and logs in with it", async () => {
  const locked = await startRedis({ password: "correct horse" });
  try {
    const pty = cache(["info", "--check", "--ask-password"], { env: { CACHE_STORE: locked.url } });
    await pty.waitFor("Password");
    for (const letter of "correct horse") pty.send(letter);
    pty.send(KEYS.enter);
    await pty.waitFor("answers");
    expect(await pty.exit).toBe(0);
    expect(pty.raw()).not.toMatch(/correct|horse/);
    expect(pty.raw()).not.toMatch(/\*{3}/);
  } finally {
    await locked.stop();
  }
});

describe("output for people", () => {
  test("JSON is indented and coloured marks are used; a newline ends it", async () => {
    await redisCli(server, "SET", "json", '{"a":1.0,"b":[true]}');
    const pty = cache(["get", "json"]);
    expect(await pty.exit).toBe(0);
    expect(pty.text()).toBe('{\n  "a": 1.0,\n  "b": [\n    true\n  ]\n}\n');
  });

  test("a table of keys has a header in bold", async () => {
    const pty = cache(["keys"]);
    expect(await pty.exit).toBe(0);
    expect(pty.raw()).toContain("\x1b[1m");
    expect(pty.text()).toMatch(/TTL\s+SIZE\s+AGE\s+KEY\n/);
  });

  test.each([
    ["NO_COLOR", { NO_COLOR: "1" }, []],
    ["TERM=dumb", { TERM: "dumb" }, []],
    ["--no-color", {}, ["--no-color"]],
    ["FORCE_COLOR=0", { FORCE_COLOR: "0" }, []],
  ])("%s: no escape sequence at all", async (_name, env, flags) => {
    const [keys, error] = [cache(["keys", ...flags], { env }), cache(["get", "nobody", ...flags], { env })];
    expect([await keys.exit, await error.exit]).toEqual([0, 3]);
    expect(keys.raw() + error.raw()).not.toContain("\x1b");
  });

  test("standard output into a pipe is plain, while standard error is coloured", async () => {
    const script = `"$0" "$1" keys | cat -v >&2; "$0" "$1" get nobody | cat`;
    const env = { CACHE_STORE: server.url };
    const pty = runInPty("bash", ["-c", script, process.execPath, BINARY], { env });
    expect(await pty.exit).toBe(0);
    expect(pty.text()).toMatch(/^other\s+never/m);
    expect(pty.raw()).not.toContain("^[");
    expect(pty.raw()).toContain("\x1b[33mmiss:");
  });

  test("a progress bar with rate and time left, gone at the end", async () => {
    const cwd = tempDir("progress");
    const lines = Array.from({ length: 60_000 }, (_, i) => `{"key":"p:${i}","value":"${"v".repeat(300)}"}\n`);
    writeFileSync(join(cwd, "many.ndjson"), lines.join(""));
    const pty = cache(["warm", "many.ndjson", "--batch-size", "50", "--concurrency", "1"], { cwd });
    await pty.waitFor(/[█░]{24}\s+\d+% warmed: \d+ \(\d+\/s\), .* left/);
    expect(await pty.exit).toBe(0);
    const last = pty.raw().slice(pty.raw().lastIndexOf("\x1b[K"));
    expect(last).toMatch(/^\x1b\[Kstored 60000 entries/);
    expect(last).not.toContain("█");
  }, 60_000);
});

describe("hostile keys and values move no cursor and forge no line", () => {
  const evil = "\x1b]0;title\x07\x1b[2J\x9b31m\x1bP1$r\x1b\\\nforged line\r\x08\u202e\u200b";
  const bytes = Buffer.concat([Buffer.from(`evil:${evil}`), Buffer.from([0xff, 0x9b, 0x33])]);
  const allowed = /^(?:[\t\n\r\x20-\x7e\u00a0-\u2029\u202f-\u2065\u206a-\uffff]|\x1b\[(?:[\d;]*m|K|\d*G|\?25[hl]))*$/u;

  beforeEach(async () => {
    await redisCli(server, "FLUSHALL");
    await redisCliBytes(server, ["SET", "value"], Buffer.from(evil));
    await redisCliBytes(server, ["SET", "json"], Buffer.from(JSON.stringify({ [evil]: evil })));
    await redisCliBytes(server, ["SET", "evil:x"], bytes);
    await redisCliBytes(server, ["RENAME", "evil:x"], bytes);
  });

  test.each([
    ["keys", ["keys"], 0],
    ["keys --match", ["keys", "--match", "evil:*"], 0],
    ["get of JSON", ["get", "json"], 0],
    ["get --json", ["get", "value", "--json"], 0],
    ["keys --ndjson", ["keys", "--ndjson"], 0],
    ["export", ["export"], 6],
    ["get --meta", ["get", "json", "--meta"], 0],
    ["a miss", ["get", evil], 3],
    ["exists", ["exists", evil], 3],
    ["a set", ["set", `new${evil}`, evil], 0],
    ["touch", ["touch", `new${evil}`, "--ttl", "1h"], 3],
    ["a dry run", ["invalidate", "--prefix", "evil:", "--dry-run"], 0],
    ["stats", ["stats", "--top", "5"], 0],
    ["groups", ["stats", "--group-by", "prefix"], 0],
    ["an unknown command", [evil], 2],
    ["an unknown flag", ["get", `--${evil}`], 2],
    ["a wrong argument", ["keys", evil], 2],
    ["a wrong duration", ["set", "a", "1", "--ttl", evil], 2],
    ["a wrong store", ["get", "a", "--store", `redis://${evil}`], 2],
    ["a wrong kind of store", ["get", "a", "--store", `x${evil}:y`], 2],
    ["a wrong file", ["warm", `${evil}.json`], 2],
    ["a wrong namespace", ["keys", "--namespace", evil], 0],
    ["a wrong profile", ["keys", "--profile", evil], 2],
  ])("%s", async (_name, args, code) => {
    const pty = cache(args);
    expect(await pty.exit).toBe(code);
    expect(pty.raw()).toMatch(allowed);
    expect(pty.text()).not.toMatch(/^forged line/m);
  });

  test("tags in a listing and of one entry", async () => {
    const tagged = cache(["set", "evil:tagged", "1", "--tag", `tag${evil.replaceAll("/", "")}`]);
    expect(await tagged.exit).toBe(0);
    const [keys, get] = [cache(["keys"]), cache(["get", "evil:tagged", "--meta"])];
    expect([await keys.exit, await get.exit]).toEqual([0, 0]);
    for (const pty of [tagged, keys, get]) {
      expect(pty.raw()).toMatch(allowed);
      expect(pty.text()).not.toMatch(/^forged line/m);
    }
    expect(keys.text()).toContain("#tag\\x1b]0;title");
  });

  test("a text keeps its line feeds and tabs, and nothing else", async () => {
    const pty = cache(["get", "value"]);
    expect(await pty.exit).toBe(0);
    expect(pty.raw()).toMatch(allowed);
    expect(pty.text()).toContain("\\x1b]0;title\\x07\\x1b[2J\\x9b31m");
  });

  test("the sample before a question", async () => {
    const pty = cache(["invalidate", "--prefix", "evil:"]);
    await pty.waitFor("entry?");
    pty.send(KEYS.enter);
    expect(await pty.exit).toBe(7);
    expect(pty.text()).not.toMatch(/^forged line/m);
    expect(pty.raw()).not.toMatch(/\x1b\]|\x1bP|\x9b|\x1b\[2J.*forged/);
  });

  test("bad records of a file with a hostile name", async () => {
    const cwd = tempDir("hostile");
    const name = `bad${evil.replaceAll("/", "")}.ndjson`;
    writeFileSync(
      join(cwd, name),
      `{"key":"ok","value":1}\n{"key":${JSON.stringify(evil)}}\n{"k${"\x1b"}[2J":1}\n${evil}\n`,
    );
    const pty = cache(["warm", name], { cwd });
    expect(await pty.exit).toBe(6);
    expect(pty.raw()).toMatch(allowed);
    await until(() => pty.text().includes("bad record:"));
    expect(pty.text()).not.toMatch(/^forged line/m);
  });
});

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeRecords } from "../support/kill-rounds.js";
import { type RedisServer, redisCli, startRedis } from "../support/redis-server.js";
import { runBinary, startBinary } from "../support/run-binary.js";
import { type CliOptions, runCli } from "../support/run-cli.js";
import { tempDir } from "../support/temp-dir.js";
import { until } from "../support/until.js";

const SECRET = "s3cr3t+Pass/wörd";
const ENCODED = encodeURIComponent(SECRET);
const cwd = tempDir("secrets");
let server: RedisServer;
let url: string;
let withPassword: string;

beforeAll(async () => {
  server = await startRedis({ password: SECRET });
  url = server.url;
  withPassword = `redis://:${ENCODED}@127.0.0.1:${server.port}`;
  writeFileSync(join(cwd, "password"), `${SECRET}\n`, { mode: 0o600 });
  await redisCli(server, "SET", "a", "1");
});
afterAll(() => server.stop());

interface Way {
  name: string;
  args?: () => string[];
  env?: () => Record<string, string>;
  stdin?: string;
}

const ways: Way[] = [
  { name: "--password-file", args: () => ["--store", url, "--password-file", "password"] },
  { name: "--password-file -", args: () => ["--store", url, "--password-file", "-"], stdin: `${SECRET}\n` },
  { name: "--password", args: () => ["--store", url, "--password", SECRET] },
  { name: "--store URL", args: () => ["--store", withPassword] },
  { name: "CACHE_PASSWORD", env: () => ({ CACHE_STORE: url, CACHE_PASSWORD: SECRET }) },
  { name: "CACHE_PASSWORD_FILE", env: () => ({ CACHE_STORE: url, CACHE_PASSWORD_FILE: join(cwd, "password") }) },
  { name: "CACHE_STORE", env: () => ({ CACHE_STORE: withPassword }) },
  {
    name: "REDIS_PASSWORD",
    env: () => ({ ENABLE_REDIS: "true", REDIS_PORT: String(server.port), REDIS_PASSWORD: SECRET }),
  },
  { name: "REDIS_URL", env: () => ({ ENABLE_REDIS: "true", REDIS_URL: withPassword }) },
];

function shown({ stdout, stderr }: { stdout: string | Buffer; stderr: string }): string {
  return stdout.toString() + stderr;
}

function expectNoSecret(text: string): void {
  for (const form of [
    SECRET,
    ENCODED,
    Buffer.from(SECRET).toString("base64"),
    Buffer.from(SECRET).toString("latin1"),
  ]) {
    expect(text).not.toContain(form);
  }
  expect(text).not.toContain("s3cr3t");
}

describe.each(ways)("a password given by $name", ({ args = () => [], env = () => ({}), stdin }) => {
  const options = (): CliOptions => ({ cwd, env: env(), ...(stdin !== undefined && { stdin }) });

  test("lets in, and is never shown: --verbose, info, config show, as text and as JSON", async () => {
    const commands = [
      ["get", "a", "--verbose"],
      ["info"],
      ["info", "--check", "--json", "--verbose"],
      ["config", "show"],
      ["config", "show", "--json"],
      ["stats", "--json"],
    ];
    const runs = await Promise.all(commands.map((command) => runCli([...command, ...args()], options())));
    for (const [i, run] of runs.entries()) {
      expect([commands[i], run.code, run.stderr]).toEqual([commands[i], 0, expect.any(String)]);
      expectNoSecret(shown(run));
    }
  });

  test("is not in errors either, when the server refuses it or is away", async () => {
    const elsewhere = (text: string) => text.replaceAll(String(server.port), "1");
    const away: CliOptions = {
      ...options(),
      env: Object.fromEntries(Object.entries<string>(env()).map(([k, v]) => [k, elsewhere(v)])),
    };
    const runs = await Promise.all([
      runCli(["get", "a", "--verbose", "--json", ...args().map(elsewhere)], away),
      runCli(["get", "a", "--verbose", ...args(), "--redis-username", "nobody"], options()),
      runCli(["get", "a", "--bogus", "--verbose", ...args()], options()),
      runCli(["get", "a", "--timeout", "nonsense", "--json", ...args()], options()),
    ]);
    expect(runs.map(({ code }) => code)).toEqual([5, 4, 2, 2]);
    for (const run of runs) expectNoSecret(shown(run));
  });
});

test("not in a checkpoint, a rejects file, an export, or the title of the process", async () => {
  const file = join(cwd, "records.ndjson");
  await writeRecords(file, 100_000);
  const args = [
    "warm",
    file,
    "--checkpoint",
    "c.json",
    "--rejects",
    "rejects",
    "--verbose",
    "--password-file",
    "password",
  ];
  const run = startBinary([...args, "--store", withPassword.replace(ENCODED, "other")], { cwd });
  await until(() => readFileSync(join(cwd, "c.json"), "utf8").includes("position"), { timeoutMs: 20_000 });
  if (process.platform === "linux") {
    for (const name of ["cmdline", "comm"]) expectNoSecret(readFileSync(`/proc/${run.pid}/${name}`, "utf8"));
  }
  run.kill("SIGINT");
  const ended = await run.result;
  expect(ended.code).toBe(130);
  expectNoSecret(shown(ended));
  expectNoSecret(readFileSync(join(cwd, "c.json"), "utf8"));
  expect(readFileSync(join(cwd, "c.json"), "utf8")).not.toContain("other@");
  expectNoSecret(readFileSync(join(cwd, "rejects"), "utf8"));
});

test.each([
  ["an unknown scheme", `rediz://:${SECRET}@h:1`],
  ["a wrong port", `redis://:${SECRET}@h:port`],
  ["a slash that is not escaped", `redis://:${SECRET}@h:1/0`],
  ["a path", `redis://u:${ENCODED}@h:1/path`],
  ["http", `http://u:${ENCODED}@h:1/`],
  ["a password in the query", `redis://h:1?password=${ENCODED}`],
  ["a bad escape", `redis://:%zz${SECRET}@h:1`],
])("a store URL that can't be right, with %s, is told without its password", async (_name, store) => {
  const [flag, json, variable] = await Promise.all([
    runCli(["get", "a", "--store", store, "--verbose"], { cwd }),
    runCli(["get", "a", "--store", store, "--json"], { cwd }),
    runCli(["info", "--json"], { cwd, env: { CACHE_STORE: store } }),
  ]);
  for (const run of [flag, json, variable]) {
    expect(run.code).toBe(2);
    expectNoSecret(shown(run));
  }
});

test("a source URL's user, password and query are not shown or kept", async () => {
  const source = `http://user:${ENCODED}@127.0.0.1:1/data.json?token=${ENCODED}`;
  const run = await runBinary(["warm", source, "--format", "object", "--store", "sqlite:c.db", "--verbose"]);
  expect(run.code).toBeGreaterThan(0);
  expect(run.stderr).toContain("127.0.0.1:1");
  expectNoSecret(shown(run));
});

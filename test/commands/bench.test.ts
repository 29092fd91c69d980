import { existsSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { startAdmin } from "../serve/admin/admin-harness.js";
import { type RedisServer, redisCli, startRedis } from "../support/redis-server.js";
import type { CliResult } from "../support/run-cli.js";
import { tempDir } from "../support/temp-dir.js";
import { until } from "../support/until.js";
import { Workspace } from "../support/workspace.js";

/** A run of little: what it finds is not looked at here. */
const TINY = ["--ops", "20", "--rounds", "2", "--warm-up", "0", "--keys", "10", "--value-size", "100"];
const BRIEF = [...TINY, "--concurrency", "2"];

let server: RedisServer;
let work: Workspace;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
beforeEach(async () => {
  await redisCli(server, "FLUSHALL");
  work = new Workspace();
});

const bench = (argv: readonly string[], options?: Parameters<Workspace["bare"]>[1]) =>
  work.bare(["bench", ...argv], options);
/** No Redis at the usual place, whatever this machine has there. */
const NO_REDIS = { REDIS_HOST: "127.0.0.1", REDIS_PORT: "1" };
const HERE = { REDIS_HOST: "127.0.0.1", REDIS_PORT: "" };

interface Result {
  store: string;
  workload: string;
  concurrency: number;
  ops: number;
  latencyUs: Record<string, number>;
}
const resultsOf = (result: CliResult) => result.json().results as Result[];

/** Every key of all databases with its value and whether it ends, as redis-cli shows them. */
async function allOf(redis: RedisServer): Promise<string> {
  const script = `local out = {} local keys = redis.call('KEYS', '*') table.sort(keys)
    for _, k in ipairs(keys) do out[#out + 1] = k .. '=' .. redis.sha1hex(redis.call('DUMP', k)) .. (redis.call('PTTL', k) > 0 and '!' or '') end return out`;
  const databases = await Promise.all(["0", "1"].map((db) => redisCli(redis, "-n", db, "EVAL", script, "0")));
  return databases.join("\n--\n");
}

/** Every row of every table but those that only grow, as SQLite's own client shows them. */
function rowsOf(path: string): unknown {
  const database = new Database(path, { readonly: true });
  try {
    const tables = database.prepare("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").pluck().all();
    const kept = tables.map(String).filter((name) => !name.startsWith("sqlite_"));
    return Object.fromEntries(kept.map((name) => [name, database.prepare(`SELECT * FROM "${name}"`).all()]));
  } finally {
    database.close();
  }
}

/** Also what is hidden; a file store's own folders, which it keeps, are not among them. */
function filesIn(folder: string): string[] {
  const found = readdirSync(folder, { recursive: true, withFileTypes: true });
  const kept = found.filter((one) => !(one.isDirectory() && one.parentPath.endsWith("/values")));
  return kept.map(({ parentPath, name }) => join(parentPath, name)).sort();
}

describe("the usual stores", () => {
  it("are memory, a SQLite file and files of its own, and Redis where one answers", async () => {
    const argv = [...TINY, "--concurrency", "1,4", "--json"];
    const result = await bench(argv, { env: { ...HERE, REDIS_PORT: String(server.port) } });
    expect([result.code, result.json().schema]).toEqual([0, "cache.bench/1"]);
    const results = resultsOf(result);
    for (const store of ["memory", "sqlite", "file", "redis"])
      for (const workload of ["set", "get", "mixed", "batch-set", "batch-get"])
        for (const concurrency of [1, 4]) {
          const found = results.filter(
            (one) => one.store === store && one.workload === workload && one.concurrency === concurrency,
          );
          expect(found).toHaveLength(1);
          expect(found[0]).toMatchObject({
            ops: 20,
            rounds: 2,
            keys: 10,
            valueSize: 100,
            missed: 0,
            rejected: 0,
            errors: {},
          });
          const { p50 = 0, p90 = 0, p99 = 0, max = 0 } = found[0]?.latencyUs ?? {};
          expect([0, p50, p90, p99, max]).toEqual([0, p50, p90, p99, max].sort((a, b) => a - b));
        }
    expect(results).toHaveLength(40);
    expect(result.json()).toMatchObject({
      interrupted: false,
      overhead: [{ concurrency: 1 }, { concurrency: 4 }],
      machine: { node: process.version },
      settings: { seed: 1, distribution: "zipf" },
    });
    expect(await redisCli(server, "DBSIZE")).toBe("0");
    expect(filesIn(work.cwd)).toEqual([]);
  });

  it("are without Redis where none answers, and that is said", async () => {
    const { code, stdout, stderr } = await bench([...BRIEF, "--workload", "get"], { env: NO_REDIS });
    expect(code).toBe(0);
    expect(stdout).toMatch(/^redis +left out: .*127\.0\.0\.1:1\/0.*nothing listens there$/m);
    expect(stderr).toContain("redis is left out");
    expect(filesIn(work.cwd)).toEqual([]);
  });

  it("are on no other machine that nobody named", async () => {
    const env = { REDIS_URL: "redis://cache.example.com:6379" };
    const { code, stdout } = await bench([...BRIEF, "--workload", "get"], { env });
    expect([code, stdout]).toEqual([0, expect.stringContaining("is on another machine: name it with -s")]);
  });

  it("have the server that the settings name", async () => {
    const env = { CACHE_STORE: server.url, CACHE_NAMESPACE: "app" };
    const { code, json, stderr } = await bench([...BRIEF, "--workload", "set", "--json"], { env });
    expect(code).toBe(0);
    expect(json().stores).toContainEqual(
      expect.objectContaining({
        name: "redis",
        lasting: true,
        namespace: expect.stringMatching(/^app:bench:[0-9a-f]{12}:$/),
      }),
    );
    expect(stderr).toMatch(/redis:.*at most 10 keys \(1\.0 kB\) at a time under app:bench:/);
    expect(await redisCli(server, "DBSIZE")).toBe("0");
  });
});

describe("other entries", () => {
  it("stay as they are in Redis, and nothing remains: no log, no counters", async () => {
    const redis = new Workspace(server.url);
    await redis.ok(["set", "k", "v", "--tag", "t", "-n", "app"]);
    await redis.ok(["get", "k", "-n", "app"]);
    await redisCli(server, "SET", "bench:mine", "1");
    await redisCli(server, "RPUSH", "bench:list", "a");
    const before = await allOf(server);
    const tiers = [`memory: ${server.url}`, `${server.url} sqlite:${work.path("lowest.db")}`];
    const stores = [server.url, ...tiers].flatMap((url) => ["-s", url]);
    // The large ones are kept in pieces.
    const little = ["--keys", "4", "--ops", "6", "--rounds", "2", "--warm-up", "0", "--concurrency", "2"];
    const sizes = ["--value-size", "100,300KB", "--workload", "set,batch"];
    const { code, stdout } = await bench([...little, ...stores, "-n", "app", ...sizes]);
    expect([code, stdout]).toEqual([0, expect.stringContaining("memory over redis")]);
    expect(await allOf(server)).toBe(before);
    expect(filesIn(work.cwd)).toEqual([]);
  });

  it("stay as they are in a SQLite file and in a file store, with counters and tags", async () => {
    for (const [store, index] of [
      ["sqlite:./c.db", "c.db"],
      ["file:./files", "files/index.db"],
    ] as const) {
      const one = ["-s", store, "-n", "app"];
      await work.bare(["set", "k", "v", "--tag", "t", ...one]);
      await work.bare(["get", "k", ...one]);
      const before = [rowsOf(work.path(index)), filesIn(work.cwd)];
      const stores = ["-s", store, "-s", `memory: ${store}`];
      expect(await bench([...BRIEF, ...stores, "-n", "app"])).toMatchObject({ code: 0 });
      expect([rowsOf(work.path(index)), filesIn(work.cwd)]).toEqual(before);
    }
  });

  it("stay as they are in a running server", async () => {
    const admin = await startAdmin({ store: ["memory:", `sqlite:${tempDir("bench")}/c.db`] });
    try {
      await admin.cache.set("k", "v");
      const env = { CACHE_TOKEN: admin.tokens.operator };
      const { code, json } = await bench([...BRIEF, "-s", admin.url, "-s", "memory:", "--json"], { env });
      expect([code, json().stores]).toEqual([0, [expect.objectContaining({ name: "remote" }), expect.anything()]]);
      const keys: string[] = [];
      for await (const key of admin.cache.keys()) keys.push(key);
      expect(keys).toEqual(["k"]);
    } finally {
      await admin.stop();
    }
  });

  it("are not dropped to make room", async () => {
    const sqlite = "sqlite:./c.db?maxEntries=12";
    for (const key of ["a", "b", "c"]) await work.bare(["set", key, "v", "-s", sqlite]);
    const refused = await bench([...BRIEF, "-s", sqlite, "-s", "memory:", "--json"]);
    expect([refused.code, refused.json().error?.code]).toEqual([2, "bench-no-room"]);
    expect(work.keys()).toEqual(["a", "b", "c"]);
    const small = await startRedis({ config: { maxmemory: "3mb", "maxmemory-policy": "allkeys-lru" } });
    try {
      const full = await bench(["-s", small.url, "--keys", "100", "--value-size", "100KB"]);
      expect([full.code, full.stderr]).toEqual([2, expect.stringContaining("would drop what is there")]);
    } finally {
      await small.stop();
    }
    const memory = await bench([...BRIEF, "-s", "memory:?maxBytes=500B"]);
    expect([memory.code, memory.stderr]).toEqual([2, expect.stringContaining("would drop what is there for 1.0 kB")]);
  });
});

describe("a run that ends early", () => {
  const LONG = ["--duration", "1m", "--workload", "get,set", "--keys", "50", "--warm-up", "0"];

  it("by Ctrl-C removes its keys, says what was measured and exits 130", async () => {
    await redisCli(server, "SET", "theirs", "1");
    const stop = new AbortController();
    const argv = ["-s", server.url, "-s", "memory:", "-s", "sqlite:./c.db", ...LONG, "--concurrency", "4", "--json"];
    const run = bench(argv, { signal: stop.signal });
    await until(async () => Number(await redisCli(server, "DBSIZE")) > 10);
    expect(Number(await redisCli(server, "PTTL", await redisCli(server, "RANDOMKEY")))).toBeLessThanOrEqual(600_000);
    stop.abort();
    const { code, json, stderr } = await run;
    expect([code, json().interrupted]).toEqual([130, true]);
    expect(stderr).toContain("stopping, and removing what was written");
    expect(await redisCli(server, "KEYS", "*")).toBe("theirs");
    expect(filesIn(work.cwd)).toEqual([]);
  });

  it("since nobody reads it any more removes its keys and is no failure", async () => {
    const { code } = await bench([...BRIEF, "-s", server.url, "--ndjson"], { closedAfter: 2 });
    expect([code, await redisCli(server, "DBSIZE")]).toEqual([0, "0"]);
  });

  it("on one store goes on with the others and exits 6; on all it is their failure", async () => {
    const failing = await startRedis();
    try {
      const argv = [
        "-s",
        failing.url,
        "-s",
        "sqlite:./c.db",
        "--ops",
        "3000",
        "--rounds",
        "1",
        "--workload",
        "set,get",
      ];
      const run = bench([...argv, "--concurrency", "1", "--warm-up", "0", "--json"]);
      await until(async () => Number(await redisCli(failing, "DBSIZE")) > 0);
      await failing.kill();
      const { code, json, stderr } = await run;
      expect(code).toBe(6);
      expect(json().stores).toMatchObject([
        { name: "redis", state: "failed", left: expect.any(String), error: { code: expect.any(String) } },
        { name: "sqlite", state: "measured" },
      ]);
      const results = json().results as Result[];
      expect(results.filter(({ store }) => store === "sqlite").map(({ workload }) => workload)).toEqual(["set", "get"]);
      expect(stderr).toMatch(/Remove it: cache invalidate --prefix bench:[0-9a-f]{12}: --yes -s redis:/);
      const alone = await bench(["-s", failing.url, ...BRIEF, "--json"]);
      expect([alone.code, alone.json().error?.code]).toEqual([5, expect.any(String)]);
    } finally {
      await failing.stop();
    }
  });

  it("since its only store is away says so once", async () => {
    const { code, stderr } = await bench([...BRIEF, "-s", "redis://127.0.0.1:1"]);
    expect([code, stderr.match(/can't reach/g)]).toEqual([5, ["can't reach"]]);
  });

  it("obeys --timeout", async () => {
    const silent = await startRedis();
    try {
      silent.pause();
      const begun = performance.now();
      const { code, stderr } = await bench(["-s", silent.url, ...BRIEF, "--timeout", "200ms"]);
      expect([code, stderr]).toEqual([5, expect.stringContaining("did not answer in time")]);
      // It was never written to.
      expect(stderr).not.toContain("still holds");
      expect(performance.now() - begun).toBeLessThan(4000);
    } finally {
      silent.resume();
      await silent.stop();
    }
  });
});

describe("what is asked for", () => {
  it.each<[string[], string, RegExp]>([
    [["--ops", "0"], "invalid-number", /--ops.*from 1 to/],
    [["--ops", "-5"], "invalid-number", /./],
    [["--duration", "0"], "invalid-duration", /--duration/],
    [["--duration", "-1s"], "invalid-duration", /--duration/],
    [["--duration", "1h"], "invalid-duration", /5m/],
    [["--duration", "1s", "--ops", "5"], "conflicting-flags", /one of them/],
    [["--workload", "gett"], "unknown-workload", /Did you mean get\?/],
    [["--workload", "set,everything"], "unknown-workload", /set, get, mixed, batch/],
    [["--value-size", "0"], "invalid-size", /1 B to/],
    [["--value-size", "1GB"], "invalid-size", /1 B to/],
    [["--value-size", "100,big"], "invalid-size", /--value-size.*"big"/],
    [["--value-size", ""], "invalid-size", /--value-size/],
    [["--concurrency", "0,1"], "invalid-number", /--concurrency.*1 to 1024/],
    [["--keys", "1000000", "--value-size", "1MB"], "bench-too-large", /fewer --keys/],
    [["--rounds", "0"], "invalid-number", /--rounds/],
    [["--reads", "101"], "invalid-number", /--reads/],
    [["--distribution", "normal"], "invalid-arguments", /zipf/],
    [["-s", "nonsense"], "invalid-store", /store URL/],
    [["-s", "memory:", "--tier", "redis"], "unknown-tier", /memory/],
    [["--compare", "no.json"], "compare-not-readable", /cache bench --json/],
    [["--compare", "."], "compare-not-readable", /./],
    [["--html", "."], "report-not-written", /directory/],
    [["--html", "no/such/folder.html"], "report-not-written", /no such file/],
    [["-s", "sqlite:./c.db", "--html", "./c.db"], "would-overwrite-store", /--html/],
    [["-s", "redis://127.0.0.1:1", "-s", "redis://127.0.0.1:2", "--password", "x"], "ambiguous-password", /several/],
    [["-s", "redis://127.0.0.1:1", "--fallback", "sqlite:./f.db"], "conflicting-flags", /--fallback/],
  ])("%j is refused as %s", async (argv, code, said) => {
    const result = await bench([...argv, "--json"], { env: NO_REDIS });
    const { error } = result.json();
    expect([result.code, error?.code]).toEqual([2, code]);
    expect(`${error?.message} ${error?.hint}`).toMatch(said);
    expect(filesIn(work.cwd)).toEqual([]);
  });

  it("is refused where nothing may be written, before a store is opened", async () => {
    for (const argv of [["--read-only"], ["--read-only", "-s", server.url], ["--read-only", "-s", "memory:"]]) {
      const result = await bench([...argv, "--json"]);
      expect([result.code, result.json().error?.code]).toEqual([7, "read-only"]);
    }
  });

  it("may be two stores of one kind, told apart by their URLs", async () => {
    const argv = ["-s", "memory:?policy=lru", "-s", "memory:?policy=lfu", ...BRIEF, "--workload", "get"];
    const { json } = await bench([...argv, "--json"]);
    expect(json().stores).toMatchObject([{ name: "memory:?policy=lru" }, { name: "memory:?policy=lfu" }]);
    const twice = (await bench(["-s", "memory:", "-s", "memory:", ...BRIEF, "--json"])).json().stores;
    expect(twice).toMatchObject([{ name: "memory:" }, { name: "memory: (2)" }]);
  });

  it("is the same for the same seed", async () => {
    const sums = async (seed: string) => {
      await bench(["-s", server.url, ...BRIEF, "--workload", "set", "--seed", seed]);
      return redisCli(server, "INFO", "commandstats");
    };
    await redisCli(server, "CONFIG", "RESETSTAT");
    const calls = (text: string) => /cmdstat_set:calls=(\d+)/.exec(text)?.[1];
    const first = calls(await sums("5"));
    await redisCli(server, "CONFIG", "RESETSTAT");
    expect(calls(await sums("5"))).toBe(first);
  });
});

describe("what is shown", () => {
  it.each([40, 80, 120])("fits %d columns", async (columns) => {
    const argv = [...BRIEF, "-s", "memory:", "-s", "sqlite:./c.db", "--workload", "get,batch"];
    const { stdout } = await bench(argv, { columns });
    const tables = stdout.slice(0, stdout.indexOf("\nmachine"));
    expect(Math.max(...tables.split("\n").map((line) => line.length))).toBeLessThanOrEqual(columns);
    expect(tables).toMatch(/^STORE +OPS\/S/m);
    expect(tables).toMatch(/^memory +[\d,]+ /m);
    expect(stdout).not.toContain("\u001b");
    if (columns >= 80) expect(tables).toMatch(/P99 .*█/s);
  });

  it("has colour on a terminal alone", async () => {
    const argv = [...BRIEF, "-s", "memory:", "--workload", "get"];
    expect((await bench(argv, { terminal: true })).stdout).toContain("\u001b[");
    expect((await bench(argv, { terminal: true, env: { NO_COLOR: "1" } })).stdout).not.toContain("\u001b");
  });

  it("is a record a line with --ndjson", async () => {
    const lines = (await bench([...BRIEF, "-s", "memory:", "--workload", "get,set", "--ndjson"])).lines();
    expect(lines.map(({ type }) => type)).toEqual(["result", "result", "summary"]);
  });
});

describe("--compare", () => {
  it("tells what changed since an earlier report", async () => {
    const argv = [...BRIEF, "-s", "memory:", "--workload", "get"];
    const { json, stdout } = await bench([...argv, "--json"]);
    work.write("same.json", stdout);
    const [first] = json().results as object[];
    const slower = { ...first, opsPerSecond: 1, opsPerSecondRange: [1, 1] };
    work.write("slower.json", JSON.stringify({ ...json(), results: [slower] }));
    const compared = await bench([...argv, "--compare", "slower.json", "--html", "r.html"]);
    expect(compared.stdout).toMatch(/^STORE +OPS\/S +CHANGE +P50 .*\nmemory +[\d,]+ /m);
    expect(compared.stdout).toMatch(/CHANGE.*\nmemory .* \d+x /);
    expect(work.read("r.html").toString()).toMatch(/<td class="n">\d+x<\/td>/);
    const again = (await bench([...argv, "--compare", "same.json", "--json"])).json().results as object[];
    expect(again).toMatchObject([{ before: { opsPerSecond: expect.any(Number), differs: expect.any(Boolean) } }]);
  });
});

describe("--html", () => {
  it("writes a page for nobody else to read, which replaces the one that was there", async () => {
    writeFileSync(work.path("real.html"), "old", { mode: 0o644 });
    symlinkSync("real.html", work.path("r.html"));
    const argv = [...BRIEF, "-s", "memory:", "--workload", "get", "--html", "r.html"];
    const { code, stderr } = await bench(argv);
    expect([code, stderr]).toEqual([0, expect.stringContaining(`wrote ${work.path("r.html")}`)]);
    expect(statSync(work.path("r.html")).mode & 0o777).toBe(0o600);
    expect(readFileSync(work.path("r.html"), "utf8")).toMatch(/^<!DOCTYPE html>[\s\S]*<\/html>\n$/);
    expect(filesIn(work.cwd)).toEqual([work.path("r.html"), work.path("real.html")]);
  });

  it("holds no markup of others", async () => {
    const hostile = `./<img src=x onerror=alert(1)>"'&`;
    const { code } = await bench([...BRIEF, "-s", `sqlite:${hostile}/c.db`, "--workload", "get", "--html", "r.html"]);
    expect(code).toBe(0);
    const page = work.read("r.html").toString();
    expect(page).not.toContain("<img");
    expect(page).toContain("&#60;img src=x onerror=alert(1)&#62;&#34;&#39;&#38;");
    expect(existsSync(join(work.cwd, hostile, "c.db"))).toBe(false);
  });
});

import { afterEach, describe, expect, it } from "vitest";
import { type ProxyUnderTest, startProxy } from "../serve/proxy-harness.js";
import { Workspace } from "../support/workspace.js";

let proxy: ProxyUnderTest | undefined;
afterEach(() => proxy?.stop());

const RULES = JSON.stringify([
  { pattern: "/api/*", ttl: "5m", tags: ["api"], query: { ignore: ["utm_*"] }, vary: { cookies: ["sid"] } },
  { pattern: "/live/*", bypass: true },
]);

describe("serve --check-config", () => {
  it("says what would run", async () => {
    const work = new Workspace();
    const rules = work.write("rules.json", RULES);
    const argv = ["serve", "--check-config", "--origin", "a.test/x=http://127.0.0.1:3000", "--rules", "rules.json"];
    const { stdout } = await work.ok(argv);
    expect(stdout).toBe(
      [
        "proxy    http://127.0.0.1:4000",
        "origin   a.test/x to http://127.0.0.1:3000/",
        "admin    http://127.0.0.1:4001, a token made at the start",
        `store    sqlite:${work.path("c.db")}, namespace http:`,
        "caches   GET, HEAD, up to 100.0 MB",
        "rule     rules[0] /api/*",
        "rule     rules[1] /live/*",
        "",
      ].join("\n"),
    );
    const data = (await work.ok([...argv, "--json"])).json();
    expect(data).toMatchObject({ schema: "cache.serve/1", valid: true, rules: [{ ttlMs: 300_000 }, { bypass: true }] });
    expect(rules).toBe(work.path("rules.json"));
  });

  it("says every mistake with its place", async () => {
    const work = new Workspace();
    work.write("rules.json", '[{"pattern":"/a","ttl":"soon"},{"ttl":5},{"pattern":"/b","bypas":true}]');
    const { code, stdout } = await work.run(
      ["serve", "--check-config", "--origin", "api.example.com", "--rules", "rules.json"],
      { env: { CACHEABLE_METHODS: "GET,PUT" } },
    );
    expect(code).toBe(2);
    const file = work.path("rules.json");
    expect(stdout.trimEnd().split("\n")).toEqual([
      '--origin: "api.example.com" is no http or https URL',
      `${file}: rules[0].ttl: "soon" is not a duration`,
      `${file}: rules[1].pattern: is missing`,
      `${file}: rules[2].bypas: there is no such setting of a rule`,
      "CACHEABLE_METHODS: PUT is not cacheable",
    ]);
  });
});

describe("rules that can't be right", () => {
  it.each([
    ["a file that is not there", ["--rules", "none.json"], {}, "none.json can't be read (ENOENT)"],
    ["a file that is no JSON", ["--rules", "bad.json"], {}, "bad.json:2:4 is not JSON"],
    ["a list in a flag", ["--rules", '[{"pattern":"x"}]'], {}, '--rules: rules[0].pattern: "x" matches nothing'],
    ["a variable", [], { CACHE_RULES: '[{"pattern":"/a","ttl":0}]' }, "CACHE_RULES: rules[0].ttl: a TTL of 0"],
    ["a method", ["--cacheable-methods", "GET,BREW"], {}, "--cacheable-methods: BREW is not cacheable"],
  ])("%s: refused at start", async (_, argv, env, said) => {
    const work = new Workspace();
    work.write("bad.json", "[\n  ttl]");
    const { code, stderr } = await work.run(["serve", "--origin", "http://127.0.0.1:3000", "--port", "0", ...argv], {
      env,
    });
    expect(code).toBe(2);
    expect(stderr).toContain(said);
    expect(stderr.split("\n").filter((line) => line.startsWith("error:"))).toHaveLength(1);
  });

  it("in a config file, as a list and as a path from its folder", async () => {
    const work = new Workspace();
    work.write("cache.config.json", JSON.stringify({ rules: [{ pattern: "/a", ttl: [] }] }));
    const refused = await work.run(["serve", "--check-config"]);
    expect([refused.code, refused.stdout]).toEqual([
      2,
      expect.stringContaining("cache.config.json: rules[0].ttl: must be a duration"),
    ]);
    work.write("rules.json", RULES);
    work.write("cache.config.json", JSON.stringify({ rules: "./rules.json", cacheableMethods: "get, post" }));
    expect((await work.ok(["serve", "--check-config"])).stdout).toContain("caches   GET, POST");
  });
});

describe("serve --explain", () => {
  it("says rule, key, freshness and tags", async () => {
    const work = new Workspace();
    work.write("rules.json", RULES);
    const { stdout } = await work.ok([
      "serve",
      "--rules",
      "rules.json",
      "--explain",
      "http://H:80/api/%61?x=1&utm_a=2",
    ]);
    expect(stdout).toContain("request    GET http://h/api/a?x=1\n");
    expect(stdout).toContain("rule       rules[0]\n");
    expect(stdout).toContain("key        r:GET http://h/api/a?x=1\n           and cookie:sid\n");
    expect(stdout).toContain("freshness  rules[0]: 5m, for status 200");
    expect(stdout).toContain("tags       api\n");
    expect(stdout).toContain("stored     nothing\n");
  });

  it("says why not", async () => {
    const work = new Workspace();
    const ask = async (url: string, ...more: string[]) =>
      (await work.ok(["serve", "--rules", RULES, "--explain", url, "--json", ...more])).json();
    expect(await ask("http://h/live/a")).toMatchObject({
      rule: "rules[1]",
      cacheable: false,
      because: "the rule sends it past the cache",
      considered: [{ matches: false, because: "the pattern does not match" }, { matches: true }],
    });
    expect(await ask("http://h/other")).toMatchObject({ rule: null, cacheable: true, dependsOn: [] });
  });

  it("says what is stored, for the headers that are given", async () => {
    const work = new Workspace();
    proxy = await startProxy(
      (_, response) => {
        response.writeHead(200, { "cache-control": "max-age=600", vary: "x-a", "cache-tag": "t" }).end("1");
      },
      { store: `sqlite:${work.path("c.db")}` },
    );
    const url = `${proxy.server.url}/a`;
    await proxy.get("/a", { "x-a": "1" });
    const ask = async (...headers: string[]) =>
      (await work.ok(["serve", "--explain", url, "--json", ...headers.flatMap((one) => ["--header", one])])).json();
    expect(await ask("X-A: 1")).toMatchObject({
      stored: { status: 200, lifetimeMs: 600_000, lifetimeFrom: "max-age", tags: ["t"], use: "fresh" },
    });
    expect(await ask("X-A: 2")).toMatchObject({ stored: null });
    const counted = (await proxy.cache.stats()).counters;
    expect(await ask("X-A: 1", "Cache-Control: no-cache")).toMatchObject({ stored: { use: "fetch" } });
    expect((await proxy.cache.stats()).counters).toEqual(counted);
  });

  it("refuses what is no URL or header", async () => {
    const work = new Workspace();
    for (const argv of [
      ["--explain", "/a"],
      ["--explain", "http://h/", "--header", "no header"],
      ["--header", "A: b", "--origin", "http://127.0.0.1:1"],
    ]) {
      expect([argv, (await work.run(["serve", ...argv])).code]).toEqual([argv, 2]);
    }
  });
});

import { statSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { Workspace } from "../support/workspace.js";

const FILE = "cache.config.json";

describe("config init", () => {
  it("writes an example that is valid, for nobody else to read", async () => {
    const work = new Workspace();
    const { code, stdout } = await work.bare(["config", "init"]);
    expect([code, stdout]).toEqual([0, `wrote ${work.path(FILE)}\ntry: cache info --profile dev\n`]);
    expect(statSync(work.path(FILE)).mode & 0o777).toBe(0o600);
    expect(await work.bare(["config", "validate"])).toMatchObject({
      code: 0,
      stdout: `${work.path(FILE)}: valid, profiles dev, staging, prod\n`,
    });
    for (const profile of ["dev", "staging", "prod"])
      expect((await work.bare(["config", "show", "-p", profile])).code).toBe(0);
  });

  it("has the profiles that the contract names, prod read-only", async () => {
    const work = new Workspace();
    await work.bare(["config", "init"]);
    expect((await work.bare(["set", "k", "v", "--profile", "dev"])).code).toBe(0);
    expect((await work.bare(["get", "k", "--profile", "dev"])).stdout).toBe("v");
    const refused = await work.bare(["set", "k", "v", "--profile", "prod"]);
    expect([refused.code, refused.stderr]).toEqual([
      7,
      expect.stringContaining(`${work.path(FILE)} (profile prod) says read-only`),
    ]);
    expect((await work.bare(["config", "show", "-p", "staging", "--json"])).json()).toMatchObject({
      store: "redis",
      target: "redis://127.0.0.1:6379/1",
      namespace: "staging:",
    });
  });

  it("replaces a file only with --force", async () => {
    const work = new Workspace();
    work.write(FILE, "{}");
    expect(await work.bare(["config", "init"])).toMatchObject({
      code: 2,
      stdout: "",
      stderr: expect.stringContaining("--force"),
    });
    expect(work.read(FILE).toString()).toBe("{}");
    expect((await work.bare(["config", "init", "--force", "--json"])).json()).toEqual({
      schema: "cache.config.init/1",
      path: work.path(FILE),
      profiles: ["dev", "staging", "prod"],
    });
    expect(work.read(FILE).toString()).toContain("prod");
  });

  it("replaces also a broken one", async () => {
    const work = new Workspace();
    work.write(FILE, "{");
    expect((await work.bare(["config", "init", "--force"])).code).toBe(0);
  });
});

describe("config show", () => {
  it("shows what is in force and where it comes from, without asking a store", async () => {
    const work = new Workspace();
    work.write(
      FILE,
      JSON.stringify({ store: "redis://me:pw@127.0.0.1:1/2", cacheTtl: 60, profiles: { x: { namespace: "ns" } } }),
    );
    const { code, stdout, stderr } = await work.bare(["config", "show", "-p", "x", "--no-color"], {
      env: { CACHE_TIMEOUT: "2s" },
    });
    expect(code).toBe(0);
    expect(stdout).toContain(`store: redis://127.0.0.1:1/2, namespace ns: (${work.path(FILE)})`);
    expect(stdout).toMatch(/^store +redis:\/\/me:\*\*\*@127\.0\.0\.1:1\/2 +\S+cache\.config\.json$/m);
    expect(stdout).toMatch(/^cacheTtl +1m +\S+cache\.config\.json$/m);
    expect(stdout).toMatch(/^namespace +ns +\S+cache\.config\.json \(profile x\)$/m);
    expect(stdout).toMatch(/^timeout +2s +CACHE_TIMEOUT$/m);
    expect(stdout).toContain(`files: ${work.path(FILE)}\nprofiles: x\n`);
    expect(stdout + stderr).not.toContain("pw");
  });

  it("names REDIS_URL where that is in force, and nothing that it overrides", async () => {
    const work = new Workspace();
    work.write(FILE, JSON.stringify({ redisDb: 7 }));
    const env = {
      CACHE_STORE: "sqlite:ignored",
      REDIS_URL: "redis://me:s3cret@127.0.0.1:1/2",
      REDIS_HOST: "ignored",
      REDIS_PORT: "9",
      REDIS_DB: "8",
    };
    for (const command of ["config show", "info"]) {
      const { code, stdout, stderr } = await work.bare([...command.split(" "), "--backend", "redis", "--no-color"], {
        env,
      });
      expect(code).toBe(0);
      expect(stdout).toMatch(/^store +redis:\/\/me:\*\*\*@127\.0\.0\.1:1\/2 +REDIS_URL$/m);
      for (const text of ["REDIS_HOST", "REDIS_PORT", "REDIS_DB", "CACHE_STORE", "ignored", FILE.concat("\n")])
        expect(stdout.replace(/^files: .*$/m, "")).not.toContain(text);
      expect(stdout + stderr).not.toContain("s3cret");
    }
  });

  it("is an object in JSON", async () => {
    const work = new Workspace();
    expect((await work.bare(["config", "show", "--json", "-s", "file:./d"])).json()).toMatchObject({
      schema: "cache.config.show/1",
      store: "file",
      target: `file:${work.path("d")}`,
      settings: expect.arrayContaining([{ name: "cacheTtl", value: "1h", source: "default" }]),
      files: [],
      profiles: [],
    });
  });
});

describe("config validate", () => {
  it("has nothing to check where there is no file", async () => {
    expect(await new Workspace().bare(["config", "validate"])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("nothing to check"),
    });
  });

  it.each([
    ["{", ":1:2 is not JSON"],
    ['{\n  "store": "sqlite:a",\n  oops\n}', ":3:3 is not JSON"],
    ["[]", "the file: "],
    ['{"cacheTtl": true}', "cacheTtl: "],
    ['{"cacheTtl": "soon"}', 'cacheTtl: "soon" is not a duration'],
    ['{"profiles": {"a": {"timeout": "0"}}}', '(profile a): timeout: "0" is no time at all'],
    ['{"profiles": {"a": {"store": "what:x"}}}', '(profile a): store: "what:" is not a kind of store'],
    ['{"profile": "none", "profiles": {"a": {}}}', 'profile: there is no profile "none"'],
    ['{"stroe": "sqlite:a"}', "stroe is not a setting"],
    ['{"cache-ttl": "5m"}', "cache-ttl: write it cacheTtl"],
    ['{"password": "x"}', "password: a config file holds no password, use passwordFile"],
    ['{"profiles": {"a": {"password": "x"}}}', "profiles.a.password: a config file holds no password"],
    ['{"redisPort": "6379"}', "redisPort: "],
    ['{"backend": "mongo"}', "backend: "],
    ['{"maxSize": 0}', 'maxSize: "0" is too little'],
    ['{"maxSize": -1}', 'maxSize: "-1" is not a whole number'],
    ['{"maxSize": 1.5}', 'maxSize: "1.5" is not a whole number'],
    ['{"profiles": {"a": {"maxBytes": 0}}}', '(profile a): maxBytes: "0" is too little'],
    ['{"redisPort": 65536}', 'redisPort: "65536" is too much'],
    ['{"redisHost": "redis://h"}', 'redisHost: "redis://h" is not the name of a host'],
    ['{"namespace": "a\\u0000b"}', "namespace: a key can't hold a NUL"],
    ['{"cleanupInterval": 0}', 'cleanupInterval: "0" is no time at all'],
    ['{"cleanupInterval": "30d"}', 'cleanupInterval: "30d" is too much'],
    ['{"cacheTtl": 0}', "cacheTtl: a TTL of 0 would store nothing"],
    ['{"store": "sqlite:a?maxBytes=0"}', "store: maxBytes=0 leaves room for nothing"],
  ])("%s: says where the mistake is, and exits 2", async (content, message) => {
    const work = new Workspace();
    work.write("some.json", content);
    const { code, stdout, stderr } = await work.bare(["config", "validate", "some.json"]);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toContain(message);
    expect(stderr).toContain(work.path("some.json"));
    expect(stderr).toMatch(/\n {2}\S.*\n$/);
    // The same file where it is found by itself.
    work.write(FILE, content);
    const found = await work.bare(["config", "validate", "--json"]);
    expect([found.code, found.json().error?.code]).toEqual([2, expect.stringMatching(/^invalid-|^unknown-profile$/)]);
  });

  it("checks values that the environment hides", async () => {
    const work = new Workspace();
    work.write(FILE, '{"cacheTtl": "soon"}');
    expect((await work.bare(["config", "validate"], { env: { CACHE_TTL: "5m" } })).code).toBe(2);
  });

  it("says what is wrong with the file itself", async () => {
    const work = new Workspace();
    expect(await work.bare(["config", "validate", "none.json"])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/none\.json can't be read \(ENOENT\)\n {2}Check the path; cache config init /),
    });
    expect(await work.bare(["config", "validate", "."])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/\(EISDIR\)\n {2}Check the path/),
    });
  });
});

describe("the topic itself", () => {
  it("lists its commands, and knows what was probably meant", async () => {
    const work = new Workspace();
    const topic = await work.bare(["config"]);
    expect(topic.code).toBe(2);
    for (const name of ["init", "show", "validate"]) expect(topic.stdout).toContain(`config ${name}`);
    expect((await work.bare(["config", "--help"])).code).toBe(0);
    expect(await work.bare(["config", "shw"])).toMatchObject({
      code: 2,
      stdout: "",
      stderr: 'error: there is no command "config shw"\n  Did you mean cache config show?\n',
    });
  });
});

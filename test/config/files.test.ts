import { chmodSync, mkdirSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { Workspace } from "../support/workspace.js";
import { Home } from "./layers.js";

describe("the project's file", () => {
  it("is found from the working directory upwards, the nearest alone", async () => {
    const home = new Home();
    const outer = home.projectFile({ cacheTtl: "1m", namespace: "outer" }, join(home.home, "work"));
    expect((await home.load()).files.map(({ path }) => path)).toEqual([outer]);
    const inner = home.projectFile({ cacheTtl: "2m" });
    const { files, settings } = await home.load();
    expect([files.map(({ path }) => path), settings.namespace]).toEqual([[inner], undefined]);
    mkdirSync(join(home.project, "deep", "er"), { recursive: true });
    expect((await home.load({ cwd: join(home.project, "deep", "er") })).files.map(({ path }) => path)).toEqual([inner]);
  });

  it("is looked for no further than the repository's root", async () => {
    const home = new Home();
    home.projectFile({ cacheTtl: "1m" }, join(home.home, "work"));
    mkdirSync(join(home.project, ".git"));
    expect((await home.load()).files).toEqual([]);
    const own = home.projectFile({ cacheTtl: "2m" });
    mkdirSync(join(home.project, "sub"));
    expect((await home.load({ cwd: join(home.project, "sub") })).files.map(({ path }) => path)).toEqual([own]);
  });

  it("is looked for no further than the home folder", async () => {
    const home = new Home();
    home.projectFile({ cacheTtl: "1m" }, home.home);
    expect((await home.load()).files).toHaveLength(1);
    expect((await home.load({ env: { HOME: `${home.home}/` } })).files).toHaveLength(1);
    expect((await home.load({ env: { HOME: join(home.home, "work") } })).files).toEqual([]);
    expect((await home.load({ env: { HOME: `${join(home.home, "work")}/` } })).files).toEqual([]);
  });

  it("is ignored with a warning where it belongs to another user", async () => {
    const home = new Home();
    const path = home.projectFile({ store: "redis://evil:1/0" });
    const uid = (process.getuid?.() ?? 0) + 1;
    const { store, files, warnings } = await home.load({ uid });
    expect([store.kind, files]).toEqual(["sqlite", []]);
    expect(warnings).toMatchObject([
      {
        code: "config-of-another-user",
        message: `${path} belongs to another user and is ignored`,
        hint: expect.any(String),
      },
    ]);
    expect((await home.load()).store.kind).toBe("redis");
    expect((await home.load({ uid: undefined })).store.kind).toBe("redis");
  });

  it("may have a byte order mark and name its schema", async () => {
    const home = new Home();
    home.projectFile('\ufeff{"$schema": "https://example.com/s.json", "cacheTtl": null}');
    expect((await home.load()).defaultTtl).toBeNull();
  });

  it.each([
    ["{", ":1:2 is not JSON"],
    ['{"cacheTtl": "1m",\n "x": }', ":2:7 is not JSON"],
    ["", ":1:1 is not JSON"],
    ["null", "the file: must be an object of settings"],
    ['{"store": 3}', "store: must be text in quotes"],
    ['{"$schema": 3}', "$schema: must be text in quotes"],
    ['{"readOnly": "true"}', "readOnly: must be true or false, without quotes"],
    ['{"redisPort": "1"}', "redisPort: must be a number without quotes"],
    ['{"maxSize": 1e999}', "maxSize: must be a number without quotes"],
    ['{"timeout": true}', 'timeout: must be a duration like "30s", or a number of seconds'],
    ['{"timeout": null}', "timeout: must be a duration like"],
    ['{"cacheTtl": []}', 'cacheTtl: must be a duration like "30s", a number of seconds, or "none"'],
    ['{"maxBytes": {}}', 'maxBytes: must be a size like "64MB", or a number of bytes'],
    ['{"backend": "mongo"}', "backend: must be one of memory, sqlite, redis, file"],
    ['{"profiles": []}', "profiles: must be an object of profiles"],
    ['{"profiles": {"p": 1}}', "profiles.p: must be an object of settings"],
    ['{"profiles": {"store": {"readOnly": 1}}}', "profiles.store.readOnly: must be true or false"],
    ['{"profiles": {"store": 1}}', "profiles.store: must be an object of settings"],
    ['{"profiles": {"p": {"nonsense": 1}}}', "profiles.p.nonsense is not a setting"],
    ['{"profiles": {"p": {"profile": "q"}}}', "profiles.p.profile"],
    ['{"store": "sqlite:a", "backend": "file"}', "cache.config.json: store and backend both name the store"],
    ['{"profiles": {"p": {"store": "sqlite:a", "backend": "file"}}}', "(profile p): store and backend both name"],
  ])("%j: the place of the mistake is said", async (content, message) => {
    const home = new Home();
    const path = home.projectFile(content);
    const error = await home.refusal();
    expect(error).toMatchObject({ kind: "usage", code: "invalid-config", hint: expect.any(String) });
    expect(error.message.startsWith(path)).toBe(true);
    expect(error.message).toContain(message);
    expect(error.message).not.toMatch(/invalid input|received/i);
  });

  it("stops every command that needs settings: 2", async () => {
    const work = new Workspace();
    work.write("cache.config.json", "{ no");
    for (const argv of [["get", "k"], ["set", "k", "v"], ["info"], ["keys"], ["invalidate", "k"]]) {
      expect([argv, (await work.run(argv)).code]).toEqual([argv, 2]);
    }
    expect((await work.run(["get", "k", "--json"])).json().error).toMatchObject({ code: "invalid-config" });
    expect((await work.run(["get", "--help"])).code).toBe(0);
  });
});

it("may name the store in one way and its profile in another", async () => {
  const home = new Home();
  home.projectFile({ store: "sqlite:/a", profiles: { p: { backend: "file", cacheDir: "/b" } } });
  expect((await home.load()).store).toMatchObject({ path: "/a" });
  expect((await home.load({ flags: { profile: "p" } })).store).toMatchObject({ path: "/b" });
});

it("takes an empty HOME for none", async () => {
  vi.stubEnv("HOME", "");
  try {
    const { store } = await new Home().load({ env: { HOME: "" } });
    expect(store).toMatchObject({ kind: "sqlite", path: expect.stringContaining(`${userInfo().homedir}/`) });
  } finally {
    vi.unstubAllEnvs();
  }
});

describe("the user's file", () => {
  it("lies in the config folder, which XDG_CONFIG_HOME moves", async () => {
    const home = new Home();
    const path = home.userFile({ cacheTtl: "1m" });
    expect((await home.load()).files.map((file) => [file.path, file.layer])).toEqual([[path, "user"]]);
    expect((await home.load({ env: { XDG_CONFIG_HOME: home.project } })).files).toEqual([]);
    expect((await home.load({ env: { XDG_CONFIG_HOME: join(home.home, ".config") } })).files).toHaveLength(1);
  });

  it("is read beside the project's, which beats it setting by setting", async () => {
    const home = new Home();
    home.userFile({ cacheTtl: "1m", namespace: "user", profiles: { mine: { timeout: "1s" } } });
    home.projectFile({ cacheTtl: "2m", profiles: { theirs: { timeout: "2s" } } });
    const { settings } = await home.load({ flags: { profile: "mine" } });
    expect([settings.cacheTtl?.value, settings.namespace?.value, settings.timeout?.value]).toEqual([
      120_000,
      "user",
      1000,
    ]);
  });

  it("is an error where it can't be read", async () => {
    const home = new Home();
    const path = home.userFile({});
    // A folder in its place can't be read by root either.
    chmodSync(path, 0o600);
    const folder = join(home.project, "xdg", "cachectl", "cache.config.json");
    mkdirSync(folder, { recursive: true });
    expect((await home.refusal({ env: { XDG_CONFIG_HOME: join(home.project, "xdg") } })).message).toContain(
      `${folder} can't be read (EISDIR)`,
    );
  });
});

describe("the warning", () => {
  it("goes to stderr once, and not with --quiet", async () => {
    const work = new Workspace();
    work.write("pw", "x");
    chmodSync(work.path("pw"), 0o644);
    const argv = ["config", "show", "-s", "redis://127.0.0.1:1", "--password-file", "pw"];
    const { stdout, stderr } = await work.bare([...argv, "--json"]);
    expect(stderr).toBe(
      `warning: others can read the password file ${work.path("pw")}\n  Run: chmod 600 ${work.path("pw")}\n`,
    );
    expect(JSON.parse(stdout)).toMatchObject({ store: "redis" });
    expect((await work.bare([...argv, "-q"])).stderr).toBe("");
  });
});

import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { targetOf } from "../../src/cli/target.js";
import type { ConfigInput } from "../../src/config/layers.js";
import { Home } from "./layers.js";

/** The store and who named it. */
async function choice(home: Home, input: Partial<ConfigInput> = {}): Promise<[string, string]> {
  const config = await home.load(input);
  return [targetOf(config).replaceAll(home.home, "~"), config.storeSource.where.replaceAll(home.home, "~")];
}

const FILE = "~/work/app/cache.config.json";

describe("which store", () => {
  it("is SQLite in the user's cache folder where nobody says anything", async () => {
    const home = new Home();
    const fallback = process.platform === "darwin" ? "~/Library/Caches/cachectl" : "~/.cache/cachectl";
    expect(await choice(home)).toEqual([`sqlite:${fallback}/cache.db`, "default"]);
    expect(await choice(home, { env: { XDG_CACHE_HOME: "/xdg" } })).toEqual([
      "sqlite:/xdg/cachectl/cache.db",
      "default",
    ]);
  });

  it.each([
    ["redis://h", "redis://h:6379/0"],
    ["rediss://u:pw@h/3?ttl=5m", "rediss://h:6379/3"],
    ["redis://[::1]:7000/", "redis://[::1]:7000/0"],
  ])("has a name with all its parts and no secret: %s is %s", async (store, target) => {
    expect((await choice(new Home(), { flags: { store } }))[0]).toBe(target);
  });

  it("is chosen by -s, --backend, CACHE_STORE, the profile, the files, ENABLE_REDIS, in this order", async () => {
    const home = new Home();
    home.userFile({ store: "sqlite:/user" });
    expect((await choice(home))[0]).toBe("sqlite:/user");
    home.projectFile({ store: "sqlite:/project", profiles: { p: { store: "sqlite:/profile" } } });
    expect(await choice(home)).toEqual(["sqlite:/project", FILE]);
    const env: Record<string, string> = { ENABLE_REDIS: "true" };
    expect(await choice(new Home(), { env })).toEqual(["redis://127.0.0.1:6379/0", "ENABLE_REDIS"]);
    expect(await choice(home, { env })).toEqual(["sqlite:/project", FILE]);
    const flags: ConfigInput["flags"] = { profile: "p" };
    expect(await choice(home, { env, flags })).toEqual(["sqlite:/profile", `${FILE} (profile p)`]);
    env.CACHE_STORE = "sqlite:/variable";
    expect(await choice(home, { env, flags })).toEqual(["sqlite:/variable", "CACHE_STORE"]);
    expect(await choice(home, { env, flags: { ...flags, backend: "file", cacheDir: "/dir" } })).toEqual([
      "file:/dir",
      "--backend",
    ]);
    expect(await choice(home, { env, flags: { ...flags, store: "sqlite:/flag" } })).toEqual([
      "sqlite:/flag",
      "--store",
    ]);
  });

  it.each(["true", "1", "yes", "TRUE"])("ENABLE_REDIS=%s means Redis alone", async (text) => {
    expect(await choice(new Home(), { env: { ENABLE_REDIS: text } })).toEqual([
      "redis://127.0.0.1:6379/0",
      "ENABLE_REDIS",
    ]);
    expect((await choice(new Home(), { env: { CACHE_ENABLE_REDIS: text } }))[0]).toBe("redis://127.0.0.1:6379/0");
  });

  it("ENABLE_REDIS=false is none, and the flag says it too", async () => {
    expect((await choice(new Home(), { env: { ENABLE_REDIS: "false" } }))[1]).toBe("default");
    expect(await choice(new Home(), { flags: { enableRedis: true } })).toEqual([
      "redis://127.0.0.1:6379/0",
      "--enable-redis",
    ]);
    expect((await choice(new Home(), { flags: { enableRedis: false }, env: { ENABLE_REDIS: "true" } }))[1]).toBe(
      "default",
    );
  });

  it.each<[string, Partial<ConfigInput>]>([
    ["--enable-redis", { flags: { enableRedis: true } }],
    ["CACHE_ENABLE_REDIS", { env: { CACHE_ENABLE_REDIS: "1" } }],
    ["ENABLE_REDIS", { env: { ENABLE_REDIS: "true" } }],
  ])("%s is for where nothing else names a store", async (_name, asked) => {
    const env = { ...asked.env };
    const named = { ...env, CACHE_STORE: "sqlite:/variable" };
    expect((await choice(new Home(), { ...asked, env: named }))[0]).toBe("sqlite:/variable");
    expect((await choice(new Home(), { ...asked, env: { ...env, CACHE_BACKEND: "file", CACHE_DIR: "/d" } }))[0]).toBe(
      "file:/d",
    );
    for (const values of [{ store: "sqlite:/file" }, { backend: "sqlite", cacheDb: "/file" }]) {
      for (const layer of ["projectFile", "userFile"] as const) {
        const home = new Home();
        home[layer](values);
        expect((await choice(home, { ...asked, env }))[0]).toBe("sqlite:/file");
        home[layer]({ profiles: { p: values } });
        expect((await choice(home, { flags: { ...asked.flags, profile: "p" }, env }))[0]).toBe("sqlite:/file");
        home[layer]({ enableRedis: true });
        expect((await choice(home, { ...asked, env }))[0]).toBe("redis://127.0.0.1:6379/0");
      }
    }
  });

  it("is the project's profile before the user's of the same name", async () => {
    const home = new Home();
    home.userFile({ profiles: { p: { store: "sqlite:/user" } } });
    home.projectFile({ profiles: { p: { backend: "file", cacheDir: "/project" } } });
    expect((await choice(home, { flags: { profile: "p" } }))[0]).toBe("file:/project");
  });

  it("is asked for by a flag that only one kind has", async () => {
    expect(await choice(new Home(), { flags: { redisHost: "h" } })).toEqual(["redis://h:6379/0", "--redis-host"]);
    expect(await choice(new Home(), { flags: { redisDb: "3" } })).toEqual(["redis://127.0.0.1:6379/3", "--redis-db"]);
    expect((await choice(new Home(), { flags: { cacheDb: "/x.db" } }))[0]).toBe("sqlite:/x.db");
    expect((await choice(new Home(), { flags: { cacheDir: "/x" } }))[0]).toBe("file:/x");
    // The flag beats a store that the environment names.
    expect((await choice(new Home(), { flags: { cacheDb: "/x.db" }, env: { CACHE_STORE: "sqlite:/y.db" } }))[0]).toBe(
      "sqlite:/x.db",
    );
  });

  it.each([
    ["CACHE_REDIS_HOST", "h", "redis://h:6379/0"],
    ["CACHE_REDIS_PORT", "7", "redis://127.0.0.1:7/0"],
    ["CACHE_REDIS_DB", "3", "redis://127.0.0.1:6379/3"],
    ["CACHE_DIR", "/x", "file:/x"],
    ["CACHE_CACHE_DIR", "/x", "file:/x"],
    ["CACHE_DB", "/x.db", "sqlite:/x.db"],
  ])("is asked for by %s as by its flag, at the environment's rank", async (variable, value, target) => {
    const home = new Home();
    const env = { [variable]: value };
    expect(await choice(home, { env })).toEqual([target, variable]);
    home.projectFile({ store: "sqlite:/project", profiles: { p: { store: "sqlite:/profile" } } });
    expect((await choice(home, { env, flags: { profile: "p" } }))[0]).toBe(target);
    expect((await choice(home, { env, flags: { enableRedis: true } }))[0]).toBe(target);
    expect((await choice(home, { env: { ...env, CACHE_STORE: "sqlite:/y.db" } }))[0]).toBe("sqlite:/y.db");
    expect((await choice(home, { env: { ...env, CACHE_BACKEND: "memory" } }))[0]).toBe("memory:");
    expect((await choice(home, { env, flags: { store: "sqlite:/y.db" } }))[0]).toBe("sqlite:/y.db");
    expect((await choice(home, { env, flags: { cacheDir: "/flag" } }))[0]).toBe("file:/flag");
  });

  it("is not asked for by other tools' names, nor by a file without backend", async () => {
    const env = { REDIS_HOST: "h", REDIS_PORT: "7", REDIS_DB: "3" };
    expect((await choice(new Home(), { env }))[1]).toBe("default");
    const home = new Home();
    home.projectFile({ redisHost: "h", cacheDir: "/x" });
    expect((await choice(home))[1]).toBe("default");
  });

  it("is a question where variables ask for different kinds, until one names it", async () => {
    const env = { CACHE_DIR: "/x", CACHE_DB: "/x.db" };
    expect(await new Home().refusal({ env })).toMatchObject({
      kind: "usage",
      code: "conflicting-settings",
      message: "CACHE_DIR and CACHE_DB are for different kinds of store",
      hint: "Say which with CACHE_BACKEND=file or CACHE_BACKEND=sqlite.",
    });
    expect((await choice(new Home(), { env: { ...env, CACHE_BACKEND: "sqlite" } }))[0]).toBe("sqlite:/x.db");
    expect((await choice(new Home(), { env, flags: { store: "sqlite:/y.db" } }))[0]).toBe("sqlite:/y.db");
    expect((await choice(new Home(), { env, flags: { cacheDir: "/z" } }))[0]).toBe("file:/z");
  });

  it.each<[ConfigInput["flags"], string]>([
    [{ store: "sqlite:a", backend: "redis" }, "--store and --backend both name the store"],
    [{ store: "redis://h/0", redisDb: "3" }, "--store and --redis-db both say which store"],
    [{ store: "sqlite:a", cacheDb: "b" }, "--store and --cache-db both say which store"],
    [{ backend: "sqlite", redisHost: "h" }, "--redis-host is for a redis store, this is a sqlite store"],
    [{ backend: "redis", cacheDir: "d" }, "--cache-dir is for a file store, this is a redis store"],
    [{ redisHost: "h", cacheDb: "b" }, "--cache-db is for a sqlite store, this is a redis store"],
    [{ store: "sqlite:a", redisKeyPrefix: "p" }, "--redis-key-prefix is for a redis store, this is a sqlite store"],
    [{ store: "sqlite:a", sentinelPassword: "p" }, "--sentinel-password is for a redis store, this is a sqlite store"],
  ])("%j would leave one unheard: refused", async (flags, message) => {
    expect(await new Home().refusal({ flags })).toMatchObject({
      code: "conflicting-flags",
      message,
      hint: expect.any(String),
    });
  });
});

describe("Redis by its parts", () => {
  it("is put together from flags", async () => {
    const flags = { backend: "redis", redisHost: "cache.example", redisPort: "7000", redisDb: "5" };
    expect((await choice(new Home(), { flags }))[0]).toBe("redis://cache.example:7000/5");
    expect((await choice(new Home(), { flags: { backend: "redis", redisHost: "::1" } }))[0]).toBe(
      "redis://[::1]:6379/0",
    );
    for (const redisHost of ["a b", "h:1", "h/0", "u@h"]) {
      expect((await new Home().refusal({ flags: { backend: "redis", redisHost } })).message).toContain(
        "is not the name of a host",
      );
    }
  });

  const STRAY = {
    REDIS_URL: "redis://stray:1/9",
    REDIS_HOST: "stray",
    REDIS_PORT: "1",
    REDIS_DB: "9",
    REDIS_PASSWORD: "s",
    REDIS_KEY_PREFIX: "stray:",
  };

  it("reads other tools' variables only where Redis was asked for", async () => {
    const plain = await new Home().load({ env: STRAY });
    expect([plain.store.kind, plain.keyPrefix, plain.password]).toEqual(["sqlite", "", undefined]);
    const named = await new Home().load({ env: STRAY, flags: { store: "redis://mine:2/1" } });
    expect([targetOf(named), named.keyPrefix, named.password]).toEqual(["redis://mine:2/1", "", undefined]);
    const viaStore = await new Home().load({ env: { ...STRAY, CACHE_STORE: "redis://mine:2/1" } });
    expect([targetOf(viaStore), viaStore.keyPrefix, viaStore.password]).toEqual(["redis://mine:2/1", "", undefined]);
    for (const asked of [{ flags: { backend: "redis" } }, { env: { ENABLE_REDIS: "true" } }]) {
      const config = await new Home().load({ ...asked, env: { ...STRAY, ...asked.env } });
      expect([targetOf(config), config.keyPrefix, config.password]).toEqual(["redis://stray:1/9", "stray:", "s"]);
    }
  });

  it("lets our own names and flags beat theirs", async () => {
    const env = { ...STRAY, CACHE_REDIS_HOST: "ours" };
    expect((await choice(new Home(), { env, flags: { backend: "redis" } }))[0]).toBe("redis://ours:1/9");
    expect((await choice(new Home(), { env, flags: { backend: "redis", redisPort: "5", redisDb: "4" } }))[0]).toBe(
      "redis://ours:5/4",
    );
    const { REDIS_URL: _, ...parts } = STRAY;
    expect((await choice(new Home(), { env: parts, flags: { backend: "redis" } }))[0]).toBe("redis://stray:1/9");
    expect(
      (await choice(new Home(), { env: { ...parts, CACHE_REDIS_PORT: "5" }, flags: { backend: "redis" } }))[0],
    ).toBe("redis://stray:5/9");
    const home = new Home();
    home.projectFile({ redisHost: "file" });
    expect((await choice(home, { env: parts, flags: { backend: "redis" } }))[0]).toBe("redis://stray:1/9");
    expect((await choice(home, { flags: { backend: "redis" } }))[0]).toBe("redis://file:6379/0");
  });

  it("says which variable is wrong", async () => {
    const ask = (env: Record<string, string>) => new Home().refusal({ env: { ENABLE_REDIS: "true", ...env } });
    expect((await ask({ REDIS_PORT: "http" })).message).toContain('REDIS_PORT: "http"');
    expect((await ask({ REDIS_URL: "http://h" })).message).toContain("REDIS_URL");
    expect((await ask({ REDIS_URL: "sqlite:x" })).message).toContain("REDIS_URL");
  });
});

describe("tiers", () => {
  const stores = (url: string) => ["memory:?ttl=1m", url, "file:/f"].join("\n");

  it("are several stores, fastest first, each with its options; the last is the truth", async () => {
    const { tiers, store, defaultTtl } = await new Home().load({ flags: { store: stores("redis://h:1/2?ttl=10m") } });
    expect(tiers).toEqual([
      { name: "memory", store: { kind: "memory", ttl: 60_000 } },
      { name: "redis", store: { kind: "redis", url: "redis://h:1/2", ttl: 600_000 } },
      { name: "file", store: { kind: "file", path: "/f" } },
    ]);
    expect([store, defaultTtl]).toEqual([{ kind: "file", path: "/f" }, 3_600_000]);
  });

  it("come from a variable in one text, and from a config file as a list", async () => {
    const home = new Home();
    const names = async (input: Parameters<Home["load"]>[0]) =>
      (await home.load(input)).tiers.map(({ name, store }) => [name, "path" in store ? store.path : ""]);
    expect(await names({ env: { CACHE_STORE: "memory: sqlite:/my dir/a.db  sqlite:/b" } })).toEqual([
      ["memory", ""],
      ["sqlite:0", "/my dir/a.db"],
      ["sqlite:1", "/b"],
    ]);
    home.projectFile({ store: ["memory:", "sqlite:c.db"], profiles: { p: { store: "file:d" } } });
    expect(await names({})).toEqual([
      ["memory", ""],
      ["sqlite", `${home.project}/c.db`],
    ]);
    expect(await names({ flags: { profile: "p" } })).toEqual([["file", `${home.project}/d`]]);
    home.projectFile({ store: [] });
    expect((await home.refusal()).message).toContain("store: must be text in quotes, or a list of it");
  });

  it("one of them by its name", async () => {
    const { tiers, store } = await new Home().load({ flags: { store: stores("redis://h"), tier: "redis" } });
    expect([tiers.map(({ name }) => name), store.kind]).toEqual([["redis"], "redis"]);
    const error = await new Home().refusal({ flags: { store: stores("redis://h"), tier: "sqlite" } });
    expect([error.code, error.hint]).toEqual(["unknown-tier", "Tiers here: memory, redis, file."]);
  });

  it.each([
    ["sqlite:/a\nsqlite:/b/../a", "store-twice"],
    ["memory:\nmemory:?maxEntries=5", "store-twice"],
    ["redis://h\nredis://u:p@h:6379/0?ttl=1m", "store-twice"],
    ["redis+cluster://h1,h2\nredis+cluster://h2,h1", "store-twice"],
    ["redis://127.0.0.1\nredis://localhost:6379/0", "store-twice"],
    ["redis://[::1]:7000/1\nredis://127.0.0.1:7000/1", "store-twice"],
    ["memory:\nwhat:x", "invalid-store"],
  ])("%j is refused: %s", async (store, code) => {
    expect((await new Home().refusal({ flags: { store } })).code).toBe(code);
  });

  it("are refused as the same also where a link leads to it", async () => {
    const home = new Home();
    symlinkSync(home.project, join(home.home, "link"));
    const store = `sqlite:${home.project}/c.db\nfile:${home.home}/link/c.db`;
    expect((await home.refusal({ flags: { store } })).code).toBe("store-twice");
  });

  it("get the password and the TLS files of the one Redis server among them", async () => {
    const home = new Home();
    const flags = { store: stores("rediss://h"), password: "pw", redisCa: "ca.pem" };
    const { tiers, password } = await home.load({ flags });
    expect([tiers[1]?.store, password]).toMatchObject([{ ca: `${home.project}/ca.pem` }, "pw"]);
    const error = await home.refusal({ flags: { store: "redis://h1\nredis://h2", password: "pw" } });
    expect([error.kind, error.code]).toEqual(["usage", "ambiguous-password"]);
  });

  it("are bounded by the settings where they lie in memory alone", async () => {
    const { tiers } = await new Home().load({ flags: { store: "memory:\nsqlite:/a", maxSize: "5" } });
    expect(tiers.map(({ store }) => store)).toEqual([
      { kind: "memory", maxEntries: 5 },
      { kind: "sqlite", path: "/a" },
    ]);
  });
});

describe("a fallback", () => {
  it("is another store, its path beginning where it was named", async () => {
    const home = new Home();
    const store = "redis://h";
    expect((await home.load({ flags: { store, fallback: "file:f" } })).fallback).toEqual({
      kind: "file",
      path: `${home.project}/f`,
    });
    expect((await home.load()).fallback).toBeUndefined();
    const error = await home.refusal({ flags: { store: "sqlite:/a", fallback: "sqlite:/a" } });
    expect(error.code).toBe("store-twice");
  });

  it("stands in for no file of this machine: as a flag it is refused, else left aside", async () => {
    const home = new Home();
    const flags = { fallback: "file:f" };
    for (const store of [undefined, "sqlite:/a", "file:/a", "redis://h sqlite:/a"]) {
      const error = await home.refusal({ flags: { ...flags, ...(store !== undefined && { store }) } });
      expect([error.code, error.message]).toEqual(["conflicting-flags", expect.stringContaining("that can be away")]);
      const env = { CACHE_FALLBACK: "file:f", ...(store !== undefined && { CACHE_STORE: store }) };
      const { fallback, settings } = await home.load({ env });
      expect([fallback, settings.fallback?.value]).toEqual([undefined, "file:f"]);
    }
    for (const store of ["memory: redis://h", "http://127.0.0.1:1"])
      expect((await home.load({ flags: { ...flags, store } })).fallback).toMatchObject({ kind: "file" });
  });
});

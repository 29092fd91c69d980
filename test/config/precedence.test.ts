import { describe, expect, it } from "vitest";
import {
  environmentNames,
  SETTING_NAMES,
  type SettingName,
  type SettingValue,
  settingNamesOf,
  settingSpec,
} from "../../src/config/settings.js";
import { Home } from "./layers.js";

interface Sample {
  /** As typed, and what it means. Two that differ from each other and from the default. */
  texts: readonly [string, string];
  values: readonly [SettingValue, SettingValue];
}

function sampleOf(name: SettingName, base: string): Sample {
  const { kind, path, choices } = settingSpec(name);
  if (name === "store") return { texts: ["sqlite:/a", "sqlite:/b"], values: ["sqlite:/a", "sqlite:/b"] };
  if (name === "fallback") return { texts: ["file:/a", "file:/b"], values: ["file:/a", "file:/b"] };
  if (name === "tier") return { texts: ["sqlite", "file"], values: ["sqlite", "file"] };
  if (name === "profile") return { texts: ["one", "two"], values: ["one", "two"] };
  if (path) return { texts: ["one", "/two"], values: [`${base}/one`, "/two"] };
  switch (kind) {
    case "text":
      return { texts: ["one", "two"], values: ["one", "two"] };
    case "boolean":
      return { texts: ["true", "false"], values: [true, false] };
    case "integer":
      return { texts: ["3", "4"], values: [3, 4] };
    case "choice":
      return { texts: [choices?.[1] ?? "", choices?.[0] ?? ""], values: [choices?.[1] ?? "", choices?.[0] ?? ""] };
    case "size":
      return { texts: ["3kB", "4"], values: [3000, 4] };
    case "duration":
      return { texts: ["3s", "4"], values: [3000, 4000] };
    case "ttl":
      return { texts: ["3s", "none"], values: [3000, null] };
  }
}

/** A setting as JSON holds it in a config file. */
function inFile(name: SettingName, text: string): string | number | boolean {
  const { kind } = settingSpec(name);
  if (kind === "boolean") return text === "true";
  return kind === "integer" ? Number(text) : text;
}

/** What has to be beside a setting for it to be allowed: flags of Redis and a fallback need a Redis, those of a file a file. */
function beside(name: SettingName): Partial<Record<SettingName, string>> {
  if (/^(?:redis|sentinel|fallback)/.test(name)) return { backend: "redis" };
  if (name === "cacheDir") return { backend: "file" };
  if (name === "tier") return { store: "sqlite:/a\nfile:/b" };
  return {};
}

/** Whose setting it is, where not every command has it. */
function commandOf(name: SettingName): { command?: "serve" } {
  const { command } = settingSpec(name);
  return command === undefined ? {} : { command };
}

const profiles = { one: {}, two: {} };
const secret = (name: SettingName) => settingSpec(name).secret === true || name === "askPassword";

describe("every setting", () => {
  it.each(SETTING_NAMES)("%s has a flag", async (name) => {
    const home = new Home();
    home.projectFile({ profiles });
    const { texts, values } = sampleOf(name, home.project);
    for (const [i, text] of texts.entries()) {
      const typed = settingSpec(name).kind === "boolean" ? text === "true" : text;
      const { settings } = await home.load({
        ...commandOf(name),
        flags: { ...beside(name), [name]: typed },
        readSecret: async () => "",
      });
      expect(settings[name]).toEqual({
        value: values[i],
        source: { layer: "flag", where: `--${settingSpec(name).flag}` },
      });
    }
  });

  it.each(SETTING_NAMES)("%s has variables", async (name) => {
    const home = new Home();
    home.projectFile({ profiles });
    const { texts, values } = sampleOf(name, home.project);
    const variables = environmentNames(settingSpec(name));
    expect(variables).toContain(`CACHE_${settingSpec(name).flag.toUpperCase().replaceAll("-", "_")}`);
    for (const variable of variables) {
      for (const [i, text] of texts.entries()) {
        const { settings } = await home.load({
          ...commandOf(name),
          flags: beside(name),
          env: { [variable]: text },
          readSecret: async () => "",
        });
        expect(settings[name]).toEqual({ value: values[i], source: { layer: "environment", where: variable } });
      }
      // An empty variable says nothing.
      const { settings } = await home.load({ ...commandOf(name), env: { [variable]: "" } });
      expect(settings[name]?.source.layer ?? "default").toBe("default");
    }
  });

  it.each(SETTING_NAMES.filter((name) => !secret(name)))("%s has a config key", async (name) => {
    const home = new Home();
    const { texts, values } = sampleOf(name, home.project);
    for (const [i, text] of texts.entries()) {
      const path = home.projectFile({ profiles, [name]: inFile(name, text) });
      const { settings } = await home.load({ ...commandOf(name), flags: name === "tier" ? beside(name) : {} });
      expect(settings[name]).toMatchObject({ value: values[i], source: { layer: "project", where: path } });
    }
  });

  it.each(SETTING_NAMES.filter(secret))("%s is refused in a config file", async (name) => {
    const home = new Home();
    home.projectFile({ [name]: name === "askPassword" ? true : "x" });
    expect((await home.refusal()).code).toBe("invalid-config");
  });

  it("falls back to what help says", async () => {
    const { settings, store, defaultTtl } = await new Home().load();
    for (const name of settingNamesOf())
      expect([name, settings[name]?.source.layer]).toEqual([
        name,
        settingSpec(name).fallback === undefined ? undefined : "default",
      ]);
    expect([store.kind, defaultTtl]).toEqual(["sqlite", 3_600_000]);
  });

  it("of serve is nothing that another command could stumble over", async () => {
    const { settings } = await new Home().load({ env: { CACHE_PORT: "nonsense" } });
    expect(settings.port).toBeUndefined();
  });

  it("has what serve falls back to: memory over SQLite, a namespace of its own, compressed", async () => {
    const { settings, tiers, keyPrefix } = await new Home().load({ command: "serve" });
    for (const name of SETTING_NAMES) {
      const { fallback, servedFallback } = settingSpec(name);
      expect([name, settings[name]?.source.layer]).toEqual([name, fallback || servedFallback ? "default" : undefined]);
    }
    expect([tiers.map(({ name }) => name), keyPrefix]).toEqual([["memory", "sqlite"], "http:"]);
    expect([settings.port?.value, settings.compression?.value]).toEqual([4000, "gzip"]);
  });
});

describe("precedence", () => {
  const ttl = async (home: Home, input = {}) => {
    const { settings, defaultTtl } = await home.load(input);
    return [defaultTtl, settings.cacheTtl?.source.where];
  };

  it("is flag, environment, profile, project file, user's file, default", async () => {
    const home = new Home();
    expect(await ttl(home)).toEqual([3_600_000, "default"]);
    const user = home.userFile({ cacheTtl: "1m", profiles: { p: { cacheTtl: "2m" } } });
    expect(await ttl(home)).toEqual([60_000, user]);
    expect(await ttl(home, { flags: { profile: "p" } })).toEqual([120_000, `${user} (profile p)`]);
    let project = home.projectFile({ cacheTtl: "3m" });
    expect(await ttl(home)).toEqual([180_000, project]);
    expect(await ttl(home, { flags: { profile: "p" } })).toEqual([120_000, `${user} (profile p)`]);
    project = home.projectFile({ cacheTtl: "3m", profiles: { p: { cacheTtl: "4m" } } });
    expect(await ttl(home, { flags: { profile: "p" } })).toEqual([240_000, `${project} (profile p)`]);
    const env = { CACHE_TTL: "5m" };
    expect(await ttl(home, { env, flags: { profile: "p" } })).toEqual([300_000, "CACHE_TTL"]);
    expect(await ttl(home, { env, flags: { profile: "p", cacheTtl: "6m" } })).toEqual([360_000, "--cache-ttl"]);
  });

  it("holds for what a store's URL says as well", async () => {
    const home = new Home();
    const at = async (input: object) => {
      const { store, defaultTtl } = await home.load(input);
      return [defaultTtl, "maxEntries" in store ? store.maxEntries : undefined];
    };
    const url = "sqlite:x?ttl=1m&maxEntries=10";
    home.projectFile({ cacheTtl: "3m", maxSize: 30 });
    expect(await at({ env: { CACHE_STORE: url } })).toEqual([60_000, 10]);
    expect(await at({ env: { CACHE_STORE: url, CACHE_TTL: "2m", CACHE_MAX_SIZE: "20" } })).toEqual([60_000, 10]);
    expect(await at({ env: { CACHE_STORE: url }, flags: { cacheTtl: "4m", maxSize: "40" } })).toEqual([240_000, 40]);
    expect(await at({ flags: { store: "sqlite:x" } })).toEqual([180_000, 30]);
  });

  it("lets a switch be switched off by what is above", async () => {
    const home = new Home();
    home.projectFile({ readOnly: true });
    expect((await home.load()).settings.readOnly?.value).toBe(true);
    expect((await home.load({ env: { CACHE_READ_ONLY: "no" } })).settings.readOnly?.value).toBe(false);
    expect(
      (await home.load({ flags: { readOnly: false }, env: { CACHE_READ_ONLY: "1" } })).settings.readOnly?.value,
    ).toBe(false);
  });

  it("reads paths from where they were written", async () => {
    const home = new Home();
    home.projectFile({ cacheDb: "data/c.db" }, home.home);
    expect((await home.load()).store).toMatchObject({ path: `${home.home}/data/c.db` });
    expect((await home.load({ flags: { cacheDb: "data/c.db" } })).store).toMatchObject({
      path: `${home.project}/data/c.db`,
    });
    home.projectFile({ store: "sqlite:./d.db", profiles: { p: { store: "file:e" } } }, home.home);
    expect((await home.load()).store).toMatchObject({ path: `${home.home}/d.db` });
    expect((await home.load({ flags: { profile: "p" } })).store).toMatchObject({
      kind: "file",
      path: `${home.home}/e`,
    });
    expect((await home.load({ flags: { store: "sqlite:~/f.db" } })).store).toMatchObject({
      path: `${home.home}/f.db`,
    });
  });

  it("is not confused by a folder that looks like a profile", async () => {
    const home = new Home();
    const odd = `${home.project}/x (profile y)`;
    home.projectFile({ store: "sqlite:./d.db", profiles: { p: { store: "sqlite:./e.db" } } }, odd);
    expect((await home.load({ cwd: odd })).store).toMatchObject({ path: `${odd}/d.db` });
    expect((await home.load({ cwd: odd, flags: { profile: "p" } })).store).toMatchObject({ path: `${odd}/e.db` });
  });
});

describe("values that can't be right", () => {
  it.each([
    ["CACHE_TIMEOUT", "0"],
    ["CACHE_TIMEOUT", "-1s"],
    ["CACHE_TTL", "0"],
    ["CACHE_MAX_SIZE", "1.5"],
    ["CACHE_MAX_SIZE", "-1"],
    ["CACHE_MAX_BYTES", "big"],
    ["CACHE_READ_ONLY", "perhaps"],
    ["CACHE_BACKEND", "mongo"],
    ["CACHE_REDIS_PORT", "http"],
    ["CACHE_CLEANUP_INTERVAL", "never"],
    ["CACHE_MAX_SIZE", "0"],
    ["CACHE_MAX_BYTES", "0"],
    ["CACHE_MAX_BYTES", "0kB"],
    ["CACHE_REDIS_PORT", "0"],
    ["CACHE_REDIS_PORT", "65536"],
    ["CACHE_REDIS_DB", "-1"],
    ["CACHE_REDIS_HOST", "a b"],
    ["CACHE_REDIS_HOST", "h:1"],
    ["CACHE_REDIS_HOST", "1::2::3"],
    ["CACHE_REDIS_HOST", "[::1"],
    ["CACHE_CLEANUP_INTERVAL", "0"],
    ["CACHE_CLEANUP_INTERVAL", "25d"],
    ["CACHE_TIMEOUT", "25d"],
  ])("%s=%s is refused by its name, with a hint", async (variable, text) => {
    const error = await new Home().refusal({ env: { [variable]: text } });
    expect(error.kind).toBe("usage");
    expect(error.message).toContain(variable);
    expect(error.message).toContain(text);
    expect(error.hint).toMatch(/\w/);
  });

  it.each([
    ["CACHE_MAX_SIZE", "1", 1],
    ["CACHE_MAX_BYTES", "1", 1],
    ["CACHE_REDIS_PORT", "1", 1],
    ["CACHE_REDIS_PORT", "65535", 65_535],
    ["CACHE_REDIS_DB", "0", 0],
    ["CACHE_REDIS_HOST", "::1", "::1"],
    ["CACHE_REDIS_HOST", "[fe80::1]", "[fe80::1]"],
    ["CACHE_REDIS_HOST", "my_host-1.example", "my_host-1.example"],
    ["CACHE_TIMEOUT", "24d", 24 * 86_400_000],
    ["CACHE_TIMEOUT", "1ms", 1],
  ])("%s=%s is just right", async (variable, text, value) => {
    const { settings } = await new Home().load({ env: { [variable]: text } });
    expect(Object.values(settings).find((setting) => setting?.source.where === variable)?.value).toBe(value);
  });

  it("says what the range is", async () => {
    const refusal = (env: Record<string, string>) => new Home().refusal({ env });
    expect(await refusal({ CACHE_MAX_SIZE: "0" })).toMatchObject({
      message: 'CACHE_MAX_SIZE: "0" is too little',
      hint: "Give 1 or more.",
    });
    expect((await refusal({ CACHE_REDIS_PORT: "0" })).hint).toBe("Give from 1 to 65535.");
    expect(await refusal({ CACHE_REDIS_PORT: "70000" })).toMatchObject({
      message: 'CACHE_REDIS_PORT: "70000" is too much',
      hint: "Give from 1 to 65535.",
    });
    expect((await refusal({ ENABLE_REDIS: "1", REDIS_PORT: "0" })).message).toBe('REDIS_PORT: "0" is too little');
    expect((await refusal({ CACHE_TIMEOUT: "30d" })).hint).toBe("Give from 1ms to 24d 20h.");
    expect((await refusal({ CACHE_NAMESPACE: "x".repeat(1025) })).message).toMatch(/^CACHE_NAMESPACE: a key of 1025/);
  });

  it("names the file and the profile", async () => {
    const home = new Home();
    const path = home.projectFile({ profiles: { p: { timeout: "soon" } } });
    expect((await home.refusal({ flags: { profile: "p" } })).message).toBe(
      `${path} (profile p): timeout: "soon" is not a duration`,
    );
  });

  it("knows no profile that is nowhere", async () => {
    const home = new Home();
    expect(await home.refusal({ flags: { profile: "prod" } })).toMatchObject({
      code: "unknown-profile",
      hint: expect.stringContaining("No config file"),
    });
    home.projectFile({ profiles: { dev: {}, staging: {} } });
    expect(await home.refusal({ env: { CACHE_PROFILE: "prod" } })).toMatchObject({
      message: 'there is no profile "prod"',
      hint: "Profiles here: dev, staging.",
    });
    expect((await home.refusal({ flags: { profile: "toString" } })).code).toBe("unknown-profile");
    expect((await home.load({ flags: { profile: "dev" } })).settings.profile?.value).toBe("dev");
  });
});

describe("namespaces", () => {
  it.each([
    ["app", "app:"],
    ["app:", "app:"],
    ["a:b", "a:b:"],
    ["a b*", "a b*:"],
  ])("%j is the prefix %j", async (namespace, prefix) => {
    expect((await new Home().load({ flags: { namespace } })).keyPrefix).toBe(prefix);
  });

  it("come after the raw prefix of Redis, which SQLite has not", async () => {
    const flags = { namespace: "app", backend: "redis", redisKeyPrefix: "raw-" };
    expect((await new Home().load({ flags })).keyPrefix).toBe("raw-app:");
    expect(
      (await new Home().load({ flags: { namespace: "app" }, env: { CACHE_REDIS_KEY_PREFIX: "raw-" } })).keyPrefix,
    ).toBe("app:");
    expect((await new Home().refusal({ flags: { namespace: "a\0b" } })).code).toBe("invalid-key");
  });
});

import { join } from "node:path";
import { CacheError } from "../errors.js";
import { homeOf } from "./files.js";
import { type ConfigInput, outranks, RANK, type Setting, type Settings, type Source } from "./layers.js";
import { parseSetting, SETTING_NAMES, type SettingName, settingSpec } from "./settings.js";
import { parseStoreUrl, type StoreTarget } from "./store-url.js";

interface Choice {
  source: Source;
  /** Settings from `REDIS_HOST` and its like. */
  compatible: Partial<Settings>;
  target(settings: Settings): StoreTarget;
  /** Who said which server the password would be sent to. */
  secretsGoTo(settings: Settings): Source;
}

/** `-s`, then `--backend`, `CACHE_STORE`, the profile, `ENABLE_REDIS=true`, the config files; else SQLite. */
export function chooseStore(input: ConfigInput, settings: Settings): Choice {
  const { store, backend, enableRedis } = settings;
  if (input.flags.store !== undefined && input.flags.backend !== undefined) {
    throw new CacheError("usage", "conflicting-flags", "--store and --backend both name the store", {
      hint: "Use one of them.",
    });
  }
  const candidates: { setting: Setting; kind: string }[] = [];
  if (store) candidates.push({ setting: store, kind: "url" });
  if (backend) candidates.push({ setting: backend, kind: String(backend.value) });
  if (enableRedis?.value === true) candidates.push({ setting: enableRedis, kind: "redis" });
  for (const [name, kind] of IMPLIED) {
    if (input.flags[name] !== undefined && input.flags.store === undefined && input.flags.backend === undefined) {
      candidates.push({
        setting: { value: kind, source: { layer: "flag", where: `--${settingSpec(name).flag}` } },
        kind,
      });
      break;
    }
  }
  const order = (candidate: { setting: Setting; kind: string }) => {
    const { layer, profile } = candidate.setting.source;
    if (candidate.setting === enableRedis && layer === "environment") return 2.8;
    return profile === undefined ? RANK[layer] : 2.9;
  };
  const best = candidates.sort((a, b) => order(b) - order(a))[0];
  if (!best) return sqliteChoice({ layer: "default", where: "default" });
  const { source } = best.setting;
  switch (best.kind) {
    case "url": {
      const text = String(best.setting.value);
      const base = source.file?.folder ?? input.cwd;
      return {
        source,
        compatible: {},
        target: () => parseStoreUrl(text, source.where, base, homeOf(input.env)),
        secretsGoTo: () => source,
      };
    }
    case "sqlite":
      return sqliteChoice(source);
    case "file":
      return {
        source,
        compatible: {},
        target: (now) => ({ kind: "file", path: String(now.cacheDir?.value ?? join(cacheFolder(input.env), "files")) }),
        secretsGoTo: () => source,
      };
    case "memory":
      return { source, compatible: {}, target: () => ({ kind: "memory" }), secretsGoTo: () => source };
    default:
      return redisChoice(input, source);
  }

  function sqliteChoice(from: Source): Choice {
    return {
      source: from,
      compatible: {},
      target: (now) => ({
        kind: "sqlite",
        path: String(now.cacheDb?.value ?? join(cacheFolder(input.env), "cache.db")),
      }),
      secretsGoTo: () => from,
    };
  }
}

/** A flag that only makes sense for one kind of store asks for that kind, unless the command line says otherwise. */
const IMPLIED: readonly [SettingName, string][] = [
  ["redisHost", "redis"],
  ["redisPort", "redis"],
  ["redisDb", "redis"],
  ["cacheDir", "file"],
  ["cacheDb", "sqlite"],
];

function redisChoice(input: ConfigInput, source: Source): Choice {
  const compatible: Partial<Settings> = {};
  for (const name of SETTING_NAMES) {
    const variable = settingSpec(name).compatible;
    const text = variable === undefined || variable === "ENABLE_REDIS" ? undefined : input.env[variable];
    if (variable === undefined || text === undefined || text === "") continue;
    compatible[name] = {
      value: parseSetting(settingSpec(name), text, variable),
      source: { layer: "environment", where: variable },
    };
  }
  const url = input.env.REDIS_URL || undefined;
  const urlSource: Source = { layer: "environment", where: "REDIS_URL" };
  /** A part that `REDIS_URL` does not override: one from a flag, or from our own variables. */
  const own = (setting: Setting | undefined) =>
    setting && (setting.source.layer === "flag" || setting.source.where.startsWith("CACHE_")) ? setting : undefined;
  return {
    source,
    compatible,
    target: (now) => {
      const start = parseStoreUrl(url ?? "redis://127.0.0.1:6379", "REDIS_URL", input.cwd, homeOf(input.env));
      if (start.kind !== "redis") throw new CacheError("usage", "invalid-store", "REDIS_URL is not a redis:// URL");
      const parts = new URL(start.url);
      const pick = (setting: Setting | undefined) => (url ? own(setting) : setting)?.value;
      const host = pick(now.redisHost);
      if (host !== undefined) parts.hostname = hostName(String(host));
      const port = pick(now.redisPort);
      if (port !== undefined) parts.port = portNumber(Number(port));
      const db = pick(now.redisDb);
      if (db !== undefined) parts.pathname = `/${db}`;
      return { ...start, url: parts.href };
    },
    secretsGoTo: (now) => {
      const host = url ? own(now.redisHost) : now.redisHost;
      if (host) return host.source;
      return url ? urlSource : { layer: "flag", where: "this machine" };
    },
  };
}

/** A URL ignores a port that can't be: another server would be asked. */
function portNumber(port: number): string {
  if (port >= 1 && port <= 65_535) return String(port);
  throw new CacheError("usage", "invalid-setting", `${port} is not the number of a port`, {
    hint: "Give a number from 1 to 65535.",
  });
}

function hostName(host: string): string {
  const bare = host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;
  if (!/^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)$/i.test(bare)) {
    throw new CacheError("usage", "invalid-setting", `"${host}" is not the name of a host`, {
      hint: "Give a host name or an address; the port has a flag of its own.",
    });
  }
  return bare;
}

/** The store with the settings that its URL leaves open, or that were made in a higher layer than it. */
export function withBounds(store: StoreTarget, settings: Settings, from: Source): StoreTarget {
  const bounded: StoreTarget = { ...store };
  if (store.kind === "redis") {
    for (const [part, name] of [
      ["ca", "redisCa"],
      ["cert", "redisCert"],
      ["key", "redisKey"],
    ] as const) {
      const value = settings[name]?.value;
      if (bounded.kind === "redis" && bounded[part] === undefined && typeof value === "string") bounded[part] = value;
    }
    return bounded;
  }
  for (const [part, name] of [
    ["maxEntries", "maxSize"],
    ["maxBytes", "maxBytes"],
  ] as const) {
    const setting = settings[name];
    if (typeof setting?.value !== "number") continue;
    if (bounded[part] === undefined || outranks(setting, from)) bounded[part] = setting.value;
  }
  return bounded;
}

/** Flags that only one kind of store has; on the command line of another one they would be obeyed by nobody. */
const FLAGS_OF: readonly (readonly [StoreTarget["kind"], readonly SettingName[]])[] = [
  ["sqlite", ["cacheDb"]],
  ["file", ["cacheDir"]],
  [
    "redis",
    ["redisHost", "redisPort", "redisDb", "redisUsername", "redisKeyPrefix", "redisCa", "redisCert", "redisKey"],
  ],
];

/** Flags that say which store; beside `--store`, which says it too, one of the two would be ignored. */
const NAMING: readonly SettingName[] = ["cacheDb", "cacheDir", "redisHost", "redisPort", "redisDb"];

/** A command on another database than the one that a flag names could delete the wrong entries: refuse it. */
export function checkFlagsOfStore(input: ConfigInput, store: StoreTarget): void {
  for (const [kind, names] of FLAGS_OF) {
    for (const name of names) {
      if (input.flags[name] === undefined) continue;
      const flag = `--${settingSpec(name).flag}`;
      if (input.flags.store !== undefined && NAMING.includes(name)) {
        throw new CacheError("usage", "conflicting-flags", `--store and ${flag} both say which store`, {
          hint: `Write it into the URL of --store, or use --backend ${kind} instead.`,
        });
      }
      if (kind === store.kind) continue;
      throw new CacheError(
        "usage",
        "conflicting-flags",
        `${flag} is for a ${kind} store, this is a ${store.kind} store`,
        {
          hint: `Leave out ${flag}, or say --backend ${kind}.`,
        },
      );
    }
  }
}

/** The user's cache folder of this tool (XDG base directories; on macOS its own place). */
function cacheFolder(env: ConfigInput["env"]): string {
  const home = homeOf(env);
  if (env.XDG_CACHE_HOME) return join(env.XDG_CACHE_HOME, "cachectl");
  return process.platform === "darwin" ? join(home, "Library", "Caches", "cachectl") : join(home, ".cache", "cachectl");
}

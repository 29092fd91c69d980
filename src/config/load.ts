import { readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { CacheError, codeOf } from "../errors.js";
import type { WarningEvent } from "../events.js";
import { checkKey } from "../key.js";
import { formatDuration, formatSize } from "../units.js";
import { type ConfigFile, type FileSearch, findConfigFiles } from "./files.js";
import {
  environmentNames,
  parseSetting,
  SETTING_NAMES,
  type SettingName,
  type SettingValue,
  settingSpec,
} from "./settings.js";
import { parseStoreUrl, redactUrl, resolvePath, type StoreTarget } from "./store-url.js";

export type Layer = "default" | "user" | "project" | "environment" | "flag";

/** Where a value came from. */
export interface Source {
  layer: Layer;
  /** `--store`, `CACHE_STORE`, `/home/me/app/cache.config.json (profile prod)`, `default`. */
  where: string;
}

export interface Setting {
  value: SettingValue;
  source: Source;
}

/** What the settings are read from; nothing else of the process is looked at. */
export interface ConfigInput extends FileSearch {
  flags: Partial<Record<SettingName, string | boolean>>;
  /** The password, where a setting says to take it from standard input or to ask for it. */
  readSecret?: (from: "stdin" | "prompt") => Promise<string>;
}

/** Everything resolved: units parsed, paths absolute, one store. Frozen. */
export interface ResolvedConfig {
  settings: Readonly<Record<SettingName, Setting | undefined>>;
  store: StoreTarget;
  storeSource: Source;
  /** Raw prefix of every key: `--redis-key-prefix` and the namespace with its `:`. */
  keyPrefix: string;
  /** Milliseconds, null = never. */
  defaultTtl: number | null;
  password: string | undefined;
  files: readonly ConfigFile[];
  warnings: readonly WarningEvent[];
}

const RANK: Record<Layer, number> = { default: 0, user: 1, project: 2, environment: 3, flag: 4 };

/**
 * Settings from flags, environment and files, in that order of precedence (cli.md: "Precedence").
 * @throws CacheError of kind `usage`, naming the place of the mistake
 */
export async function loadConfig(input: ConfigInput): Promise<ResolvedConfig> {
  const warnings: WarningEvent[] = [];
  const found = await findConfigFiles(input, (warning) => warnings.push(warning));
  const settings = collect(input, found);
  const chosen = chooseStore(input, settings);
  for (const name of SETTING_NAMES) {
    const value = chosen.compatible[name];
    if (value !== undefined && RANK[settings[name]?.source.layer ?? "default"] < RANK.environment)
      settings[name] = value;
  }
  const store = withBounds(chosen.target(settings), settings);
  const password = await readPassword(input, settings, chosen.secretsGoTo(settings), store, warnings);
  const prefix = store.kind === "redis" ? String(settings.redisKeyPrefix?.value ?? "") : "";
  const namespace = String(settings.namespace?.value ?? "");
  const ttl = store.ttl !== undefined ? store.ttl : settings.cacheTtl?.value;
  return Object.freeze({
    settings,
    store,
    storeSource: chosen.source,
    keyPrefix: checkNamespace(prefix + (namespace === "" || namespace.endsWith(":") ? namespace : `${namespace}:`)),
    defaultTtl: typeof ttl === "number" ? ttl : null,
    password,
    files: found,
    warnings,
  });
}

type Settings = Record<SettingName, Setting | undefined>;

function collect(input: ConfigInput, files: readonly ConfigFile[]): Settings {
  const settings = {} as Settings;
  const profile = lookUp("profile", input, files, undefined);
  const profileName = typeof profile?.value === "string" ? profile.value : undefined;
  if (profileName !== undefined && !files.some((file) => Object.hasOwn(file.profiles, profileName))) {
    const names = files.flatMap((file) => Object.keys(file.profiles));
    throw new CacheError("usage", "unknown-profile", `there is no profile "${profileName}"`, {
      hint:
        names.length > 0
          ? `Profiles here: ${names.join(", ")}.`
          : "No config file with profiles was found from here upwards.",
    });
  }
  for (const name of SETTING_NAMES) settings[name] = lookUp(name, input, files, profileName);
  return settings;
}

function lookUp(
  name: SettingName,
  input: ConfigInput,
  files: readonly ConfigFile[],
  profile: string | undefined,
): Setting | undefined {
  const spec = settingSpec(name);
  const flag = input.flags[name];
  if (flag !== undefined) {
    const where = `--${spec.flag}`;
    const value = typeof flag === "boolean" ? flag : parseSetting(spec, flag, where);
    return { value: located(value, spec.path, input.cwd), source: { layer: "flag", where } };
  }
  const names = environmentNames(spec);
  if (spec.compatible === "ENABLE_REDIS") names.push(spec.compatible);
  for (const variable of names) {
    const text = input.env[variable];
    if (text === undefined || text === "") continue;
    const value = parseSetting(spec, text, variable);
    return { value: located(value, spec.path, input.cwd), source: { layer: "environment", where: variable } };
  }
  const places = [
    ...(profile === undefined
      ? []
      : files.map((file) => ({ file, values: file.profiles[profile], in: ` (profile ${profile})` }))),
    ...files.map((file) => ({ file, values: file.values, in: "" })),
  ];
  for (const place of places) {
    const raw = place.values?.[name];
    if (raw === undefined) continue;
    const where = `${place.file.path}${place.in}`;
    const value = parseSetting(spec, String(raw), `${where}: ${name}`);
    return { value: located(value, spec.path, place.file.folder), source: { layer: place.file.layer, where } };
  }
  if (spec.fallback === undefined) return undefined;
  return { value: parseSetting(spec, spec.fallback, spec.flag), source: { layer: "default", where: "default" } };
}

function located(value: SettingValue, isPath: boolean | undefined, base: string): SettingValue {
  return isPath && typeof value === "string" && value !== "-" ? resolvePath(value, base) : value;
}

interface Choice {
  source: Source;
  /** Settings from `REDIS_HOST` and its like. */
  compatible: Partial<Settings>;
  target(settings: Settings): StoreTarget;
  /** Who said which server the password would be sent to. */
  secretsGoTo(settings: Settings): Source;
}

/** `-s`, then `--backend`, `CACHE_STORE`, the profile, `ENABLE_REDIS=true`, the config files; else SQLite. */
function chooseStore(input: ConfigInput, settings: Settings): Choice {
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
    const { layer, where } = candidate.setting.source;
    const profile = where.includes("(profile ");
    if (candidate.setting === enableRedis && layer === "environment") return 2.8;
    return profile ? 2.9 : RANK[layer];
  };
  const best = candidates.sort((a, b) => order(b) - order(a))[0];
  if (!best) return sqliteChoice({ layer: "default", where: "default" });
  const { source } = best.setting;
  switch (best.kind) {
    case "url": {
      const text = String(best.setting.value);
      const base = source.layer === "flag" || source.layer === "environment" ? input.cwd : folderOf(source);
      return { source, compatible: {}, target: () => parseStoreUrl(text, base), secretsGoTo: () => source };
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
      const start = parseStoreUrl(url ?? "redis://127.0.0.1:6379", input.cwd);
      if (start.kind !== "redis") throw new CacheError("usage", "invalid-store", "REDIS_URL is not a redis:// URL");
      const parts = new URL(start.url);
      const pick = (setting: Setting | undefined) => (url ? own(setting) : setting)?.value;
      const host = pick(now.redisHost);
      if (host !== undefined) parts.hostname = hostName(String(host));
      const port = pick(now.redisPort);
      if (port !== undefined) parts.port = String(port);
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

function hostName(host: string): string {
  const bare = host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;
  if (!/^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)$/i.test(bare)) {
    throw new CacheError("usage", "invalid-setting", `"${host}" is not the name of a host`, {
      hint: "Give a host name or an address; the port has a flag of its own.",
    });
  }
  return bare;
}

function withBounds(store: StoreTarget, settings: Settings): StoreTarget {
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
  const { maxSize, maxBytes } = settings;
  if (bounded.maxEntries === undefined && typeof maxSize?.value === "number") bounded.maxEntries = maxSize.value;
  if (bounded.maxBytes === undefined && typeof maxBytes?.value === "number") bounded.maxBytes = maxBytes.value;
  return bounded;
}

/**
 * The password, from a flag, the environment, a file, standard input or a prompt. It is used only for a server that was named
 * by the same layer or a higher one, so that a project's config file can't send it elsewhere.
 */
async function readPassword(
  input: ConfigInput,
  settings: Settings,
  goesTo: Source,
  store: StoreTarget,
  warnings: WarningEvent[],
): Promise<string | undefined> {
  if (store.kind !== "redis") return undefined;
  const inUrl = new URL(store.url).password !== "";
  if (inUrl && goesTo.layer !== "environment") {
    warnings.push({
      type: "warning",
      code: "password-in-url",
      message: `the password stands in ${goesTo.where}, where others can see it`,
      hint: "Use --password-file, or CACHE_PASSWORD.",
    });
  }
  if (settings.askPassword?.value === true && input.readSecret) return input.readSecret("prompt");
  const { password, passwordFile } = settings;
  const secret =
    RANK[password?.source.layer ?? "default"] >= RANK[passwordFile?.source.layer ?? "default"]
      ? password
      : passwordFile;
  if (!secret) return undefined;
  if (secret.source.layer === "flag" && secret === password) {
    warnings.push({
      type: "warning",
      code: "password-in-flag",
      message: "a password on the command line can be seen by others",
      hint: "Use --password-file, or CACHE_PASSWORD.",
    });
  }
  const crossesFiles = goesTo.layer === "project" && secret.source.layer !== "project";
  if (RANK[goesTo.layer] < RANK[secret.source.layer] || crossesFiles) {
    warnings.push({
      type: "warning",
      code: "password-withheld",
      message: `the password of ${secret.source.where} is not sent to the server that ${goesTo.where} names`,
      hint: "Name the store with --store, or with CACHE_STORE.",
    });
    return undefined;
  }
  if (secret === password) return String(secret.value);
  if (secret.value === "-") return input.readSecret?.("stdin");
  return readPasswordFile(String(secret.value), warnings);
}

function readPasswordFile(path: string, warnings: WarningEvent[]): string {
  try {
    const text = readFileSync(path, "utf8").replace(/\r?\n$/, "");
    if (process.platform !== "win32" && (statSync(path).mode & 0o077) !== 0) {
      warnings.push({
        type: "warning",
        code: "password-file-open",
        message: `others can read the password file ${path}`,
        hint: `Run: chmod 600 ${path}`,
      });
    }
    return text;
  } catch (error) {
    throw new CacheError("usage", "password-file", `the password file ${path} can't be read (${codeOf(error)})`, {
      cause: error,
      hint: "Check the path and its permissions.",
    });
  }
}

function checkNamespace(prefix: string): string {
  if (prefix !== "") checkKey(prefix);
  return prefix;
}

function folderOf(source: Source): string {
  const path = source.where.replace(/ \(profile .*\)$/, "");
  return join(path, "..");
}

/** The user's cache folder of this tool (XDG base directories; on macOS its own place). */
export function cacheFolder(env: ConfigInput["env"]): string {
  const home = env.HOME || homedir();
  if (env.XDG_CACHE_HOME) return join(env.XDG_CACHE_HOME, "cachectl");
  return process.platform === "darwin" ? join(home, "Library", "Caches", "cachectl") : join(home, ".cache", "cachectl");
}

/** A value as people may see it, in units, with secrets masked and passwords blotted out of URLs. */
export function showSetting(name: SettingName, value: SettingValue): string {
  const { secret, kind } = settingSpec(name);
  if (secret) return "***";
  if (value === null) return "none";
  if (typeof value === "number" && (kind === "ttl" || kind === "duration")) return formatDuration(value);
  if (typeof value === "number" && kind === "size") return formatSize(value);
  return redactUrl(String(value));
}

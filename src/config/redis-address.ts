import { CacheError } from "../errors.js";
import type { WarningListener } from "../events.js";
import { homeOf } from "./files.js";
import {
  type AddressPart,
  type Chosen,
  type ConfigInput,
  outranks,
  RANK,
  type Setting,
  type Settings,
  type Source,
} from "./layers.js";
import { parseRedisUrl } from "./redis-url.js";
import { hostInUrl, parseSetting, SETTING_NAMES, settingSpec } from "./settings.js";
import { parseStoreUrl, type RedisTarget } from "./store-url.js";

const DEFAULT_PORT = "6379";

type RedisChoice = Chosen & { redis: RedisTarget };

/**
 * A Redis server that no store URL names: from `REDIS_URL`, or from host, port and database. User and password of `REDIS_URL` are for the
 * server in it: where another host or port is in force they are left out, with a warning.
 */
export function redisByParts(input: ConfigInput, typed: Settings, source: Source, warn: WarningListener): RedisChoice {
  const settings = withCompatible(input, typed);
  const text = input.env.REDIS_URL || undefined;
  const store = parseStoreUrl(text ?? "redis://127.0.0.1:6379", "REDIS_URL", input.cwd, homeOf(input.env));
  if (store.kind !== "redis" || !/^rediss?:/.test(store.url)) {
    throw new CacheError("usage", "invalid-store", "REDIS_URL is not a redis:// URL", {
      hint: "Write it like redis://HOST:6379/0.",
    });
  }
  const url: Source | undefined = text === undefined ? undefined : { layer: "environment", where: "REDIS_URL" };
  settings.store = text !== undefined && url ? { value: text, source: url } : undefined;
  if (url) {
    for (const name of ["redisHost", "redisPort", "redisDb"] as const) settings[name] = own(settings[name]);
  }
  const { redisHost, redisPort, redisDb } = settings;
  const parts = new URL(store.url);
  const [hostname, port] = [parts.hostname, parts.port || DEFAULT_PORT];
  if (redisHost) parts.hostname = hostInUrl(String(redisHost.value));
  if (redisPort) parts.port = String(redisPort.value);
  if (redisDb) parts.pathname = `/${redisDb.value}`;
  const elsewhere = parts.hostname === hostname ? redisPort : redisHost;
  if (elsewhere && (parts.hostname !== hostname || parts.port !== port)) {
    if (parts.password !== "") {
      warn({
        type: "warning",
        code: "password-withheld",
        message: `the password of REDIS_URL is not sent to the server that ${elsewhere.source.where} names`,
        hint: "Give it with CACHE_PASSWORD or CACHE_PASSWORD_FILE.",
      });
    }
    parts.username = "";
    parts.password = "";
  }
  const host = redisHost?.source ?? url;
  const redis = { ...store, url: parts.href };
  return {
    source,
    settings,
    stores: [redis],
    redis,
    ...(url && { url }),
    address: [
      ...(host ? [{ source: host }] : []),
      ...fromFiles("backend", { value: "redis", source }),
      ...fromFiles("redisHost", redisHost),
      ...fromFiles("redisPort", redisPort),
      ...fromFiles("redisDb", redisDb),
    ],
  };
}

/** The settings with `REDIS_HOST` and its like, which our own variables and flags beat. */
function withCompatible(input: ConfigInput, typed: Settings): Settings {
  const settings = { ...typed };
  for (const name of SETTING_NAMES) {
    const variable = settingSpec(name).compatible;
    const text = variable === undefined || variable === "ENABLE_REDIS" ? undefined : input.env[variable];
    if (variable === undefined || text === undefined || text === "") continue;
    const value = parseSetting(settingSpec(name), text, variable);
    if (RANK[settings[name]?.source.layer ?? "default"] < RANK.environment)
      settings[name] = { value, source: { layer: "environment", where: variable } };
  }
  return settings;
}

/** A part that `REDIS_URL` does not override: one from a flag, or from our own variables. */
function own(setting: Setting | undefined): Setting | undefined {
  return setting && (setting.source.layer === "flag" || setting.source.where.startsWith("CACHE_"))
    ? setting
    : undefined;
}

/**
 * A part that a config file says. One from the environment says nothing about trust: it is the word of who runs the command, as a flag is;
 * of these only the host, or the URL, has to be named as high as the secret.
 */
function fromFiles(name: AddressPart["name"], setting: Setting | undefined): AddressPart[] {
  return setting?.source.file === undefined ? [] : [{ source: setting.source, ...(name && { name }) }];
}

const TLS_FILES = [
  ["ca", "redisCa"],
  ["cert", "redisCert"],
  ["key", "redisKey"],
] as const;

/**
 * User and TLS files for a server, where its URL leaves them open. Those of a project's file are only for a server that it names itself, at
 * least in part: with an authority of its own it could stand in for any other.
 */
export function withAccess(chosen: RedisChoice, warn: WarningListener): Chosen {
  const { source, url } = chosen;
  const settings = { ...chosen.settings };
  const store = { ...chosen.redis };
  const address = [...chosen.address];
  const parts = parseRedisUrl(store.url, "");
  const { redisUsername } = settings;
  if (
    redisUsername &&
    url &&
    (parts.username !== "" || parts.password !== "") &&
    outranks({ value: "", source: url }, redisUsername.source)
  )
    settings.redisUsername = undefined;
  address.push(...fromFiles("redisUsername", settings.redisUsername));
  const namedByProject = address.some((part) => part.source.layer === "project");
  for (const [part, name] of TLS_FILES) {
    const setting = settings[name];
    if (!setting) continue;
    if (store[part] !== undefined) settings[name] = undefined;
    else if (setting.source.layer === "project" && !namedByProject) {
      settings[name] = undefined;
      warn({
        type: "warning",
        code: "tls-file-ignored",
        message: `${name} of ${setting.source.where} is not used for the server that ${(address[0]?.source ?? source).where} names`,
        hint: `Name it with --${settingSpec(name).flag} if that is meant.`,
      });
    } else {
      store[part] = String(setting.value);
      address.push(...fromFiles(name, setting));
    }
  }
  const stores = chosen.stores.map((one) => (one === chosen.redis ? store : one));
  return { ...chosen, settings, stores, redis: store, address };
}

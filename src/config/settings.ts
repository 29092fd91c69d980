import { CacheError } from "../errors.js";
import { checkKey } from "../key.js";
import { formatDuration, parseDuration, parseSize, parseTtl } from "../units.js";
import { SERVE_SETTINGS } from "./serve-settings.js";
import { LONGEST_TIMER, type SettingSpec } from "./setting-spec.js";

export type { SettingSpec } from "./setting-spec.js";

/** Every setting, once: its flag, environment variable, config key (the property name) and default come from here. */
const SETTINGS = {
  store: {
    flag: "store",
    char: "s",
    kind: "text",
    value: "URL",
    several: true,
    summary:
      "the store: sqlite:PATH, file:DIR, redis://HOST, redis+sentinel://HOST/NAME, redis+cluster://HOST (rediss for TLS), http://HOST:PORT of a cache serve, or memory:; several are tiers, fastest first",
  },
  backend: {
    flag: "backend",
    kind: "choice",
    choices: ["memory", "sqlite", "redis", "file"],
    summary:
      "the store's kind, with the flags below instead of a URL; --cache-db, --cache-dir, --redis-host, --redis-port and --redis-db imply it, and so do their CACHE_ variables",
  },
  tier: {
    flag: "tier",
    kind: "text",
    value: "NAME",
    summary: "one tier of several, by its kind or, where two share it, kind:index",
  },
  fallback: {
    flag: "fallback",
    kind: "text",
    value: "URL",
    summary: "the store to go on with while the store is away; what was missed there is made up for afterwards",
  },
  profile: {
    flag: "profile",
    char: "p",
    kind: "text",
    value: "NAME",
    summary: "a named set of settings from the config file",
  },
  namespace: {
    flag: "namespace",
    char: "n",
    kind: "text",
    value: "NAME",
    form: "prefix",
    servedFallback: "http",
    summary: "prefix of every key (a trailing : is added), hidden on display",
  },
  cacheTtl: {
    flag: "cache-ttl",
    kind: "ttl",
    fallback: "1h",
    summary: "TTL of new entries, none = never expires",
  },
  timeout: {
    flag: "timeout",
    kind: "duration",
    min: 1,
    max: LONGEST_TIMER,
    summary: "longest wait for one answer of the store (5s)",
  },
  readOnly: { flag: "read-only", kind: "boolean", summary: "refuse every write before it reaches the store" },
  compression: {
    flag: "compression",
    kind: "choice",
    choices: ["none", "gzip", "brotli", "zstd"],
    fallback: "none",
    servedFallback: "gzip",
    summary: "how values are compressed that shrink by it; others can't read them as they are then",
  },
  compressionThreshold: {
    flag: "compression-threshold",
    kind: "size",
    fallback: "512",
    summary: "values below this size are not compressed",
  },
  encryptionKeyFile: {
    flag: "encryption-key-file",
    kind: "text",
    value: "FILE",
    path: true,
    summary:
      "file with the keys that values are encrypted with, a line each: ID:BASE64 of 32 bytes, the first for new values",
  },
  cacheDb: { flag: "cache-db", kind: "text", value: "FILE", path: true, summary: "file of the SQLite store" },
  cacheDir: { flag: "cache-dir", kind: "text", value: "FOLDER", path: true, summary: "folder of the file store" },
  maxSize: {
    flag: "max-size",
    kind: "integer",
    min: 1,
    summary: "entries at most (sqlite, file, memory; of several tiers: memory)",
  },
  maxBytes: {
    flag: "max-bytes",
    kind: "size",
    min: 1,
    summary: "bytes of values at most (sqlite, file, memory; of several tiers: memory)",
  },
  cleanupInterval: {
    flag: "cleanup-interval",
    kind: "duration",
    min: 1,
    max: LONGEST_TIMER,
    summary: "how often expired entries are swept from memory (60s)",
  },
  enableRedis: {
    flag: "enable-redis",
    kind: "boolean",
    summary: "use Redis where nothing else names a store",
    compatible: "ENABLE_REDIS",
  },
  redisHost: redis(
    { flag: "redis-host", kind: "text", value: "HOST", form: "host", summary: "host of the Redis server (127.0.0.1)" },
    "REDIS_HOST",
  ),
  redisPort: redis(
    { flag: "redis-port", kind: "integer", min: 1, max: 65_535, summary: "port of the Redis server (6379)" },
    "REDIS_PORT",
  ),
  redisDb: redis({ flag: "redis-db", kind: "integer", summary: "number of the Redis database (0)" }, "REDIS_DB"),
  redisUsername: redis({ flag: "redis-username", kind: "text", value: "NAME", summary: "ACL user" }, "REDIS_USERNAME"),
  redisKeyPrefix: redis(
    {
      flag: "redis-key-prefix",
      kind: "text",
      value: "TEXT",
      form: "prefix",
      summary: "raw prefix of every key in Redis, before the namespace",
    },
    "REDIS_KEY_PREFIX",
  ),
  redisCa: {
    flag: "redis-ca",
    kind: "text",
    value: "FILE",
    path: true,
    summary: "file with the CA of a rediss:// server",
  },
  redisCert: {
    flag: "redis-cert",
    kind: "text",
    value: "FILE",
    path: true,
    summary: "file with the client certificate",
  },
  redisKey: {
    flag: "redis-key",
    kind: "text",
    value: "FILE",
    path: true,
    summary: "file with the key of the client certificate",
  },
  password: redis(
    {
      flag: "password",
      kind: "text",
      value: "TEXT",
      secret: true,
      summary: "password of the store (others can see it: prefer --password-file)",
    },
    "REDIS_PASSWORD",
  ),
  sentinelPassword: {
    flag: "sentinel-password",
    kind: "text",
    value: "TEXT",
    secret: true,
    summary: "password of the Sentinels themselves (others can see it: prefer CACHE_SENTINEL_PASSWORD)",
  },
  passwordFile: {
    flag: "password-file",
    kind: "text",
    value: "FILE",
    path: true,
    summary: "file with the password of the store, - for standard input",
  },
  token: {
    flag: "token",
    kind: "text",
    secret: true,
    summary:
      "token of the admin API of an http: store; seen by others on the command line, so rather CACHE_TOKEN or a file",
  },
  tokenFile: {
    flag: "token-file",
    kind: "text",
    value: "FILE",
    path: true,
    summary: "file with that token; of a server of yours on this machine the token is found without",
  },
  askPassword: {
    flag: "ask-password",
    kind: "boolean",
    invocation: true,
    summary: "prompt for the password of the store",
  },
  json: { flag: "json", kind: "boolean", invocation: true, summary: "one JSON object on standard output" },
  ndjson: { flag: "ndjson", kind: "boolean", invocation: true, summary: "one JSON object a line, a summary last" },
  quiet: { flag: "quiet", char: "q", kind: "boolean", invocation: true, summary: "no progress, warnings or summaries" },
  verbose: { flag: "verbose", kind: "boolean", invocation: true, summary: "say what is done, and causes of errors" },
  noColor: { flag: "no-color", kind: "boolean", invocation: true, summary: "no colours" },
  noInput: { flag: "no-input", kind: "boolean", invocation: true, summary: "never ask, fail instead" },
  ...SERVE_SETTINGS,
} as const satisfies Record<string, SettingSpec>;

function redis<const S extends SettingSpec>(spec: S, name: string) {
  return { ...spec, compatible: name };
}

export type SettingName = keyof typeof SETTINGS;
export type SettingValue = string | number | boolean | null;

export const SETTING_NAMES = Object.keys(SETTINGS) as SettingName[];

/** Those that a command has. @param command its name where it has some of its own */
export function settingNamesOf(command?: string): SettingName[] {
  return SETTING_NAMES.filter((name) => {
    const { command: only } = settingSpec(name);
    return only === undefined || only === command;
  });
}

/** The spec with its optional parts visible to the type checker. */
export function settingSpec(name: SettingName): SettingSpec {
  return SETTINGS[name];
}

/** `CACHE_STORE` for `store`; a flag that begins with `cache` may also say it once (`CACHE_CACHE_TTL`, `CACHE_TTL`; `CACHEABLE_METHODS`). */
export function environmentNames(spec: SettingSpec): string[] {
  const name = spec.flag.toUpperCase().replaceAll("-", "_");
  return name.startsWith("CACHE") ? [`CACHE_${name}`, name] : [`CACHE_${name}`];
}

const TRUE = new Set(["1", "true", "yes", "on"]);
const FALSE = new Set(["0", "false", "no", "off", ""]);

const PARSE = { duration: parseDuration, ttl: parseTtl, size: parseSize };

/**
 * The value that a text means for a setting.
 * @param where who said it (`--timeout`, `CACHE_TIMEOUT`), for the message
 * @throws CacheError `invalid-setting` and the codes of `units.ts` and `key.ts`, each with the place
 */
export function parseSetting(spec: SettingSpec, text: string, where: string): SettingValue {
  const refuse = (what: string, hint: string) =>
    new CacheError("usage", "invalid-setting", `${where}: "${spec.secret ? "***" : text}" ${what}`, { hint });
  switch (spec.kind) {
    case "text":
      if (text === "") throw refuse("is empty", `Give ${where} a value, or leave it out.`);
      if (spec.form === "prefix") located(where, () => checkKey(text));
      if (spec.form === "host" && !isHost(text))
        throw refuse("is not the name of a host", "Give a host name or an address; the port has a setting of its own.");
      return text;
    case "boolean": {
      const lower = text.toLowerCase();
      if (TRUE.has(lower)) return true;
      if (FALSE.has(lower)) return false;
      throw refuse("is neither true nor false", "Use true or false.");
    }
    case "integer":
      if (!/^\d{1,15}$/.test(text)) throw refuse("is not a whole number", "Use digits alone.");
      return inRange(Number(text));
    case "choice":
      if (!spec.choices?.includes(text)) throw refuse("is not a choice", `Use one of ${spec.choices?.join(", ")}.`);
      return text;
    default: {
      const parse = PARSE[spec.kind];
      const value = located(where, () => parse(text));
      return value === null ? null : inRange(value);
    }
  }

  function inRange(value: number): number {
    const { min = 0, max = Number.MAX_SAFE_INTEGER } = spec;
    if (value >= min && value <= max) return value;
    const show = (bound: number) => (spec.kind === "duration" ? formatDuration(bound) : String(bound));
    if (value > max) throw refuse("is too much", `Give ${min > 0 ? `from ${show(min)} to` : "at most"} ${show(max)}.`);
    if (spec.kind === "duration") throw refuse("is no time at all", "Give a duration above zero.");
    throw refuse("is too little", spec.max === undefined ? `Give ${min} or more.` : `Give from ${min} to ${max}.`);
  }
}

/** A name, or an address; of IPv6 with or without its brackets. A URL would silently keep its host if this one could be none. */
function isHost(text: string): boolean {
  return (
    /^[a-z0-9._-]+$/i.test(text) || (/^\[?[0-9a-f:.]+\]?$/i.test(text) && URL.canParse(`redis://${hostInUrl(text)}`))
  );
}

/** A host as a URL has it. */
export function hostInUrl(host: string): string {
  return host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;
}

/** What `parse` says, or its error with the place in front. */
export function located<T>(where: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof CacheError)) throw error;
    throw new CacheError(error.kind, error.code, `${where}: ${error.message}`, error.hint ? { hint: error.hint } : {});
  }
}

import { join } from "node:path";
import { CacheError } from "../errors.js";
import type { WarningListener } from "../events.js";
import { homeOf } from "./files.js";
import { type Chosen, type ConfigInput, outranks, RANK, type Setting, type Settings, type Source } from "./layers.js";
import { redisByParts, withAccess } from "./redis-address.js";
import { type SettingName, settingSpec } from "./settings.js";
import type { StoreTarget } from "./store-url.js";
import { parseStores } from "./tiers.js";

interface Candidate {
  setting: Setting;
  /** A backend, or `url`. */
  kind: string;
}

/** `-s`, then `--backend`, `CACHE_STORE`, the profile, the config files, `ENABLE_REDIS=true` wherever it is said; else SQLite. */
export function chooseStore(input: ConfigInput, settings: Settings, warn: WarningListener): Chosen {
  const { store, backend, enableRedis } = settings;
  if (input.flags.store !== undefined && input.flags.backend !== undefined) {
    throw new CacheError("usage", "conflicting-flags", "--store and --backend both name the store", {
      hint: "Use one of them.",
    });
  }
  const candidates: Candidate[] = [];
  if (store) candidates.push({ setting: store, kind: "url" });
  if (backend) candidates.push({ setting: backend, kind: String(backend.value) });
  if (enableRedis?.value === true) candidates.push({ setting: enableRedis, kind: "redis" });
  const implied = impliedKinds(settings);
  candidates.push(...implied);
  const order = (candidate: Candidate) => {
    const { layer, profile } = candidate.setting.source;
    if (candidate.setting === enableRedis) return BELOW_ALL;
    return profile === undefined ? RANK[layer] : BELOW_ENVIRONMENT + RANK[layer] / 10;
  };
  const best = candidates.sort((a, b) => order(b) - order(a))[0];
  const other = implied.find(
    ({ setting, kind }) => setting.source.layer === best?.setting.source.layer && kind !== best.kind,
  );
  if (best && other && implied.includes(best) && best.setting.source.layer === "environment") {
    const both = `${best.setting.source.where} and ${other.setting.source.where}`;
    throw new CacheError("usage", "conflicting-settings", `${both} are for different kinds of store`, {
      hint: `Say which with CACHE_BACKEND=${best.kind} or CACHE_BACKEND=${other.kind}.`,
    });
  }
  const source: Source = best?.setting.source ?? { layer: "default", where: "default" };
  const inForce = { ...settings, store: best?.kind === "url" ? best.setting : undefined };
  const local = (...stores: StoreTarget[]): Chosen => ({ source, settings: inForce, stores, address: [] });
  switch (best?.kind ?? "sqlite") {
    case "url": {
      const base = source.file?.folder ?? input.cwd;
      const stores = parseStores(String(best?.setting.value), source.where, base, homeOf(input.env));
      const [redis, another] = stores.filter((store) => store.kind === "redis");
      if (redis === undefined || another) return local(...stores);
      return withAccess({ source, settings: inForce, stores, redis, url: source, address: [{ source }] }, warn);
    }
    case "sqlite": {
      const path = String(settings.cacheDb?.value ?? join(cacheFolder(input.env), "cache.db"));
      // A process that lives on answers most from its memory.
      return input.command === "serve"
        ? local({ kind: "memory" }, { kind: "sqlite", path })
        : local({ kind: "sqlite", path });
    }
    case "file":
      return local({ kind: "file", path: String(settings.cacheDir?.value ?? join(cacheFolder(input.env), "files")) });
    case "memory":
      return local({ kind: "memory" });
    default:
      return withAccess(redisByParts(input, settings, source, warn), warn);
  }
}

/** `ENABLE_REDIS` is for where nothing else names a store, also as a flag. */
const BELOW_ALL = -1;

/** A profile was asked for by name: it beats what the files say of all, the project's before the user's. */
const BELOW_ENVIRONMENT = 2.5;

/**
 * A setting that only makes sense for one kind of store asks for that kind, as a flag and as a `CACHE_` variable, unless its layer names
 * a store outright. A config file says `backend`, and other tools' variables ask for nothing.
 */
function impliedKinds(settings: Settings): Candidate[] {
  return IMPLIED.flatMap(([name, kind]) => {
    const source = settings[name]?.source;
    return source?.layer === "flag" || source?.layer === "environment"
      ? [{ setting: { value: kind, source }, kind }]
      : [];
  });
}

const IMPLIED: readonly [SettingName, string][] = [
  ["redisHost", "redis"],
  ["redisPort", "redis"],
  ["redisDb", "redis"],
  ["cacheDir", "file"],
  ["cacheDb", "sqlite"],
];

/**
 * The bounds that the store's URL leaves open, or that were set in a higher layer than it.
 * @param only it is the only store: of several, the settings bound what is in memory
 */
export function withBounds(store: StoreTarget, settings: Settings, from: Source, only: boolean): StoreTarget {
  if (store.kind === "redis" || store.kind === "remote" || !(only || store.kind === "memory")) return store;
  const bounded = { ...store };
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
    [
      "redisHost",
      "redisPort",
      "redisDb",
      "redisUsername",
      "redisKeyPrefix",
      "redisCa",
      "redisCert",
      "redisKey",
      "sentinelPassword",
    ],
  ],
];

/** Flags that say which store; beside `--store`, which says it too, one of the two would be ignored. */
const NAMING: readonly SettingName[] = ["cacheDb", "cacheDir", "redisHost", "redisPort", "redisDb"];

/** A command on another database than the one that a flag names could delete the wrong entries: refuse it. */
export function checkFlagsOfStore(input: ConfigInput, stores: readonly StoreTarget[]): void {
  for (const [kind, names] of FLAGS_OF) {
    for (const name of names) {
      if (input.flags[name] === undefined) continue;
      const flag = `--${settingSpec(name).flag}`;
      if (input.flags.store !== undefined && NAMING.includes(name)) {
        throw new CacheError("usage", "conflicting-flags", `--store and ${flag} both say which store`, {
          hint: `Write it into the URL of --store, or use --backend ${kind} instead.`,
        });
      }
      if (stores.some((store) => store.kind === kind)) continue;
      throw new CacheError(
        "usage",
        "conflicting-flags",
        `${flag} is for a ${kind} store, this is a ${stores.map((store) => store.kind).join(" over a ")} store`,
        {
          hint: `Leave out ${flag}, or say --backend ${kind}.`,
        },
      );
    }
  }
}

/** The user's cache folder of this tool (XDG base directories; on macOS its own place). */
export function cacheFolder(env: ConfigInput["env"]): string {
  const home = homeOf(env);
  if (env.XDG_CACHE_HOME) return join(env.XDG_CACHE_HOME, "cachectl");
  return process.platform === "darwin" ? join(home, "Library", "Caches", "cachectl") : join(home, ".cache", "cachectl");
}

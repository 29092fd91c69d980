import { CacheError } from "../errors.js";
import type { WarningEvent } from "../events.js";
import { checkKey } from "../key.js";
import { formatDuration, formatSize } from "../units.js";
import { checkFlagsOfStore, chooseStore, withBounds } from "./choose-store.js";
import { type ConfigFile, findConfigFiles, homeOf } from "./files.js";
import { type ConfigInput, outranks, type Setting, type Settings, type Source } from "./layers.js";
import { readPassword, readSentinelPassword } from "./password.js";
import {
  environmentNames,
  parseSetting,
  SETTING_NAMES,
  type SettingName,
  type SettingSpec,
  type SettingValue,
  settingNamesOf,
  settingSpec,
} from "./settings.js";
import { parseStoreUrl, redactUrl, resolvePath, type StoreTarget, splitStores } from "./store-url.js";
import { checkDistinct, findTier, nameTiers, parseStores, type Tier } from "./tiers.js";
import { readTokens } from "./token.js";

/** Everything resolved: units parsed, paths absolute. Frozen. */
export interface ResolvedConfig {
  settings: Readonly<Record<SettingName, Setting | undefined>>;
  /** What is worked on, fastest first: every tier, or the one that was asked for. */
  tiers: readonly Tier[];
  /** The last of them: the one that is the truth. */
  store: StoreTarget;
  storeSource: Source;
  /** The store to go on with while that one is away. */
  fallback: StoreTarget | undefined;
  /** Raw prefix of every key: `--redis-key-prefix` and the namespace with its `:`. */
  keyPrefix: string;
  /** Milliseconds, null = never. */
  defaultTtl: number | null;
  password: string | undefined;
  sentinelPassword: string | undefined;
  /** Of the admin APIs that are stores, by their URL. */
  tokens: ReadonlyMap<string, string>;
  files: readonly ConfigFile[];
  warnings: readonly WarningEvent[];
}

/**
 * Settings from flags, environment and files, in that order of precedence (cli.md: "Precedence").
 * @throws CacheError of kind `usage`, naming the place of the mistake
 */
export async function loadConfig(input: ConfigInput): Promise<ResolvedConfig> {
  const warnings: WarningEvent[] = [];
  const found = await findConfigFiles(input, (warning) => warnings.push(warning));
  const chosen = chooseStore(input, collect(input, found), (warning) => warnings.push(warning));
  const { settings } = chosen;
  const stores = chosen.stores.map((one, _, all) => withBounds(one, settings, chosen.source, all.length === 1));
  checkFlagsOfStore(input, stores);
  const password = await readPassword(input, chosen, warnings);
  const sentinelPassword = readSentinelPassword(chosen, warnings);
  const tiers = tiersOf(stores, settings.tier);
  const store = lowest(tiers);
  const prefix = stores.some(({ kind }) => kind === "redis") ? String(settings.redisKeyPrefix?.value ?? "") : "";
  const namespace = ownNamespace(settings, store);
  const fallback = settings.fallback && fallbackOf(settings.fallback, stores, store, input);
  const ttl =
    store.ttl !== undefined && !outranks(settings.cacheTtl, chosen.source) ? store.ttl : settings.cacheTtl?.value;
  return Object.freeze({
    settings,
    tiers,
    store,
    storeSource: chosen.source,
    fallback,
    keyPrefix: checkNamespace(prefix + (namespace === "" || namespace.endsWith(":") ? namespace : `${namespace}:`)),
    defaultTtl: typeof ttl === "number" ? ttl : null,
    password,
    sentinelPassword,
    tokens: readTokens(input, [...stores, ...(fallback ? [fallback] : [])], chosen, warnings),
    files: found,
    warnings,
  });
}

function tiersOf(stores: readonly StoreTarget[], asked: Setting | undefined): readonly Tier[] {
  const tiers = nameTiers(stores);
  const [only, another] = stores;
  if (asked !== undefined && only?.kind === "remote" && !another) {
    // The server knows its tiers.
    const tier = String(asked.value);
    return [{ name: tier, store: { ...only, tier } }];
  }
  return asked === undefined ? tiers : [findTier(tiers, String(asked.value), asked.source.where)];
}

/** A server has its own namespace; one that nobody asked for here would be a second one in it. */
function ownNamespace({ namespace }: Settings, store: StoreTarget): string {
  if (store.kind === "remote" && namespace?.source.layer === "default") return "";
  return String(namespace?.value ?? "");
}

function lowest(tiers: readonly Tier[]): StoreTarget {
  const last = tiers.at(-1);
  if (last === undefined) throw new CacheError("usage", "invalid-store", "no store is named");
  return last.store;
}

/**
 * Undefined where the store is a file of this machine, which is never away: what a config file or the environment say of all stores is not about this one then.
 * @throws CacheError `store-twice` for a fallback that is one of the stores itself; `conflicting-flags` for a flag that nobody would obey
 */
function fallbackOf(
  setting: Setting,
  stores: readonly StoreTarget[],
  store: StoreTarget,
  input: ConfigInput,
): StoreTarget | undefined {
  const { source } = setting;
  const base = source.file?.folder ?? input.cwd;
  const fallback = parseStoreUrl(String(setting.value), source.where, base, homeOf(input.env));
  checkDistinct([...stores, fallback], source.where);
  if (store.kind === "redis" || store.kind === "remote") return fallback;
  if (source.layer !== "flag") return undefined;
  const which = stores.length > 1 ? "the last store here" : "this";
  throw new CacheError(
    "usage",
    "conflicting-flags",
    `${source.where} is for a store that can be away, ${which} is a ${store.kind} store`,
    { hint: `Leave out ${source.where}, or name a server with --store.` },
  );
}

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
  for (const name of settingNamesOf(input.command)) settings[name] = lookUp(name, input, files, profileName);
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
    return { value: located(value, spec.path, input.cwd, homeOf(input.env)), source: { layer: "flag", where } };
  }
  const names = environmentNames(spec);
  if (spec.compatible?.startsWith("ENABLE_")) names.push(spec.compatible);
  for (const variable of names) {
    const text = input.env[variable];
    if (text === undefined || text === "") continue;
    const value = parseSetting(spec, text, variable);
    return {
      value: located(value, spec.path, input.cwd, homeOf(input.env)),
      source: { layer: "environment", where: variable },
    };
  }
  const places = [
    ...(profile === undefined ? [] : files.map((file) => ({ file, values: file.profiles[profile], profile }))),
    ...files.map((file) => ({ file, values: file.values, profile: undefined })),
  ];
  for (const { file, values, profile } of places) {
    const raw = values?.[name];
    if (raw === undefined) continue;
    const where = profile === undefined ? file.path : `${file.path} (profile ${profile})`;
    const value = parseSetting(spec, String(raw), `${where}: ${name}`);
    const source = { layer: file.layer, where, file, ...(profile !== undefined && { profile }) };
    return { value: located(value, spec.path, file.folder, homeOf(input.env)), source };
  }
  const fallback = (input.command === undefined ? undefined : spec.servedFallback) ?? spec.fallback;
  if (fallback === undefined) return undefined;
  return { value: parseSetting(spec, fallback, spec.flag), source: { layer: "default", where: "default" } };
}

function located(value: SettingValue, isPath: SettingSpec["path"], base: string, home: string): SettingValue {
  if (isPath === "or-json" && isJson(String(value))) return value;
  if (isPath === "or-url" && /^https?:\/\//i.test(String(value))) return value;
  return isPath && typeof value === "string" && value !== "-" ? resolvePath(value, base, home) : value;
}

/** Whether a setting that may be a path is JSON itself. */
export function isJson(text: string): boolean {
  return /^\s*\[/.test(text);
}

/**
 * Checks every value of a config file and of its profiles, in force or not.
 * @throws CacheError naming the place of the first mistake
 */
export function checkConfigValues(file: ConfigFile, env: ConfigInput["env"]): void {
  const profiles = Object.entries(file.profiles).map(([name, values]) => ({ values, at: ` (profile ${name})` }));
  for (const { values, at } of [{ values: file.values, at: "" }, ...profiles]) {
    for (const name of SETTING_NAMES) {
      const raw = values[name];
      if (raw === undefined) continue;
      const where = `${file.path}${at}: ${name}`;
      const value = parseSetting(settingSpec(name), String(raw), where);
      if (name === "store") parseStores(String(value), where, file.folder, homeOf(env));
      if (name === "fallback") parseStoreUrl(String(value), where, file.folder, homeOf(env));
      if (name === "profile" && !Object.hasOwn(file.profiles, String(value))) {
        throw new CacheError("usage", "unknown-profile", `${where}: there is no profile "${value}"`, {
          hint: `Profiles in it: ${Object.keys(file.profiles).join(", ") || "none"}.`,
        });
      }
    }
  }
}

function checkNamespace(prefix: string): string {
  if (prefix !== "") checkKey(prefix);
  return prefix;
}

/** A value as people may see it, in units, with secrets masked and passwords blotted out of URLs. */
export function showSetting(name: SettingName, value: SettingValue): string {
  const { secret, kind } = settingSpec(name);
  if (secret) return "***";
  if (value === null) return "none";
  if (typeof value === "number" && (kind === "ttl" || kind === "duration")) return formatDuration(value);
  if (typeof value === "number" && kind === "size") return formatSize(value);
  return name === "store" ? splitStores(String(value)).map(redactUrl).join(" ") : redactUrl(String(value));
}

import { CacheError } from "../errors.js";
import { type AdminSettings, adminSettings } from "./admin-settings.js";
import type { Setting, Settings } from "./layers.js";
import type { ResolvedConfig } from "./load.js";
import { type OriginRoute, parseOrigins } from "./origin-url.js";
import { type CacheableMethod, loadRules, parseMethods, type Rule } from "./rules.js";

/** What `cache serve` is told, resolved: milliseconds, bytes, absolute paths. */
export interface ServeSettings {
  admin: AdminSettings;
  origins: readonly OriginRoute[];
  host: string;
  port: number;
  tlsCert: string | undefined;
  tlsKey: string | undefined;
  originCa: string | undefined;
  drainMs: number;
  preserveHost: boolean;
  connectTimeoutMs: number;
  headersTimeoutMs: number;
  bodyTimeoutMs: number;
  trustedProxies: readonly string[];
  maxObjectBytes: number;
  /** Processes that serve clients; 1: this one. */
  workers: number;
  warm: { hottest: boolean; entries: string | undefined; urls: string | undefined };
  rewarm: boolean;
  stripTags: boolean;
  /** A file, or `-` for standard output. */
  accessLog: string | undefined;
  accessLogQuery: boolean;
  /** 0 = nothing is sampled. */
  monitorMs: number;
  /** When the monitor warns: below this share of hits, 0 to 1, and above so many errors. */
  thresholds: { hitRateBelow: number; errorsAbove: number };
  rules: readonly Rule[];
  /** Those whose responses are kept where no rule says which. */
  cacheableMethods: readonly CacheableMethod[];
  /** Freshness of responses that carry none, where somebody set it. */
  defaultLifetimeMs: number | undefined;
}

/** Everything in these settings that can't be right. */
export function serveMistakes({ settings }: ResolvedConfig): CacheError[] {
  const { origin, rules, cacheableMethods } = settings;
  const steps = [
    () => checkAdmin(settings),
    () => originsOf(origin),
    () => rules && loadRules(rules),
    () => cacheableMethods && parseMethods(cacheableMethods),
  ];
  return steps.flatMap((step) => {
    try {
      step();
      return [];
    } catch (error) {
      if (error instanceof CacheError) return [error];
      throw error;
    }
  });
}

/** Those who serve clients have the proxy's port, and the process with the admin API has not. */
function checkAdmin(settings: Settings): void {
  const { workers, origin, adminPort } = settings;
  const { sharesPort } = adminSettings(settings);
  if (Number(workers?.value) === 1 || origin === undefined || !sharesPort) return;
  const where = adminPort?.source.where ?? "--admin-port";
  throw new CacheError(
    "usage",
    "shared-admin-port",
    `${where}: with several workers the admin API can't be at the proxy's port`,
    {
      hint: "Choose another with --admin-port, or leave out --workers.",
    },
  );
}

function originsOf(setting: Setting | undefined): OriginRoute[] {
  const urls = String(setting?.value ?? "")
    .split(/\s+/)
    .filter(Boolean);
  return parseOrigins(urls, setting?.source.where ?? "--origin");
}

/** @throws CacheError `admin-exposed`, `shared-admin-port`, `invalid-origin`, `invalid-rules`, `invalid-setting`, naming who said it */
export function serveSettings({ settings, defaultTtl }: ResolvedConfig): ServeSettings {
  const number = (name: keyof typeof settings) => Number(settings[name]?.value);
  const text = (name: keyof typeof settings) => {
    const value = settings[name]?.value;
    return typeof value === "string" ? value : undefined;
  };
  const list = (name: keyof typeof settings) => (text(name) ?? "").split(/\s+/).filter(Boolean);
  checkAdmin(settings);
  const ttlIsSet = settings.cacheTtl !== undefined && settings.cacheTtl.source.layer !== "default";
  return {
    admin: adminSettings(settings),
    origins: originsOf(settings.origin),
    host: text("host") ?? "127.0.0.1",
    port: number("port"),
    tlsCert: text("tlsCert"),
    tlsKey: text("tlsKey"),
    originCa: text("originCa"),
    drainMs: number("drain"),
    preserveHost: settings.preserveHost?.value === true,
    connectTimeoutMs: number("originConnectTimeout"),
    headersTimeoutMs: number("originTimeout"),
    bodyTimeoutMs: number("originBodyTimeout"),
    trustedProxies: list("trustProxy"),
    maxObjectBytes: number("maxObject"),
    workers: number("workers"),
    warm: { hottest: settings.warmStart?.value === true, entries: text("warmEntries"), urls: text("warmUrls") },
    rewarm: settings.rewarm?.value === true,
    stripTags: settings.stripTags?.value === true,
    accessLog: text("accessLog"),
    accessLogQuery: settings.accessLogQuery?.value === true,
    monitorMs: number("monitorInterval"),
    thresholds: { hitRateBelow: number("monitorHitRate") / 100, errorsAbove: number("monitorErrors") },
    rules: settings.rules ? loadRules(settings.rules) : [],
    cacheableMethods: settings.cacheableMethods ? parseMethods(settings.cacheableMethods) : ["GET", "HEAD"],
    defaultLifetimeMs: ttlIsSet ? (defaultTtl ?? undefined) : undefined,
  };
}

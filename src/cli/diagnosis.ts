import type { Cache } from "../cache/cache.js";
import { type ResolvedConfig, showSetting } from "../config/load.js";
import { environmentNames, settingNamesOf, settingSpec } from "../config/settings.js";
import type { Tier } from "../config/tiers.js";
import { CacheError, messageOf } from "../errors.js";
import { targetOf } from "./target.js";

export { type Availability, availableBackends } from "../open-cache.js";

/** How a tier answered. */
export interface CheckedTier {
  name: string;
  ok: boolean;
  /** Milliseconds of one round trip. */
  latency?: number;
  entries?: number;
  bytes?: number;
  error?: CacheError;
  /** The store without secrets. */
  target: string;
  facts: Readonly<Record<string, string | number | boolean>>;
  warnings: readonly string[];
}

/** Asks each store for an answer, and what stands in for the last one; a failure is a finding, not an error. What lies in memory is in each process of its own. */
export async function checkTiers(
  config: ResolvedConfig,
  withTier: (tier: Tier, look: (cache: Cache) => Promise<CheckedTier>) => Promise<CheckedTier>,
): Promise<CheckedTier[]> {
  const checked: CheckedTier[] = [];
  const fallback = config.fallback ? [{ name: "fallback", store: config.fallback }] : [];
  for (const tier of [...config.tiers, ...fallback]) {
    const { name, store } = tier;
    if (store.kind === "memory") checked.push({ name, ok: true, target: "memory:", facts: {}, warnings: [] });
    else checked.push(await checkTier(name, targetOf({ store }), (look) => withTier(tier, look)));
  }
  return checked;
}

async function checkTier(
  name: string,
  target: string,
  open: (look: (cache: Cache) => Promise<CheckedTier>) => Promise<CheckedTier>,
): Promise<CheckedTier> {
  const look = async (cache: Cache): Promise<CheckedTier> => {
    const health = await cache.health();
    if (!health.ok) throw health.error;
    const { entries, bytes, facts, warnings } = await cache.backend.describe();
    return {
      name,
      ok: true,
      target,
      latency: health.latency,
      ...(entries !== undefined && { entries }),
      ...(bytes !== undefined && { bytes }),
      facts,
      warnings,
    };
  };
  try {
    return await open(look);
  } catch (error) {
    const known =
      error instanceof CacheError ? error : new CacheError("store", "unexpected", messageOf(error), { cause: error });
    return { name, ok: false, target, error: known, facts: {}, warnings: [] };
  }
}

export interface ShownSetting {
  name: string;
  flag: string;
  env: string;
  /** As people may see it; null = not set. */
  value: string | null;
  source: string;
}

/** Every setting of a cache with its value and where that came from. */
export function shownSettings(config: ResolvedConfig): ShownSetting[] {
  return settingNamesOf()
    .filter((name) => !settingSpec(name).invocation)
    .map((name) => {
      const spec = settingSpec(name);
      const setting = config.settings[name];
      return {
        name,
        flag: `--${spec.flag}`,
        env: environmentNames(spec).at(-1) ?? "",
        value: setting === undefined ? null : showSetting(name, setting.value),
        source: setting?.source.where ?? "not set",
      };
    });
}

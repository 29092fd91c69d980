import type { Cache } from "../cache/cache.js";
import { type ResolvedConfig, showSetting } from "../config/load.js";
import { environmentNames, SETTING_NAMES, settingSpec } from "../config/settings.js";
import { CacheError, messageOf } from "../errors.js";

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
  facts: Readonly<Record<string, string | number | boolean>>;
  warnings: readonly string[];
}

/** Asks a store for an answer; its failure is a finding, not an error. */
export async function checkTier(name: string, open: () => Promise<Cache>): Promise<CheckedTier> {
  try {
    const cache = await open();
    const health = await cache.health();
    if (!health.ok) throw health.error;
    const { entries, bytes, facts, warnings } = await cache.backend.describe();
    return {
      name,
      ok: true,
      latency: health.latency,
      ...(entries !== undefined && { entries }),
      ...(bytes !== undefined && { bytes }),
      facts,
      warnings,
    };
  } catch (error) {
    const known =
      error instanceof CacheError ? error : new CacheError("store", "unexpected", messageOf(error), { cause: error });
    return { name, ok: false, error: known, facts: {}, warnings: [] };
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
  return SETTING_NAMES.filter((name) => !settingSpec(name).invocation).map((name) => {
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

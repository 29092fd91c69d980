import { type Backend, hasTiers } from "../../backends/backend.js";
import { CacheError } from "../../errors.js";

/**
 * The store, or one of its tiers.
 * @throws CacheError `unknown-tier`
 */
export function tierOf(store: Backend, tier: string | undefined): Backend {
  if (tier === undefined) return store;
  if (hasTiers(store)) return store.tier(tier);
  if (tier === store.name) return store;
  throw new CacheError("usage", "unknown-tier", `there is no tier ${JSON.stringify(tier)} here`, {
    hint: `There is only ${store.name}.`,
  });
}

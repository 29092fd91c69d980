import type { ResolvedConfig } from "./load.js";
import type { StoreTarget } from "./store-url.js";

/** Entries in memory of a process that lives on, where nothing says how many. */
const SERVED_ENTRIES = 100_000;

export function inMemoryAlone({ tiers }: ResolvedConfig): boolean {
  return tiers.every(({ store }) => store.kind === "memory");
}

/** Of what may be in memory, what is for one of several processes. */
export function shareOf(store: Extract<StoreTarget, { kind: "memory" }>, processes: number): StoreTarget {
  const share = (bound: number) => Math.max(1, Math.floor(bound / processes));
  const { maxEntries = SERVED_ENTRIES, maxBytes } = store;
  return { ...store, maxEntries: share(maxEntries), ...(maxBytes !== undefined && { maxBytes: share(maxBytes) }) };
}

/**
 * For several processes, whose memory alone would be as many caches that know nothing of each other: it is then over a store that they share, with the same bounds.
 * @param path of a file for it
 */
export function overShared(config: ResolvedConfig, path: string): ResolvedConfig {
  const [first] = config.tiers;
  const memory = first?.store.kind === "memory" ? first.store : undefined;
  const { maxEntries = SERVED_ENTRIES, maxBytes } = memory ?? {};
  const store: StoreTarget = { kind: "sqlite", path, maxEntries, ...(maxBytes !== undefined && { maxBytes }) };
  return { ...config, store, tiers: [...config.tiers, { name: "sqlite", store }] };
}

import { resolve } from "node:path";
import { CacheError } from "../errors.js";
import { realPath } from "../real-path.js";
import { redisIdentity } from "./redis-url.js";
import { parseStoreUrl, type StoreTarget, splitStores } from "./store-url.js";

/** One store of several, under the name that `--tier` takes. */
export interface Tier {
  /** The kind; where several stores share it, `kind:index`, from 0, fastest first. */
  name: string;
  store: StoreTarget;
}

/**
 * The stores of a list of URLs, fastest first.
 * @throws CacheError `invalid-store`, `store-twice`
 */
export function parseStores(text: string, where: string, base: string, home: string): StoreTarget[] {
  const stores = splitStores(text).map((url) => parseStoreUrl(url, where, base, home));
  checkDistinct(stores, where);
  return stores;
}

/** @throws CacheError `store-twice` */
export function checkDistinct(stores: readonly StoreTarget[], where: string): void {
  const seen = new Set<string>();
  for (const store of stores) {
    const identity = identityOf(store);
    if (seen.has(identity)) {
      throw new CacheError("usage", "store-twice", `${where}: the same ${store.kind} store is named twice`, {
        hint: "Each has to be another store.",
      });
    }
    seen.add(identity);
  }
}

/** Equal for two URLs of one store. Memory is always the same: a second one above the first would hold what the first holds. */
function identityOf(store: StoreTarget): string {
  if (store.kind === "memory") return "memory:";
  if (store.kind === "remote") return store.url;
  return store.kind === "redis" ? redisIdentity(store.url) : realPath(resolve(store.path));
}

export function nameTiers(stores: readonly StoreTarget[]): Tier[] {
  const count = (kind: string, list: readonly StoreTarget[]) => list.filter((store) => store.kind === kind).length;
  return stores.map((store, i) => {
    const shared = count(store.kind, stores) > 1;
    return { name: shared ? `${store.kind}:${count(store.kind, stores.slice(0, i))}` : store.kind, store };
  });
}

/** @throws CacheError `unknown-tier` */
export function findTier(tiers: readonly Tier[], name: string, where: string): Tier {
  const found = tiers.find((tier) => tier.name === name);
  if (found) return found;
  throw new CacheError("usage", "unknown-tier", `${where}: there is no tier "${name}"`, {
    hint: `Tiers here: ${tiers.map((tier) => tier.name).join(", ")}.`,
  });
}

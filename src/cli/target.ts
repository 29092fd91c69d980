import { sep } from "node:path";
import type { ResolvedConfig } from "../config/load.js";
import { parseRedisUrl, redisTarget } from "../config/redis-url.js";
import type { StoreTarget } from "../config/store-url.js";
import { CacheError } from "../errors.js";
import { realPath } from "../real-path.js";
import { escapeLine } from "./render/value.js";

/** The name of the store for people and for `--confirm`, of tiers the last one's: no user, no password, no options. */
export function targetOf({ store }: Pick<ResolvedConfig, "store">): string {
  if (store.kind === "memory") return "memory:";
  if (store.kind === "remote") return store.url;
  return store.kind === "redis" ? redisTarget(parseRedisUrl(store.url, "")) : `${store.kind}:${store.path}`;
}

interface Origin {
  store: string;
  target: string;
  /** Names of the tiers, fastest first, where there are several or one of them was asked for. */
  tiers?: string[];
  namespace?: string;
}

/** What every report says of where it comes from. */
export function origin(config: ResolvedConfig): Origin {
  const { store, tiers, keyPrefix } = config;
  return {
    store: store.kind,
    target: targetOf(config),
    ...(isTiered(config) && { tiers: tiers.map(({ name }) => name) }),
    ...(keyPrefix !== "" && { namespace: keyPrefix }),
  };
}

/** The same as one line: `sqlite:/home/me/.cache/cachectl/cache.db, namespace app:`; tiers as `memory: over redis://…`. */
export function originLine(config: ResolvedConfig): string {
  const { tiers, keyPrefix, settings } = config;
  const stores = tiers.map(({ store }) => targetOf({ store })).join(" over ");
  const tier = settings.tier ? `, tier ${tiers[0]?.name}` : "";
  return escapeLine(`${stores}${tier}${keyPrefix === "" ? "" : `, namespace ${keyPrefix}`}`);
}

/** The tier that says what is known of an entry: the one that was asked for, else the last. */
export function decidingTier({ tiers }: ResolvedConfig): string {
  return tiers.at(-1)?.name ?? "";
}

const isTiered = ({ tiers, settings }: ResolvedConfig) => tiers.length > 1 || settings.tier !== undefined;

/**
 * Refuses to write over the store that is in use.
 * @param path absolute
 * @throws CacheError `would-overwrite-store`
 */
export function refuseStoreFile({ tiers }: ResolvedConfig, path: string, flag: string): void {
  for (const { store } of tiers) refuseFileOf(store, path, flag);
}

function refuseFileOf(store: StoreTarget, path: string, flag: string): void {
  if (store.kind !== "sqlite" && store.kind !== "file") return;
  const [file, own] = [realPath(path), realPath(store.path)];
  const inside = store.kind === "file" ? file.startsWith(own + sep) : [own, `${own}-wal`, `${own}-shm`].includes(file);
  if (file !== own && !inside) return;
  throw new CacheError("usage", "would-overwrite-store", `${flag} names the store itself`, {
    hint: "Name another file.",
  });
}

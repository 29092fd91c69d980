import { realpathSync } from "node:fs";
import { basename, dirname, join, sep } from "node:path";
import type { ResolvedConfig } from "../config/load.js";
import { CacheError } from "../errors.js";
import { escapeLine } from "./render/value.js";

/** The store's name for people and for `--confirm`: no user, no password, no options. */
export function targetOf(config: ResolvedConfig): string {
  const { store } = config;
  if (store.kind === "memory") return "memory:";
  if (store.kind !== "redis") return `${store.kind}:${store.path}`;
  const url = new URL(store.url);
  return `${url.protocol}//${url.hostname}:${url.port || 6379}/${url.pathname.replace("/", "") || 0}`;
}

/** What every report says of where it comes from. */
export function origin(config: ResolvedConfig): { store: string; target: string; namespace?: string } {
  const namespace = config.keyPrefix === "" ? {} : { namespace: config.keyPrefix };
  return { store: config.store.kind, target: targetOf(config), ...namespace };
}

/** The same as one line: `sqlite:/home/me/.cache/cachectl/cache.db, namespace app:`. */
export function originLine(config: ResolvedConfig): string {
  return escapeLine(config.keyPrefix === "" ? targetOf(config) : `${targetOf(config)}, namespace ${config.keyPrefix}`);
}

/**
 * Refuses to write over the store that is in use.
 * @param path absolute
 * @throws CacheError `would-overwrite-store`
 */
export function refuseStoreFile({ store }: ResolvedConfig, path: string, flag: string): void {
  if (store.kind !== "sqlite" && store.kind !== "file") return;
  const [file, own] = [real(path), real(store.path)];
  const inside = store.kind === "file" ? file.startsWith(own + sep) : [own, `${own}-wal`, `${own}-shm`].includes(file);
  if (file !== own && !inside) return;
  throw new CacheError("usage", "would-overwrite-store", `${flag} names the store itself`, {
    hint: "Name another file.",
  });
}

/** The path without links, also where its last part is not there yet. */
function real(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    const parent = dirname(path);
    return parent === path ? path : join(real(parent), basename(path));
  }
}

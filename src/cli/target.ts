import type { ResolvedConfig } from "../config/load.js";
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

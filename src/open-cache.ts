import { existsSync } from "node:fs";
import type { BackendContext, BackendKind } from "./backends/backend.js";
import { openBackend, type StoreOptions } from "./backends/open.js";
import { Cache } from "./cache/cache.js";
import type { ResolvedConfig } from "./config/load.js";
import { messageOf } from "./errors.js";

/**
 * From settings to a cache: the one place where the parts meet.
 * @param purpose who only reads makes no store where there is none: it is empty, and told
 */
export async function openConfigured(
  config: ResolvedConfig,
  purpose: "read" | "write",
  context: Pick<BackendContext, "clock" | "emit" | "signal">,
): Promise<Cache> {
  const { store } = config;
  const onDisk = store.kind === "sqlite" || store.kind === "file";
  const missing = purpose === "read" && onDisk && !existsSync(store.path);
  if (missing)
    context.emit({
      type: "warning",
      code: "no-store",
      message: `there is no store at ${store.kind}:${store.path} yet`,
    });
  const readOnly = missing || config.settings.readOnly?.value === true;
  const backend = await openBackend(storeOptions(config), { ...context, namespace: config.keyPrefix, readOnly });
  return new Cache(backend, { clock: context.clock, defaultTtl: config.defaultTtl, readOnly, countInterval: 0 });
}

function storeOptions(config: ResolvedConfig): StoreOptions {
  const { store, settings, password } = config;
  const timeout = settings.timeout?.value;
  const timeoutMs = typeof timeout === "number" ? timeout : undefined;
  if (store.kind === "redis") {
    const username = settings.redisUsername?.value;
    return {
      ...store,
      ...(typeof username === "string" && { username }),
      ...(password !== undefined && { password }),
      ...(timeoutMs !== undefined && { timeoutMs }),
    };
  }
  if (store.kind === "memory") {
    const sweep = settings.cleanupInterval?.value;
    return { ...store, ...(typeof sweep === "number" && { sweepMs: sweep }) };
  }
  return { ...store, ...(timeoutMs !== undefined && { busyTimeoutMs: timeoutMs }) };
}

export interface Availability {
  kind: BackendKind;
  available: boolean;
  /** What it is, or why it is not available. */
  reason: string;
}

/** Which backends can be used here: a client that can't be loaded is named with the reason. */
export async function availableBackends(): Promise<Availability[]> {
  const probe = async (kind: BackendKind, reason: string, load: () => Promise<unknown>): Promise<Availability> => {
    try {
      await load();
      return { kind, available: true, reason };
    } catch (error) {
      return { kind, available: false, reason: messageOf(error).split("\n")[0] ?? "" };
    }
  };
  const sqlite = async () => {
    const { default: Database } = await import("better-sqlite3");
    new Database(":memory:").close();
  };
  return [
    { kind: "memory", available: true, reason: "in this process, gone with it" },
    await probe("sqlite", "one file, nothing to install", sqlite),
    await probe("file", "a folder, one file a value", sqlite),
    await probe("redis", "a server, shared by machines", () => import("ioredis")),
  ];
}

import { existsSync } from "node:fs";
import {
  type BackendContext,
  type BackendInfo,
  type BackendKind,
  hasTiers,
  keepsNamespace,
} from "./backends/backend.js";
import { openBackend, type StoreOptions } from "./backends/open.js";
import type { ResilienceOptions } from "./backends/resilient/index.js";
import { Cache } from "./cache/cache.js";
import { compose, type Plan, type PlannedTier } from "./compose.js";
import { inMemoryAlone, shareOf } from "./config/crew-store.js";
import type { ResolvedConfig } from "./config/load.js";
import type { StoreTarget } from "./config/store-url.js";
import { CacheError, messageOf } from "./errors.js";
import type { CacheEvent } from "./events.js";

/**
 * From settings to a cache for one command. What lies in memory would be empty at its start and gone at its end: such tiers are left out, and what the command changes
 * reaches those of other processes.
 * @param purpose who only reads makes no store where there is none: it is empty, and told
 * @throws CacheError `memory-store` where nothing is left
 */
export async function openConfigured(
  config: ResolvedConfig,
  purpose: "read" | "write",
  context: Pick<BackendContext, "clock" | "emit" | "signal">,
): Promise<Cache> {
  const lasting = config.tiers.filter(({ store }) => store.kind !== "memory");
  const memoryOnly =
    lasting.length === 0 || config.store.kind === "memory"
      ? "store"
      : config.fallback?.kind === "memory"
        ? "fallback"
        : undefined;
  if (memoryOnly) {
    throw new CacheError("usage", "memory-store", `a memory ${memoryOnly} would be gone when this command ends`, {
      hint: "Use sqlite:PATH, file:DIR or redis://HOST.",
    });
  }
  const tiers = lasting.map(({ name, store }): PlannedTier => {
    const missing = purpose === "read" && isMissing(store, context.emit);
    return {
      name,
      store: storeOptions(store, config),
      ...(store.ttl !== undefined && { ttlMs: store.ttl }),
      readOnly: missing,
    };
  });
  const readOnly = config.settings.readOnly?.value === true;
  const plan: Plan = {
    tiers,
    ...(config.fallback && { fallback: { store: storeOptions(config.fallback, withoutSecrets(config)) } }),
    namespace: config.keyPrefix,
    readOnly,
    transform: await transformOf(config),
    resilience: config.fallback ? deadlineOf(config) : false,
    livesOn: false,
  };
  const { clock } = context;
  // One command reads the truth, and is over before copies could be trusted: that is nothing to tell.
  const emit = (event: CacheEvent) => event.code !== "tier-not-emptied" && context.emit(event);
  const backend = await compose(plan, { ...context, emit });
  return new Cache(backend, {
    clock,
    emit,
    defaultTtl: config.defaultTtl,
    readOnly: readOnly || (tiers.at(-1)?.readOnly ?? false),
    countInterval: 0,
  });
}

/**
 * From settings to a cache for a process that lives on: its memory tiers are kept, and a store behind a network that is away is waited for by nobody.
 * @param processes that share what may be in memory
 * @throws CacheError what the stores say
 */
export async function openServed(
  config: ResolvedConfig,
  context: Pick<BackendContext, "clock" | "emit" | "signal">,
  processes = 1,
): Promise<Cache> {
  const readOnly = config.settings.readOnly?.value === true;
  const plan: Plan = {
    tiers: servedTiers(config, processes),
    ...(config.fallback && { fallback: { store: storeOptions(config.fallback, withoutSecrets(config)) } }),
    namespace: config.keyPrefix,
    readOnly,
    transform: await transformOf(inMemoryAlone(config) ? uncompressed(config) : config),
    resilience: deadlineOf(config),
    livesOn: true,
  };
  const { clock, emit } = context;
  const backend = await compose(plan, context);
  return new Cache(backend, { clock, emit, defaultTtl: config.defaultTtl, readOnly });
}

/**
 * From settings to a cache whose speed is measured: its tiers as in a process that lives on, memory too; but a store that fails is not asked again, nothing stands in for it, and nothing is
 * counted in it. Ready when the promise resolves: upper tiers take copies.
 * @param namespace raw prefix of every key, in the place of the one of the settings
 * @throws CacheError what the stores say
 */
export async function openMeasured(
  config: ResolvedConfig,
  namespace: string,
  context: Pick<BackendContext, "clock" | "emit">,
): Promise<Cache> {
  const backend = await compose(
    {
      tiers: servedTiers(config, 1),
      namespace,
      readOnly: false,
      transform: await transformOf(config),
      resilience: false,
      livesOn: true,
    },
    context,
  );
  if (hasTiers(backend)) await backend.ready();
  return new Cache(backend, { ...context, defaultTtl: config.defaultTtl, keepsCounts: false });
}

/**
 * Removes from each store what it keeps of a namespace besides entries, after {@link openMeasured} was closed.
 * @throws CacheError what the stores say
 */
export async function forgetMeasured(
  config: ResolvedConfig,
  namespace: string,
  context: Pick<BackendContext, "clock" | "emit">,
): Promise<void> {
  for (const { store } of config.tiers) {
    if (store.kind === "memory" || store.kind === "remote" || ("path" in store && !existsSync(store.path))) continue;
    const backend = await openBackend(storeOptions(store, config), { ...context, namespace });
    try {
      if (keepsNamespace(backend)) await backend.forgetNamespace();
    } finally {
      await backend.close();
    }
  }
}

/** What a store says of itself, of all namespaces together. @throws CacheError what it says instead */
export async function describeWhole(
  config: ResolvedConfig,
  store: StoreTarget,
  context: Pick<BackendContext, "clock" | "emit">,
): Promise<BackendInfo> {
  if (store.kind === "memory" || ("path" in store && !existsSync(store.path))) {
    const { maxEntries, maxBytes } = store;
    const facts = {
      ...(maxEntries !== undefined && { max_entries: maxEntries }),
      ...(maxBytes !== undefined && { max_bytes: maxBytes }),
    };
    return { kind: store.kind, target: store.kind, entries: 0, bytes: 0, facts, warnings: [] };
  }
  const backend = await openBackend(storeOptions(store, config), { ...context, namespace: "", readOnly: true });
  try {
    return await backend.describe();
  } finally {
    await backend.close();
  }
}

function servedTiers(config: ResolvedConfig, processes: number): PlannedTier[] {
  return config.tiers.map(({ name, store }) => ({
    name,
    store: storeOptions(store.kind === "memory" ? shareOf(store, processes) : store, config),
    ...(store.ttl !== undefined && { ttlMs: store.ttl }),
  }));
}

/** Unless somebody asked for it: memory answers in a fraction of the time that undoing it takes. */
function uncompressed(config: ResolvedConfig): ResolvedConfig {
  const { compression } = config.settings;
  if (compression?.source.layer !== "default") return config;
  return { ...config, settings: { ...config.settings, compression: undefined } };
}

function isMissing(store: StoreTarget, emit: BackendContext["emit"]): boolean {
  if (!("path" in store) || existsSync(store.path)) return false;
  emit({ type: "warning", code: "no-store", message: `there is no store at ${store.kind}:${store.path} yet` });
  return true;
}

async function transformOf({ settings }: ResolvedConfig): Promise<Plan["transform"]> {
  const { compression, compressionThreshold, encryptionKeyFile } = settings;
  const algorithm = ALGORITHMS.find((name) => name === compression?.value);
  const threshold = compressionThreshold?.value;
  const compressed = algorithm && {
    compression: { algorithm, ...(typeof threshold === "number" && { threshold }) },
  };
  if (encryptionKeyFile === undefined) return { ...compressed };
  const { loadKeyRing } = await import("./backends/transform/index.js");
  return { ...compressed, encryption: { keys: await loadKeyRing(String(encryptionKeyFile.value)) } };
}

const ALGORITHMS = ["gzip", "brotli", "zstd"] as const;

/** User and password are those of the store's own server, and no business of another. */
function withoutSecrets(config: ResolvedConfig): ResolvedConfig {
  return {
    ...config,
    settings: { ...config.settings, redisUsername: undefined },
    password: undefined,
    sentinelPassword: undefined,
  };
}

/** A call with all its attempts takes no longer than one of them may. */
function deadlineOf({ settings: { timeout } }: ResolvedConfig): ResilienceOptions {
  return typeof timeout?.value === "number" ? { timeoutMs: timeout.value } : {};
}

function storeOptions(
  store: StoreTarget,
  { settings, password, sentinelPassword, tokens }: ResolvedConfig,
): StoreOptions {
  const timeout = settings.timeout?.value;
  const timeoutMs = typeof timeout === "number" ? timeout : undefined;
  if (store.kind === "redis") {
    const username = settings.redisUsername?.value;
    return {
      ...store,
      ...(typeof username === "string" && { username }),
      ...(password !== undefined && { password }),
      ...(sentinelPassword !== undefined && { sentinelPassword }),
      ...(timeoutMs !== undefined && { timeoutMs }),
    };
  }
  if (store.kind === "remote") {
    const token = tokens.get(store.url);
    return { ...store, ...(token !== undefined && { token }), ...(timeoutMs !== undefined && { timeoutMs }) };
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
    { kind: "remote", available: true, reason: "a cache serve, by the address of its admin API" },
    await probe("redis", "a server, shared by machines", () => import("ioredis")),
  ];
}

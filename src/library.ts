import { homedir } from "node:os";
import type { BackendContext } from "./backends/backend.js";
import { openBackend, type StoreOptions } from "./backends/open.js";
import {
  type Algorithm,
  type CompressionOptions,
  checkTransform,
  type EncryptionKey,
  KeyRing,
  type TransformOptions,
  transformed,
} from "./backends/transform/index.js";
import { Cache, type CacheOptions } from "./cache/cache.js";
import type { SerializerChoice } from "./cache/serializer.js";
import { type Clock, systemClock } from "./clock.js";
import { parseStoreUrl, type StoreTarget } from "./config/store-url.js";
import { CacheError } from "./errors.js";
import type { Listener } from "./events.js";
import { checkKey } from "./key.js";

/** Where a cache keeps its entries, and how. */
export interface OpenCacheOptions {
  /**
   * A store URL: `memory:`, `sqlite:./cache.db`, `file:./folder`, `redis://host:6379/0`, `rediss://…`; or the same as an object, whose paths are absolute.
   * Relative paths in a URL begin at the working directory of the process, `~/` at the user's home.
   */
  store: string | StoreOptions;
  /** What every key begins with in the store, followed by a `:`; default nothing. Other namespaces are neither seen nor touched. */
  namespace?: string;
  /** TTL in milliseconds of entries that are written without one, null = never expires. Default: what the URL says, else 1 h. */
  ttl?: number | null;
  /** How values become bytes; default `json`. */
  serializer?: SerializerChoice;
  /** Milliseconds that one command to the store may take; default 5,000. */
  timeout?: number;
  /** Refuse every write. */
  readOnly?: boolean;
  /** Compress values that become shorter by it. Default: none, so that any other application can read them. */
  compression?: Algorithm | CompressionOptions;
  /** Encrypt values with the first of these keys; the others still read what they wrote. Default: no encryption. */
  encryptionKeys?: KeyRing | readonly EncryptionKey[];
  /** Bytes that a compressed value may have when it is read; a larger one is a miss. Default 256 MiB. */
  maxDecompressedBytes?: number;
  /** When it is aborted, a store that does not answer is no longer waited for. */
  signal?: AbortSignal;
  /** Is told what fails no call: a damaged value, a store that was moved aside. Default: nobody is. */
  onEvent?: Listener;
  /** Time; for tests. */
  clock?: Clock;
}

/**
 * Opens a cache on a store. It is to be closed: that writes its counters and lets the process end.
 * @throws CacheError of kind `usage` for options that can't be right, else what the store has to say
 */
export async function openCache(options: OpenCacheOptions): Promise<Cache> {
  const { readOnly = false, clock = systemClock, onEvent = () => {}, signal } = options;
  const { ttl, store } = storeOf(options);
  const namespace = prefixOf(options.namespace ?? "");
  const context: BackendContext = { namespace, clock, emit: onEvent, readOnly, ...(signal && { signal }) };
  const transform = transformOf(options, namespace);
  checkTransform(transform);
  const cacheOptions: CacheOptions = {
    clock,
    readOnly,
    emit: onEvent,
    ...(ttl !== undefined && { defaultTtl: ttl }),
    ...(options.serializer !== undefined && { serializer: options.serializer }),
  };
  const backend = await openBackend(store, context);
  try {
    // Also where nothing is asked for: what others compressed or encrypted is read all the same.
    return new Cache(transformed(backend, transform, context), cacheOptions);
  } catch (error) {
    await backend.close();
    throw error;
  }
}

function storeOf({ store, ttl, timeout }: OpenCacheOptions): { store: StoreOptions; ttl: number | null | undefined } {
  if (timeout !== undefined && !(timeout > 0 && Number.isFinite(timeout))) {
    throw usage("invalid-timeout", `a timeout of ${timeout} ms is none`, "Give it in milliseconds, above zero.");
  }
  const target = typeof store === "string" ? parseStoreUrl(store, "store", process.cwd(), homedir()) : store;
  if (typeof target !== "object" || target === null) {
    throw usage("invalid-store", "openCache needs a store", 'Write it like { store: "sqlite:./cache.db" }.');
  }
  const own = "ttl" in target ? target.ttl : undefined;
  return { store: withTimeout(target, timeout), ttl: checkedTtl(ttl === undefined ? own : ttl) };
}

function withTimeout(store: StoreTarget | StoreOptions, timeoutMs: number | undefined): StoreOptions {
  if (timeoutMs === undefined || store.kind === "memory") return store;
  return store.kind === "redis" ? { timeoutMs, ...store } : { busyTimeoutMs: timeoutMs, ...store };
}

function checkedTtl(ttl: number | null | undefined): number | null | undefined {
  if (typeof ttl !== "number" || (ttl > 0 && Number.isFinite(ttl))) return ttl;
  throw usage("invalid-ttl", `a TTL of ${ttl} ms would store nothing`, "Give a TTL above zero, or null for never.");
}

function prefixOf(namespace: string): string {
  const prefix = namespace === "" || namespace.endsWith(":") ? namespace : `${namespace}:`;
  if (prefix !== "") checkKey(prefix);
  return prefix;
}

function transformOf(options: OpenCacheOptions, namespace: string): TransformOptions {
  const { compression, encryptionKeys, maxDecompressedBytes, readOnly } = options;
  const keys =
    encryptionKeys === undefined || encryptionKeys instanceof KeyRing ? encryptionKeys : new KeyRing(encryptionKeys);
  return {
    namespace,
    ...(compression !== undefined && {
      compression: typeof compression === "string" ? { algorithm: compression } : compression,
    }),
    ...(keys && { encryption: { keys } }),
    ...(maxDecompressedBytes !== undefined && { maxDecompressedBytes }),
    ...(readOnly !== undefined && { readOnly }),
  };
}

function usage(code: string, message: string, hint: string): CacheError {
  return new CacheError("usage", code, message, { hint });
}

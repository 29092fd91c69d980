import { homedir } from "node:os";
import type { StoreOptions } from "./backends/open.js";
import { KeyRing, type TransformOptions } from "./backends/transform/index.js";
import { Cache } from "./cache/cache.js";
import { LONGEST_TIMER_MS, systemClock } from "./clock.js";
import { compose, type Plan } from "./compose.js";
import { parseStoreUrl, type StoreTarget } from "./config/store-url.js";
import { checkDistinct, nameTiers } from "./config/tiers.js";
import { abortedBy, CacheError, messageOf, shown } from "./errors.js";
import type { Listener } from "./events.js";
import { checkKey } from "./key.js";
import { checkOpenOptions, checkStore, type OpenCacheOptions, type StoreChoice } from "./library-options.js";

export type { OpenCacheOptions, StoreChoice };

/**
 * Opens a cache. It is to be closed: that writes its counters and lets the process end. A Redis that can't be reached yet is no failure of the opening, unless
 * `resilience` is `false`: it is asked again with each call, and `start` tells whether it answers.
 * @throws CacheError of kind `usage` for options that can't be right, `aborted` where the signal is given already, else what the store has to say
 */
export async function openCache(options: OpenCacheOptions): Promise<Cache> {
  checkOpenOptions(options);
  const { readOnly = false, clock = systemClock, onEvent, signal, serializer } = options;
  if (signal?.aborted) throw abortedBy(signal);
  const emit = onEvent === undefined ? () => {} : guarded(onEvent);
  const { plan, ttl } = planOf(options);
  const backend = await compose(plan, { clock, emit, ...(signal && { signal }) });
  try {
    return new Cache(backend, {
      clock,
      readOnly,
      emit,
      failedReads: "miss",
      ...(ttl !== undefined && { defaultTtl: ttl }),
      ...(serializer !== undefined && { serializer }),
    });
  } catch (error) {
    await backend.close();
    throw error;
  }
}

/** The listener, whose failure is nobody's: it is called in the middle of work that has to be done. The process is warned of the first, which is shown on stderr. */
function guarded(onEvent: Listener): Listener {
  let warned = false;
  const failed = (error: unknown) => {
    if (warned) return;
    warned = true;
    process.emitWarning(`onEvent failed, and is called all the same: ${messageOf(error)}`, { code: "CACHE_LISTENER" });
  };
  return (event) => {
    try {
      const result: unknown = onEvent(event);
      if (result instanceof Promise) result.catch(failed);
    } catch (error) {
      failed(error);
    }
  };
}

function planOf(options: OpenCacheOptions): { plan: Plan; ttl: number | null | undefined } {
  const { store, fallback, timeout, resilience = {}, readOnly = false } = options;
  if (timeout !== undefined && !(typeof timeout === "number" && timeout > 0 && timeout <= LONGEST_TIMER_MS)) {
    const hint = `Give it in milliseconds, above zero and up to ${LONGEST_TIMER_MS}.`;
    throw usage("invalid-timeout", `a timeout of ${shown(timeout)} ms is none`, hint);
  }
  const stores = [store].flat().map((one) => storeOf(one, "store"));
  const lowest = stores.at(-1);
  if (!lowest) throw noStore();
  const standIn = fallback === undefined ? undefined : storeOf(fallback, "fallback");
  checkDistinct((standIn ? [...stores, standIn] : stores).map(placeOf), "openCache");
  const namespace = prefixOf(options.namespace ?? "");
  const transform = transformOf(options);
  const tiers = nameTiers(stores.map(placeOf)).map(({ name }, i) => {
    const { ttl, ...own } = stores[i] ?? lowest;
    return { name, store: withTimeout(own, timeout), ...(ttl !== undefined && { ttlMs: ttl }) };
  });
  const plan: Plan = {
    tiers,
    ...(standIn && { fallback: { store: withTimeout(standIn, timeout) } }),
    namespace,
    readOnly,
    transform,
    resilience: resilience && { ...(timeout !== undefined && { timeoutMs: timeout }), ...resilience },
    livesOn: true,
  };
  return { plan, ttl: checkedTtl(options.ttl === undefined ? lowest.ttl : options.ttl) };
}

function storeOf(store: StoreChoice, where: string): Exclude<StoreChoice, string> {
  const target = typeof store === "string" ? parseStoreUrl(store, where, process.cwd(), homedir()) : store;
  checkStore(target);
  checkedTtl(target.ttl);
  return target;
}

/** Which store it is, without what it is to be like. */
function placeOf(store: StoreOptions): StoreTarget {
  if (store.kind === "memory") return { kind: store.kind };
  return "url" in store ? { kind: store.kind, url: store.url } : { kind: store.kind, path: store.path };
}

function noStore(): CacheError {
  return usage("invalid-store", "openCache needs a store", 'Write it like { store: "sqlite:./cache.db" }.');
}

function withTimeout(store: StoreOptions, timeoutMs: number | undefined): StoreOptions {
  if (timeoutMs === undefined || store.kind === "memory") return store;
  return "url" in store ? { timeoutMs, ...store } : { busyTimeoutMs: timeoutMs, ...store };
}

function checkedTtl(ttl: number | null | undefined): number | null | undefined {
  if (ttl === undefined || ttl === null || (typeof ttl === "number" && ttl > 0 && Number.isFinite(ttl))) return ttl;
  throw usage(
    "invalid-ttl",
    `a TTL of ${shown(ttl)} ms would store nothing`,
    "Give a TTL above zero, or null for never.",
  );
}

function prefixOf(namespace: string): string {
  const prefix = namespace === "" || namespace.endsWith(":") ? namespace : `${namespace}:`;
  if (prefix !== "") checkKey(prefix);
  return prefix;
}

function transformOf({
  compression,
  encryptionKeys,
  maxDecompressedBytes,
}: OpenCacheOptions): Omit<TransformOptions, "namespace"> {
  const keys =
    encryptionKeys === undefined || encryptionKeys instanceof KeyRing ? encryptionKeys : new KeyRing(encryptionKeys);
  return {
    ...(compression !== undefined && {
      compression: typeof compression === "string" ? { algorithm: compression } : compression,
    }),
    ...(keys && { encryption: { keys } }),
    ...(maxDecompressedBytes !== undefined && { maxDecompressedBytes }),
  };
}

function usage(code: string, message: string, hint: string): CacheError {
  return new CacheError("usage", code, message, { hint });
}

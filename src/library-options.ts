import { isAbsolute } from "node:path";
import type { StoreOptions } from "./backends/open.js";
import type { BreakerOptions, ResilienceOptions } from "./backends/resilient/options.js";
import type { Algorithm, CompressionOptions, EncryptionKey, KeyRing } from "./backends/transform/index.js";
import type { SerializerChoice } from "./cache/serializer.js";
import { type Clock, LONGEST_TIMER_MS } from "./clock.js";
import { CacheError } from "./errors.js";
import type { Listener } from "./events.js";
import {
  CALLBACK,
  CHECKED_ELSEWHERE,
  checkOptions,
  FLAG,
  type Form,
  type Forms,
  numberFrom,
  oneOf,
  SECRET,
  SIGNAL,
  TEXT,
} from "./option-checks.js";

/** A store: a URL, or the same as an object with absolute paths. */
export type StoreChoice = string | (StoreOptions & { ttl?: number | null });

type StoreWithTtl = Exclude<StoreChoice, string>;

/** Where a cache keeps its entries, and how. */
export interface OpenCacheOptions {
  /**
   * `memory:`, `sqlite:./cache.db`, `file:./folder`, `redis://host:6379/0`, `rediss://…`, `redis+sentinel://…`, `redis+cluster://…`; several are tiers, fastest
   * first: the last has everything, those before it hold copies. Relative paths in a URL begin at the working directory of the process, `~/` at the user's home.
   */
  store: StoreChoice | readonly StoreChoice[];
  /** Stands in for the last store while that can't be reached. Default: none, its failures are told. */
  fallback?: StoreChoice;
  /** Deadlines, retries and circuit breaker of stores behind a network; `false`: none of it. */
  resilience?: ResilienceOptions | false;
  /** What every key begins with in the store, followed by a `:`; default nothing. Other namespaces are neither seen nor touched. */
  namespace?: string;
  /** TTL in milliseconds of entries that are written without one, null = never expires. Default: what the URL says, else 1 h. */
  ttl?: number | null;
  /** How values become bytes; default `json`. */
  serializer?: SerializerChoice;
  /** Milliseconds that one call of a store may take, its retries included; default 5,000. */
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

/** What has an error of its own is looked at where it is used, and so is all that can't be told by its type. */
const LATER = CHECKED_ELSEWHERE;

const isObject = (value: unknown) => typeof value === "object" && value !== null;

const OPTIONS: Forms<OpenCacheOptions> = {
  store: LATER,
  fallback: LATER,
  resilience: { what: "options, or false", holds: (value) => value === false || isObject(value) },
  namespace: TEXT,
  ttl: LATER,
  serializer: LATER,
  timeout: LATER,
  readOnly: FLAG,
  compression: { what: "an algorithm, or options", holds: (value) => typeof value === "string" || isObject(value) },
  encryptionKeys: { what: "a list of keys, or a KeyRing", holds: isObject, secret: true },
  maxDecompressedBytes: LATER,
  signal: SIGNAL,
  onEvent: CALLBACK,
  clock: { what: "a clock", holds: isObject },
};

const RESILIENCE: Forms<ResilienceOptions> = {
  timeoutMs: LATER,
  retries: LATER,
  retryBaseMs: LATER,
  retryCapMs: LATER,
  breaker: { what: "options, or false", holds: (value) => value === false || isObject(value) },
  healthIntervalMs: LATER,
};

const BREAKER: Forms<BreakerOptions> = {
  failures: LATER,
  failureRate: LATER,
  minimumCalls: LATER,
  windowMs: LATER,
  openMs: LATER,
  maxOpenMs: LATER,
};

/** A path that begins nowhere would begin somewhere else in every process. */
const PATH: Form = { what: "an absolute path", holds: (value) => typeof value === "string" && isAbsolute(value) };

const MEMORY: Forms<Extract<StoreWithTtl, { kind: "memory" }>> = {
  kind: TEXT,
  ttl: LATER,
  maxEntries: LATER,
  maxBytes: LATER,
  policy: LATER,
  sweepMs: numberFrom(0),
};

const ON_DISK: Forms<Extract<StoreWithTtl, { path: string }>> = {
  kind: TEXT,
  ttl: LATER,
  path: PATH,
  maxEntries: numberFrom(1),
  maxBytes: numberFrom(1),
  policy: oneOf("fifo", "lru"),
  busyTimeoutMs: numberFrom(0, LONGEST_TIMER_MS),
  wait: oneOf("sync", "async"),
};

const REDIS: Forms<Extract<StoreWithTtl, { kind: "redis" }>> = {
  kind: TEXT,
  ttl: LATER,
  url: TEXT,
  username: TEXT,
  password: SECRET,
  sentinelPassword: SECRET,
  ca: TEXT,
  cert: TEXT,
  key: TEXT,
  connections: LATER,
  timeoutMs: numberFrom(1, LONGEST_TIMER_MS),
};

const REMOTE: Forms<Extract<StoreWithTtl, { kind: "remote" }>> = {
  kind: TEXT,
  ttl: LATER,
  url: TEXT,
  token: SECRET,
  tier: TEXT,
  ca: TEXT,
  cert: TEXT,
  key: TEXT,
  timeoutMs: numberFrom(1, LONGEST_TIMER_MS),
};

const STORES = { memory: MEMORY, sqlite: ON_DISK, file: ON_DISK, redis: REDIS, remote: REMOTE };

/** @throws CacheError `invalid-options`, `invalid-resilience` */
export function checkOpenOptions(options: OpenCacheOptions): void {
  checkOptions("openCache", options, OPTIONS);
  const { resilience } = options;
  if (!resilience) return;
  checkOptions("resilience", resilience, RESILIENCE, "invalid-resilience");
  if (resilience.breaker) checkOptions("the breaker", resilience.breaker, BREAKER, "invalid-resilience");
}

/** A store that was given as an object. @throws CacheError `invalid-store` */
export function checkStore(store: StoreWithTtl | null): asserts store is StoreWithTtl {
  const fail = (message: string) =>
    new CacheError("usage", "invalid-store", message, { hint: 'Write it like { store: "sqlite:./cache.db" }.' });
  if (typeof store !== "object" || store === null || !Object.hasOwn(STORES, store.kind)) {
    throw fail("openCache needs a store");
  }
  checkOptions(`the store "${store.kind}"`, store, STORES[store.kind], "invalid-store");
  if ("url" in STORES[store.kind] && !("url" in store && store.url !== undefined))
    throw fail(`a ${store.kind} store needs a url`);
  if ("path" in STORES[store.kind] && !("path" in store && store.path !== undefined))
    throw fail(`a ${store.kind} store needs a path`);
}

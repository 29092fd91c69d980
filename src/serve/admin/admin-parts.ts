import type { Backend } from "../../backends/backend.js";
import type { Cache } from "../../cache/cache.js";
import type { Clock } from "../../clock.js";
import type { HttpCache } from "../../http/http-cache.js";
import type { ExplainContext } from "../explain-url.js";
import type { Watch } from "../watching/watch.js";

/** What groups of routes work on. */
export interface AdminParts {
  readonly cache: Cache;
  /** The store below the cache, for routes that speak its contract. */
  readonly backend: Backend;
  /** The HTTP responses in the cache. */
  readonly http: HttpCache;
  readonly clock: Clock;
  /** Raw prefix of every key, empty where the whole store is ours. */
  readonly namespace: string;
  /** A proxy runs, which can answer from origins where the store is away. */
  readonly proxies: boolean;
  /** The store is being filled, as it was to be at the start. */
  readonly warming: () => boolean;
  /** Empties a memory tier that other processes of this server have for themselves. @returns how many entries went */
  readonly clearElsewhere: (tier: string) => Promise<number>;
  /** Somebody takes requests for the proxy, where there is one. */
  readonly serves: () => boolean;
  /** Under which rules requests are, as they are just now. */
  readonly explaining: () => Omit<ExplainContext, "store" | "now">;
  /** What goes on in the server; absent where nobody looks. */
  readonly watch: Watch | undefined;
  /** Is given when the server begins to stop: answers that have no end of their own end then. */
  readonly stopping: AbortSignal;
}

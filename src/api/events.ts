/** What `GET /events` tells besides the samples of the monitor: `point` after each look, `points` with those of before to who comes, and `health`. */
export interface ServerPoint {
  /** Epoch milliseconds of its end, and how many it is about. */
  at: number;
  ms: number;
  /** Requests that ended meanwhile, by what became of them: `HIT`, `MISS`, …; none are left out. */
  requests: Readonly<Record<string, number>>;
  /** Milliseconds within which half of them, and 99 in 100, were answered, estimated from a histogram; null where there were none. */
  p50: number | null;
  p99: number | null;
  /** Requests that had not ended, and connections, at its end. */
  running: number;
  connections: number;
  /** Bytes from clients and to them. */
  received: number;
  sent: number;
  /** Lookups in the store as a whole. */
  hits: number;
  misses: number;
  /** Fastest first. */
  tiers: readonly TierPoint[];
}

/** What is counted is since the point before; what is held is at its end, where the store says it. */
export interface TierPoint {
  name: string;
  hits: number;
  misses: number;
  evictions: number;
  errors: number;
  entries?: number;
  bytes?: number;
  /** Milliseconds of a round trip, null where there was none. */
  latency: number | null;
}

type BreakerName = "closed" | "half-open" | "open" | "off";

/** How the server and its stores do just now. */
export interface ServerHealth {
  at: number;
  version: string;
  /** Clients are served; else it is a cache server alone. */
  proxies: boolean;
  /** Names of what the monitor warns of. */
  alerts: readonly string[];
  /** Since its counters began, over all processes that count in the store. */
  totals: { hits: number; misses: number; sets: number };
  tiers: readonly TierState[];
  /** What stands in for the store while it is away; absent where there is nothing. */
  fallback?: { active: boolean; hits: number; misses: number; writes: number; pending: number; overflowed: boolean };
}

export interface TierState {
  name: string;
  kind: string;
  /** Without secrets. */
  target?: string;
  connected: boolean;
  latency: number | null;
  /** Why it does not answer. */
  error?: string;
  breaker?: BreakerName;
  trips?: number;
  /** It answers reads; false while it might hold what is no longer current. */
  inUse: boolean;
  /** Milliseconds since it was last known to follow the stores below. */
  lagMs?: number;
  /** Deletions of copies that it has not confirmed. */
  owed?: number;
  warnings: readonly string[];
  entries?: number;
  bytes?: number;
  /** Of the whole database of a server, whoever they are. */
  keys?: number;
  hits: number;
  misses: number;
  evictions: number;
  errors: number;
}

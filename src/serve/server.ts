import type { Socket } from "node:net";
import type { Cache } from "../cache/cache.js";
import type { HeardChange } from "../cache/change-feed.js";
import type { Clock } from "../clock.js";
import type { AdminSettings } from "../config/admin-settings.js";
import type { AdminToken } from "../config/admin-tokens.js";
import type { OriginRoute } from "../config/origin-url.js";
import type { CacheableMethod, Rule } from "../config/rules.js";
import { trustedProxies } from "../http/forwarded.js";
import { HttpCache } from "../http/http-cache.js";
import { Rules } from "../http/rules.js";
import type { AdminParts } from "./admin/admin-parts.js";
import { isAdminPath } from "./admin/admin-path.js";
import type { AdminApi } from "./admin/admin-server.js";
import { Listener, type Patience, type TlsFiles } from "./listener.js";
import { CachingProxy } from "./proxy.js";
import type { ProxyListener } from "./proxy-listener.js";
import { Rewarming, type RewarmingReport } from "./rewarming.js";
import { Upstream, type UpstreamOptions } from "./upstream.js";
import { NO_WARMING, StartWarming, type WarmingReport, type WarmListener, type WarmPlan } from "./warming.js";
import type { Watch } from "./watching/watch.js";

/** All that `cache serve` is told; every setting resolved. */
export interface ServeOptions extends Omit<UpstreamOptions, "routes"> {
  host: string;
  /** 0 = any that is free. */
  port: number;
  origins: readonly OriginRoute[];
  tls?: TlsFiles;
  /** Milliseconds of freshness for responses that carry none. */
  defaultLifetimeMs: number | undefined;
  /** Bytes of the largest body that is kept. */
  maxObjectBytes: number;
  /** Milliseconds that a stop waits for what runs. */
  drainMs: number;
  preserveHost: boolean;
  /** Addresses and networks whose `X-Forwarded-*` are believed. */
  trustedProxies: readonly string[];
  /** Our name in `Via`. */
  pseudonym: string;
  stripTags: boolean;
  /** The first that matches a request counts. */
  rules?: readonly Rule[];
  /** Milliseconds without a byte after which a connection that speaks another protocol ends. Default 10 minutes. */
  tunnelIdleMs?: number;
  /** How long clients may take. */
  patience?: Partial<Patience>;
  /** Methods whose responses are kept where no rule says which. Default GET and HEAD. */
  cacheableMethods?: readonly CacheableMethod[];
  /** Absent: there is no admin API. */
  admin?: AdminPlace;
  /** What the store is filled with while the first requests are served, and who is told how that goes. */
  warm?: WarmPlan & WarmListener;
  /** What was asked for and then invalidated is fetched again. */
  rewarm?: boolean;
  /** Milliseconds by which that is later than it could be: another process may do it. */
  rewarmAfterMs?: number;
}

/** Where the admin API is, and who is let in. */
export interface AdminPlace extends Omit<AdminSettings, "tokensFile"> {
  tokens: readonly AdminToken[];
  /** Raw prefix of every key of the cache. */
  namespace: string;
  /** What goes on in this server, for metrics and events. */
  watch?: Watch;
  /** Who serves clients in the place of this process. */
  crew?: {
    readonly serves: boolean;
    readonly warming: boolean;
    clear(tier: string): Promise<number>;
  };
}

/** Is told what goes on in a running server; nothing that is called here may fail. */
export interface ServeListener extends ProxyListener {
  connected?(socket: Socket): void;
  /** Something changed in the store; one change may be told more than once. */
  changed?(change: HeardChange): void;
  /** The last request has ended, or the server could not start: the store is closed next. */
  settled?(): Promise<void>;
}

/** A running proxy, or admin API, or both. */
export interface RunningServer {
  /** The proxy's, `http://127.0.0.1:4000`; the admin API's where only that runs, since there is no origin. */
  readonly url: string;
  /** Absent where there is no admin API. */
  readonly adminUrl: string | undefined;
  /** Other rules from the next request on. */
  useRules(rules: readonly Rule[]): void;
  /** Another certificate for new connections; those that stand keep theirs. */
  renewTls(tls: TlsFiles): void;
  /** Other tokens of the admin API from the next request on. */
  useTokens(tokens: readonly AdminToken[]): void;
  /** How far the warming at start is. */
  readonly warming: Readonly<WarmingReport>;
  /** What is fetched again after invalidations; absent where nothing is. */
  readonly rewarming: RewarmingReport | undefined;
  /** Takes no more requests, ends what runs, and lets the store go. @returns false if something was cut */
  stop(): Promise<boolean>;
}

/**
 * Starts the proxy over a cache, which is closed with it, also where it can't start.
 * @throws CacheError `port-in-use`, `cannot-listen`, `invalid-address`
 */
export async function startServer(
  cache: Cache,
  clock: Clock,
  options: ServeOptions,
  listener: ServeListener,
): Promise<RunningServer> {
  try {
    return await start(cache, clock, options, listener);
  } catch (error) {
    await listener.settled?.();
    await cache.close();
    throw error;
  }
}

async function start(
  cache: Cache,
  clock: Clock,
  options: ServeOptions,
  listener: ServeListener,
): Promise<RunningServer> {
  const { host, port, tls, origins, trustedProxies: trusted, drainMs, admin: place } = options;
  const stopping = new AbortController();
  const http = new HttpCache(cache, clock);
  let rules = options.rules ?? [];
  const ruled = () => new Rules(rules, options.cacheableMethods);
  const upstream = new Upstream({ ...options, routes: origins });
  const rewarming = options.rewarm
    ? new Rewarming(clock, (url, fields) => proxy.warm(url, fields), options.rewarmAfterMs)
    : undefined;
  const proxy = new CachingProxy(
    http,
    upstream,
    clock,
    {
      ...options,
      trusted: trustedProxies(trusted),
      rules: ruled(),
      held: rewarming && ((question, response) => rewarming.held(question, response)),
    },
    listener,
  );
  const proxies = origins.length > 0 || place === undefined;
  const { cacheableMethods = DEFAULT_METHODS, defaultLifetimeMs } = options;
  const parts: AdminParts = {
    ...{
      cache,
      http,
      clock,
      proxies: proxies || place?.crew !== undefined,
      backend: cache.backend,
      stopping: stopping.signal,
    },
    namespace: place?.namespace ?? "",
    watch: place?.watch,
    clearElsewhere: async (tier) => (await place?.crew?.clear(tier)) ?? 0,
    serves: () => place?.crew?.serves ?? true,
    warming: () => place?.crew?.warming ?? warming?.report.state === "warming",
    explaining: () => ({ rules, cacheableMethods, defaultLifetimeMs }),
  };
  let warming: StartWarming | undefined;
  const admin = place && (await loadAdmin(parts, place, listener));
  const following = cache.follow((change) => {
    listener.changed?.(change);
    rewarming?.changed(change);
    // A write is a response that came later: who waits for an earlier one may have either.
    if ("gap" in change) proxy.changed({ all: true });
    else if (change.op !== "write") proxy.changed(change.selector);
  });
  const onConnection = (socket: Socket) => listener.connected?.(socket);
  const shared = proxies && place?.sharesPort ? admin : undefined;
  const front = new Listener({
    host,
    port,
    ...(tls && { tls }),
    ...(options.patience && { patience: options.patience }),
    onRequest: (request, response) => {
      if (shared && isAdminPath(request.url ?? "")) shared.handle(request, response);
      else proxy.handle(request, response);
    },
    onConnection,
    onUpgrade: (request, head, protocols) => {
      if (shared && isAdminPath(request.url ?? "")) return false;
      proxy.upgrade(request, head, protocols);
      return true;
    },
  });
  const back =
    admin && place && !shared
      ? new Listener({
          host: place.host,
          port: place.port,
          // Nobody has a certificate for 127.0.0.1.
          ...(tls && place.exposed && { tls }),
          onRequest: (request, response) => admin.handle(request, response),
          patience: ADMIN_PATIENCE,
        })
      : undefined;
  try {
    if (proxies) await front.listen();
    await back?.listen();
  } catch (error) {
    await front.close(clock, 0);
    following.stop();
    await upstream.close();
    throw error;
  }
  const filling = new StartWarming(cache, options.warm ?? NO_WARMING, {
    warm: (asked, fields) => proxy.warm(asked, fields),
    ask: (asked, fields, signal) => proxy.ask(asked, fields, signal),
    // Behind others the scheme is what they say, else that of the port.
    asAsked: (asked) => (trusted.length > 0 ? asked : asked.replace(/^https?(?=:)/i, tls ? "https" : "http")),
  });
  warming = filling;
  const url = proxies || back === undefined ? front.url : back.url;
  return {
    url,
    adminUrl: admin && (back?.url ?? front.url),
    useRules(now) {
      rules = now;
      proxy.useRules(ruled());
    },
    renewTls(files) {
      front.renewTls(files);
      if (place?.exposed) back?.renewTls(files);
    },
    useTokens: (tokens) => admin?.useTokens(tokens),
    warming: filling.report,
    get rewarming() {
      return rewarming?.report;
    },
    async stop() {
      const until = clock.monotonic() + drainMs;
      stopping.abort();
      const warm = [filling.stop(), rewarming?.stop()];
      const drained = await front.close(clock, drainMs);
      const over = new AbortController();
      await Promise.race([proxy.settled(), clock.sleep(until - clock.monotonic(), over.signal)]);
      over.abort();
      // Cuts what is still asked of origins: responses that nobody waits for any more.
      await upstream.close();
      await proxy.settled();
      // It goes last: until then it says how the rest is doing.
      const answered = await (back?.close(clock, Math.max(until - clock.monotonic(), 0)) ?? true);
      await Promise.all([proxy.settled(), ...warm]);
      following.stop();
      await listener.settled?.();
      await cache.close();
      return drained && answered;
    },
  };
}

/** A value in pieces, or a deletion in steps, is one request for as long as it takes; who has no token is refused before. */
const ADMIN_PATIENCE = { requestMs: 3_600_000 };

const DEFAULT_METHODS: readonly CacheableMethod[] = ["GET", "HEAD"];

/** fastify is loaded only where there is an admin API. */
async function loadAdmin(parts: AdminParts, { tokens, names }: AdminPlace, listener: ServeListener): Promise<AdminApi> {
  const { openAdmin } = await import("./admin/admin-server.js");
  return openAdmin(parts, { tokens, names, failed: (error) => listener.storeFailed(error) });
}

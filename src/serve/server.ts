import type { Socket } from "node:net";
import type { Cache } from "../cache/cache.js";
import type { HeardChange } from "../cache/change-feed.js";
import type { Clock } from "../clock.js";
import type { OriginRoute } from "../config/origin-url.js";
import type { CacheableMethod, Rule } from "../config/rules.js";
import { trustedProxies } from "../http/forwarded.js";
import { HttpCache } from "../http/http-cache.js";
import { Rules } from "../http/rules.js";
import { Listener, type TlsFiles } from "./listener.js";
import { CachingProxy, type ProxyListener } from "./proxy.js";
import { Upstream, type UpstreamOptions } from "./upstream.js";

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
  /** Methods whose responses are kept where no rule says which. Default GET and HEAD. */
  cacheableMethods?: readonly CacheableMethod[];
}

/** Is told what goes on in a running server; nothing that is called here may fail. */
export interface ServeListener extends ProxyListener {
  connected?(socket: Socket): void;
  /** Something changed in the store; one change may be told more than once. */
  changed?(change: HeardChange): void;
}

/** A running proxy. */
export interface RunningServer {
  /** `http://127.0.0.1:4000` */
  readonly url: string;
  /** Other rules from the next request on. */
  useRules(rules: readonly Rule[]): void;
  /** Another certificate for new connections; those that stand keep theirs. */
  renewTls(tls: TlsFiles): void;
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
  const { host, port, tls, origins, trustedProxies: trusted, drainMs } = options;
  const upstream = new Upstream({ ...options, routes: origins });
  const proxy = new CachingProxy(
    new HttpCache(cache, clock),
    upstream,
    clock,
    { ...options, trusted: trustedProxies(trusted), rules: new Rules(options.rules, options.cacheableMethods) },
    listener,
  );
  const following = cache.follow((change) => {
    listener.changed?.(change);
    // A write is a response that came later: who waits for an earlier one may have either.
    if ("gap" in change) proxy.changed({ all: true });
    else if (change.op !== "write") proxy.changed(change.selector);
  });
  const front = new Listener({
    host,
    port,
    ...(tls && { tls }),
    onRequest: (request, response) => proxy.handle(request, response),
    onConnection: (socket) => listener.connected?.(socket),
  });
  try {
    await front.listen();
  } catch (error) {
    following.stop();
    await upstream.close();
    throw error;
  }
  return {
    url: front.url,
    useRules: (rules) => proxy.useRules(new Rules(rules, options.cacheableMethods)),
    renewTls: (files) => front.renewTls(files),
    async stop() {
      const until = clock.monotonic() + drainMs;
      const drained = await front.close(clock, drainMs);
      const over = new AbortController();
      await Promise.race([proxy.settled(), clock.sleep(until - clock.monotonic(), over.signal)]);
      over.abort();
      // Cuts what is still asked of origins: responses that nobody waits for any more.
      await upstream.close();
      await proxy.settled();
      following.stop();
      await cache.close();
      return drained;
    },
  };
}

import { request } from "undici";
import type { Cache } from "../../../src/cache/cache.js";
import { systemClock } from "../../../src/clock.js";
import { type AdminRole, newToken, tokenEntry } from "../../../src/config/admin-tokens.js";
import { type OpenCacheOptions, openCache } from "../../../src/library.js";
import { type RunningServer, type ServeOptions, startServer } from "../../../src/serve/server.js";
import { Watch, type WatchOptions } from "../../../src/serve/watching/watch.js";
import { FakeClock } from "../../support/fake-clock.js";
import { type HttpOrigin, startOrigin } from "../../support/http-origin.js";
import { until } from "../../support/until.js";

export interface WatchedSetup {
  store?: OpenCacheOptions["store"];
  cache?: Partial<OpenCacheOptions>;
  options?: Partial<ServeOptions>;
  watch?: Partial<WatchOptions>;
  clock?: FakeClock;
  /** Time passes by itself. */
  live?: true;
}

interface Answer {
  status: number;
  type: unknown;
  text: string;
}

/** A proxy that is watched, in front of a real origin. */
export interface Watched {
  readonly origin: HttpOrigin;
  readonly server: RunningServer;
  readonly cache: Cache;
  readonly clock: FakeClock;
  readonly watch: Watch;
  readonly tokens: Readonly<Record<AdminRole, string>>;
  /** What the log was told. */
  readonly warnings: string[];
  /** The status, when the whole response was read. */
  get(path: string, fields?: Record<string, string>): Promise<number>;
  /** An answer of the admin API, to an operator where nobody else is named. */
  admin(path: string, options?: { as?: AdminRole | null; method?: "GET" | "POST"; body?: object }): Promise<Answer>;
  /** Figures by name and labels as Prometheus would have them, when all requests have ended. */
  scrape(): Promise<Map<string, number>>;
  stop(): Promise<void>;
}

export async function startWatched(answer: HttpOrigin["answer"], setup: WatchedSetup = {}): Promise<Watched> {
  const tokens = { viewer: newToken(), operator: newToken() };
  const clock = setup.clock ?? new FakeClock(Date.now());
  const time = setup.live ? systemClock : clock;
  const origin = await startOrigin(answer, () => time.now());
  const warnings: string[] = [];
  let watch: Watch | undefined;
  const cache = await openCache({
    store: setup.store ?? "memory:",
    namespace: "http",
    clock: time,
    ...setup.cache,
    onEvent: (event) => watch?.heard(event),
  });
  watch = new Watch(cache, time, {
    origins: [origin.url],
    monitorMs: 0,
    thresholds: {},
    warn: (message) => warnings.push(message),
    ...setup.watch,
  });
  const server = await startServer(
    cache,
    time,
    {
      host: "127.0.0.1",
      port: 0,
      origins: [{ path: "/", url: origin.url }],
      maxObjectBytes: 100_000_000,
      drainMs: 1000,
      preserveHost: false,
      trustedProxies: [],
      pseudonym: "cache-test",
      stripTags: false,
      defaultLifetimeMs: undefined,
      admin: {
        ...{ host: "127.0.0.1", port: 0, sharesPort: false, exposed: false, names: [], namespace: "http:" },
        tokens: [tokenEntry(tokens.viewer, "v", "viewer"), tokenEntry(tokens.operator, "o", "operator")],
        watch,
      },
      ...setup.options,
    },
    watch,
  );
  const admin: Watched["admin"] = async (path, { as = "operator", method = "GET", body: sent } = {}) => {
    const { statusCode, headers, body } = await request(`${server.adminUrl}${path}`, {
      method,
      headers: {
        ...(as && { authorization: `Bearer ${tokens[as]}` }),
        ...(sent && { "content-type": "application/json" }),
      },
      body: sent ? JSON.stringify(sent) : null,
    });
    return { status: statusCode, type: headers["content-type"], text: await body.text() };
  };
  return {
    origin,
    server,
    cache,
    clock,
    watch,
    warnings,
    tokens,
    admin,
    async get(path, headers = {}) {
      const { statusCode, body } = await request(server.url + path, { headers });
      await body.text();
      return statusCode;
    },
    async scrape() {
      return until(async () => {
        const figures = figuresOf((await admin("/metrics")).text);
        return figures.get("cache_http_requests_running") === 0 && figures;
      });
    },
    async stop() {
      await server.stop();
      await origin.stop();
    },
  };
}

/** Reads the text form of Prometheus: `name{label="value"}` to its value. */
function figuresOf(text: string): Map<string, number> {
  const figures = new Map<string, number>();
  for (const line of text.split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    const at = line.lastIndexOf(" ");
    figures.set(line.slice(0, at), Number(line.slice(at + 1)));
  }
  return figures;
}

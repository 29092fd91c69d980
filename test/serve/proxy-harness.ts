import { request } from "undici";
import type { Cache } from "../../src/cache/cache.js";
import type { Clock } from "../../src/clock.js";
import { type OpenCacheOptions, openCache } from "../../src/library.js";
import { type RunningServer, type ServeListener, type ServeOptions, startServer } from "../../src/serve/server.js";
import { NO_WARMING, type WarmPlan } from "../../src/serve/warming.js";
import { FakeClock } from "../support/fake-clock.js";
import { type HttpOrigin, startOrigin } from "../support/http-origin.js";

export interface ProxySetup {
  store?: OpenCacheOptions["store"];
  options?: Partial<Omit<ServeOptions, "warm">> & { warm?: WarmPlan };
  listener?: Partial<ServeListener>;
  /** Default one that the test moves: with it nothing that waits for a store that is away is ever tried again. */
  time?: Clock;
}

interface Got {
  status: number;
  fields: Record<string, string | string[] | undefined>;
  text: string;
}

/** A proxy over a real store in front of a real origin, and a clock that the test moves. */
export interface ProxyUnderTest {
  readonly origin: HttpOrigin;
  readonly server: RunningServer;
  readonly cache: Cache;
  readonly clock: FakeClock;
  /** What the store, or a warming, failed in. */
  readonly failures: unknown[];
  send(method: string, path: string, fields?: Record<string, string>, body?: string): Promise<Got>;
  get(path: string, fields?: Record<string, string>): Promise<Got>;
  stop(): Promise<void>;
}

export async function startProxy(answer: HttpOrigin["answer"], setup: ProxySetup = {}): Promise<ProxyUnderTest> {
  const { store = "memory:", options } = setup;
  const clock = new FakeClock(Date.now());
  const { time = clock } = setup;
  const origin = await startOrigin(answer, () => time.now());
  const cache = await openCache({ store, namespace: "http", clock: time });
  const failures: unknown[] = [];
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
      ...options,
      warm: { ...NO_WARMING, ...options?.warm, failed: (error) => failures.push(error) },
    },
    {
      answered: () => {},
      asked: () => {},
      storeFailed: (error) => failures.push(error),
      ...setup.listener,
    },
  );
  const send: ProxyUnderTest["send"] = async (method, path, headers = {}, body) => {
    const answered = await request(server.url + path, { method: method as "GET", headers, body: body ?? null });
    return { status: answered.statusCode, fields: answered.headers, text: await answered.body.text() };
  };
  return {
    origin,
    server,
    cache,
    clock,
    failures,
    send,
    get: (path, fields) => send("GET", path, fields),
    async stop() {
      await server.stop();
      await origin.stop();
    },
  };
}

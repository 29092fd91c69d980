import type { BrowserContextOptions, Page } from "playwright-core";
import { afterAll, beforeAll } from "vitest";
import type { Cache } from "../../../src/cache/cache.js";
import { systemClock } from "../../../src/clock.js";
import { type AdminRole, type AdminToken, newToken, tokenEntry } from "../../../src/config/admin-tokens.js";
import type { Rule } from "../../../src/config/rules.js";
import { openCache } from "../../../src/library.js";
import { type RunningServer, startServer } from "../../../src/serve/server.js";
import { NO_WARMING } from "../../../src/serve/warming.js";
import { Watch } from "../../../src/serve/watching/watch.js";
import { useBrowser } from "../../support/browser.js";
import { type HttpOrigin, startOrigin } from "../../support/http-origin.js";
import { tempDir } from "../../support/temp-dir.js";

/** A server with its admin page, and a browser in front of it. */
export interface PageUnderTest {
  readonly cache: Cache;
  readonly server: RunningServer;
  /** Of the page and the admin API. */
  readonly url: string;
  /** Of the proxy. */
  readonly proxy: string;
  readonly tokens: Readonly<Record<AdminRole, string>>;
  /** As the server knows them. */
  readonly known: readonly AdminToken[];
  /** The page, at a screen of it: `#/entries`. Default: logged in as an operator. */
  open(hash?: string, options?: OpenOptions): Promise<Page>;
}

interface OpenOptions extends BrowserContextOptions {
  as?: AdminRole | null;
}

export interface PageSetup {
  /** What the origin says. */
  answer?: HttpOrigin["answer"];
  rules?: readonly Rule[];
  /** Default: memory over SQLite. */
  store?: () => Promise<string>;
  /** Default `shop`. */
  namespace?: string;
}

/** For the tests of a file. */
export function usePage({ answer = hello, rules = [], store, namespace = "shop" }: PageSetup = {}): PageUnderTest {
  const browser = useBrowser();
  const tokens = { viewer: newToken(), operator: newToken() };
  const known = [tokenEntry(tokens.viewer, "vera", "viewer"), tokenEntry(tokens.operator, "otto", "operator")];
  let running: { cache: Cache; server: RunningServer; origin: HttpOrigin } | undefined;
  const current = () => {
    if (running) return running;
    throw new Error("the server has not been started");
  };
  beforeAll(async () => {
    const origin = await startOrigin(answer, () => Date.now());
    const stores = store ? await store() : ["memory:", `sqlite:${tempDir("page")}/c.db`];
    const cache = await openCache({ store: stores, namespace });
    const watch = new Watch(cache, systemClock, {
      ...{ origins: [origin.url], monitorMs: 200, thresholds: {}, warn: () => {} },
    });
    const server = await startServer(
      cache,
      systemClock,
      {
        ...{
          host: "127.0.0.1",
          port: 0,
          origins: [{ path: "/", url: origin.url }],
          rules,
          defaultLifetimeMs: undefined,
        },
        ...{ maxObjectBytes: 100_000_000, drainMs: 1000, preserveHost: false, trustedProxies: [] },
        ...{ pseudonym: "cache-test", stripTags: false, warm: { ...NO_WARMING, failed: () => {} } },
        admin: {
          ...{
            host: "127.0.0.1",
            port: 0,
            sharesPort: false,
            exposed: false,
            names: [],
            watch,
            namespace: namespace && `${namespace}:`,
          },
          tokens: known,
        },
      },
      watch,
    );
    running = { cache, server, origin };
  });
  afterAll(async () => {
    await running?.server.stop();
    await running?.origin.stop();
  });
  return {
    tokens,
    known,
    get cache() {
      return current().cache;
    },
    get server() {
      return current().server;
    },
    get url() {
      return current().server.adminUrl ?? "";
    },
    get proxy() {
      return current().server.url;
    },
    async open(hash = "", { as = "operator", ...options } = {}) {
      const url = current().server.adminUrl ?? "";
      if (as === null) return browser.open(`${url}/${hash}`, options);
      const { headers } = await fetch(`${url}/cache/session`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ token: tokens[as] }),
      });
      const [pair = ""] = (headers.get("set-cookie") ?? "").split(";");
      const [name = "", value = ""] = pair.split("=");
      const cookies = [{ name, value, domain: "127.0.0.1", path: "/", expires: -1, httpOnly: true, secure: false }];
      const storageState = { cookies: cookies.map((one) => ({ ...one, sameSite: "Strict" as const })), origins: [] };
      return browser.open(`${url}/${hash}`, { ...options, storageState });
    },
  };
}

const hello: HttpOrigin["answer"] = (_request, response) => {
  response.writeHead(200, { "cache-control": "max-age=60" }).end("hello");
};

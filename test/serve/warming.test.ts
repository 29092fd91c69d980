import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { HttpCache } from "../../src/http/http-cache.js";
import { exportEntries } from "../../src/transfer/export.js";
import type { HttpOrigin } from "../support/http-origin.js";
import { startOrigin } from "../support/http-origin.js";
import { runBinary } from "../support/run-binary.js";
import { tempDir } from "../support/temp-dir.js";
import { until } from "../support/until.js";
import { startAdmin } from "./admin/admin-harness.js";
import { type ProxySetup, type ProxyUnderTest, startProxy } from "./proxy-harness.js";
import { type Serving, startServing } from "./serving.js";

const SITE = "http://www.example.com";
const HOST = { host: "www.example.com" };
const KEPT = { "cache-control": "max-age=60" };

let proxy: ProxyUnderTest | undefined;
afterEach(async () => {
  await proxy?.stop();
  proxy = undefined;
});

const plain: HttpOrigin["answer"] = ({ url }, response) => void response.writeHead(200, KEPT).end(url);

async function started(
  answer: HttpOrigin["answer"],
  options: ProxySetup["options"] & object,
  setup: ProxySetup = {},
): Promise<ProxyUnderTest> {
  proxy = await startProxy(answer, { ...setup, options });
  return proxy;
}

function listOf(text: string | Uint8Array, name = "urls.txt"): string {
  const path = join(tempDir("warming"), name);
  writeFileSync(path, text);
  return path;
}

const ended = async ({ server }: ProxyUnderTest) => {
  await until(() => server.warming.state === "done");
  return server.warming;
};
const paths = ({ origin }: Pick<ProxyUnderTest, "origin">) => origin.seen.map(({ url }) => url).sort();

describe("a list of URLs", () => {
  test("is fetched once each, with what browsers send, and answers from the store then; others than configured origins are not asked", async () => {
    const urls = listOf(
      `${SITE}/a\n${SITE}/b\n# no page\n${SITE}/a\nhttp://elsewhere.example/x\nfile:///etc/passwd\nnonsense\n`,
    );
    const stranger = await startOrigin(plain);
    const answer: HttpOrigin["answer"] = ({ url }, response) =>
      void response.writeHead(200, { ...KEPT, vary: "accept-encoding" }).end(url);
    const one = await started(answer, {
      warm: { hottest: false, urls },
      origins: [{ host: "www.example.com", path: "/", url: "http://127.0.0.1:1" }],
    });
    expect((await ended(one)).urls).toEqual({ stored: 0, fresh: 0, "not-kept": 0, foreign: 3, failed: 2 });
    await one.stop();
    proxy = undefined;
    const other = await started(answer, {
      warm: { hottest: false, urls: listOf(`${SITE}/a\n${SITE}/b\n${SITE}/a\n`) },
    });
    expect((await ended(other)).urls).toEqual({ stored: 2, fresh: 0, "not-kept": 0, foreign: 0, failed: 0 });
    expect(paths(other)).toEqual(["/a", "/b"]);
    const got = await other.get("/a", { ...HOST, "accept-encoding": "gzip, deflate" });
    expect([got.fields["x-cache"], got.text]).toEqual(["HIT", "/a"]);
    expect(stranger.seen).toEqual([]);
    await stranger.stop();
  });

  test("few at a time, and whoever asks meanwhile is not behind them", async () => {
    const waiting: (() => void)[] = [];
    const answer: HttpOrigin["answer"] = async ({ url }, response) => {
      if (url.startsWith("/slow")) await new Promise<void>((resolve) => waiting.push(resolve));
      response.writeHead(200, KEPT).end(url);
    };
    const urls = listOf(Array.from({ length: 40 }, (_, i) => `${SITE}/slow/${i}`).join("\n"));
    const one = await started(answer, { warm: { hottest: false, urls } });
    await until(() => waiting.length === 4);
    expect((await one.get("/quick", HOST)).text).toBe("/quick");
    expect([one.server.warming.state, waiting.length]).toEqual(["warming", 4]);
    let most = 0;
    await until(() => {
      most = Math.max(most, waiting.length);
      waiting.shift()?.();
      return one.server.warming.state === "done";
    });
    expect([most, one.server.warming.urls.stored]).toEqual([4, 40]);
  });

  test("the server says of itself that it is ready, and warming", async () => {
    let go = () => {};
    const gate = new Promise<void>((resolve) => {
      go = resolve;
    });
    const answer: HttpOrigin["answer"] = async (_request, response) => {
      await gate;
      response.writeHead(200, KEPT).end();
    };
    const one = await startAdmin({ options: { warm: { hottest: false, urls: listOf(`${SITE}/a`) } } }, answer);
    proxy = one;
    const ready = { status: "ready", degraded: false };
    expect((await one.call("/health/ready", { as: null })).json()).toEqual({ ...ready, warming: true });
    go();
    await ended(one);
    expect((await one.call("/health/ready", { as: null })).json()).toEqual({ ...ready, warming: false });
  });

  test("what rules or the origin do not let be kept is no failure, and what is fresh is not asked for", async () => {
    const answer: HttpOrigin["answer"] = ({ url }, response) => {
      response.writeHead(url === "/gone" ? 404 : 200, url === "/no" ? { "cache-control": "no-store" } : KEPT).end(url);
    };
    const dir = tempDir("warming");
    const store = `sqlite:${join(dir, "c.db")}`;
    const urls = listOf(["no", "yes", "cut"].map((name) => `${SITE}/${name}`).join("\n"));
    const one = await started(answer, { warm: { hottest: false, urls } }, { store });
    expect((await ended(one)).urls).toMatchObject({ stored: 2, "not-kept": 1 });
    await one.stop();
    const other = await started(answer, { warm: { hottest: false, urls } }, { store });
    expect((await ended(other)).urls).toMatchObject({ fresh: 2, "not-kept": 1 });
    expect(paths(other)).toEqual(["/no"]);
  });

  test("may be an index of sitemaps of a configured origin, packed and moved; nothing is asked of others, and no file that it names is read", async () => {
    const secret = listOf(`${SITE}/secret\n`);
    const locations = (element: string, urls: readonly string[]) =>
      urls.map((url) => `<${element}><loc>${url}</loc></${element}>`).join("");
    const answer: HttpOrigin["answer"] = ({ url }, response) => {
      const all = ["/one.xml.gz", "/gone.xml"].map((path) => SITE + path);
      if (url === "/sitemap.xml") response.writeHead(301, { location: "/index.xml" }).end();
      else if (url === "/index.xml")
        response.end(`<sitemapindex>${locations("sitemap", [...all, secret])}</sitemapindex>`);
      else if (url === "/one.xml.gz")
        response.end(gzipSync(`<urlset>${locations("url", [`${SITE}/a`, `${SITE}/b?x=1&amp;y=2`])}</urlset>`));
      else if (url === "/gone.xml") response.writeHead(404).end();
      else response.writeHead(200, KEPT).end(url);
    };
    const one = await started(answer, { warm: { hottest: false, urls: `${SITE}/sitemap.xml` } });
    expect((await ended(one)).urls).toMatchObject({ stored: 2, foreign: 0 });
    expect(paths(one)).toEqual(["/a", "/b?x=1&y=2", "/gone.xml", "/index.xml", "/one.xml.gz", "/sitemap.xml"]);
    expect(one.failures.map(String)).toEqual([
      expect.stringContaining("its origin says 404"),
      expect.stringContaining("it is no http or https URL"),
    ]);
  });

  test("a list that can't be read is told, and requests are served", async () => {
    const one = await started(plain, { warm: { hottest: false, urls: "/nowhere/urls.txt" } });
    await ended(one);
    expect(one.failures.map(String)).toEqual([expect.stringContaining("there is no file /nowhere/urls.txt")]);
    expect((await one.get("/a")).text).toBe("/a");
  });

  test("a server that stops in the middle of it does not wait for the rest", async () => {
    const answer: HttpOrigin["answer"] = ({ url }, response) => {
      if (url === "/a") response.writeHead(200, KEPT).end("a");
    };
    const urls = listOf(Array.from({ length: 1000 }, (_, i) => `${SITE}/${i}`).join("\n"));
    const one = await started(answer, { warm: { hottest: false, urls }, drainMs: 0 });
    await until(() => one.origin.seen.length === 4);
    await one.server.stop();
    expect([one.server.warming.state, one.origin.seen.length]).toEqual(["stopped", 4]);
  });
});

describe("entries", () => {
  test("of the lowest tier are in memory before anybody asks", async () => {
    const store = `sqlite:${join(tempDir("warming"), "c.db")}`;
    const first = await started(plain, {}, { store });
    for (let i = 0; i < 50; i++) await first.get(`/${i}`, HOST);
    await first.stop();
    const second = await started(plain, { warm: { hottest: true } }, { store: ["memory:", store] });
    expect((await ended(second)).copied).toBe(50);
    const inMemory = Array.from({ length: 50 }, (_, i) => second.cache.readNow(`r:GET ${SITE}/${i}`, "value"));
    expect(inMemory.filter((entry) => entry !== undefined)).toHaveLength(50);
    expect((await second.get("/7", HOST)).fields["x-cache"]).toBe("HIT");
  });

  test("of an export are responses again, with their age and what they vary on", async () => {
    const first = await started(
      ({ url }, response) => void response.writeHead(200, { ...KEPT, vary: "accept-language" }).end(url),
      {},
      { store: `sqlite:${join(tempDir("warming"), "c.db")}` },
    );
    await first.get("/a", { ...HOST, "accept-language": "de" });
    const lines: Buffer[] = [];
    await exportEntries(first.cache, { all: true }, async (some) => void lines.push(some));
    await first.stop();
    const second = await started(plain, {
      warm: { hottest: false, entries: listOf(Buffer.concat(lines), "export.ndjson") },
    });
    expect(await ended(second)).toMatchObject({ loaded: 2, rejected: 0 });
    expect(await second.get("/a", { ...HOST, "accept-language": "de" })).toMatchObject({
      fields: { "x-cache": "HIT" },
      text: "/a",
    });
    expect((await second.get("/a", { ...HOST, "accept-language": "fr" })).fields["x-cache"]).toBe("MISS");
    second.clock.advance(61_000);
    expect((await second.get("/a", { ...HOST, "accept-language": "de" })).fields["x-cache"]).toBe("MISS");
  });

  test("of a file are stored where there are none; a bad one is counted", async () => {
    const entries = listOf('{"key":"a","value":"1"}\n{"key":"b","value":"2"}\n{"key":"c"}\n', "entries.ndjson");
    const store = `sqlite:${join(tempDir("warming"), "c.db")}`;
    const first = await started(plain, {}, { store });
    await first.cache.set("a", "before");
    await first.stop();
    const second = await started(plain, { warm: { hottest: false, entries } }, { store });
    expect(await ended(second)).toMatchObject({ loaded: 1, rejected: 1 });
    const values = await second.cache.readMany(["a", "b"]);
    expect(values.map((one) => one && Buffer.from(one.value).toString())).toEqual(['"before"', "2"]);
  });
});

describe("what was invalidated", () => {
  let count: number;
  const numbered: HttpOrigin["answer"] = ({ method, url, headers }, response) => {
    if (method === "POST") response.writeHead(204).end();
    else {
      count += 1;
      const vary = url.startsWith("/vary")
        ? { vary: "accept-language" }
        : url.startsWith("/own")
          ? { vary: "cookie" }
          : {};
      response.writeHead(200, { ...KEPT, "cache-tag": url === "/a" ? "news" : "sport", ...vary });
      response.end(`${url} ${headers["accept-language"] ?? ""} ${count}`);
    }
  };
  beforeEach(() => {
    count = 0;
  });

  async function rewarming() {
    const one = await started(numbered, { rewarm: true });
    for (const path of ["/a", "/b"]) await one.get(path, HOST);
    await one.get("/vary", { ...HOST, "accept-language": "de" });
    await one.get("/vary", { ...HOST, "accept-language": "fr" });
    await one.get("/own", { ...HOST, cookie: "sid=1" });
    expect(count).toBe(5);
    return { one, purge: new HttpCache(one.cache, one.clock) };
  }

  /** When it was fetched again, and nothing waits any more. */
  async function fetched(one: ProxyUnderTest, howMany: number) {
    await until(() => {
      one.clock.advance(50);
      const report = one.server.rewarming;
      const sum = Object.values(report?.urls ?? {}).reduce((total, some) => total + some, 0);
      return sum >= howMany && report?.queued === 0;
    });
    return one.origin.seen
      .slice(5)
      .map(({ method, url, headers }) => `${method} ${url} ${headers["accept-language"] ?? ""}`.trim())
      .sort();
  }

  test("by URL is fetched again, and the next who asks has it from the store", async () => {
    const { one, purge } = await rewarming();
    await purge.purge({ urls: [`${SITE}/a`] });
    await purge.purge({ urls: [`${SITE}/a`] });
    expect(await fetched(one, 1)).toEqual(["GET /a"]);
    expect(await one.get("/a", HOST)).toMatchObject({ fields: { "x-cache": "HIT" }, text: "/a  6" });
  });

  test("by tag, glob and a change at the origin: what it concerns and no more, each variant that was asked for", async () => {
    const { one, purge } = await rewarming();
    await purge.purge({ tags: ["news"] });
    expect(await fetched(one, 1)).toEqual(["GET /a"]);
    await purge.purge({ match: "/vary*" });
    expect(await fetched(one, 3)).toEqual(["GET /a", "GET /vary de", "GET /vary fr"]);
    expect((await one.get("/vary", { ...HOST, "accept-language": "fr" })).fields["x-cache"]).toBe("HIT");
    await one.send("POST", "/b", HOST, "x");
    expect(await fetched(one, 4)).toEqual(["GET /a", "GET /b", "GET /vary de", "GET /vary fr", "POST /b"]);
    expect((await one.get("/b", HOST)).fields["x-cache"]).toBe("HIT");
  });

  test("all of it: what one client's cookie chose is not asked for in his name", async () => {
    const { one } = await rewarming();
    await one.cache.clear();
    expect(await fetched(one, 4)).toEqual(["GET /a", "GET /b", "GET /vary de", "GET /vary fr"]);
  });

  test("what is no longer kept is not asked for again", async () => {
    const { one, purge } = await rewarming();
    one.origin.answer = (_request, response) => void response.writeHead(404, { "cache-control": "no-store" }).end();
    await purge.purge({ urls: [`${SITE}/a`] });
    expect(await fetched(one, 1)).toEqual(["GET /a"]);
    const known = one.server.rewarming?.known;
    await purge.purge({ urls: [`${SITE}/a`, `${SITE}/b`] });
    expect(await fetched(one, 2)).toEqual(["GET /a", "GET /b"]);
    expect([known, one.server.rewarming?.known]).toEqual([2, 1]);
  });

  test("softly is validated", async () => {
    const { one, purge } = await rewarming();
    await purge.purge({ tags: ["news"] }, { soft: true });
    expect(await fetched(one, 1)).toEqual(["GET /a"]);
    expect(await one.get("/a", HOST)).toMatchObject({ fields: { "x-cache": "HIT" }, text: "/a  6" });
  });
});

describe("cache serve", () => {
  let serving: Serving | undefined;
  let origin: HttpOrigin;
  beforeEach(async () => {
    origin = await startOrigin(plain);
  });
  afterEach(async () => {
    serving?.running.kill("SIGTERM");
    await serving?.running.result;
    serving = undefined;
    await origin.stop();
  });

  test("ENABLE_CACHE_WARMUP and --warm-urls fill memory, and say what came of it; --rewarm hears of another process", async () => {
    const cwd = tempDir("warming");
    const store = `sqlite:${join(cwd, "c.db")}`;
    writeFileSync(join(cwd, "urls.txt"), `${SITE}/a\n${SITE}/b\n`);
    const args = [
      "--origin",
      origin.url,
      "--store",
      "memory:",
      "--store",
      store,
      "--warm-urls",
      "urls.txt",
      "--rewarm",
    ];
    serving = await startServing(args, { cwd });
    await until(() => serving?.running.stderr().includes("warming done: 2 URLs fetched"));
    expect(await serving.get("/a", HOST)).toMatchObject({ text: "/a" });
    serving.running.kill("SIGTERM");
    await serving.running.result;
    serving = await startServing(args, { cwd, env: { ENABLE_CACHE_WARMUP: "true" } });
    await until(() => serving?.running.stderr().includes("warming done: 2 entries copied, 2 URLs fresh"));
    expect(origin.seen).toHaveLength(2);
    await serving.get("/a", HOST);
    const { code } = await runBinary(["purge", `${SITE}/a`, "--store", store], { cwd });
    expect(code).toBe(0);
    await until(() => origin.seen.length === 3);
    await until(async () => (await serving?.get("/a", HOST))?.cache === "HIT");
    expect(paths({ origin })).toEqual(["/a", "/a", "/b"]);
  });
});

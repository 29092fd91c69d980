import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { HttpCache } from "../../src/http/http-cache.js";
import type { OpenCacheOptions } from "../../src/library.js";
import type { HttpOrigin } from "../support/http-origin.js";
import { type RedisServer, startRedis } from "../support/redis-server.js";
import { tempDir } from "../support/temp-dir.js";
import { until } from "../support/until.js";
import { type ProxyUnderTest, startProxy } from "./proxy-harness.js";

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

let number = 0;
const stores: Record<string, () => OpenCacheOptions["store"]> = {
  memory: () => "memory:",
  sqlite: () => `sqlite:${join(tempDir("serve"), "c.db")}`,
  file: () => `file:${join(tempDir("serve"), "files")}`,
  redis: () => `redis://127.0.0.1:${redis.port}/${number++ % 16}`,
  "memory over sqlite": () => ["memory:", `sqlite:${join(tempDir("serve"), "c.db")}`],
  "memory over redis": () => ["memory:", `redis://127.0.0.1:${redis.port}/${number++ % 16}`],
};

describe.each(Object.entries(stores))("a proxy on %s", (_, store) => {
  let proxy: ProxyUnderTest;
  const answers = (answer: HttpOrigin["answer"]) => {
    proxy.origin.answer = answer;
  };
  const asked = () => proxy.origin.seen.length;

  beforeEach(async () => {
    proxy = await startProxy(
      (_request, response) => {
        response.writeHead(200, { "cache-control": "max-age=60", etag: '"1"' }).end(`answer ${asked()}`);
      },
      { store: store() },
    );
  });
  afterEach(async () => {
    await proxy.stop();
    expect(proxy.failures).toEqual([]);
  });

  test("asks the origin once, and then answers by itself until the response is stale", async () => {
    const first = await proxy.get("/a");
    expect(first).toMatchObject({ status: 200, text: "answer 1", fields: { "x-cache": "MISS" } });
    proxy.clock.advance(59_000);
    const second = await proxy.get("/a");
    expect(second).toMatchObject({ text: "answer 1", fields: { "x-cache": "HIT", age: "59", "content-length": "8" } });
    expect(second.fields["cache-status"]).toBe("cache; hit; ttl=1");
    proxy.clock.advance(2000);
    expect(await proxy.get("/a")).toMatchObject({ text: "answer 2", fields: { "x-cache": "MISS" } });
    expect(asked()).toBe(2);
  });

  test("says of each hit how old it is and how long it will be fresh, to the second", async () => {
    answers((_request, response) => {
      response.writeHead(200, { "cache-control": "max-age=5", age: "1" }).end("x");
    });
    await proxy.get("/a");
    const start = proxy.clock.now();
    const seen: unknown[] = [];
    const said: unknown[] = [];
    for (const ms of [0, 1, 300, 698, 1, 1, 500, 999, 1, 250, 249, -1500, 1999, 500]) {
      proxy.clock.advance(ms);
      const { fields } = await proxy.get("/a");
      const age = 1000 + Math.max(0, proxy.clock.now() - start);
      seen.push([fields["x-cache"], fields.age, fields["cache-status"]]);
      said.push(["HIT", `${Math.floor(age / 1000)}`, `cache; hit; ttl=${Math.floor((5000 - age) / 1000)}`]);
    }
    expect(seen).toEqual(said);
    expect(asked()).toBe(1);
    proxy.clock.advance(1);
    expect((await proxy.get("/a")).fields["x-cache"]).toBe("MISS");
  });

  test("answers HEAD, ranges and conditions out of a complete response", async () => {
    await proxy.get("/a");
    const head = await proxy.send("HEAD", "/a");
    expect(head).toMatchObject({ status: 200, text: "", fields: { "content-length": "8", "x-cache": "HIT" } });
    const part = await proxy.get("/a", { range: "bytes=2-4" });
    expect(part).toMatchObject({ status: 206, text: "swe", fields: { "content-range": "bytes 2-4/8" } });
    expect(await proxy.get("/a", { "if-none-match": '"1"' })).toMatchObject({ status: 304, text: "" });
    expect(await proxy.get("/a", { range: "bytes=9-" })).toMatchObject({ status: 416 });
    expect(asked()).toBe(1);
  });

  test("keeps a response for each kind of request that it varies on", async () => {
    answers(({ headers }, response) => {
      response.writeHead(200, { "cache-control": "max-age=60", vary: "accept-language" });
      response.end(`in ${headers["accept-language"]}`);
    });
    for (const outcome of ["MISS", "HIT"]) {
      for (const language of ["de", "fr"]) {
        const got = await proxy.get("/a", { "accept-language": language });
        expect(got).toMatchObject({ text: `in ${language}`, fields: { "x-cache": outcome } });
      }
    }
    expect(asked()).toBe(2);
    const http = new HttpCache(proxy.cache, proxy.clock);
    expect((await http.purge({ urls: [`${proxy.server.url}/a`] })).deleted).toBe(1);
    expect(await proxy.get("/a", { "accept-language": "de" })).toMatchObject({ fields: { "x-cache": "MISS" } });
    expect(await proxy.get("/a", { "accept-language": "fr" })).toMatchObject({ fields: { "x-cache": "MISS" } });
  });

  test("asks whether a stale response is still good, and keeps its body when it is", async () => {
    await proxy.get("/a");
    proxy.clock.advance(61_000);
    answers(({ headers }, response) => {
      expect(headers["if-none-match"]).toBe('"1"');
      response.writeHead(304, { "cache-control": "max-age=30", etag: '"1"', "x-new": "yes" }).end();
    });
    const good = await proxy.get("/a");
    expect(good).toMatchObject({ status: 200, text: "answer 1", fields: { "x-cache": "REVALIDATED", "x-new": "yes" } });
    proxy.clock.advance(29_000);
    const hit = await proxy.get("/a");
    expect(hit).toMatchObject({ text: "answer 1", fields: { "x-cache": "HIT", age: "29", "x-new": "yes" } });
    expect(asked()).toBe(2);
  });

  test("sends what is stale while it fetches anew, where the origin allows that", async () => {
    const fields = { "cache-control": "max-age=10, stale-while-revalidate=60" };
    answers((_request, response) => response.writeHead(200, fields).end(`answer ${asked()}`) && undefined);
    await proxy.get("/a");
    proxy.clock.advance(20_000);
    expect(await proxy.get("/a")).toMatchObject({ text: "answer 1", fields: { "x-cache": "STALE" } });
    await until(async () => (await proxy.get("/a")).fields["x-cache"] === "HIT");
    // Who read the stale one just before the fresh one was written may have asked once more.
    expect([2, 3]).toContain(asked());
  });

  test("sends what is stale where the origin fails, if it allowed that, and else the failure", async () => {
    const fields = { "cache-control": "max-age=10, stale-if-error=60" };
    answers((_request, response) => response.writeHead(200, fields).end("good") && undefined);
    await proxy.get("/a");
    answers((_request, response) => response.writeHead(503).end("bad") && undefined);
    proxy.clock.advance(20_000);
    expect(await proxy.get("/a")).toMatchObject({ status: 200, text: "good", fields: { "x-cache": "STALE" } });
    expect(await proxy.get("/b")).toMatchObject({ status: 503, text: "bad" });
  });

  test("asks the origin once for many equal requests at a time", async () => {
    let go = () => {};
    const gate = new Promise<void>((resolve) => {
      go = resolve;
    });
    answers(async (_request, response) => {
      await gate;
      response.writeHead(200, { "cache-control": "max-age=60" }).end("once");
    });
    const all = Array.from({ length: 200 }, () => proxy.get("/a"));
    await until(() => asked() === 1);
    go();
    expect(new Set((await Promise.all(all)).map(({ text }) => text))).toEqual(new Set(["once"]));
    expect(asked()).toBe(1);
  });

  test("forgets what a change through it has made untrue, before its client hears of it", async () => {
    await proxy.get("/a");
    answers(
      (_request, response) => response.writeHead(201, { "cache-control": "max-age=60" }).end("done") && undefined,
    );
    expect(await proxy.send("POST", "/a", {}, "x")).toMatchObject({ status: 201, fields: { "x-cache": "BYPASS" } });
    expect(await proxy.get("/a")).toMatchObject({ fields: { "x-cache": "MISS" } });
    expect(proxy.origin.seen[1]?.body.toString()).toBe("x");
  });

  test("keeps nothing that the origin or the request forbids to keep", async () => {
    answers(({ url }, response) => {
      const control = { "/no-store": "no-store", "/private": "private, max-age=60" }[url] ?? "max-age=60";
      response.writeHead(200, { "cache-control": control }).end("x");
    });
    const asks: [string, Record<string, string>][] = [
      ["/no-store", {}],
      ["/private", {}],
      ["/auth", { authorization: "Bearer x" }],
      ["/own", { "cache-control": "no-store" }],
    ];
    for (const [path, fields] of asks) {
      for (let i = 0; i < 2; i++) expect((await proxy.get(path, fields)).fields["x-cache"]).not.toBe("HIT");
    }
    expect(asked()).toBe(8);
  });

  test("keeps nothing of a response that was cut short, and lets its client see that", async () => {
    answers((_request, response) => {
      response.writeHead(200, { "cache-control": "max-age=60", "content-length": "1000" });
      response.write("half", () => response.destroy());
    });
    await expect(proxy.get("/a")).rejects.toThrow();
    answers(
      (_request, response) => response.writeHead(200, { "cache-control": "max-age=60" }).end("whole") && undefined,
    );
    expect(await proxy.get("/a")).toMatchObject({ text: "whole", fields: { "x-cache": "MISS" } });
  });

  test("keeps a large body in pieces, and gives all of it and parts of it", async () => {
    const body = randomBytes(3_000_000);
    answers((_request, response) => response.writeHead(200, { "cache-control": "max-age=60" }).end(body) && undefined);
    const read = async (fields: Record<string, string> = {}) => {
      const response = await fetch(`${proxy.server.url}/large`, { headers: fields });
      return {
        status: response.status,
        cache: response.headers.get("x-cache"),
        bytes: Buffer.from(await response.arrayBuffer()),
      };
    };
    const first = await read();
    expect([first.cache, first.bytes.equals(body)]).toEqual(["MISS", true]);
    const second = await read();
    expect([second.cache, second.bytes.equals(body)]).toEqual(["HIT", true]);
    const part = await read({ range: "bytes=1000000-1999999" });
    expect([part.status, part.bytes.equals(body.subarray(1_000_000, 2_000_000))]).toEqual([206, true]);
    expect(asked()).toBe(1);
  });

  test("a purge wins over a response that is still on its way", async () => {
    let go = () => {};
    const gate = new Promise<void>((resolve) => {
      go = resolve;
    });
    answers(async (_request, response) => {
      await gate;
      response.writeHead(200, { "cache-control": "max-age=60", "cache-tag": "t" }).end("old");
    });
    const early = proxy.get("/a");
    await until(() => asked() === 1);
    await new HttpCache(proxy.cache, proxy.clock).purge({ urls: [`${proxy.server.url}/a`] });
    go();
    expect(await early).toMatchObject({ text: "old" });
    answers((_request, response) => response.writeHead(200, { "cache-control": "max-age=60" }).end("new") && undefined);
    expect(await proxy.get("/a")).toMatchObject({ text: "new" });
  });

  test("purges by tag, by prefix and by glob on paths of any host", async () => {
    answers((_request, response) => {
      response.writeHead(200, { "cache-control": "max-age=60", "surrogate-key": "news all" }).end("x");
    });
    const http = new HttpCache(proxy.cache, proxy.clock);
    const purged = async (request: Parameters<HttpCache["purge"]>[0]) => {
      for (const path of ["/api/1", "/api/2", "/v2/api/3"]) await proxy.get(path);
      const { deleted } = await http.purge(request);
      const states = [];
      for (const path of ["/api/1", "/api/2", "/v2/api/3"]) states.push((await proxy.get(path)).fields["x-cache"]);
      return [deleted, ...states];
    };
    expect(await purged({ tags: ["news"] })).toEqual([3, "MISS", "MISS", "MISS"]);
    expect(await purged({ match: "/api/*" })).toEqual([2, "MISS", "MISS", "HIT"]);
    expect(await purged({ prefix: `${proxy.server.url}/v2/` })).toEqual([1, "HIT", "HIT", "MISS"]);
  });
});

test("an origin that is named without a port is asked at whatever port clients reach it by", async () => {
  const proxy = await startProxy((_request, response) => void response.writeHead(200).end("x"));
  const { url } = proxy.origin;
  const named = await startProxy(() => {}, {
    options: {
      origins: [
        { host: "a.example", path: "/", url },
        { host: "b.example:81", path: "/", url },
      ],
    },
  });
  try {
    const hosts = [
      "a.example",
      "a.example:8080",
      "A.EXAMPLE:1",
      "b.example:81",
      "b.example",
      "b.example:8080",
      "c.a.example",
    ];
    const seen = [];
    for (const host of hosts) seen.push((await named.get("/", { host })).status);
    expect(seen).toEqual([200, 200, 200, 200, 421, 421, 421]);
  } finally {
    await Promise.all([named.stop(), proxy.stop()]);
  }
});

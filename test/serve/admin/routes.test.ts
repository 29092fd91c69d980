import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseRules } from "../../../src/config/rules.js";
import { tempDir } from "../../support/temp-dir.js";
import { until } from "../../support/until.js";
import { type AdminUnderTest, startAdmin } from "./admin-harness.js";
import { ApiDocument } from "./api-document.js";

let admin: AdminUnderTest;
let store: string;
beforeAll(async () => {
  store = `sqlite:${tempDir("admin")}/c.db`;
  admin = await startAdmin({ store: ["memory:", store] }, (request, response) => {
    response.writeHead(200, { "cache-control": "max-age=60", "surrogate-key": "news" }).end(`hello ${request.url}`);
  });
});
afterAll(() => admin.stop());

describe("figures", () => {
  test("GET /cache/stats: of each tier, and of all", async () => {
    await admin.get("/stats");
    await admin.get("/stats");
    const { status, json } = await admin.call("/cache/stats", { as: "viewer" });
    expect(status).toBe(200);
    expect(json()).toMatchObject({
      memory: {
        kind: "memory",
        size: 1,
        totalHits: 1,
        errors: 0,
        connected: true,
        memory: expect.stringMatching(/^\d.*B$/),
      },
      sqlite: { kind: "sqlite", size: 1, connected: true, memoryBytes: expect.any(Number) },
      totalHits: 1,
      totalMisses: 1,
      totalSets: 1,
      hitRate: 0.5,
      breaker: "off",
      fallbackHits: 0,
      degraded: false,
    });
  });

  test("GET /cache/{tier}/health, ping and info", async () => {
    for (const what of ["health", "ping", "info"]) {
      const { status } = await admin.call(`/cache/sqlite/${what}`, { as: "viewer" });
      expect([what, status]).toEqual([what, 200]);
    }
    expect((await admin.call("/cache/sqlite/health")).json()).toMatchObject({ status: "healthy", connected: true });
    expect((await admin.call("/cache/sqlite/info")).json()).toMatchObject({ name: "sqlite", target: store });
    for (const path of ["/cache/redis/health", "/cache/sqlite/nothing", "/cache/", "/cache"]) {
      expect([path, (await admin.call(path)).status]).toEqual([path, 404]);
    }
  });
});

describe("entries", () => {
  test("PUT, GET and DELETE /cache/entry: the bytes that were sent, and no others", async () => {
    const path = "/cache/entry?key=a%2Fb%20c&ttl=1h&tag=x&tag=y";
    const put = await admin.call(path, { method: "PUT", body: { one: 1 } });
    expect([put.status, put.json()]).toEqual([200, { key: "a/b c", outcome: "stored", size: 9 }]);
    const got = await admin.call("/cache/entry?key=a%2Fb+c", { as: "viewer" });
    expect(got.json()).toEqual({
      ...{ key: "a/b c", ttl: 3_600_000, size: 9, age: 0, tags: ["x", "y"] },
      value: '{"one":1}',
      version: expect.any(String),
    });
    const raw = await admin.call("/cache/entry?key=a%2Fb+c&raw=true", { as: "viewer" });
    expect([raw.text, raw.fields["content-type"], raw.fields["content-length"]]).toEqual([
      '{"one":1}',
      "application/octet-stream",
      "9",
    ]);
    expect(raw.fields["content-disposition"]).toBe("attachment");
    const gone = await admin.call("/cache/entry?key=a%2Fb+c", { method: "DELETE" });
    expect([gone.status, gone.json()]).toEqual([200, { key: "a/b c", deleted: true }]);
    expect((await admin.call("/cache/entry?key=a%2Fb+c", { method: "DELETE" })).json()).toMatchObject({
      deleted: false,
    });
    const missing = await admin.call("/cache/entry?key=a%2Fb+c");
    expect([missing.status, missing.json()]).toMatchObject([404, { error: { code: "no-such-entry" } }]);
  });

  test.each([
    ["a number as it was written", "12345678901234567890.0", "", "12345678901234567890.0"],
    ["text as its UTF-8", '"gr\\u00fc\\u00df"', "", "grüß"],
    ["base64 as the bytes it is", '"AP8="', "&encoding=base64", "\0\xff"],
    ["nothing as nothing", '""', "", ""],
  ])("a value that is %s", async (_, sent, query, stored) => {
    const path = `/cache/entry?key=value${query}`;
    const headers = { authorization: `Bearer ${admin.tokens.operator}`, "content-type": "application/json" };
    const answered = await fetch(admin.url + path, { method: "PUT", headers, body: sent });
    expect(answered.status).toBe(200);
    const bytes = await admin.cache.getBytes("value");
    const expected = query === "" ? Buffer.from(stored) : Buffer.from(stored, "latin1");
    expect(Buffer.from(bytes ?? []).equals(expected)).toBe(true);
    if (query !== "") {
      const { json } = await admin.call("/cache/entry?key=value");
      expect(json()).toMatchObject({ encoding: "base64", data: "AP8=" });
    }
  });

  test.each([
    ["?key=k", "{broken", 400, "invalid-json"],
    ["?key=k&encoding=base64", '"no base64"', 400, "invalid-base64"],
    ["?key=k&ttl=0", "1", 400, "invalid-ttl"],
    ["?key=k&ttl=soon", "1", 400, "invalid-duration"],
    ["?key=k&other=1", "1", 400, "invalid-request"],
    ["?key=", "1", 400, "invalid-key"],
    ["", "1", 400, "invalid-request"],
    ["?key=a&key=b", "1", 400, "invalid-request"],
    ["?key=absent&mode=if-present", "1", 412, "condition-not-met"],
  ])("PUT /cache/entry%s %s is refused", async (query, body, status, code) => {
    const headers = { authorization: `Bearer ${admin.tokens.operator}`, "content-type": "application/json" };
    const answered = await fetch(`${admin.url}/cache/entry${query}`, { method: "PUT", headers, body });
    expect([answered.status, await answered.json()]).toMatchObject([status, { error: { code } }]);
  });

  test("GET /cache/entries: by prefix, glob and tag, page by page", async () => {
    await admin.cache.setMany(
      [1, 2, 3, 4, 5].map((n) => [`list:${n}`, n] as const),
      { tags: ["five"], ttl: null },
    );
    const keysOf = (json: Record<string, unknown>) => (json.entries as { key: string }[]).map(({ key }) => key);
    const all: string[] = [];
    for (let cursor: string | undefined, i = 0; i < 10; i++) {
      const more: string = cursor === undefined ? "" : `&cursor=${encodeURIComponent(cursor)}`;
      const { status, json } = await admin.call(`/cache/entries?prefix=list:&limit=2${more}`, { as: "viewer" });
      expect(status).toBe(200);
      all.push(...keysOf(json()));
      cursor = json().cursor as string | undefined;
      if (cursor === undefined) break;
    }
    expect(all.sort()).toEqual([1, 2, 3, 4, 5].map((n) => `list:${n}`));
    expect(keysOf((await admin.call("/cache/entries?match=*:3")).json())).toEqual(["list:3"]);
    const tagged = (await admin.call("/cache/entries?tag=five&tag=none")).json();
    expect(tagged.entries).toHaveLength(5);
    expect((tagged.entries as object[])[0]).toMatchObject({ ttl: null, tags: ["five"], size: 1 });
    expect((await admin.call("/cache/entries?limit=0")).status).toBe(400);
    expect((await admin.call("/cache/entries?limit=1001")).status).toBe(400);
    expect((await admin.call("/cache/entries?match=[")).json()).toMatchObject({ error: { code: "invalid-glob" } });
  });

  test("a key of bytes that are no text is found by its bytes", async () => {
    const { status, json } = await admin.call("/cache/entry?key=%ff%fe");
    expect([status, json()]).toMatchObject([404, { error: { code: "no-such-entry" } }]);
  });

  test("a large value is not put into JSON, and comes whole by itself", async () => {
    const large = Buffer.alloc(3_000_000, "x");
    await admin.cache.setBytes("large", large);
    const { json } = await admin.call("/cache/entry?key=large");
    expect(json()).toMatchObject({ size: large.length, truncated: true });
    expect(json()).not.toHaveProperty("value");
    expect((await admin.call("/cache/entry?key=large&raw=true")).text).toBe(large.toString());
  });
});

describe("responses", () => {
  const cacheOf = async (path: string) => (await admin.get(path)).fields["x-cache"];

  test.each([
    ["urls", () => ({ urls: [`${admin.server.url}/purge`] })],
    ["prefix", () => ({ prefix: `${admin.server.url}/pur` })],
    ["match", () => ({ match: "/purge*" })],
    ["tags", () => ({ tags: ["news"] })],
  ])("POST /cache/purge by %s", async (_, body) => {
    await cacheOf("/purge");
    expect(await cacheOf("/purge")).toBe("HIT");
    const dry = await admin.call("/cache/purge", { method: "POST", body: { ...body(), dryRun: true } });
    expect(dry.json()).toEqual({ dryRun: true, count: expect.any(Number), exact: true });
    expect(await cacheOf("/purge")).toBe("HIT");
    const { status, json } = await admin.call("/cache/purge", { method: "POST", body: body() });
    expect([status, json()]).toEqual([200, { deleted: expect.any(Number), softened: 0, complete: true }]);
    expect(await cacheOf("/purge")).toBe("MISS");
  });

  test.each([
    [{}, "invalid-request"],
    [{ urls: [] }, "invalid-request"],
    [{ urls: ["ftp://a/"] }, "invalid-purge"],
    [{ match: "[" }, "invalid-glob"],
    [{ urls: ["http://a/"], tags: ["b"] }, "invalid-request"],
    [[], "invalid-request"],
    ["all", "invalid-request"],
  ])("POST /cache/purge %j is refused", async (body, code) => {
    const { status, json } = await admin.call("/cache/purge", { method: "POST", body });
    expect([status, json()]).toMatchObject([400, { error: { code } }]);
  });

  test.each([
    [{ urls: "x" }, "urls: Invalid input: expected array"],
    [{}, "urls: "],
  ])("POST /cache/purge %j is refused with the place of the mistake", async (body, said) => {
    const { json } = await admin.call("/cache/purge", { method: "POST", body });
    expect(json()).toMatchObject({ error: { message: expect.stringContaining(said) } });
  });

  test("a body that would change what objects are is refused as that", async () => {
    const call = { method: "POST", text: '{"match":"/z*","__proto__":{}}', type: "application/json" };
    const { status, json } = await admin.call("/cache/purge", call);
    expect([status, json()]).toMatchObject([400, { error: { message: expect.stringContaining("__proto__") } }]);
  });

  test("GET /cache/explain: which rule, key and freshness", async () => {
    await admin.get("/explain");
    const url = encodeURIComponent(`${admin.server.url}/explain`);
    const { status, json } = await admin.call(`/cache/explain?url=${url}&header=Accept:%20text/html`, { as: "viewer" });
    expect(status).toBe(200);
    expect(json()).toMatchObject({ method: "GET", rule: null, cacheable: true, stored: { status: 200, use: "fresh" } });
    expect((await admin.call("/cache/explain?url=nothing")).json()).toMatchObject({ error: { code: "invalid-url" } });
    expect((await admin.call(`/cache/explain?url=${url}&header=no`)).status).toBe(400);
    admin.server.useRules(parseRules('[{"pattern":"/explain","ttl":"5s"}]', "a test"));
    expect((await admin.call(`/cache/explain?url=${url}`)).json()).toMatchObject({ rule: "rules[0]" });
    admin.server.useRules([]);
  });
});

describe("DELETE /cache/{tier}", () => {
  test("clears one tier, and asks the lower one again", async () => {
    await admin.cache.set("kept", 1);
    expect((await admin.call("/cache/memory", { method: "DELETE" })).json()).toMatchObject({
      tier: "memory",
      complete: true,
    });
    expect(await admin.cache.get("kept")).toBe(1);
    const { status, json } = await admin.call("/cache/sqlite", { method: "DELETE" });
    expect([status, json()]).toMatchObject([200, { tier: "sqlite", complete: true }]);
    // The copies above it go with it.
    await until(async () => {
      await admin.clock.advance(50);
      return (await admin.cache.get("kept")) === undefined;
    });
  });
});

describe("GET /openapi.json", () => {
  test("needs no token, and names every route", async () => {
    const { status, json } = await admin.call("/openapi.json", { as: null });
    expect(status).toBe(200);
    expect(json()).toMatchObject({ openapi: "3.1.0", info: { title: "cache serve" } });
    const { paths } = await ApiDocument.of(admin.url);
    const routes = Object.entries(paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
    );
    const contract = [
      ..."get read set touch delete invalidate scan atomic hottest lease renew release commit write warm"
        .split(" ")
        .map((name) => `POST /v1/entries/${name}`),
      ..."about describe ping counters count reset-counters prune position changes announce foreign"
        .split(" ")
        .map((name) => `POST /v1/store/${name}`),
    ];
    const people = [
      "GET /cache/stats",
      "GET /cache/entries",
      "GET /cache/entry",
      "POST /cache/entry",
      "PUT /cache/entry",
      "PATCH /cache/entry",
      "DELETE /cache/entry",
      "GET /cache/{tier}/health",
      "GET /cache/{tier}/ping",
      "GET /cache/{tier}/info",
      "DELETE /cache/{tier}",
      "POST /cache/purge",
      "GET /cache/explain",
      "GET /cache/rules",
      "POST /cache/count",
      "GET /cache/session",
      "POST /cache/session",
      "DELETE /cache/session",
      "GET /",
      "GET /cache/ui",
      "GET /cache/ui/",
      "GET /cache/ui/{file}",
      "GET /health/live",
      "GET /health/ready",
      "GET /health/cache",
      "GET /openapi.json",
    ];
    // What a server tells of itself is there where somebody watches it.
    const watched = ["GET /metrics", "GET /events"];
    expect(routes.filter((route) => !watched.includes(route)).sort()).toEqual([...contract, ...people].sort());
    for (const route of [...contract, ...people]) {
      const [method = "", path = ""] = route.split(" ");
      const { summary, responses, security } = paths[path]?.[method.toLowerCase()] ?? {};
      expect([route, summary?.length, Object.keys(responses ?? {})]).toEqual([
        route,
        expect.any(Number),
        expect.arrayContaining(["200", "default"]),
      ]);
      expect([route, security]).toEqual([
        route,
        /health|openapi|session|ui|^\/$/.test(path) && !path.includes("tier") ? [] : [{ token: [] }],
      ]);
    }
  });

  test("has no reference that leads nowhere", async () => {
    const { text, json } = await admin.call("/openapi.json", { as: null });
    const references = [...text.matchAll(/"\$ref":"#\/([^"]+)"/g)].map(([, way = ""]) => way.split("/"));
    expect(references.length).toBeGreaterThan(0);
    for (const way of references) {
      const target = way.reduce<unknown>((at, name) => (at as Record<string, unknown>)[name], json());
      expect([way, target]).toEqual([way, expect.any(Object)]);
    }
  });
});

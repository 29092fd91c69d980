import { randomBytes } from "node:crypto";
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseRules } from "../../../src/config/rules.js";
import { encodeHead } from "../../../src/http/stored-response.js";
import { tempDir } from "../../support/temp-dir.js";
import { type AdminUnderTest, startAdmin } from "./admin-harness.js";

let admin: AdminUnderTest;
beforeAll(async () => {
  const store = ["memory:", `sqlite:${tempDir("entries")}/c.db`];
  admin = await startAdmin({ store }, (request, response) => {
    const varies = request.url === "/varies";
    const fields = { "cache-control": "max-age=60, stale-while-revalidate=30", "content-type": "text/plain" };
    response.writeHead(200, { ...fields, ...(varies && { vary: "accept-language" }) }).end("hello");
  });
});
afterAll(() => admin.stop());

const entry = (key: string, more = "") => admin.call(`/cache/entry?key=${encodeURIComponent(key)}${more}`);
const patch = (key: string, body: object, as: "viewer" | "operator" = "operator") =>
  admin.call(`/cache/entry?key=${encodeURIComponent(key)}`, { method: "PATCH", as, body });

describe("what is kept beside a value", () => {
  test("of a stored response: its status, fields and times", async () => {
    await admin.get("/page");
    await admin.clock.advance(10_000);
    const { json } = await entry(`r:GET ${admin.server.url}/page`);
    expect(json()).toMatchObject({
      ...{ value: "hello", size: 5, staleIn: 50_000, version: expect.any(String) },
      response: {
        status: 200,
        fields: expect.arrayContaining([["content-type", "text/plain"]]),
        ...{ age: 10_000, lifetime: 60_000, lifetimeFrom: "max-age", staleWhileRevalidate: 30_000 },
      },
    });
    const listed = await admin.call("/cache/entries?prefix=r:GET");
    expect(listed.json()).toMatchObject({ entries: [{ staleIn: 50_000 }] });
  });

  test("of a URL with variants: what they depend on", async () => {
    await admin.get("/varies", { "accept-language": "de" });
    const { json } = await entry(`r:GET ${admin.server.url}/varies`);
    expect(json()).toMatchObject({ variesOn: [["accept-language"]] });
    expect(json()).not.toHaveProperty("response");
    const variants = await admin.call(`/cache/entries?prefix=${encodeURIComponent(String(json().variants))}`);
    expect(variants.json()).toMatchObject({ entries: [{ size: 5 }] });
  });

  test("of others nothing but its size", async () => {
    await admin.cache.writeMany([{ key: "meta", value: Buffer.from("1"), meta: Buffer.from("of somebody") }]);
    expect((await entry("meta")).json()).toMatchObject({ metaSize: 11 });
  });
});

describe("a part of a value", () => {
  test.each([
    ["the beginning of a text", "x".repeat(5000), 100, { value: "x".repeat(100), truncated: true }],
    ["no half characters", "ü".repeat(100), 5, { value: "üü", truncated: true }],
    ["all of what is shorter", "short", 100, { value: "short" }],
  ])("%s", async (_, value, first, shown) => {
    await admin.cache.setBytes("part", Buffer.from(value));
    const { json } = await entry("part", `&first=${first}`);
    expect(json()).toMatchObject({ size: Buffer.byteLength(value), ...shown });
    expect(json().truncated).toBe("truncated" in shown ? true : undefined);
  });

  test("of bytes, and of a value in several pieces", async () => {
    const large = Buffer.alloc(3_000_000, 0xff);
    await admin.cache.setBytes("large", large);
    const { json } = await entry("large", "&first=600000");
    expect(json()).toMatchObject({ size: large.length, encoding: "base64", truncated: true });
    expect(Buffer.from(String(json().data), "base64").equals(large.subarray(0, 600_000))).toBe(true);
    expect((await entry("large", "&first=0")).status).toBe(400);
  });
});

test("POST /cache/entry: a key that is too long for a URL", async () => {
  const look = (key: string) => admin.call("/cache/entry", { method: "POST", as: "viewer", body: { key, first: 1 } });
  await admin.cache.set("post", 12);
  expect((await look("post")).json()).toMatchObject({ key: "post", value: "1", truncated: true });
  for (const key of ["ü".repeat(20_000), "\udcff"]) expect((await look(key)).status).toBe(404);
});

describe("what is compressed", () => {
  const TEXT = "text ".repeat(1000);
  const look = async (key: string, first = 10_000) => {
    const body = { key, first, decode: true };
    return (await admin.call("/cache/entry", { method: "POST", as: "viewer", body })).json();
  };

  test.each([
    ["br", brotliCompressSync(TEXT)],
    ["gzip", gzipSync(TEXT)],
    ["deflate", deflateSync(TEXT)],
  ])("a response whose content is %s", async (coding, value) => {
    const fields = ["Content-Encoding", coding];
    const times = { requestTime: 0, responseTime: 0, initialAgeMs: 0, lifetimeMs: 1000, lifetimeSource: "max-age" };
    const flags = { noCache: false, mustRevalidate: false, forAuthorized: false, hasValidator: false };
    const response = { status: 200, fields, ...times, ...flags, staleWhileRevalidateMs: 0, staleIfErrorMs: 0 };
    await admin.cache.writeMany([{ key: "coded", value, meta: encodeHead({ response }) }]);
    expect(await look("coded")).toMatchObject({ value: TEXT, decoded: coding, size: value.length });
    expect(await look("coded", 100)).toMatchObject({ value: TEXT.slice(0, 100), truncated: true });
    expect((await entry("coded")).json()).toMatchObject({ encoding: "base64" });
  });

  test("a value that begins as gzip does; of one that is damaged what can be read", async () => {
    const bytes = gzipSync(randomBytes(3000).toString("hex"));
    await admin.cache.setBytes("gzip", bytes);
    expect(await look("gzip")).toMatchObject({ decoded: "gzip", value: expect.stringMatching(/^[0-9a-f]{6000}$/) });
    await admin.cache.setBytes("gzip", bytes.subarray(0, 2000));
    expect(await look("gzip")).toMatchObject({ decoded: "gzip", value: expect.stringMatching(/^[0-9a-f]+$/) });
    await admin.cache.setBytes("gzip", Buffer.from([0x1f, 0x8b, 8, 1, 2, 3]));
    expect(await look("gzip")).toMatchObject({ encoding: "base64", data: "H4sIAQID" });
  });

  test("little that stands for a great deal", async () => {
    await admin.cache.setBytes("bomb", gzipSync(Buffer.alloc(200_000_000)));
    const { value, truncated } = await look("bomb", 1_000_000);
    expect([String(value).length, truncated]).toEqual([1_000_000, true]);
  });
});

describe("one of several stores", () => {
  test("is looked into alone", async () => {
    await admin.cache.setBytes("below", Buffer.from("1"));
    expect((await entry("below", "&tier=sqlite")).json()).toMatchObject({ value: "1" });
    const keysIn = async (tier: string) => {
      const { json } = await admin.call(`/cache/entries?prefix=below&tier=${tier}`);
      return (json().entries as { key: string }[]).map(({ key }) => key);
    };
    expect(await keysIn("sqlite")).toEqual(["below"]);
    expect((await admin.call("/cache/entries?tier=redis")).json()).toMatchObject({ error: { code: "unknown-tier" } });
    await admin.call("/cache/memory", { method: "DELETE" });
    expect(await keysIn("memory")).toEqual([]);
  });
});

describe("PATCH /cache/entry", () => {
  test("another deadline; the value stays", async () => {
    await admin.cache.set("ttl", "v", { ttl: 1000, tags: ["t"] });
    expect((await patch("ttl", { ttl: "1h" })).json()).toEqual({ key: "ttl", changed: true });
    expect((await entry("ttl")).json()).toMatchObject({ ttl: 3_600_000, tags: ["t"], value: '"v"' });
    await patch("ttl", { ttl: "none" });
    expect((await entry("ttl")).json()).toMatchObject({ ttl: null });
  });

  test("other tags; the value, its deadlines and what is kept beside it stay", async () => {
    await admin.get("/tagged");
    const key = `r:GET ${admin.server.url}/tagged`;
    const before = (await entry(key)).json();
    expect((await patch(key, { tags: ["one", "two"], ifVersion: before.version })).status).toBe(200);
    const { tags, ttl, staleIn, response, value } = (await entry(key)).json();
    expect(tags).toEqual(["one", "two"]);
    expect({ ttl, staleIn, response, value }).toEqual({
      ...{ ttl: before.ttl, staleIn: before.staleIn, response: before.response, value: before.value },
    });
    expect((await admin.get("/tagged")).fields["x-cache"]).toBe("HIT");
    await patch(key, { tags: [], ttl: "2h" });
    expect((await entry(key)).json()).toMatchObject({ tags: [], ttl: 7_200_000, response: { status: 200 } });
  });

  test("a value in many pieces keeps all of them", async () => {
    const large = Buffer.alloc(3_000_000, "x");
    await admin.cache.setBytes("pieces", large);
    await patch("pieces", { tags: ["t"] });
    expect(Buffer.from((await admin.cache.getBytes("pieces")) ?? []).equals(large)).toBe(true);
  });

  test("stale from now on, where there is a stale window", async () => {
    await admin.get("/stale");
    const key = `r:GET ${admin.server.url}/stale`;
    expect((await patch(key, { stale: true })).status).toBe(200);
    expect((await entry(key)).json()).toMatchObject({ staleIn: 0 });
    await admin.clock.advance(1000);
    expect((await admin.get("/stale")).fields["x-cache"]).toBe("STALE");
    await admin.cache.set("plain", 1);
    const refused = await patch("plain", { stale: true });
    expect([refused.status, refused.json()]).toMatchObject([409, { error: { code: "no-stale-window" } }]);
    expect(await admin.cache.get("plain")).toBe(1);
  });

  test("only of the version that was looked at", async () => {
    await admin.cache.set("version", 1);
    const { version } = (await entry("version")).json();
    await admin.cache.set("version", 2);
    for (const change of [{ ttl: "1h" }, { tags: ["x"] }]) {
      const { status, json } = await patch("version", { ...change, ifVersion: version });
      expect([status, json()]).toMatchObject([412, { error: { code: "entry-changed" } }]);
    }
    const path = `/cache/entry?key=version&ifVersion=${encodeURIComponent(String(version))}`;
    expect((await admin.call(path, { method: "PUT", body: 3 })).status).toBe(412);
    expect(await admin.cache.get("version")).toBe(2);
    const now = encodeURIComponent(String((await entry("version")).json().version));
    expect((await admin.call(`/cache/entry?key=version&ifVersion=${now}`, { method: "PUT", body: 3 })).status).toBe(
      200,
    );
    expect(await admin.cache.get("version")).toBe(3);
  });

  test.each([
    ["absent", { ttl: "1h" }, 404, "no-such-entry"],
    ["ttl", {}, 400, "invalid-request"],
    ["ttl", { ttl: "0" }, 400, "invalid-ttl"],
    ["ttl", { ttl: "soon" }, 400, "invalid-duration"],
    ["ttl", { tags: [""] }, 400, "invalid-tag"],
    ["ttl", { stale: false }, 400, "invalid-request"],
    ["ttl", { value: 1 }, 400, "invalid-request"],
  ])("of %s with %j is refused", async (key, body, status, code) => {
    const refused = await patch(key, body);
    expect([refused.status, refused.json()]).toMatchObject([status, { error: { code } }]);
  });

  test("needs an operator", async () => {
    expect((await patch("ttl", { ttl: "1h" }, "viewer")).status).toBe(403);
  });
});

describe("POST /cache/count", () => {
  const count = (body: object) => admin.call("/cache/count", { method: "POST", as: "viewer", body });

  test("what an invalidation would take, and some of it", async () => {
    const many = Array.from({ length: 25 }, (_, i) => [`many:${i}`, i] as const);
    await admin.cache.setMany(many, { tags: ["many"] });
    for (const selector of [{ prefix: "many:" }, { match: "many:*" }, { tags: ["many", "none"] }]) {
      const { status, json } = await count({ selector });
      expect([status, json()]).toEqual([
        200,
        { count: 25, exact: true, sample: expect.any(Array), target: "http", everything: false },
      ]);
      expect(json().sample).toHaveLength(10);
    }
    expect((await count({ selector: { prefix: "many:1" }, tier: "sqlite" })).json()).toMatchObject({ count: 11 });
    expect((await count({ selector: { tags: ["many", "none"], tagMode: "all" } })).json()).toMatchObject({ count: 0 });
    expect(await admin.cache.get("many:1")).toBe(1);
  });

  test.each([
    [{ selector: { all: true } }],
    [{ selector: { match: "**" } }],
    [{ purge: { match: "*://*" } }],
    [{ purge: { match: "/*" } }],
  ])("%j is everything", async (body) => {
    expect((await count(body)).json()).toMatchObject({ everything: true });
  });

  test("what a purge would take", async () => {
    await admin.get("/count/1");
    await admin.get("/count/2");
    const { json } = await count({ purge: { match: "/count/*" } });
    expect(json()).toMatchObject({ count: 2, sample: [expect.stringContaining("/count/"), expect.anything()] });
    const urls = [`${admin.server.url}/count/1`, `${admin.server.url}/count/1`];
    expect((await count({ purge: { urls } })).json()).toMatchObject({ count: 1, everything: false });
  });

  test.each([
    [{}, "invalid-request"],
    [{ selector: {} }, "empty-selector"],
    [{ selector: { match: "[" } }, "invalid-glob"],
    [{ purge: { urls: ["ftp://a"] } }, "invalid-purge"],
    [{ purge: { urls: [], soft: true } }, "invalid-request"],
  ])("of %j is refused", async (body, code) => {
    const { status, json } = await count(body);
    expect([status, json()]).toMatchObject([400, { error: { code } }]);
  });
});

test("GET /cache/rules: the rules in force", async () => {
  expect((await admin.call("/cache/rules", { as: "viewer" })).json()).toEqual({
    ...{ rules: [], cacheableMethods: ["GET", "HEAD"], defaultLifetimeMs: null },
  });
  admin.server.useRules(
    parseRules('[{"pattern":"/a/*","ttl":"5s","tags":["a"]},{"pattern":"/b","bypass":true}]', "a test"),
  );
  const { json } = await admin.call("/cache/rules", { as: "viewer" });
  expect(json().rules).toMatchObject([
    { place: "rules[0]", pattern: "/a/*", ttlMs: 5000, tags: ["a"], bypass: false },
    { place: "rules[1]", bypass: true },
  ]);
  admin.server.useRules([]);
});

import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newToken } from "../../../src/config/admin-tokens.js";
import { type AdminUnderTest, startAdmin } from "./admin-harness.js";

let admin: AdminUnderTest;
beforeAll(async () => {
  admin = await startAdmin({ admin: { names: ["cache.internal"] } });
  await admin.cache.set("kept", 1);
});
afterAll(async () => {
  // Whatever was sent: it lives, and nothing was changed.
  expect((await admin.call("/health/live", { as: null })).status).toBe(200);
  expect(await admin.cache.get("kept")).toBe(1);
  await admin.stop();
});

/** Bytes as they are, and what comes back until the connection ends. */
async function raw(...lines: string[]): Promise<string> {
  const socket = connect(Number(new URL(admin.url).port), "127.0.0.1");
  socket.write(lines.join("\r\n"));
  return text(socket);
}

const bearer = () => `Authorization: Bearer ${admin.tokens.operator}`;
const CLOSE = "Connection: close";

/** Every route that needs a token, with a body where it takes one. */
const CALLS: readonly [method: string, path: string, body?: object][] = [
  ["GET", "/cache/stats"],
  ["GET", "/cache/entries"],
  ["GET", "/cache/entry?key=kept"],
  ["PUT", "/cache/entry?key=kept", {}],
  ["DELETE", "/cache/entry?key=kept"],
  ["GET", "/cache/memory/health"],
  ["GET", "/cache/memory/ping"],
  ["GET", "/cache/memory/info"],
  ["DELETE", "/cache/memory"],
  ["GET", "/cache/explain?url=http://a/"],
  ["POST", "/cache/purge", { match: "/*" }],
  ["POST", "/v1/entries/get", { keys: ["kept"] }],
  ["POST", "/v1/entries/delete", { keys: ["kept"] }],
  ["POST", "/v1/entries/invalidate", { selector: { all: true } }],
  ["POST", "/v1/store/describe", {}],
  ["GET", "/nothing"],
];
const CHANGES = CALLS.filter(([method, path]) => method !== "GET" && !/get|describe/.test(path));

describe("tokens", () => {
  test.each(CALLS)("%s %s without one: 401, and nothing is said of why", async (method, path, body) => {
    const { status, fields, json } = await admin.call(path, { method, as: null, body });
    expect([status, fields["www-authenticate"]]).toEqual([401, 'Bearer realm="cachectl"']);
    expect(json()).toMatchObject({ error: { code: "missing-token", hint: expect.any(String) } });
  });

  test.each([
    ["another", () => `Bearer ${newToken()}`],
    ["one letter off", () => `Bearer ${admin.tokens.operator.slice(0, -1)}!`],
    ["none after Bearer", () => "Bearer"],
    ["none after Bearer and a space", () => "Bearer "],
    ["its hash", () => `Bearer ${"0".repeat(64)}`],
    ["of another scheme", () => `Basic ${Buffer.from(`o:${admin.tokens.operator}`).toString("base64")}`],
    ["two", () => `Bearer ${admin.tokens.operator} ${admin.tokens.operator}`],
    ["very long", () => `Bearer ${"a".repeat(10_000)}`],
  ])("%s: 401", async (_, authorization) => {
    const fields = { authorization: authorization() };
    const { status, text: said, json } = await admin.call("/cache/stats", { as: null, fields });
    expect([status, json()]).toMatchObject([401, { error: { code: "wrong-token" } }]);
    expect(said).not.toContain(admin.tokens.operator);
  });

  test.each(CHANGES)("%s %s with a viewer's: 403", async (method, path, body) => {
    const { status, json } = await admin.call(path, { method, as: "viewer", body });
    expect([status, json()]).toMatchObject([403, { error: { code: "wrong-role" } }]);
  });

  test("the scheme is told in any case of letters, and others may be used from now on", async () => {
    const fields = { authorization: `bEARER ${admin.tokens.viewer}` };
    expect((await admin.call("/cache/stats", { as: null, fields })).status).toBe(200);
    admin.server.useTokens([]);
    expect((await admin.call("/cache/stats")).status).toBe(401);
    admin.server.useTokens(admin.known);
    expect((await admin.call("/cache/stats")).status).toBe(200);
  });
});

describe("Host", () => {
  test.each([
    "evil.example",
    "evil.example:80",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "cache.internal.evil",
  ])("%s: 421", async (host) => {
    for (const path of ["/cache/stats", "/health/live", "/openapi.json", "/nothing"]) {
      const { status, json } = await admin.call(path, { fields: { host } });
      expect([path, status, json()]).toMatchObject([path, 421, { error: { code: "foreign-host" } }]);
    }
  });

  test.each([
    "127.0.0.1",
    "127.0.0.1:1",
    "localhost:99",
    "LOCALHOST",
    "[::1]:80",
    "cache.internal",
    "Cache.Internal:8",
  ])("%s: taken", async (host) => {
    expect((await admin.call("/cache/stats", { fields: { host } })).status).toBe(200);
  });

  test("none in HTTP/1.0, as some probes speak it: taken", async () => {
    expect(await raw("GET /health/live HTTP/1.0", "", "")).toMatch(/^HTTP\/1\.1 200 /);
    expect(await raw("GET /health/live HTTP/1.0", "Host: evil.example", "", "")).toMatch(/^HTTP\/1\.1 421 /);
  });

  test.each([
    ["none", []],
    ["two", ["Host: 127.0.0.1", "Host: 127.0.0.1"]],
    ["an empty one", ["Host:"]],
    ["one with a user", ["Host: a@127.0.0.1"]],
    ["one with a path", ["Host: 127.0.0.1/x"]],
  ])("%s: 400", async (_, hosts) => {
    const answer = await raw("GET /cache/stats HTTP/1.1", ...hosts, bearer(), CLOSE, "", "");
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
  });
});

describe("requests that a page of another site can make", () => {
  test.each(CHANGES)("%s %s from another origin: 403", async (method, path, body) => {
    const foreign = [
      { origin: "https://evil.example" },
      { origin: "null" },
      { origin: "http://127.0.0.1:1" },
      { origin: admin.url.replace("http:", "https:") },
      { "sec-fetch-site": "cross-site" },
      { "sec-fetch-site": "same-site" },
      { origin: admin.url, "sec-fetch-site": "cross-site" },
    ];
    for (const fields of foreign) {
      const { status, json } = await admin.call(path, { method, body, fields });
      expect([fields, status, json()]).toMatchObject([fields, 403, { error: { code: "cross-site" } }]);
    }
  });

  test.each(["gzip", "br", "identity, gzip", "x"])("a body that is coded as %s: 415", async (coding) => {
    for (const [method, path] of CHANGES) {
      const fields = ["Content-Type: application/json", `Content-Encoding: ${coding}`, "Content-Length: 2"];
      const answer = await raw(`${method} ${path} HTTP/1.1`, "Host: 127.0.0.1", bearer(), CLOSE, ...fields, "", "{}");
      expect([method, path, answer.split("\r\n")[0]]).toEqual([method, path, "HTTP/1.1 415 Unsupported Media Type"]);
    }
  });

  test.each([
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "text/plain",
    "text/plain; application/json",
    "application/json-seq",
    "application/jsonx",
    "",
  ])("a body that is %s: 415", async (type) => {
    for (const [method, path] of CHANGES) {
      const body = "match=/*";
      const length = `Content-Length: ${body.length}`;
      const fields = type === "" ? [length] : [`Content-Type: ${type}`, length];
      const answer = await raw(`${method} ${path} HTTP/1.1`, "Host: 127.0.0.1", bearer(), CLOSE, ...fields, "", body);
      expect([method, path, answer.split("\r\n")[0]]).toEqual([method, path, "HTTP/1.1 415 Unsupported Media Type"]);
      expect(answer).toContain('"code":"unsupported-media-type"');
    }
  });

  test("from a page of its own: taken, in JSON of any spelling", async () => {
    const fields = {
      origin: admin.url,
      "sec-fetch-site": "same-origin",
      "content-type": "Application/JSON; charset=utf-8",
    };
    const { status } = await admin.call("/cache/entry?key=other", { method: "PUT", body: 1, fields });
    expect(status).toBe(200);
  });

  test("nobody is told that another site may read an answer, and no preflight is answered", async () => {
    const fields = { origin: "https://evil.example", "access-control-request-method": "GET" };
    const preflight = await admin.call("/cache/stats", { method: "OPTIONS", fields });
    expect(preflight.status).toBe(405);
    const got = await admin.call("/cache/stats", { fields: { origin: "https://evil.example" } });
    for (const { fields: sent } of [preflight, got]) {
      expect(Object.keys(sent).filter((name) => name.startsWith("access-control"))).toEqual([]);
    }
  });
});

describe("paths, methods and bodies", () => {
  test.each([
    ["GET /../../etc/passwd"],
    ["GET /cache/../../etc/passwd"],
    ["GET /cache/%2e%2e/%2e%2e/etc/passwd"],
    ["GET /cache/..%2f..%2fetc%2fpasswd/info"],
    ["GET //etc/passwd"],
    ["GET /cache/memory/../stats"],
    ["GET /cache/stats/"],
    ["GET /CACHE/stats"],
    ["GET http://127.0.0.1/stats"],
    ["GET /cache/__proto__/info"],
    ["GET /cache/constructor/health"],
  ])("%s: nothing is there", async (line) => {
    const answer = await raw(`${line} HTTP/1.1`, "Host: 127.0.0.1", bearer(), CLOSE, "", "");
    expect([line, answer.split("\r\n")[0]]).toEqual([line, "HTTP/1.1 404 Not Found"]);
    expect(answer).not.toContain("root:");
  });

  test("what can't be decoded: 400 in JSON", async () => {
    expect(await raw("GET /cache/%ff%zz/info HTTP/1.1", "Host: 127.0.0.1", bearer(), CLOSE, "", "")).toMatch(
      /^HTTP\/1\.1 400 [\s\S]*"code":"invalid-request"/,
    );
  });

  test("a target with a host in it is judged by that, too", async () => {
    const ask = (host: string) =>
      raw(`GET http://${host}/cache/stats HTTP/1.1`, "Host: 127.0.0.1", bearer(), CLOSE, "", "");
    expect(await ask("127.0.0.1:80")).toMatch(/^HTTP\/1\.1 200 /);
    expect(await ask("evil.example")).toMatch(/^HTTP\/1\.1 421 /);
    expect(await ask("a@127.0.0.1")).toMatch(/^HTTP\/1\.1 400 /);
  });

  test("another method: 405 with those that are taken", async () => {
    const { status, fields, json } = await admin.call("/cache/session", { method: "PUT", body: {} });
    expect([status, json()]).toMatchObject([405, { error: { code: "method-not-allowed" } }]);
    expect(String(fields.allow).split(", ").sort()).toEqual(["DELETE", "GET", "HEAD", "POST"]);
    expect((await admin.call("/cache/memory", { method: "GET" })).fields.allow).toBe("DELETE");
  });

  test("HEAD says what GET would, without a body", async () => {
    const { status, text: said } = await admin.call("/cache/stats", { method: "HEAD" });
    expect([status, said]).toEqual([200, ""]);
    expect((await admin.call("/cache/stats", { method: "HEAD", as: null })).status).toBe(401);
  });

  test("a body that is too large: 413, before it is read where its length is said", async () => {
    const head = ["POST /cache/purge HTTP/1.1", "Host: 127.0.0.1", bearer(), CLOSE, "Content-Type: application/json"];
    expect(await raw(...head, "Content-Length: 100000000000", "", "")).toMatch(/^HTTP\/1\.1 413 /);
    const chunk = `10000\r\n${" ".repeat(0x10000)}\r\n`;
    const answer = await raw(...head, "Transfer-Encoding: chunked", "", chunk.repeat(32));
    expect(answer).toMatch(/^HTTP\/1\.1 413 [\s\S]*"code":"body-too-large"/);
  });

  test.each(["{", "", "[1", '{"match":"/x"} x', '{"__proto__":{"match":"/x"},"match":"/x"}', "nul"])(
    "a body that is no JSON (%j): 400",
    async (body) => {
      const fields = ["Content-Type: application/json", `Content-Length: ${body.length}`];
      const answer = await raw("POST /cache/purge HTTP/1.1", "Host: 127.0.0.1", bearer(), CLOSE, ...fields, "", body);
      expect(answer).toMatch(/^HTTP\/1\.1 400 [\s\S]*"code":"invalid-request"/);
    },
  );

  test("a head that is too large: 431; no HTTP at all: 400", async () => {
    const head = ["GET /cache/stats HTTP/1.1", "Host: 127.0.0.1", bearer()];
    expect(await raw(...head, `X: ${"a".repeat(40_000)}`, "", "")).toMatch(/^HTTP\/1\.1 431 /);
    expect(await raw("nonsense", "", "")).toMatch(/^HTTP\/1\.1 400 /);
    const both = ["Content-Length: 4", "Transfer-Encoding: chunked"];
    expect(await raw("POST /cache/purge HTTP/1.1", "Host: a", bearer(), ...both, "", "0\r\n\r\n")).toMatch(/ 400 /);
  });

  test("no answer may be kept, framed, or taken for a page", async () => {
    for (const [path, as] of [
      ["/cache/stats", "operator"],
      ["/cache/stats", null],
      ["/nothing", "operator"],
      ["/health/live", null],
    ] as const) {
      const { fields } = await admin.call(path, { as });
      expect([path, fields]).toMatchObject([
        path,
        {
          "cache-control": "no-store",
          "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
          "x-content-type-options": "nosniff",
          "content-type": "application/json; charset=utf-8",
        },
      ]);
    }
  });
});

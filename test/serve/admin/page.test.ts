import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { Agent, request } from "undici";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { newToken } from "../../../src/config/admin-tokens.js";
import { readTls } from "../../../src/serve/tls.js";
import { pageFolder, readPage } from "../../../src/serve/ui/page-files.js";
import { makeCertificates } from "../../support/certificates.js";
import { tempDir } from "../../support/temp-dir.js";
import { type AdminUnderTest, startAdmin } from "./admin-harness.js";

let admin: AdminUnderTest;
beforeAll(async () => {
  admin = await startAdmin();
});
afterAll(() => admin.stop());

const HOUR = 3_600_000;

/** What a browser sends from a page of the server. */
const own = ({ url }: AdminUnderTest) => ({ origin: url, "sec-fetch-site": "same-origin" });

/** Logs in. @returns the cookie as a browser sends it, and the field that set it */
async function logIn(to: AdminUnderTest, as: "viewer" | "operator" = "operator") {
  const answer = await to.call("/cache/session", {
    method: "POST",
    as: null,
    body: { token: to.tokens[as] },
    fields: own(to),
  });
  expect(answer.status).toBe(200);
  const field = String(answer.fields["set-cookie"]);
  return { cookie: field.split(";", 1)[0] ?? "", field, json: answer.json() };
}

/** The status of a call with a cookie and no token. */
async function statusWith(
  to: AdminUnderTest,
  cookie: string,
  path = "/cache/stats",
  fields: Record<string, string> = { "sec-fetch-site": "same-origin" },
  call: { method?: string; body?: unknown } = {},
) {
  return (await to.call(path, { as: null, fields: { cookie, ...fields }, ...call })).status;
}

describe("the page", () => {
  test.each(["/", "/cache/ui", "/cache/ui/"])(
    "%s is it, without a token, under a policy that allows nothing else",
    async (path) => {
      const { status, fields, text: html } = await admin.call(path, { as: null });
      expect([status, fields["content-type"]]).toEqual([200, "text/html; charset=utf-8"]);
      const policy = String(fields["content-security-policy"]).split("; ");
      expect(policy.sort()).toEqual([
        "base-uri 'none'",
        "connect-src 'self'",
        "default-src 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "img-src 'self' blob:",
        "require-trusted-types-for 'script'",
        "script-src 'self'",
        "style-src 'self'",
      ]);
      expect(fields).toMatchObject({
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "cache-control": "no-store",
      });
      // What the policy would stop: scripts, styles and handlers in the text itself, and anything from elsewhere.
      expect(html).not.toMatch(/<script(?![^>]* src="\/cache\/ui\/)|<style|\sstyle=|\son\w+=|https?:/);
    },
  );

  test("is what was built, in files named by what is in them, which may be kept for ever", async () => {
    const { text: html } = await admin.call("/", { as: null });
    const paths = [...html.matchAll(/(?:src|href)="(\/[^"]+)"/g)].map(([, path = ""]) => path);
    expect(paths.map((path) => path.replace(/-[0-9A-F]{8}\./, ".")).sort()).toEqual([
      "/cache/ui/icon.svg",
      "/cache/ui/page.css",
      "/cache/ui/page.js",
    ]);
    for (const path of paths) {
      const { status, fields } = await admin.call(path, { as: null });
      expect([path, status, fields["cache-control"]]).toEqual([path, 200, "public, max-age=31536000, immutable"]);
      expect(fields).toMatchObject({ "x-content-type-options": "nosniff", vary: "Accept-Encoding" });
      const type = { js: "text/javascript; charset=utf-8", css: "text/css; charset=utf-8", svg: "image/svg+xml" };
      expect(fields["content-type"]).toBe(type[path.split(".").at(-1) as keyof typeof type]);
    }
  });

  test("goes over the wire compressed, all of it in less than 150 KB", async () => {
    const files = await readPage(pageFolder());
    const html = String(files.get("index.html")?.bytes);
    const names = ["index.html", ...[...html.matchAll(/"\/cache\/ui\/([^"]+)"/g)].map(([, name = ""]) => name)];
    let [wire, coded] = [0, 0];
    for (const name of names) {
      const path = name === "index.html" ? "/" : `/cache/ui/${name}`;
      const bytes = files.get(name)?.bytes ?? Buffer.alloc(0);
      const get = async (accept: string) => {
        const answer = await request(admin.url + path, { headers: { "accept-encoding": accept } });
        const { "content-encoding": coding, "content-length": length } = answer.headers;
        const body = Buffer.from(await answer.body.arrayBuffer());
        expect([path, answer.statusCode, Number(length)]).toEqual([path, 200, body.length]);
        return { coding, body };
      };
      const plain = await get("identity");
      expect([plain.coding, plain.body.equals(bytes)]).toEqual([undefined, true]);
      const gzip = await get("gzip, deflate");
      expect([gzip.coding, gunzipSync(gzip.body).equals(bytes)]).toEqual(["gzip", true]);
      const brotli = await get("gzip, deflate, br, zstd");
      expect([brotli.coding, brotliDecompressSync(brotli.body).equals(bytes)]).toEqual(["br", true]);
      wire += gzip.body.length;
      coded += brotli.body.length;
    }
    expect(names).toHaveLength(4);
    expect(wire).toBeLessThan(150_000);
    expect(coded).toBeLessThan(wire);
  });

  test.each([
    "/cache/ui/../../package.json",
    "/cache/ui/..%2f..%2fpackage.json",
    "/cache/ui/%2e%2e%2fmain.cjs",
    "/cache/ui/..",
    "/cache/ui/index.html",
    "/cache/ui/page.js",
    "/cache/ui/page-00000000.js",
    "/cache/ui/__proto__",
    "/cache/ui/constructor",
    "/cache/ui/%00",
    "/cache/ui//etc/passwd",
  ])("%s is no file of it", async (path) => {
    const socket = connect(Number(new URL(admin.url).port), "127.0.0.1");
    socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`);
    const answer = await text(socket);
    // What is there at all is told to who has a token.
    expect(answer).toMatch(/^HTTP\/1\.1 40[14] /);
    expect(answer).not.toMatch(/"name": "cachectl"|root:|function|<!doctype/);
  });

  test("takes no names of others in Host, as the API does", async () => {
    const { status, json } = await admin.call("/", { as: null, fields: { host: "evil.example" } });
    expect([status, json()]).toMatchObject([421, { error: { code: "foreign-host" } }]);
  });

  test("that was not built is no failure of the server", async () => {
    expect((await readPage(join(tempDir("page"), "none"))).size).toBe(0);
  });
});

describe("logging in", () => {
  test("a token becomes a cookie that no script reads and no other site sends", async () => {
    const { field, json } = await logIn(admin, "viewer");
    const port = new URL(admin.url).port;
    expect(field).toMatch(
      new RegExp(`^cachectl-${port}=[A-Za-z0-9_-]{43}; Path=/; Max-Age=43200; HttpOnly; SameSite=Strict$`),
    );
    expect(field).not.toContain(admin.tokens.viewer);
    expect(json).toEqual({ name: "v", role: "viewer", expiresAt: admin.clock.now() + 12 * HOUR });
  });

  test.each([
    ["another token", () => ({ token: newToken() }), 401, "wrong-token"],
    ["the hash of one", () => ({ token: admin.known[0]?.sha256 }), 401, "wrong-token"],
    ["none", () => ({}), 400, "invalid-request"],
    ["an empty one", () => ({ token: "" }), 400, "invalid-request"],
    ["something more", () => ({ token: admin.tokens.viewer, role: "operator" }), 400, "invalid-request"],
    ["far too much", () => ({ token: "x".repeat(5000) }), 413, "body-too-large"],
  ])("with %s: no cookie", async (_, body, status, code) => {
    const answer = await admin.call("/cache/session", { method: "POST", as: null, body: body() });
    expect([answer.status, answer.json()]).toMatchObject([status, { error: { code } }]);
    expect(answer.fields["set-cookie"]).toBeUndefined();
    expect(answer.text).not.toContain(admin.tokens.viewer);
  });

  test.each([
    [{ origin: "https://evil.example" }],
    [{ origin: "null" }],
    [{ origin: "http://127.0.0.1:1" }],
    [{ "sec-fetch-site": "cross-site" }],
    [{ "sec-fetch-site": "same-site" }],
  ])("from a page of another origin (%j): 403", async (fields) => {
    const body = { token: admin.tokens.operator };
    for (const method of ["POST", "DELETE"]) {
      const sent = method === "POST" ? { body } : {};
      const answer = await admin.call("/cache/session", { method, as: null, fields, ...sent });
      expect([method, answer.status, answer.json()]).toMatchObject([method, 403, { error: { code: "cross-site" } }]);
      expect(answer.fields["set-cookie"]).toBeUndefined();
    }
  });

  test("GET /cache/session says who calls, by cookie, by token or not at all", async () => {
    const ask = async (fields: Record<string, string>) =>
      (await admin.call("/cache/session", { as: null, fields })).json();
    const { cookie, json } = await logIn(admin);
    const nobody = { name: null, role: null, expiresAt: null };
    expect(await ask({ cookie })).toEqual(json);
    expect(await ask({ authorization: `Bearer ${admin.tokens.viewer}` })).toEqual({
      ...nobody,
      name: "v",
      role: "viewer",
    });
    expect(await ask({})).toEqual(nobody);
    expect(await ask({ cookie: `${cookie.slice(0, -1)}!` })).toEqual(nobody);
  });

  test("logging out ends that session alone, also for who kept its cookie", async () => {
    const [one, other] = [await logIn(admin), await logIn(admin)];
    const fields = { cookie: one.cookie, ...own(admin) };
    const answer = await admin.call("/cache/session", { method: "DELETE", as: null, fields });
    expect(answer.status).toBe(200);
    expect(String(answer.fields["set-cookie"])).toMatch(
      /^cachectl-\d+=; Path=\/; Max-Age=0; HttpOnly; SameSite=Strict$/,
    );
    expect(await statusWith(admin, one.cookie)).toBe(401);
    expect(await statusWith(admin, other.cookie)).toBe(200);
  });
});

describe("a cookie", () => {
  test("may do what its token may", async () => {
    const [viewer, operator] = [await logIn(admin, "viewer"), await logIn(admin, "operator")];
    const put = { method: "PUT", body: 1 };
    expect(await statusWith(admin, viewer.cookie)).toBe(200);
    expect(await statusWith(admin, viewer.cookie, "/cache/entry?key=by-cookie", own(admin), put)).toBe(403);
    expect(await statusWith(admin, operator.cookie, "/cache/entry?key=by-cookie", own(admin), put)).toBe(200);
    expect(await admin.cache.get("by-cookie")).toBe(1);
  });

  test.each([
    [{ "sec-fetch-site": "cross-site" }],
    [{ "sec-fetch-site": "same-site" }],
    [{ origin: "http://127.0.0.1:1" }],
    [{ origin: "null" }],
  ])("from a page of another origin counts for nothing, not even to look (%j)", async (fields) => {
    const { cookie } = await logIn(admin);
    for (const path of ["/cache/stats", "/cache/entry?key=x&raw=true", "/cache/session", "/v1/nothing"]) {
      expect([path, await statusWith(admin, cookie, path, fields)]).toEqual([path, 403]);
    }
    const del = { method: "DELETE" };
    expect(await statusWith(admin, cookie, "/cache/entry?key=x", fields, del)).toBe(403);
  });

  test("is found among others, and a foreign one of its name is passed over", async () => {
    const { cookie } = await logIn(admin);
    const [name] = cookie.split("=");
    expect(await statusWith(admin, `a=b; ${name}=${"A".repeat(43)}; ${name}=x; ${cookie};c=d`)).toBe(200);
    for (const none of [
      `${name}=`,
      `x${cookie}`,
      cookie.replace("cachectl", "CACHECTL"),
      cookie.slice(0, -1),
      ";;=;",
    ]) {
      expect([none, await statusWith(admin, none)]).toEqual([none, 401]);
    }
  });

  test("says nothing where a token is sent with it", async () => {
    const { cookie } = await logIn(admin);
    const fields = { cookie, authorization: `Bearer ${newToken()}` };
    expect((await admin.call("/cache/stats", { as: null, fields })).status).toBe(401);
  });

  test("is none of any origin's business: the proxy beside it passes it on to nobody", async () => {
    const { cookie } = await logIn(admin);
    const seen = async (sent: string) => {
      await admin.get(`/cookie/${Math.random()}`, { cookie: sent });
      return admin.origin.seen.at(-1)?.headers.cookie;
    };
    expect(await seen(cookie)).toBeUndefined();
    expect(await seen(`a=1; ${cookie}; b=2`)).toBe("a=1; b=2");
    expect(await seen(`${cookie}; a=1`)).toBe("a=1");
    expect(await seen(`__Host-${cookie}; a="cachectl-1"`)).toBe('a="cachectl-1"');
    expect(await seen("a=1;b=2; my-cachectl-1=3")).toBe("a=1;b=2; my-cachectl-1=3");
  });
});

describe("the end of a session", () => {
  let one: AdminUnderTest | undefined;
  afterEach(() => one?.stop());

  test("comes after twelve hours", async () => {
    one = await startAdmin();
    const { cookie } = await logIn(one);
    await one.clock.advance(12 * HOUR - 1000);
    expect(await statusWith(one, cookie)).toBe(200);
    await one.clock.advance(1000);
    expect(await statusWith(one, cookie)).toBe(401);
  });

  test("comes when its token is taken away, and stays when that comes back", async () => {
    one = await startAdmin();
    const [viewer, operator] = [await logIn(one, "viewer"), await logIn(one, "operator")];
    one.server.useTokens(one.known.filter(({ role }) => role === "viewer"));
    expect([await statusWith(one, viewer.cookie), await statusWith(one, operator.cookie)]).toEqual([200, 401]);
    one.server.useTokens(one.known);
    expect([await statusWith(one, viewer.cookie), await statusWith(one, operator.cookie)]).toEqual([200, 401]);
  });

  test("does not come with another role of the token, which counts at once", async () => {
    one = await startAdmin();
    const { cookie } = await logIn(one, "operator");
    one.server.useTokens(one.known.map((token) => ({ ...token, role: "viewer" as const })));
    const { json } = await one.call("/cache/session", { as: null, fields: { cookie } });
    expect(json()).toMatchObject({ role: "viewer" });
    expect(await statusWith(one, cookie, "/cache/entry?key=x", own(one), { method: "DELETE" })).toBe(403);
  });

  test("comes for the oldest where a token has very many", async () => {
    one = await startAdmin();
    const viewer = await logIn(one, "viewer");
    const cookies: string[] = [];
    for (let i = 0; i < 17; i += 1) cookies.push((await logIn(one, "operator")).cookie);
    const statuses: number[] = [];
    for (const cookie of [viewer.cookie, ...cookies]) statuses.push(await statusWith(one, cookie));
    expect(statuses).toEqual([200, 401, ...Array.from({ length: 16 }, () => 200)]);
  });
});

describe("where the page is", () => {
  let one: AdminUnderTest | undefined;
  afterEach(() => one?.stop());

  test("on one port with the proxy: below /cache/ui/, and / is the origin's", async () => {
    one = await startAdmin({ admin: { sharesPort: true } });
    expect((await one.get("/")).text).toBe("hello");
    for (const path of ["/cache/ui", "/cache/ui/"]) expect((await one.get(path)).text).toContain("<!doctype html>");
    const { cookie } = await logIn(one);
    expect(await statusWith(one, cookie)).toBe(200);
  });

  test("behind what speaks TLS for it: let in is who the browser says comes from the page itself", async () => {
    one = await startAdmin({ admin: { names: ["cache.example.com"] } });
    const host = "cache.example.com";
    const page = { host, origin: `https://${host}`, "sec-fetch-site": "same-origin" };
    const { call, tokens } = one;
    const login = async (fields: Record<string, string>) => {
      const body = { token: tokens.viewer };
      const answer = await call("/cache/session", { method: "POST", as: null, fields, body });
      return { status: answer.status, cookie: String(answer.fields["set-cookie"]) };
    };
    expect((await login({ ...page, "sec-fetch-site": "same-site" })).status).toBe(403);
    expect((await login({ host, origin: page.origin })).status).toBe(403);
    expect((await login({ ...page, origin: "https://evil.example" })).status).toBe(403);
    const { status, cookie } = await login(page);
    expect(status).toBe(200);
    expect(cookie).toMatch(/^__Host-cachectl-\d+=[\w-]{43}; Path=\/; .*; SameSite=Strict; Secure$/);
    expect(await statusWith(one, cookie.split(";", 1)[0] ?? "", "/cache/stats", page)).toBe(200);
  });

  test("with TLS: the cookie is for TLS alone", async () => {
    const made = await makeCertificates(tempDir("page-tls"));
    const tls = readTls({ tlsCert: made.cert, tlsKey: made.key });
    if (!tls) throw new Error("there is no certificate");
    one = await startAdmin({ options: { tls }, admin: { host: "0.0.0.0", exposed: true } });
    const url = one.url.replace("0.0.0.0", "127.0.0.1");
    const dispatcher = new Agent({ connect: { ca: readFileSync(made.ca) } });
    const { statusCode, headers } = await request(`${url}/cache/session`, {
      ...{ method: "POST", dispatcher, body: JSON.stringify({ token: one.tokens.viewer }) },
      headers: { "content-type": "application/json", origin: url },
    });
    expect(statusCode).toBe(200);
    const field = String(headers["set-cookie"]);
    expect(field).toMatch(/^__Host-cachectl-\d+=[\w-]{43}; Path=\/; Max-Age=43200; HttpOnly; SameSite=Strict; Secure$/);
    const get = async (cookie: string) =>
      (await request(`${url}/cache/stats`, { dispatcher, headers: { cookie, origin: url } })).statusCode;
    const [cookie = ""] = field.split(";");
    expect([await get(cookie), await get(cookie.replace("__Host-", ""))]).toEqual([200, 401]);
    await dispatcher.close();
  });
});

import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parseRules } from "../../../src/config/rules.js";
import { type ProxyUnderTest, startProxy } from "../proxy-harness.js";
import { RawConnection } from "../raw.js";

let proxy: ProxyUnderTest;
const clients: RawConnection[] = [];
beforeEach(async () => {
  // An origin as careless as many are: what a request says comes back in the response, which everybody may keep.
  proxy = await startProxy(
    (request, response) => {
      const { headers, method, url } = request;
      response.setHeader("cache-control", "public, max-age=60");
      response.end(JSON.stringify({ method, url, headers, body: request.body.toString() }));
    },
    { options: { rules: parseRules('[{"pattern":"/static/*","ttl":"1h","override":true}]', "test") } },
  );
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await proxy.stop();
});

const raw = async (bytes: string) => {
  const client = await RawConnection.to(proxy.server.url);
  clients.push(client);
  return client.send(bytes).response();
};
const get = (target: string, fields = "", host = "a.example") =>
  raw(`GET ${target} HTTP/1.1\r\nHost: ${host}\r\n${fields}\r\n`);
const isHit = (response: { fields: Record<string, string> }) => response.fields["x-cache"] === "HIT";

describe("what is in no key does not reach the origin of what is kept", () => {
  test.each([
    ["X-Forwarded-Host", "evil.example"],
    ["x-forwarded-host", "evil.example"],
    ["X_Forwarded_Host", "evil.example"],
    ["X-Forwarded-Server", "evil.example"],
    ["X-Forwarded-Scheme", "evil"],
    ["X-Forwarded-Proto", "evil"],
    ["X-Forwarded-Port", "6666"],
    ["X-Forwarded-Prefix", "/evil"],
    ["X-Forwarded-For", "6.6.6.6"],
    ["Forwarded", "host=evil.example"],
    ["X-Host", "evil.example"],
    ["X-Original-Host", "evil.example"],
    ["X-HTTP-Host-Override", "evil.example"],
    ["X-Original-URL", "/evil"],
    ["X_Original_URL", "/evil"],
    ["X-Rewrite-URL", "/evil"],
    ["X-Original-URI", "/evil"],
    ["X-Override-URL", "/evil"],
    ["X-HTTP-Method-Override", "evil"],
    ["X_HTTP_Method_Override", "evil"],
    ["X-HTTP-Method", "evil"],
    ["X-Method-Override", "evil"],
    ["X-Real-IP", "6.6.6.6"],
    ["True-Client-IP", "6.6.6.6"],
    ["Proxy", "http://evil.example"],
    ["X-Url-Scheme", "evil"],
    ["Base-Url", "http://evil.example"],
    ["X-Backend-Host", "evil.example"],
    ["Range", "bytes=0-0"],
    ["If-None-Match", '"evil"'],
  ])("%s: %s", async (name, value) => {
    const poisoned = await get("/page", `${name}: ${value}\r\n`);
    expect(poisoned.body).not.toContain(value);
    const victim = await get("/page");
    expect(isHit(victim)).toBe(true);
    expect(victim.body).not.toContain(value);
  });

  test.each([
    ["Forwarded", "for=6.6.6.6;host=evil.example;proto=evil"],
    ["X-Forwarded-Port", "6666"],
    ["X-Original-URL", "/evil"],
    ["X-Host", "evil.example"],
  ])("nor what a trusted peer passes on of its client: %s: %s", async (name, value) => {
    await proxy.stop();
    proxy = await startProxy(
      (request, response) => {
        response.setHeader("cache-control", "public, max-age=60");
        response.end(JSON.stringify({ url: request.url, headers: request.headers }));
      },
      { options: { trustedProxies: ["127.0.0.1"] } },
    );
    const poisoned = await get("/page", `${name}: ${value}\r\n`);
    expect(poisoned.body).not.toMatch(/evil|6666/);
    const victim = await get("/page");
    expect(isHit(victim)).toBe(true);
    expect(victim.body).toBe(poisoned.body);
  });

  test.each([
    "Authorization: Bearer x",
    "Cookie: sid=1",
    "Accept-Language: de",
    "Cache-Control: no-store",
    "Range: bytes=0-1",
    "Host: b",
  ])("%s can't be taken away by Connection", async (line) => {
    const name = line.slice(0, line.indexOf(":"));
    const before = proxy.origin.seen.length;
    await raw(
      `GET /c HTTP/1.1\r\n${name === "Host" ? "" : "Host: a\r\n"}${line}\r\nConnection: close, ${name}\r\n\r\n`,
    );
    const seen = proxy.origin.seen.slice(before).map(({ headers }) => headers)[0];
    // What is taken away all the same is seen nowhere, neither by the origin nor in the key.
    if (name === "Accept-Language") expect(seen?.["accept-language"]).toBeUndefined();
    else if (name === "Authorization") expect(seen?.authorization).toBe("Bearer x");
    else if (name === "Cookie") expect(seen?.cookie).toBe("sid=1");
    else expect(seen?.host).toBe(new URL(proxy.origin.url).host);
  });

  test("a GET with a body is answered, not kept, and waited for by nobody", async () => {
    const fat = await get("/fat", "Content-Length: 4\r\n\r\nevil");
    expect(fat.fields["x-cache"]).toBe("BYPASS");
    const victim = await get("/fat");
    expect(victim.fields["x-cache"]).toBe("MISS");
    expect(JSON.parse(victim.body).body).toBe("");
  });

  test("what is kept for one method answers no other", async () => {
    await get("/m");
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"]) {
      const other = await raw(`${method} /other HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\n\r\n`);
      expect(other.fields["x-cache"]).toBe("BYPASS");
    }
    expect((await get("/other")).fields["x-cache"]).toBe("MISS");
  });

  test("parameters are in the key as they are sent, in their order, each time", async () => {
    for (const query of [
      "?a=1&b=2",
      "?b=2&a=1",
      "?a=1&a=2",
      "?a=1;b=2",
      "?A=1&b=2",
      "?a=1&b=2&utm_source=x",
      "?",
      "",
      "?a[]=1",
      "?a=1%26b=2",
      "?a=%00",
    ]) {
      expect((await get(`/q${query}`)).fields["x-cache"]).toBe("MISS");
    }
  });
});

describe("Host", () => {
  test("every host has its own entries, also with a port", async () => {
    for (const host of ["a.example", "b.example", "a.example:8080", "a.example:81", "[::1]", "[::1]:81", "127.0.0.1"]) {
      const first = await get("/h", "", host);
      expect(first.fields["x-cache"]).toBe("MISS");
      expect(JSON.parse(first.body).headers["x-forwarded-host"]).toBe(host);
      expect(isHit(await get("/h", "", host))).toBe(true);
    }
  });

  test("one host in other spellings is one", async () => {
    await get("/s", "", "a.example");
    for (const host of ["A.EXAMPLE", "a.example.", "a.example:80", "a.example:"])
      expect(isHit(await get("/s", "", host))).toBe(true);
    await get("/s", "", "[::1]");
    for (const host of ["[0:0:0:0:0:0:0:1]", "[::0001]:80"]) expect(isHit(await get("/s", "", host))).toBe(true);
  });

  test.each([
    "",
    "a b",
    "a@b",
    "user:pw@a",
    "a/b",
    "a?b",
    "a#b",
    "a\\b",
    "a,b",
    "a\tb",
    "[::1",
    "::1",
    "[::g]",
    "a:99999",
    "a:0",
    "a:b",
    "a:80:80",
    ".a",
    "a..b",
    "http://a",
    "a%2eb",
    `${"a".repeat(300)}`,
    "\xe9",
    "a;b",
    "*",
    "a:-1",
    "[::1]a",
    "[fe80::1%25eth0]",
    "a\x0bb",
  ])("%j: 400", async (host) => {
    expect(await get("/", "", host)).toMatchObject({ status: 400 });
    expect(proxy.origin.seen).toEqual([]);
  });

  test("none, and two of them: 400", async () => {
    expect(await raw("GET / HTTP/1.1\r\n\r\n")).toMatchObject({ status: 400 });
    expect(await raw("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n")).toMatchObject({ status: 400 });
    expect(await raw("GET / HTTP/1.1\r\nHost: a\r\nHOST: b\r\n\r\n")).toMatchObject({ status: 400 });
  });

  test("an absolute target is for the host that it names, and no way to anywhere else", async () => {
    const own = await raw("GET http://A.Example:80/abs HTTP/1.1\r\nHost: a.example\r\n\r\n");
    expect(own.fields["x-cache"]).toBe("MISS");
    expect(isHit(await get("/abs"))).toBe(true);
    for (const target of [
      "http://evil.example/",
      "http://user@a.example/",
      "http://a.example@evil.example/",
      "http://127.0.0.1:22/",
      "//evil.example/",
    ]) {
      const seen = proxy.origin.seen.length;
      const got = await raw(`GET ${target} HTTP/1.1\r\nHost: a.example\r\n\r\n`);
      // What begins with two slashes is a path.
      if (target.startsWith("//")) expect(proxy.origin.seen.at(-1)?.url).toBe(target);
      else expect([[400, 421].includes(got.status), proxy.origin.seen.length]).toEqual([true, seen]);
    }
    for (const target of [
      "https://a.example/",
      "ftp://a.example/",
      "file:///etc/passwd",
      "javascript:alert(1)",
      "a.example:80",
      "http:/a",
      "http://",
      "\\evil",
    ]) {
      expect((await raw(`GET ${target} HTTP/1.1\r\nHost: a.example\r\n\r\n`)).status).toBeGreaterThanOrEqual(400);
    }
    expect((await raw("GET http://b.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n")).status).toBe(421);
  });
});

describe("paths", () => {
  test("what goes to the origin is what the key says, in one spelling", async () => {
    for (const [sent, asked] of [
      ["/a/./b/../c", "/a/c"],
      ["/%61/%7Eb", "/a/~b"],
      ["/a/%2e%2e/b", "/b"],
      ["/a/%2E%2e/%2e/b", "/b"],
      ["/../../etc/passwd", "/etc/passwd"],
      ["/a%2fb", "/a%2Fb"],
      ["//a//b", "//a//b"],
      ["/a;x=1/b", "/a;x=1/b"],
      ["/%c3%a9", "/%C3%A9"],
      ["/a?x=../..", "/a?x=../.."],
      ["/a%0d%0aX-Evil:%201", "/a%0D%0AX-Evil:%201"],
      ["/a?b=%0d%0a", "/a?b=%0D%0A"],
    ] as const) {
      expect(JSON.parse((await get(sent)).body).url).toBe(asked);
      expect(isHit(await get(asked))).toBe(true);
    }
  });

  test.each([
    ["a backslash", "/a\\..\\b"],
    ["a NUL", "/a%00b"],
    ["a stray %", "/a%zz"],
    ["half a triplet", "/a%2"],
    ["a fragment", "/a#b"],
    ["octets beyond ASCII", "/\xe9"],
    ["no path", "a"],
  ])("%s: 400", async (_, target) => {
    expect(await get(target)).toMatchObject({ status: 400 });
    expect(proxy.origin.seen).toEqual([]);
  });
});

describe("cache deception: a private page under a name that a rule has kept for all", () => {
  test.each(["/static/../account", "/static/%2e%2e/account", "/static/.%2e/account", "/x/../static/../account"])(
    "%s is the page itself, which the rule is not about",
    async (target) => {
      proxy.origin.answer = (_request, response) =>
        void response.writeHead(200, { "cache-control": "private" }).end("mine");
      for (let i = 0; i < 2; i++) expect((await get(target)).fields["x-cache"]).toBe("MISS");
      expect(proxy.origin.seen.every(({ url }) => url === "/account")).toBe(true);
    },
  );

  test.each([
    "/static/..%2faccount",
    "/static/..%2Faccount",
    "/static/%2e%2e%2faccount",
    "/static/a%2f..%2f..%2faccount",
    "/static/..%5caccount",
    "/static/..;/account",
    "/static/..%3b/account",
    "/static/..;x=1/account",
    "/static/.%2e;/account",
    "/static/a%2f%2e%2e",
    "/static/.%2f../account",
  ])("%s would be another path to many an origin: 400", async (target) => {
    expect(await get(target)).toMatchObject({ status: 400 });
    expect(proxy.origin.seen).toEqual([]);
  });

  test("a name that looks static makes nothing cacheable", async () => {
    proxy.origin.answer = (_request, response) =>
      void response.writeHead(200, { "cache-control": "private", "set-cookie": "sid=1" }).end("mine");
    for (const target of [
      "/account/x.css",
      "/account;x.css",
      "/account%2fx.css",
      "/account%3bx.css",
      "/account/.css",
      "/account?x.css",
      "/account/%2e%2e/static.css",
      "/account%23x.css",
      "/account%3Fx.css",
      "/account/static/x.js",
    ]) {
      for (let i = 0; i < 2; i++) expect(isHit(await get(target))).toBe(false);
    }
    proxy.origin.answer = (_request, response) => void response.writeHead(200).end("mine");
    for (let i = 0; i < 2; i++) expect(isHit(await get("/account/y.css"))).toBe(false);
  });

  test("a query does not bring anything under a rule", async () => {
    proxy.origin.answer = (_request, response) =>
      void response.writeHead(200, { "cache-control": "private" }).end("mine");
    for (const target of ["/account?/static/x", "/account?x=/static/", "/account;/static/"]) {
      for (let i = 0; i < 2; i++) expect(isHit(await get(target))).toBe(false);
    }
  });
});

describe("cookies", () => {
  test("Set-Cookie reaches nobody but who it was for", async () => {
    let user = 0;
    proxy.origin.answer = (_request, response) => {
      response.writeHead(200, { "cache-control": "max-age=60", "set-cookie": `sid=${user++}; HttpOnly` }).end("page");
    };
    for (let i = 0; i < 3; i++)
      expect((await get("/")).fields).toMatchObject({ "x-cache": "MISS", "set-cookie": `sid=${i}; HttpOnly` });
    // Nor where a rule keeps the rest.
    const first = await get("/static/a");
    expect(first.fields["set-cookie"]).toBe("sid=3; HttpOnly");
    const second = await get("/static/a");
    expect([isHit(second), second.fields["set-cookie"]]).toEqual([true, undefined]);
  });

  test("nor in the answer to who waits for the same", async () => {
    let answer = () => {};
    let user = 0;
    proxy.origin.answer = (_request, response) => {
      const send = () =>
        void response.writeHead(200, { "cache-control": "max-age=60", "set-cookie": `sid=${user++}` }).end("page");
      if (user === 0 && proxy.origin.seen.length === 1) answer = send;
      else send();
    };
    const waiting = Array.from({ length: 10 }, () => get("/same"));
    while (proxy.origin.seen.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    answer();
    const cookies = (await Promise.all(waiting)).map(({ fields }) => fields["set-cookie"]);
    expect(new Set(cookies).size).toBe(10);
  });

  test("a response that names Cookie in Vary is for those cookies alone", async () => {
    proxy.origin.answer = ({ headers }, response) =>
      void response.writeHead(200, { "cache-control": "max-age=60", vary: "Cookie" }).end(`for ${headers.cookie}`);
    for (const cookie of ["a=1", "a=2", "a=1; b=2", "b=2; a=1"])
      expect((await get("/v", `Cookie: ${cookie}\r\n`)).body).toBe(`for ${cookie}`);
    expect((await get("/v")).body).toBe("for undefined");
    expect((await get("/v", "Cookie: a=2\r\n")).body).toBe("for a=2");
  });

  test("what was asked for with Authorization is for nobody else", async () => {
    proxy.origin.answer = ({ headers }, response) =>
      void response.writeHead(200, { "cache-control": "max-age=60" }).end(`for ${headers.authorization}`);
    expect((await get("/auth", "Authorization: Bearer a\r\n")).body).toBe("for Bearer a");
    expect((await get("/auth", "Authorization: Bearer b\r\n")).body).toBe("for Bearer b");
    expect((await get("/auth")).body).toBe("for undefined");
    expect((await get("/auth", "authorization: Bearer c\r\n")).body).toBe("for Bearer c");
  });
});

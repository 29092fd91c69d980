import { connect } from "node:net";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { parseRules } from "../../src/config/rules.js";
import { HttpCache } from "../../src/http/http-cache.js";
import { tempDir } from "../support/temp-dir.js";
import { until } from "../support/until.js";
import { type ProxyUnderTest, startProxy } from "./proxy-harness.js";

let proxy: ProxyUnderTest | undefined;
afterEach(() => proxy?.stop());

const parsed = (...rules: object[]) => parseRules(JSON.stringify(rules), "test");

type Headers = Record<string, string>;

/** An origin that says how often it was asked, and by whom. */
async function ruled(rules: object[], headers: Headers = {}, store = "memory:"): Promise<ProxyUnderTest> {
  let count = 0;
  proxy = await startProxy(
    (request, response) => {
      count += 1;
      const who = request.headers["x-user-id"] ?? request.headers.cookie ?? "nobody";
      response.writeHead(200, headers).end(`${request.method} ${request.url} ${who} ${request.body} #${count}`);
    },
    { store, options: { rules: parsed(...rules) } },
  );
  return proxy;
}

const STORES = ["memory:", `sqlite:${join(tempDir("rules"), "c.db")}`];

describe.each(STORES)("rules over %s", (store) => {
  test("a ttl keeps what says nothing, until it is over", async () => {
    const { get, clock } = await ruled([{ pattern: "/*", ttl: "1m" }], {}, store);
    const first = await get(`/ttl-${store.length}`);
    expect((await get(`/ttl-${store.length}`)).text).toBe(first.text);
    clock.advance(61_000);
    expect((await get(`/ttl-${store.length}`)).text).not.toBe(first.text);
  });

  test("conditions on headers: one user's answer never reaches another", async () => {
    const { get, server, cache, clock } = await ruled(
      [{ pattern: "*/profile/*", ttl: 1800, conditions: { headers: { "x-user-id": "*" } } }],
      { "cache-control": "max-age=60" },
      store,
    );
    const path = "/profile/me";
    const as = async (user?: string) => (await get(path, user === undefined ? {} : { "x-user-id": user })).text;
    const [nobody, a, b] = [await as(), await as("a"), await as("b")];
    expect([nobody, a, b].map((text) => text.split(" ")[2])).toEqual(["nobody", "a", "b"]);
    expect([await as(), await as("a"), await as("b")]).toEqual([nobody, a, b]);
    // A purge of the URL is one of all of them.
    await new HttpCache(cache, clock).purge({ urls: [server.url + path] });
    expect(await as("a")).not.toBe(a);
    expect(await as("b")).not.toBe(b);
  });

  test("what was stored for anybody answers nobody where a rule has it depend on the user", async () => {
    const { get, server } = await ruled([], { "cache-control": "max-age=60" }, store);
    const path = "/was-shared";
    const shared = await get(path, { "x-user-id": "a" });
    expect((await get(path, { "x-user-id": "b" })).text).toBe(shared.text);
    server.useRules(parsed({ pattern: path, vary: { headers: ["x-user-id"] } }));
    expect((await get(path, { "x-user-id": "b" })).text).toContain(" b ");
    expect((await get(path, { "x-user-id": "a" })).text).toContain(" a ");
    expect((await get(path, { "x-user-id": "b" })).fields["x-cache"]).toBe("HIT");
  });

  test("a cookie in the key, and the others not", async () => {
    const { get } = await ruled([{ pattern: "/*", ttl: 60, vary: { cookies: ["sid"] } }], {}, store);
    const as = async (cookie: string) => (await get("/cookie", { cookie })).text;
    const one = await as("sid=1; seen=1");
    expect(await as("seen=2; sid=1")).toBe(one);
    expect(await as("sid=2; seen=1")).not.toBe(one);
    expect(one).toContain("sid=1; seen=1");
  });

  test("the query: what goes to the origin is what the key says", async () => {
    const { get, origin } = await ruled(
      [{ pattern: "/list*", ttl: 60, query: { sort: true, ignore: ["utm_*"] } }],
      {},
      store,
    );
    const first = await get("/list?b=2&utm_source=x&a=1");
    expect(origin.seen.at(-1)?.url).toBe("/list?a=1&b=2");
    expect((await get("/list?a=1&b=2&utm_campaign=y")).text).toBe(first.text);
    expect((await get("/list?a=2&b=1")).text).not.toBe(first.text);
  });
});

describe("rules", () => {
  test("override keeps what is private, without its cookies", async () => {
    const headers = { "cache-control": "private, no-store", "set-cookie": "sid=secret" };
    const { get } = await ruled(
      [
        { pattern: "/open", ttl: 60, override: true },
        { pattern: "/*", ttl: 60 },
      ],
      headers,
    );
    const first = await get("/open");
    const second = await get("/open");
    expect([second.text, second.fields["set-cookie"]]).toEqual([first.text, undefined]);
    expect((await get("/closed")).text).not.toBe((await get("/closed")).text);
  });

  test("bypass asks the origin always, and stores nothing", async () => {
    const { get, send, cache } = await ruled([{ pattern: "/live/*", bypass: true }], { "cache-control": "max-age=60" });
    const first = await get("/live/a");
    const second = await get("/live/a");
    expect(second.text).not.toBe(first.text);
    expect(second.fields["x-cache"]).toBe("BYPASS");
    expect((await send("POST", "/live/a", {}, "x")).text).toContain("POST /live/a nobody x");
    expect(await cache.countWhere({ all: true })).toMatchObject({ count: 0 });
  });

  test("sizes: too small and too large is passed on", async () => {
    const { get, origin } = await ruled([{ pattern: "/*", ttl: 60, conditions: { minSize: 100, maxSize: 1000 } }]);
    origin.answer = ({ url }, response) => {
      const body = "x".repeat(Number(url.split("/")[2]));
      if (url.startsWith("/known/")) response.setHeader("content-length", body.length);
      else response.write(body.slice(0, 1));
      response.end(url.startsWith("/known/") ? body : body.slice(1));
    };
    for (const kind of ["known", "chunked"]) {
      for (const [size, hit] of [
        [99, "MISS"],
        [100, "HIT"],
        [1000, "HIT"],
        [1001, "MISS"],
      ] as const) {
        await get(`/${kind}/${size}`);
        const again = await get(`/${kind}/${size}`);
        expect([kind, size, again.fields["x-cache"], again.text.length]).toEqual([kind, size, hit, size]);
      }
    }
  });

  test("a tag of a rule is purged by", async () => {
    const { get, cache, clock } = await ruled([{ pattern: "/*", ttl: 60, tags: ["shop"] }]);
    const first = await get("/a");
    await new HttpCache(cache, clock).purge({ tags: ["shop"] });
    expect((await get("/a")).text).not.toBe(first.text);
  });

  test("a change invalidates what the rule's query keeps it under", async () => {
    const { get, send } = await ruled([{ pattern: "/*", ttl: 60, query: { ignore: ["utm"] } }]);
    const first = await get("/a?utm=1&x=1");
    expect((await send("PUT", "/a?utm=2&x=1", {}, "new")).text).toContain("/a?utm=2&x=1");
    expect((await get("/a?utm=1&x=1")).text).not.toBe(first.text);
  });

  test("stale-while-revalidate of a rule", async () => {
    const { get, clock, origin } = await ruled([{ pattern: "/*", ttl: 10, swr: 60 }]);
    const first = await get("/a");
    clock.advance(11_000);
    const stale = await get("/a");
    expect([stale.text, stale.fields["x-cache"]]).toEqual([first.text, "STALE"]);
    await until(() => origin.seen.length === 2);
    await until(async () => (await get("/a")).fields["x-cache"] === "HIT");
  });

  test("equal misses of different users are asked for each", async () => {
    const { get, origin } = await ruled([{ pattern: "/*", ttl: 60, vary: { headers: ["x-user-id"] } }]);
    await get("/a", { "x-user-id": "first" });
    const users = Array.from({ length: 20 }, (_, i) => `u${i % 2}`);
    const answers = await Promise.all(users.map(async (user) => (await get("/a", { "x-user-id": user })).text));
    expect(answers.map((text) => text.split(" ")[2])).toEqual(users);
    expect(origin.seen.length).toBe(3);
  });
});

describe("POST", () => {
  const RULE = { pattern: "/search", ttl: 60, methods: ["GET", "POST"] };
  const json = { "content-type": "application/json" };

  test("is stored by its content and what that means", async () => {
    const { send, origin } = await ruled([RULE]);
    const first = await send("POST", "/search", json, '{"q":1}');
    expect(first.text).toContain('POST /search nobody {"q":1}');
    const again = await send("POST", "/search", json, '{"q":1}');
    expect([again.text, again.fields["x-cache"]]).toEqual([first.text, "HIT"]);
    expect((await send("POST", "/search", json, '{"q":2}')).text).toContain('{"q":2}');
    expect((await send("POST", "/search", { "content-type": "text/plain" }, '{"q":1}')).text).not.toBe(first.text);
    expect(origin.seen.length).toBe(3);
    expect(origin.seen.some(({ headers }) => Object.keys(headers).some((name) => name.includes(":")))).toBe(false);
  });

  test("invalidates nothing where it is stored, and elsewhere it does", async () => {
    const { get, send } = await ruled([RULE, { pattern: "/*", ttl: 60 }]);
    const [search, other] = [await get("/search"), await get("/other")];
    await send("POST", "/search", json, "1");
    await send("POST", "/other", json, "1");
    expect((await get("/search")).text).toBe(search.text);
    expect((await get("/other")).text).not.toBe(other.text);
  });

  test("is forgotten by a purge of its URL, and by a change", async () => {
    const { send, server, cache, clock } = await ruled([RULE]);
    const ask = async () => (await send("POST", "/search", json, "1")).text;
    const first = await ask();
    await new HttpCache(cache, clock).purge({ urls: [`${server.url}/search`] });
    const second = await ask();
    expect(second).not.toBe(first);
    await send("DELETE", "/search");
    expect(await ask()).not.toBe(second);
  });

  test("of more than 1 MiB passes, whole, and is not stored", async () => {
    const { send, origin } = await ruled([RULE]);
    const large = "x".repeat(1024 * 1024 + 1);
    const [first, second] = [await send("POST", "/search", {}, large), await send("POST", "/search", {}, large)];
    expect([first.fields["x-cache"], second.fields["x-cache"]]).toEqual(["BYPASS", "BYPASS"]);
    const chunked = await fetch(`${proxy?.server.url}/search`, {
      method: "POST",
      body: new Blob([large]).stream(),
      duplex: "half",
    } as RequestInit);
    await chunked.arrayBuffer();
    expect(origin.seen.map(({ body }) => body.length)).toEqual(Array.from({ length: 3 }, () => large.length));
  });

  test("of two who send the same at once goes to the origin once", async () => {
    const { send, origin } = await ruled([RULE]);
    await send("POST", "/search", json, "first");
    const texts = await Promise.all(
      Array.from({ length: 10 }, async (_, i) => (await send("POST", "/search", json, `${i % 2}`)).text),
    );
    expect(new Set(texts).size).toBe(2);
    expect(origin.seen.length).toBe(3);
  });

  test("with Authorization is stored for nobody else, and reaches the origin whole", async () => {
    const { send, origin } = await ruled([RULE]);
    const stored = await send("POST", "/search", json, "1");
    const other = await send("POST", "/search", { ...json, authorization: "Bearer a" }, "1");
    expect(other.text).not.toBe(stored.text);
    expect(origin.seen.at(-1)?.body.toString()).toBe("1");
    const fresh = await send("POST", "/search", { ...json, authorization: "Bearer a" }, "2");
    expect((await send("POST", "/search", json, "2")).text).not.toBe(fresh.text);
  });

  test("that became stale is asked again with its content", async () => {
    const { send, origin, clock } = await ruled([{ ...RULE, swr: 600 }], { etag: '"a"' });
    await send("POST", "/search", json, "1");
    clock.advance(61_000);
    expect((await send("POST", "/search", json, "1")).fields["x-cache"]).toBe("STALE");
    await until(() => origin.seen.length === 2);
    expect(origin.seen[1]).toMatchObject({ method: "POST", body: Buffer.from("1") });
    expect(origin.seen[1]?.headers["if-none-match"]).toBeUndefined();
  });

  test("whose client goes away in the middle harms nobody", async () => {
    const { send, server, failures, origin } = await ruled([RULE]);
    const socket = connect(Number(new URL(server.url).port), "127.0.0.1");
    socket.on("error", () => {});
    socket.write("POST /search HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n12345");
    await until(() => socket.bytesWritten > 0 && !socket.connecting);
    socket.destroy();
    expect((await send("POST", "/search", json, "1")).status).toBe(200);
    expect([failures, origin.seen.length]).toEqual([[], 1]);
  });
});

test("no client can send a pseudo-field", async () => {
  const { server, origin } = await ruled([{ pattern: "/*", ttl: 60, vary: { cookies: ["sid"] } }]);
  const socket = connect(Number(new URL(server.url).port), "127.0.0.1");
  let answer = "";
  socket.on("data", (piece) => {
    answer += piece;
  });
  socket.write("GET / HTTP/1.1\r\nHost: h\r\ncookie:sid: 1\r\n\r\n");
  await until(() => answer.includes("\r\n\r\n"));
  socket.destroy();
  // `cookie` with the value `sid: 1` is what it says, and no cookie of that name.
  expect(origin.seen.every(({ headers }) => headers["cookie:sid"] === undefined)).toBe(true);
});

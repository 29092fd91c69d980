import { describe, expect, test } from "vitest";
import { asWritten, type Got, siteForTests } from "./site.js";

const site = siteForTests();
const FRESH = { "cache-control": "max-age=60" };
const host = () => new URL(site.proxy.server.url).host;
const raw = (path: string, ...lines: string[]) =>
  site.raw([`GET ${path} HTTP/1.1`, `Host: ${host()}`, "Connection: close", ...lines, "", ""].join("\r\n"));

describe("fields of the connection", () => {
  test("RFC 9110 §7.6.1: Connection and what it names MUST be removed from a request before it is forwarded", async () => {
    const resource = site.resource();
    await resource.get({ connection: "keep-alive, X-Hop, x-other", "x-hop": "1", "x-other": "2", "x-end": "3" });
    const headers = resource.seen[0]?.headers;
    expect(headers).toMatchObject({ "x-end": "3" });
    expect(headers).not.toHaveProperty("x-hop");
    expect(headers).not.toHaveProperty("x-other");
    expect(headers?.connection).not.toContain("hop");
  });

  test("RFC 9110 §7.6.1: Connection and what it names MUST be removed from a response before it is forwarded", async () => {
    const lines = ["HTTP/1.1 200 OK", "Connection: x-hop", "X-Hop: 1", "X-End: 2", "Content-Length: 0"];
    const got = await site.resource(asWritten(lines)).get();
    expect(got.fields["x-end"]).toBe("2");
    expect(got.fields).not.toHaveProperty("x-hop");
  });

  test("RFC 9110 §7.6.1: fields known to be of the connection are removed though Connection does not name them", async () => {
    const names = ["proxy-connection", "keep-alive", "te"];
    const resource = site.resource({ fields: { "proxy-connection": "x", "keep-alive": "timeout=1" } });
    const got = await resource.get(Object.fromEntries(names.map((name) => [name, "x"])));
    for (const name of names) expect(resource.seen[0]?.headers).not.toHaveProperty(name);
    expect(got.fields).not.toHaveProperty("proxy-connection");
    expect(got.fields["keep-alive"]).not.toBe("timeout=1");
  });

  test("RFC 9110 §7.6.1: what is for all recipients can't be taken away by Connection", async () => {
    const resource = site.resource(
      asWritten(["HTTP/1.1 200 OK", "Connection: cache-control", "Cache-Control: no-store", "Content-Length: 0"]),
    );
    expect((await resource.get()).fields["cache-control"]).toBe("no-store");
    await resource.get({ connection: "close, authorization", authorization: "x" });
    expect(resource.seen[1]?.headers.authorization).toBe("x");
  });

  test("RFC 9110 §11.7.1: Proxy-Authorization is for the proxy that asked for it, and is not forwarded", async () => {
    const resource = site.resource();
    await resource.get({ "proxy-authorization": "Basic x" });
    expect(resource.seen[0]?.headers).not.toHaveProperty("proxy-authorization");
  });

  test("RFC 9110 §5.1: fields that nobody knows MUST be forwarded", async () => {
    const resource = site.resource({ fields: { "x-unknown-response": "1" } });
    const got = await resource.get({ "x-unknown-request": "2" });
    expect(got.fields["x-unknown-response"]).toBe("1");
    expect(resource.seen[0]?.headers["x-unknown-request"]).toBe("2");
  });

  test("RFC 9110 §5.3: the order of lines with one name MUST NOT be changed", async () => {
    const lines = ["HTTP/1.1 200 OK", "X-A: 2", "X-B: 0", "X-A: 1", "Content-Length: 0"];
    const resource = site.resource(asWritten(lines));
    const got = await resource.get({ "x-c": ["2", "1"] });
    expect(got.fields["x-a"]).toBe("2, 1");
    expect(resource.seen[0]?.headers["x-c"]).toBe("2, 1");
  });
});

describe("Max-Forwards", () => {
  test("RFC 9110 §7.6.2: with 0 an OPTIONS MUST NOT be forwarded, and is answered here", async () => {
    const resource = site.resource();
    expect((await resource.send("OPTIONS", { "max-forwards": "0" })).status).toBe(200);
    expect(resource.asked).toBe(0);
  });

  test("RFC 9110 §7.6.2: above 0 it MUST be forwarded with one less", async () => {
    const resource = site.resource();
    await resource.send("OPTIONS", { "max-forwards": "5" });
    expect(resource.seen[0]?.headers["max-forwards"]).toBe("4");
  });

  test("RFC 9110 §7.6.2: with other methods it may be ignored", async () => {
    const resource = site.resource();
    await resource.send("PUT", { "max-forwards": "0" });
    expect(resource.asked).toBe(1);
  });
});

describe("Via", () => {
  test("RFC 9110 §7.6.3: it MUST be sent with each request that is forwarded, after those who were before", async () => {
    const resource = site.resource();
    await resource.get();
    await resource.get({ via: "1.0 fred" });
    await raw(resource.path, "Via: 1.0 a", "Via: 1.1 b");
    expect(resource.seen.map(({ headers }) => headers.via)).toEqual([
      "1.1 cache-test",
      "1.0 fred, 1.1 cache-test",
      "1.0 a, 1.1 b, 1.1 cache-test",
    ]);
  });

  test("RFC 9110 §7.6.3: it names the version that the message was received with", async () => {
    const resource = site.resource();
    await site.raw(`GET ${resource.path} HTTP/1.0\r\nHost: ${host()}\r\n\r\n`);
    expect(resource.seen[0]?.headers.via).toBe("1.0 cache-test");
  });

  test("RFC 9110 §7.6.3: it is sent with each response, from the origin and from the store alike", async () => {
    const fields = { "cache-control": "max-age=10, stale-while-revalidate=30", etag: '"1"', via: "1.1 inner" };
    const resource = site.resource({ fields }, { fields }, { status: 304 });
    const seen: unknown[] = [];
    const note = ({ cache, fields: got }: Got) => seen.push([cache, got.via]);
    note(await resource.get());
    note(await resource.get());
    note(await resource.get({ "if-none-match": '"1"' }));
    note(await resource.get({ range: "bytes=0-1" }));
    note(await resource.send("HEAD"));
    note(await resource.send("OPTIONS"));
    site.wait(50);
    note(await resource.get());
    expect(seen).toEqual(
      ["MISS", "HIT", "HIT", "HIT", "HIT", "BYPASS", "REVALIDATED"].map((cache) => [
        cache,
        "1.1 inner, 1.1 cache-test",
      ]),
    );
  });

  test("RFC 9110 §7.6.3: a request that has been here before is refused, since it would go on for ever", async () => {
    const resource = site.resource();
    expect((await resource.get({ via: "1.1 cache-test" })).status).toBe(508);
    expect(resource.asked).toBe(0);
  });
});

describe("content", () => {
  test("RFC 9110 §7.7: content is passed on as it is, with what it is coded in", async () => {
    const body = "\x1f\x8b not really gzip \x00\xff";
    for (const control of ["no-store", "max-age=60"]) {
      const lines = [
        "HTTP/1.1 200 OK",
        "Content-Encoding: gzip",
        `Cache-Control: ${control}, no-transform`,
        `Content-Length: ${body.length}`,
      ];
      const resource = site.resource(asWritten(lines, body));
      for (let i = 0; i < 2; i++) {
        const got = await resource.get({ "accept-encoding": "identity" });
        expect([got.text, got.fields["content-encoding"]]).toEqual([body, "gzip"]);
      }
    }
  });

  test("RFC 9110 §8.6: the length of what is stored is sent, also where the origin did not say it", async () => {
    const resource = site.resource((_, response) => {
      response.writeHead(200, FRESH);
      response.write("in ");
      response.end("pieces");
    });
    await resource.get();
    expect(await resource.get()).toMatchObject({ cache: "HIT", text: "in pieces", fields: { "content-length": "9" } });
  });

  test("RFC 9110 §8.6: a 204 MUST NOT have a Content-Length", async () => {
    const resource = site.resource({ status: 204, fields: FRESH });
    for (const cache of ["MISS", "HIT"]) {
      const got = await resource.get();
      expect([got.status, got.cache, got.fields["content-length"]]).toEqual([204, cache, undefined]);
    }
  });

  test("RFC 9110 §9.3.2: the response to HEAD MUST NOT have content", async () => {
    const resource = site.resource({ fields: FRESH });
    const text = await site.raw(`HEAD ${resource.path} HTTP/1.1\r\nHost: ${host()}\r\nConnection: close\r\n\r\n`);
    expect(text).toMatch(/\r\n\r\n$/);
    await resource.get();
    const hit = await site.raw(`HEAD ${resource.path} HTTP/1.1\r\nHost: ${host()}\r\nConnection: close\r\n\r\n`);
    expect(hit).toMatch(/\r\nContent-Length: 8\r\n[\s\S]*\r\n\r\n$/);
  });

  test("RFC 9110 §9.3.1: a GET with content, which is in no key, is passed on and not stored", async () => {
    const resource = site.resource({ fields: FRESH });
    await resource.send("GET", { "content-length": "1" }, "x");
    expect(resource.seen[0]?.body.toString()).toBe("x");
    expect((await resource.get()).cache).toBe("MISS");
  });

  test("RFC 9112 §7.1: a client of HTTP/1.0 MUST NOT be sent chunks", async () => {
    const resource = site.resource((_, response) => {
      response.writeHead(200, { "cache-control": "no-store" });
      response.write("a");
      response.end("b");
    });
    const text = await site.raw(`GET ${resource.path} HTTP/1.0\r\nHost: ${host()}\r\n\r\n`);
    expect(text).not.toMatch(/transfer-encoding/i);
    expect(text.split("\r\n\r\n")[1]).toBe("ab");
  });
});

describe("interim responses", () => {
  const early = (response: { socket: { write(text: string): unknown } | null }, ...lines: string[]) =>
    response.socket?.write([...lines, "", ""].join("\r\n"));

  test("RFC 9110 §15.2: a 1xx MUST be forwarded, whatever it is, with its fields", async () => {
    for (const control of ["no-store", "max-age=60"]) {
      const resource = site.resource((_, response) => {
        early(response, "HTTP/1.1 103 Early Hints", "Link: </a>; rel=preload", "Link: </b>", "X-A: 1");
        early(response, "HTTP/1.1 102 Processing");
        early(response, "HTTP/1.1 199 Whatever", "X-B: 2");
        response.writeHead(200, { "cache-control": control }).end("final");
      });
      const { interim, text } = await resource.get();
      expect(text).toBe("final");
      expect(interim).toMatchObject([
        { status: 103, fields: { link: "</a>; rel=preload, </b>", "x-a": "1", via: "1.1 cache-test" } },
        { status: 102 },
        { status: 199, fields: { "x-b": "2" } },
      ]);
    }
  });

  test("RFC 9110 §15.2: a client of HTTP/1.0 MUST NOT be sent a 1xx", async () => {
    const resource = site.resource((_, response) => {
      early(response, "HTTP/1.1 103 Early Hints", "Link: </a>");
      response.end("final");
    });
    const text = await site.raw(`GET ${resource.path} HTTP/1.0\r\nHost: ${host()}\r\n\r\n`);
    expect(text).toMatch(/^HTTP\/1\.[01] 200 /);
  });

  test("RFC 9110 §15.2, §7.6.1: fields of the connection are removed from a 1xx, too", async () => {
    const resource = site.resource((_, response) => {
      early(response, "HTTP/1.1 103 Early Hints", "Connection: x-hop", "X-Hop: 1", "X-End: 2");
      response.end("final");
    });
    const { interim } = await resource.get();
    expect(interim).toMatchObject([{ status: 103, fields: { "x-end": "2" } }]);
    expect(interim[0]?.fields).not.toHaveProperty("x-hop");
  });

  test("RFC 9110 §15.2: a 1xx does not overtake the response to an earlier request of the connection", async () => {
    let [endFirst, endSecond] = [() => {}, () => {}];
    const slow = site.resource((_, response) => {
      endFirst = () => response.end("first");
    });
    const hinted = site.resource((_, response) => {
      endSecond = () => response.end("second");
      early(response, "HTTP/1.1 103 Early Hints", "Link: </a>");
      endFirst();
    });
    const requests = [`GET ${slow.path} HTTP/1.1`, `GET ${hinted.path} HTTP/1.1`].map(
      (line) => `${line}\r\nHost: ${host()}\r\n`,
    );
    const text = await site.raw(`${requests.join("\r\n")}Connection: close\r\n\r\n`, (got) => {
      if (got.includes("HTTP/1.1 103")) endSecond();
    });
    expect(text.match(/first|HTTP\/1\.1 103|second/g)).toEqual(["first", "HTTP/1.1 103", "second"]);
  });

  test("RFC 9110 §15.2: nothing of a 1xx is stored with the response that follows it", async () => {
    const resource = site.resource((_, response) => {
      early(response, "HTTP/1.1 103 Early Hints", "X-Hint: 1", "Cache-Control: no-store");
      response.writeHead(200, FRESH).end("final");
    });
    await resource.get();
    const got = await resource.get();
    expect([got.cache, got.interim, got.fields["x-hint"]]).toEqual(["HIT", [], undefined]);
  });

  test("RFC 9110 §10.1.1: who expects 100 is told to go on, and the origin gets the content", async () => {
    const resource = site.resource();
    const lines = [`PUT ${resource.path} HTTP/1.1`, `Host: ${host()}`, "Expect: 100-continue", "Content-Length: 4"];
    let told = false;
    const text = await site.raw([...lines, "Connection: close", "", ""].join("\r\n"), (_, socket) => {
      if (!told) socket.write("body");
      told = true;
    });
    expect(text).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 /);
    expect(resource.seen[0]?.body.toString()).toBe("body");
  });
});

describe("requests that are not for a cache", () => {
  test("RFC 9110 §9.3.8: TRACE would show what is added to requests, and is refused", async () => {
    expect((await site.resource().send("TRACE")).status).toBe(405);
  });

  test("RFC 9112 §3.2: a request without Host, or with two, MUST be answered 400", async () => {
    expect(await site.raw("GET / HTTP/1.1\r\nConnection: close\r\n\r\n")).toMatch(/^HTTP\/1\.1 400 /);
    expect(await raw("/", `Host: ${host()}`)).toMatch(/^HTTP\/1\.1 400 /);
  });

  test("RFC 9112 §3.3: a request of HTTP/1.0 without Host is for the address that it came to", async () => {
    const resource = site.resource({ fields: { "cache-control": "max-age=60" } });
    expect(await site.raw(`GET ${resource.path} HTTP/1.0\r\n\r\n`)).toMatch(/^HTTP\/1\.1 200 [\s\S]*X-Cache: MISS/);
    expect(await site.raw(`GET ${resource.path} HTTP/1.0\r\n\r\n`)).toMatch(/^HTTP\/1\.1 200 [\s\S]*X-Cache: HIT/);
    expect(await resource.get()).toMatchObject({ cache: "HIT" });
  });

  test("RFC 9110 §15.6.3, §15.6.5: an origin that gives no valid response is told of with 502", async () => {
    for (const lines of [["nonsense"], ["HTTP/1.1 200 OK", "Content-Length: 1, 2"], ["HTTP/1.1 999999 OK"]]) {
      expect((await site.resource(asWritten(lines)).get()).status, lines.join()).toBe(502);
    }
  });
});

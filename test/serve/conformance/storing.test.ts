import { describe, expect, test } from "vitest";
import { asWritten, siteForTests } from "./site.js";

const site = siteForTests();
const FRESH = { "cache-control": "max-age=60" };

describe("what is stored", () => {
  test("RFC 9111 §3: a response to GET with an explicit lifetime may be stored and reused", async () => {
    const resource = site.resource({ fields: FRESH });
    expect(await resource.outcomes({}, {}, {})).toBe("MISS HIT HIT");
    expect(resource.asked).toBe(1);
  });

  test("RFC 9111 §3: a response to a method that is not understood MUST NOT be stored", async () => {
    for (const method of ["PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "REPORT", "MKCOL"]) {
      const resource = site.resource({ fields: FRESH });
      expect((await resource.send(method)).cache, method).toBe("BYPASS");
      expect((await resource.send(method)).cache, method).toBe("BYPASS");
      expect((await resource.get()).cache, method).toBe("MISS");
      expect(resource.seen.map((one) => one.method)).toEqual([method, method, "GET"]);
    }
  });

  test("RFC 9110 §9.3.3: a response to POST, which needs more than its URL to be chosen again, is not stored", async () => {
    const resource = site.resource({ fields: FRESH });
    for (const body of ["a", "a"]) expect((await resource.send("POST", {}, body)).cache).toBe("BYPASS");
    expect((await resource.get()).cache).toBe("MISS");
  });

  test("RFC 9111 §3: a response that is not final MUST NOT be stored", async () => {
    const resource = site.resource((_, response) => {
      response.writeEarlyHints({ link: "</style.css>; rel=preload", "cache-control": "max-age=60" });
      response.writeHead(200, { "cache-control": "no-store" }).end("final");
    });
    expect(await resource.get()).toMatchObject({ status: 200, text: "final" });
    expect(await resource.again()).toBe("MISS");
  });

  test("RFC 9111 §3: 206 MUST NOT be stored where parts are not understood as parts", async () => {
    const resource = site.resource({
      status: 206,
      fields: { ...FRESH, "content-range": "bytes 0-3/10" },
      body: "part",
    });
    expect(await resource.get({ range: "bytes=0-3" })).toMatchObject({ cache: "MISS", text: "part" });
    expect((await resource.get()).cache).toBe("MISS");
    expect(resource.asked).toBe(2);
  });

  test("RFC 9111 §3: 304 MUST NOT be stored as a response of its own", async () => {
    const resource = site.resource(
      { status: 304, fields: { ...FRESH, etag: '"1"' } },
      { fields: FRESH, body: "whole" },
    );
    // The origin was asked for the whole: to its client this is no answer.
    expect((await resource.get({ "if-none-match": '"1"' })).status).toBe(502);
    expect(await resource.get()).toMatchObject({ status: 200, cache: "MISS", text: "whole" });
  });

  test("RFC 9111 §3: a response with no-store MUST NOT be stored", async () => {
    for (const control of [
      "no-store",
      "no-store, max-age=60",
      "max-age=60, no-store",
      "NO-STORE, max-age=60",
      "public, s-maxage=60, no-store",
      'max-age=60, no-store="x"',
      "max-age=60; no-store",
    ]) {
      expect(await site.resource({ fields: { "cache-control": control } }).again(), control).toBe("MISS");
    }
    expect(await site.resource({ fields: { "cache-control": ["max-age=60", "no-store"] } }).again()).toBe("MISS");
  });

  test("RFC 9111 §3: a response with private MUST NOT be stored by a shared cache", async () => {
    for (const control of ["private", "private, max-age=60", "max-age=60,Private", "s-maxage=60, public, private"]) {
      expect(await site.resource({ fields: { "cache-control": control } }).again(), control).toBe("MISS");
    }
  });

  test("RFC 9111 §3: a response without anything that allows it MUST NOT be stored", async () => {
    for (const status of [201, 202, 302, 303, 307, 400, 401, 403, 418, 451, 500, 502, 503, 504]) {
      const resource = site.resource({ status, fields: { "last-modified": site.date(-3600), etag: '"1"' } });
      expect(await resource.again(), `${status}`).toBe("MISS");
    }
  });

  test("RFC 9111 §3: a response with public, max-age, s-maxage or Expires may be stored whatever its final status", async () => {
    for (const status of [
      200, 201, 203, 204, 299, 300, 301, 302, 303, 307, 308, 400, 403, 404, 410, 451, 500, 503, 599,
    ]) {
      for (const fields of [FRESH, { "cache-control": "s-maxage=60" }, { expires: site.date(60) }]) {
        const resource = site.resource({ status, fields });
        expect(await resource.again(), `${status} ${JSON.stringify(fields)}`).toBe("HIT");
      }
    }
  });

  test("RFC 9111 §3: a status that may be stored by default may be stored without any directive", async () => {
    for (const status of [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501]) {
      const resource = site.resource({ status, fields: { "last-modified": site.date(-36_000) } });
      expect(await resource.again(), `${status}`).toBe("HIT");
    }
  });

  test("RFC 9111 §3: a response of no use without validation may be stored where it can be validated", async () => {
    const resource = site.resource({ fields: { "cache-control": "max-age=0", etag: '"1"' } }, { status: 304 });
    await resource.get();
    expect(await resource.get()).toMatchObject({ status: 200, text: "answer 1", cache: "REVALIDATED" });
  });

  test("RFC 9111 §2, §4: the target URI is part of the key, its query included", async () => {
    const one = site.resourceAt("/key?a=1", { fields: FRESH });
    const other = site.resourceAt("/key?a=2", { fields: FRESH });
    expect(await one.outcomes({}, {})).toBe("MISS HIT");
    expect(await other.outcomes({}, {})).toBe("MISS HIT");
  });
});

describe("what of a response is stored", () => {
  test("RFC 9111 §3.1: all received fields MUST be stored, also those that nobody knows, in their order and spelling", async () => {
    const lines = ["X-B: 1", "x-a: 2", "X-B: 3", 'Content-Type: text/x; q="ä"', "Cache-Control: max-age=60"];
    const resource = site.resource(asWritten(["HTTP/1.1 200 OK", ...lines, "Content-Length: 1"], "x"));
    const fresh = await resource.get();
    const hit = await resource.get();
    expect(hit.cache).toBe("HIT");
    const own = (raw: string[]) => raw.filter((_, i) => /^(x-[ab]|content-type)$/i.test(raw[i - (i % 2)] ?? ""));
    expect(own(hit.raw)).toEqual(["X-B", "1", "x-a", "2", "X-B", "3", "Content-Type", 'text/x; q="ä"']);
    expect(own(fresh.raw)).toEqual(own(hit.raw));
  });

  test("RFC 9111 §3.1: fields of the connection, and those that Connection names, are not stored", async () => {
    const resource = site.resource((_, response) => {
      const fields = ["Connection", "close, X-Hop", "X-Hop", "1", "Keep-Alive", "timeout=5", "X-End", "2"];
      response.writeHead(200, [...fields, "Cache-Control", "max-age=60"]).end("x");
    });
    for (const outcome of ["MISS", "HIT"]) {
      const { fields, cache } = await resource.get();
      expect(cache).toBe(outcome);
      expect(fields).not.toHaveProperty("x-hop");
      expect(fields["keep-alive"]).not.toBe("timeout=5");
      expect(fields["x-end"]).toBe("2");
    }
  });

  test("RFC 9111 §3.1: Proxy-Authenticate, Proxy-Authentication-Info and Proxy-Authorization MUST NOT be stored", async () => {
    const names = ["proxy-authenticate", "proxy-authentication-info", "proxy-authorization"];
    const resource = site.resource({
      fields: { ...FRESH, ...Object.fromEntries(names.map((name) => [name, "Basic x"])) },
    });
    await resource.get();
    const { fields, cache } = await resource.get();
    expect(cache).toBe("HIT");
    for (const name of names) expect(fields).not.toHaveProperty(name);
  });

  test("RFC 9111 §3.1: trailer fields MUST NOT be combined with the fields of the head", async () => {
    const resource = site.resource((_, response) => {
      response.writeHead(200, { ...FRESH, trailer: "x-late, cache-control" });
      response.write("body");
      response.addTrailers({ "x-late": "1", "cache-control": "no-store" });
      response.end();
    });
    await resource.get();
    const hit = await resource.get();
    expect(hit).toMatchObject({ cache: "HIT", text: "body" });
    expect(hit.fields).not.toHaveProperty("x-late");
    expect(hit.fields["cache-control"]).toBe("max-age=60");
  });

  test("RFC 9110 §6.6.1: a response that came without a Date is dated by its receipt", async () => {
    const resource = site.resource({ fields: FRESH, undated: true });
    await resource.get();
    const received = site.date();
    site.wait(10);
    expect((await resource.get()).fields).toMatchObject({ date: received, age: "10", "x-cache": "HIT" });
  });

  test("RFC 9111 §7.3: cookies are stored only with a response that is for all", async () => {
    const mine = site.resource({ fields: { ...FRESH, "set-cookie": "id=1" } });
    expect(await mine.again()).toBe("MISS");
    const all = site.resource({ fields: { "cache-control": "public, max-age=60", "set-cookie": "id=1" } });
    expect(await all.again()).toBe("HIT");
  });

  test("RFC 9112 §6.3: a body of no bytes is one, too", async () => {
    const resource = site.resource({ fields: FRESH, body: "" });
    await resource.get();
    expect(await resource.get()).toMatchObject({ cache: "HIT", text: "", fields: { "content-length": "0" } });
  });
});

describe("incomplete responses", () => {
  test("RFC 9111 §3.3: what ends before its Content-Length MUST NOT be used as if it were complete", async () => {
    const resource = site.resource(
      (_, response) => {
        response.writeHead(200, { ...FRESH, "content-length": "100" });
        response.write("half", () => response.destroy());
      },
      { fields: FRESH, body: "whole" },
    );
    await expect(resource.get()).rejects.toThrow();
    expect(await resource.get()).toMatchObject({ cache: "MISS", text: "whole" });
  });

  test("RFC 9111 §3.3: what ends in the middle of its chunks MUST NOT be used as if it were complete", async () => {
    const resource = site.resource(
      (_, response) => {
        response.writeHead(200, FRESH);
        response.write("half", () => response.destroy());
      },
      { fields: FRESH, body: "whole" },
    );
    await expect(resource.get()).rejects.toThrow();
    expect(await resource.get()).toMatchObject({ cache: "MISS", text: "whole" });
  });

  test("RFC 9111 §3.3, RFC 9110 §15.3.7: a part MUST be marked as one with 206, and has what a 200 would have", async () => {
    const sent = { ...FRESH, etag: '"1"', expires: site.date(60), vary: "x", "content-location": "/l" };
    const resource = site.resource({ fields: sent, body: "0123456789" });
    await resource.get();
    const part = await resource.get({ range: "bytes=2-4" });
    expect(part).toMatchObject({ status: 206, cache: "HIT", text: "234" });
    expect(part.fields).toMatchObject({ ...sent, "content-range": "bytes 2-4/10", "content-length": "3" });
    expect(part.fields.date).toBeDefined();
  });

  test("RFC 9110 §15.3.7: several parts MUST be sent as multipart/byteranges, without a Content-Range of the whole", async () => {
    const resource = site.resource({ fields: { ...FRESH, "content-type": "text/x" }, body: "0123456789" });
    await resource.get();
    const { status, fields, text } = await resource.get({ range: "bytes=0-1, 8-" });
    expect([status, fields["content-range"]]).toEqual([206, undefined]);
    const boundary = /^multipart\/byteranges; boundary=(.+)$/.exec(fields["content-type"] ?? "")?.[1];
    const parts = text.split(`--${boundary}`);
    expect(parts).toHaveLength(4);
    expect(parts[1]).toBe("\r\nContent-Type: text/x\r\nContent-Range: bytes 0-1/10\r\n\r\n01\r\n");
    expect(parts[2]).toBe("\r\nContent-Type: text/x\r\nContent-Range: bytes 8-9/10\r\n\r\n89\r\n");
    expect(text).toHaveLength(Number(fields["content-length"]));
  });

  test("RFC 9110 §15.3.7: one part of several that were asked for MUST NOT be sent as multipart", async () => {
    const resource = site.resource({ fields: FRESH, body: "0123456789" });
    await resource.get();
    const got = await resource.get({ range: "bytes=2-3, 50-60" });
    expect(got).toMatchObject({ status: 206, text: "23", fields: { "content-range": "bytes 2-3/10" } });
  });

  test("RFC 9110 §15.5.17: a range beyond the end is answered 416 with the length", async () => {
    const resource = site.resource({ fields: FRESH, body: "0123456789" });
    await resource.get();
    const got = await resource.get({ range: "bytes=10-" });
    expect(got).toMatchObject({ status: 416, text: "", fields: { "content-range": "bytes */10" } });
  });

  test("RFC 9110 §14.2: a Range of an unknown unit, or one that is malformed, is ignored", async () => {
    const resource = site.resource({ fields: FRESH, body: "0123456789" });
    await resource.get();
    for (const range of ["lines=1-2", "bytes=4-2", "bytes=a-b", "bytes", "bytes=1-2,x", "bytes=-"]) {
      expect(await resource.get({ range }), range).toMatchObject({ status: 200, text: "0123456789", cache: "HIT" });
    }
  });

  test("RFC 9110 §14.2: a Range with another method than GET MUST be ignored", async () => {
    const resource = site.resource({ fields: FRESH, body: "0123456789" });
    await resource.get();
    const got = await resource.send("HEAD", { range: "bytes=0-1" });
    expect(got).toMatchObject({ status: 200, fields: { "content-length": "10" } });
  });

  test("RFC 9110 §13.1.5: with an If-Range that does not hold a Range MUST be ignored, and with one that holds it counts", async () => {
    const modified = site.date(-100);
    const resource = site.resource({
      fields: { ...FRESH, etag: '"1"', "last-modified": modified },
      body: "0123456789",
    });
    await resource.get();
    for (const [condition, status] of [
      ['"1"', 206],
      ['"2"', 200],
      ['W/"1"', 200],
      [modified, 206],
      [site.date(-50), 200],
      ["nonsense", 200],
    ] as const) {
      expect((await resource.get({ range: "bytes=0-1", "if-range": condition })).status, condition).toBe(status);
    }
  });

  test("RFC 9110 §13.1.5: a weak entity tag MUST NOT make an If-Range hold", async () => {
    const resource = site.resource({ fields: { ...FRESH, etag: 'W/"1"' }, body: "0123456789" });
    await resource.get();
    expect((await resource.get({ range: "bytes=0-1", "if-range": 'W/"1"' })).status).toBe(200);
  });

  test("RFC 9111 §3.3, RFC 9110 §14.2: a request for a part may bring the whole into the store", async () => {
    const resource = site.resource({ fields: { ...FRESH, "content-length": "10" }, body: "0123456789" });
    expect(await resource.get({ range: "bytes=8-" })).toMatchObject({ status: 206, text: "89", cache: "MISS" });
    expect(await resource.get()).toMatchObject({ status: 200, text: "0123456789", cache: "HIT" });
    expect(resource.seen[0]?.headers).not.toHaveProperty("range");
  });
});

describe("requests with Authorization", () => {
  const user = { authorization: "Bearer a" };

  test("RFC 9111 §3.5: a response to a request with Authorization MUST NOT be stored by a shared cache", async () => {
    for (const control of ["max-age=60", "max-age=60, no-cache=x", "max-age=60, stale-while-revalidate=5"]) {
      const resource = site.resource({ fields: { "cache-control": control } });
      expect(await resource.outcomes(user, user, {}), control).toBe("MISS MISS MISS");
    }
    const resource = site.resource({ fields: { expires: site.date(60) } });
    expect(await resource.outcomes(user, {})).toBe("MISS MISS");
  });

  test("RFC 9111 §3.5: with public, must-revalidate or s-maxage it may be stored, and used for all", async () => {
    for (const control of ["public, max-age=60", "must-revalidate, max-age=60", "s-maxage=60"]) {
      const resource = site.resource({ fields: { "cache-control": control } });
      expect(await resource.outcomes(user, user, {}, { authorization: "Bearer b" }), control).toBe("MISS HIT HIT HIT");
    }
  });

  test("RFC 9111 §3.5: what was stored for nobody in particular is not used for a request with Authorization", async () => {
    const resource = site.resource({ fields: FRESH });
    expect(await resource.outcomes({}, user, {})).toBe("MISS MISS HIT");
    expect(resource.seen[1]?.headers.authorization).toBe("Bearer a");
  });
});

import { describe, expect, test } from "vitest";
import { until } from "../../support/until.js";
import { attacked } from "../attacks/attacked.js";
import type { RawConnection } from "../raw.js";

const at = attacked({ options: { headersTimeoutMs: 500, bodyTimeoutMs: 500 } });
const FRESH = "Cache-Control: max-age=60\r\n";
const whole = (fields: string) => `HTTP/1.1 200 OK\r\n${FRESH}${fields}Content-Length: 2\r\n\r\nok`;
let number = 0;
/** A URL of its own for each test. */
const get = (path = `/${number++}`, fields = "") => at.send(`GET ${path} HTTP/1.1\r\nHost: a\r\n${fields}\r\n`);

describe("an answer that is none, or that two could read in two ways: 502, and nothing of it is kept or passed on", () => {
  test.each([
    [
      "a length beside chunks",
      `HTTP/1.1 200 OK\r\n${FRESH}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n`,
    ],
    ["two lengths", `HTTP/1.1 200 OK\r\n${FRESH}Content-Length: 2\r\nContent-Length: 3\r\n\r\nok!`],
    ["a list of lengths", `HTTP/1.1 200 OK\r\n${FRESH}Content-Length: 2, 2\r\n\r\nok`],
    ["a length that is none", `HTTP/1.1 200 OK\r\n${FRESH}Content-Length: 2x\r\n\r\nok`],
    [
      "a transfer coding under chunked",
      `HTTP/1.1 200 OK\r\n${FRESH}Transfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n`,
    ],
    ["a transfer coding until the connection ends", `HTTP/1.1 200 OK\r\n${FRESH}Transfer-Encoding: gzip\r\n\r\nok`],
    ["a bare CR that would split it", whole("X-A: a\rSet-Cookie: b=c\r\n")],
    ["NUL in a field", whole("X-A: a\0b\r\n")],
    ["control characters in a field", whole("X-A: a\x01b\x7f\r\n")],
    ["a folded line", whole("X-A: a\r\n b\r\n")],
    ["bare LF", whole("").replaceAll("\r\n", "\n")],
    ["a space before a colon", whole("X-A : b\r\n")],
    ["a name that is none", whole("X A: b\r\n")],
    ["an empty name", whole(": b\r\n")],
    ["fields beyond 64 KiB", whole(`X-A: ${"a".repeat(70_000)}\r\n`)],
    ["a status that is no number", "HTTP/1.1 abc OK\r\nContent-Length: 2\r\n\r\nok"],
    ["the status 000", `HTTP/1.1 000 OK\r\n${FRESH}Content-Length: 2\r\n\r\nok`],
    ["the status 099", `HTTP/1.1 099 OK\r\n${FRESH}Content-Length: 2\r\n\r\nok`],
    ["a switch that nobody asked for", `HTTP/1.1 101 OK\r\n\r\n${whole("")}`],
    ["HTTP/0.9", "ok there"],
    ["bytes", "\0\x01\x02rubbish"],
    ["HTTP/2", "\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x64\0\x04\0\0\xff\xff"],
    ["nothing", ""],
  ])("%s", async (_, bytes) => {
    at.answer = (_head, connection) => connection.send(bytes).end();
    const path = `/${number++}`;
    for (let i = 1; i <= 2; i++) {
      const got = await (await get(path)).response();
      expect(got).toMatchObject({ status: 502, body: "The origin gave no valid response.\n" });
      expect(got.fields["set-cookie"] ?? got.fields["x-a"]).toBeUndefined();
    }
    expect(at.asked.length).toBeGreaterThanOrEqual(2);
  });

  test("what comes behind a response is not the answer to the next request", async () => {
    at.answer = (_head, connection) =>
      connection.send(`${whole("")}HTTP/1.1 200 OK\r\n${FRESH}Content-Length: 4\r\n\r\nevil`);
    const client = await get("/first");
    expect(await client.response()).toMatchObject({ body: "ok" });
    for (let i = 0; i < 5; i++) {
      client.send(`GET /next/${i} HTTP/1.1\r\nHost: a\r\n\r\n`);
      expect(await client.response()).toMatchObject({ body: "ok" });
    }
  });
});

test("RFC 9112 §6.3: a 204 has ended with its fields", async () => {
  for (const rest of ["", "oh!"]) {
    at.answer = (_head, connection) =>
      connection.send(`HTTP/1.1 204 No Content\r\n${FRESH}Content-Length: 3\r\n\r\n${rest}`);
    const path = `/${number++}`;
    for (const cache of ["MISS", "HIT"]) {
      const got = await (await get(path)).response();
      expect(got).toMatchObject({ status: 204, fields: { "x-cache": cache } });
      expect(got.fields["content-length"]).toBeUndefined();
    }
  }
});

describe("an answer that is cut short: the client sees the cut, and nothing is kept", () => {
  test.each([
    ["before its length", `HTTP/1.1 200 OK\r\n${FRESH}Content-Length: 5\r\n\r\nok`],
    ["in a chunk", `HTTP/1.1 200 OK\r\n${FRESH}Transfer-Encoding: chunked\r\n\r\n5\r\nok`],
    ["before the last chunk", `HTTP/1.1 200 OK\r\n${FRESH}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n`],
    ["by a chunk that is none", `HTTP/1.1 200 OK\r\n${FRESH}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\nzz\r\n`],
    ["uncacheable, before its length", "HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: 5\r\n\r\nok"],
    [
      "uncacheable, in a chunk",
      "HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nok",
    ],
  ])("%s", async (_, bytes) => {
    at.answer = (_head, connection) => connection.send(bytes).end();
    const path = `/${number++}`;
    for (let i = 1; i <= 2; i++) {
      const client = await get(path);
      await client.over();
      // RFC 9112 §8: neither the length that was announced, nor a last chunk.
      expect(client.text).not.toContain("\r\n0\r\n\r\n");
      if (client.text.includes("Content-Length: 5")) expect(client.text).toMatch(/\r\n\r\nok$/);
      expect(at.asked).toHaveLength(i);
    }
  });

  test("by the failure of a connection that alone says where the body ends", async () => {
    const path = `/${number++}`;
    for (const kept of [FRESH, "Cache-Control: no-store\r\n"]) {
      at.answer = (_head, connection) => {
        connection.send(`HTTP/1.1 200 OK\r\n${kept}\r\npart`);
        setTimeout(() => connection.socket.resetAndDestroy(), 50);
      };
      const client = await get(path);
      await client.over();
      expect(client.text).toContain("part");
      expect(client.text).not.toContain("\r\n0\r\n\r\n");
    }
    at.answer = (_head, connection) => connection.send(`HTTP/1.1 200 OK\r\n${FRESH}\r\nwhole`).end();
    for (const cache of ["MISS", "HIT"]) {
      expect(await (await get(path)).response()).toMatchObject({ body: "whole", fields: { "x-cache": cache } });
    }
  });

  test("while others wait for it: one of them asks again, once, for all", async () => {
    const path = `/${number++}`;
    const start = at.asked.length;
    let cut = () => {};
    let cuts = 1;
    at.answer = (head, connection) => {
      if (head.includes("/canary") || cuts-- <= 0) return void connection.send(whole(""));
      connection.send(`HTTP/1.1 200 OK\r\n${FRESH}Content-Length: 5\r\n\r\nok`);
      cut = () => void connection.end();
    };
    const first = await get(path);
    await until(() => first.text.includes("200 OK"));
    const others = await Promise.all(Array.from({ length: 5 }, () => get(path)));
    // What came before it has been seen by then.
    await (await get("/canary")).response();
    cut();
    await first.over();
    expect(first.text).toMatch(/\r\n\r\nok$/);
    for (const other of others) expect(await other.response()).toMatchObject({ status: 200, body: "ok" });
    expect(at.asked.length - start).toBe(3);
  });

  test("by a stall: after the time that is set", async () => {
    at.answer = (_head, connection) => connection.send(`HTTP/1.1 200 OK\r\n${FRESH}Content-Length: 5\r\n\r\nok`);
    const client = await get("/stall");
    await client.over();
    expect(client.text).toMatch(/\r\n\r\nok$/);
  });

  test("where nobody reads the body of an answer, its cut is nobody's end", async () => {
    at.answer = (_head, connection) =>
      connection.send(
        whole('ETag: "1"\r\n').replace("max-age=60", "max-age=1, stale-if-error=600, stale-while-revalidate=5"),
      );
    const path = "/stale";
    expect(await (await get(path)).response()).toMatchObject({ body: "ok" });
    at.proxy.clock.advance(3000);
    // In the background, and not to be kept.
    at.answer = (_head, connection) =>
      connection.send("HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: 5\r\n\r\nok").end();
    expect(await (await get(path)).response()).toMatchObject({ body: "ok", fields: { "x-cache": "STALE" } });
    await until(() => at.asked.length === 2);
    at.proxy.clock.advance(10_000);
    at.answer = (_head, connection) => connection.send("HTTP/1.1 503 No\r\nContent-Length: 5\r\n\r\nno").end();
    expect(await (await get(path)).response()).toMatchObject({ body: "ok", fields: { "x-cache": "STALE" } });
    await until(() => at.asked.length === 3);
    const connection = at.origin.connections.at(-1);
    await until(() => connection?.closed);
  });
});

describe("what is odd but sound is passed on", () => {
  test("octets beyond ASCII in fields, as they are, also from the store", async () => {
    at.answer = whole('X-Name: \xe2\x82\xac \xe9\r\nContent-Disposition: attachment; filename="na\xefve"\r\n');
    const path = "/octets";
    for (let i = 0; i < 2; i++) {
      expect((await (await get(path)).response()).fields).toMatchObject({
        "x-name": "\xe2\x82\xac \xe9",
        "content-disposition": 'attachment; filename="na\xefve"',
      });
    }
    expect(at.asked).toHaveLength(1);
  });

  test("fields that are too much for the store are for the client alone, and no failure of the store", async () => {
    at.answer = whole(`X-A: ${"\\".repeat(60_000)}\r\n`);
    for (let i = 0; i < 2; i++) {
      const got = await (await get("/head")).response();
      expect(got.fields["x-a"]).toHaveLength(60_000);
      expect(got.fields["cache-status"]).toContain("detail=head-size");
    }
    expect(at.proxy.failures).toEqual([]);
  });

  test("unknown statuses above 599, which are not kept", async () => {
    at.answer = `HTTP/1.1 799 Odd\r\n${FRESH}Content-Length: 2\r\n\r\nok`;
    for (let i = 0; i < 2; i++) expect(await (await get("/799")).response()).toMatchObject({ status: 799, body: "ok" });
    expect(at.asked).toHaveLength(2);
  });

  test("redirects: they are the client's to follow, also those to themselves", async () => {
    at.answer = (head, connection) =>
      connection.send(`HTTP/1.1 302 Found\r\nLocation: ${head.split(" ")[1]}\r\nContent-Length: 0\r\n\r\n`);
    expect(await (await get("/loop")).response()).toMatchObject({ status: 302, fields: { location: "/loop" } });
    expect(at.asked).toHaveLength(1);
  });

  test("the end of the connection as the end of a body", async () => {
    at.answer = (_head, connection) => connection.send(`HTTP/1.0 200 OK\r\n${FRESH}\r\nok`).end();
    for (let i = 0; i < 2; i++) expect(await (await get("/until-end")).response()).toMatchObject({ body: "ok" });
    expect(at.asked).toHaveLength(1);
  });

  test("304 where nothing was asked that it could be the answer to: 502", async () => {
    at.answer = `HTTP/1.1 304 Not Modified\r\n${FRESH}\r\n`;
    expect(await (await get("/304")).response()).toMatchObject({ status: 502 });
    expect(await (await get("/304", 'If-None-Match: "1"\r\n')).response()).toMatchObject({ status: 502 });
  });
});

describe("RFC 9110 §15.2: interim responses", () => {
  test("some are passed on", async () => {
    at.answer = `HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n${whole("")}`;
    const client = await get();
    expect(await client.response()).toMatchObject({ status: 102 });
    expect(await client.response()).toMatchObject({ status: 103, fields: { link: "</a.css>; rel=preload" } });
    expect(await client.response()).toMatchObject({ status: 200, body: "ok" });
    at.answer = `HTTP/1.1 103 Early Hints\r\nLink: rubbish\r\n\r\n${whole("")}`;
    const other = await get();
    expect((await other.response()).status).toBe(103);
    expect(await other.response()).toMatchObject({ status: 200, body: "ok" });
    // RFC 9110 §15.2: none to HTTP/1.0.
    const old = await at.send(`GET /${number++} HTTP/1.0\r\nHost: a\r\n\r\n`);
    expect(await old.response()).toMatchObject({ status: 200, body: "ok" });
  });

  test("without end they are none: 502, and the origin's connection ends", async () => {
    let flooded: RawConnection | undefined;
    at.answer = (_head, connection) => {
      flooded = connection;
      const flood = setInterval(
        () => connection.send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n".repeat(10)),
        1,
      );
      connection.socket.once("close", () => clearInterval(flood));
    };
    const client = await get();
    let last = 103;
    let interim = 0;
    while (last === 103) {
      last = (await client.response()).status;
      if (last === 103) interim += 1;
    }
    expect(last).toBe(502);
    expect(interim).toBeLessThan(100);
    expect(at.asked).toHaveLength(1);
    await until(() => flooded?.ended || flooded?.closed);
  });
});

describe("RFC 9110 §6.5: trailers", () => {
  const trailed = (fields: string, trailers: string) =>
    `HTTP/1.1 200 OK\r\n${fields}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n${trailers}\r\n`;

  test("are announced and passed on, but for what must not be there", async () => {
    at.answer = trailed(
      "Cache-Control: no-store\r\nTrailer: X-Sum, Set-Cookie, Server-Timing\r\n",
      "X-Sum: 1\r\nSet-Cookie: a=b\r\nServer-Timing: a;dur=1\r\nKeep-Alive: timeout=1\r\nAge: 7\r\n",
    );
    const got = await (await get()).response();
    expect(got.fields.trailer).toBe("X-Sum, Server-Timing");
    expect(got).toMatchObject({ body: "ok", trailers: { "x-sum": "1", "server-timing": "a;dur=1" } });
    expect(Object.keys(got.trailers)).toHaveLength(2);
  });

  test("are no part of what is stored, and not for HTTP/1.0", async () => {
    at.answer = trailed(`${FRESH}Trailer: X-Sum\r\n`, "X-Sum: 1\r\n");
    for (let i = 0; i < 2; i++)
      expect(await (await get("/trailed")).response()).toMatchObject({ body: "ok", trailers: {} });
    at.answer = trailed("Cache-Control: no-store\r\nTrailer: X-Sum\r\n", "X-Sum: 1\r\n");
    const old = await at.send(`GET /${number++} HTTP/1.0\r\nHost: a\r\n\r\n`);
    expect(await old.response()).toMatchObject({ status: 200, body: "ok" });
  });
});

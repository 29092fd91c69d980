import { describe, expect, test } from "vitest";
import { attacked, OK } from "./attacked.js";

const at = attacked();
const POST = "POST / HTTP/1.1\r\nHost: a\r\n";
const GET = "GET / HTTP/1.1\r\nHost: a\r\n";
const CHUNKED = `${POST}Transfer-Encoding: chunked\r\n`;
/** What an attacker would have taken for a request of its own. */
const SMUGGLED = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

describe("RFC 9112 §6: a request whose end could be seen in two places is refused, nothing of it reaches the origin, and the connection ends", () => {
  test.each([
    [
      "a length beside chunks",
      400,
      `${POST}Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
    ],
    ["chunks beside a length", 400, `${CHUNKED}Content-Length: 3\r\n\r\n0\r\n\r\n${SMUGGLED}`],
    ["two lengths", 400, `${POST}Content-Length: 3\r\nContent-Length: 40\r\n\r\nabc${SMUGGLED}`],
    ["the same length twice", 400, `${POST}Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc`],
    ["a list of lengths", 400, `${POST}Content-Length: 3, 3\r\n\r\nabc`],
    ["a length with a sign", 400, `${POST}Content-Length: +3\r\n\r\nabc`],
    ["a negative length", 400, `${POST}Content-Length: -3\r\n\r\nabc`],
    ["a hexadecimal length", 400, `${POST}Content-Length: 0x3\r\n\r\nabc`],
    ["a length that no number holds", 400, `${POST}Content-Length: 99999999999999999999999\r\n\r\nabc`],
    ["an empty length", 400, `${POST}Content-Length: \r\n\r\nabc`],
    ["a space before the colon of a length", 400, `${POST}Content-Length : 3\r\n\r\nabc`],
    ["a space before the colon of chunks", 400, `${POST}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`],
    ["a space before any colon", 400, `${GET}X-A : b\r\n\r\n`],
    ["identity", 501, `${POST}Transfer-Encoding: identity\r\n\r\n${SMUGGLED}`],
    ["identity and chunked", 501, `${POST}Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n`],
    ["another coding under chunked", 501, `${POST}Transfer-Encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`],
    ["another coding over chunked", 400, `${POST}Transfer-Encoding: chunked, gzip\r\n\r\n3\r\nabc\r\n0\r\n\r\n`],
    [
      "another coding on a line of its own",
      501,
      `${POST}Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    ],
    ["what only looks like chunked", 501, `${POST}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`],
    ["chunked in quotes", 501, `${POST}Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n`],
    ["chunked after a vertical tab", 400, `${POST}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n`],
    ["chunked twice", 400, `${POST}Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n`],
    ["chunked twice, on two lines", 400, `${CHUNKED}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
    [
      "chunked in HTTP/1.0",
      400,
      "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    ],
    ["chunked on a folded line", 400, `${POST}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n`],
    ["a folded line (RFC 9112 §5.2)", 400, `${GET}X-A: a\r\n b\r\n\r\n`],
    ["a folded line before any field", 400, "GET / HTTP/1.1\r\n X: a\r\nHost: a\r\n\r\n"],
    ["bare LF throughout (RFC 9112 §2.2)", 400, "GET / HTTP/1.1\nHost: a\n\n"],
    ["a bare LF after a field", 400, "GET / HTTP/1.1\r\nHost: a\nX-B: c\r\n\r\n"],
    ["a bare LF at the end of the head", 400, `${GET}\n`],
    ["a bare CR in a field", 400, `${GET}X-A: b\rX-C: d\r\n\r\n`],
    ["NUL in a value", 400, `${GET}X-A: b\0c\r\n\r\n`],
    ["NUL in a name", 400, `${GET}X\0A: b\r\n\r\n`],
    ["control characters in a value", 400, `${GET}X-A: b\x01\x7f\r\n\r\n`],
    ["an empty name", 400, `${GET}: b\r\n\r\n`],
    ["a name that is no token", 400, `${GET}X(A): b\r\n\r\n`],
    ["a line without a colon", 400, `${GET}foo\r\n\r\n`],
    ["HTTP/0.9 with a version", 505, "GET / HTTP/0.9\r\nHost: a\r\n\r\n"],
    ["HTTP/0.9", 505, "GET /\r\n\r\n"],
    ["HTTP/2.0 in the clothes of HTTP/1", 505, "GET / HTTP/2.0\r\nHost: a\r\n\r\n"],
    ["HTTP/1.2", 400, "GET / HTTP/1.2\r\nHost: a\r\n\r\n"],
    ["the preface of HTTP/2", 400, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
    ["a protocol that is no HTTP", 400, "SSH-2.0-OpenSSH_9.2\r\n"],
    ["TLS on a plain port", 400, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"],
    ["a tab in the request line", 400, "GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n"],
    ["a space in the target", 400, "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"],
    ["an unknown method", 400, "FOO / HTTP/1.1\r\nHost: a\r\n\r\n"],
  ])("%s: %i", async (_, status, bytes) => {
    const client = await at.send(bytes);
    expect(await client.response()).toMatchObject({ status, fields: { connection: "close" } });
    await client.over();
    expect(client.text).toBe("");
    expect(at.asked).toEqual([]);
  });
});

describe("RFC 9112 §7.1: chunks", () => {
  test.each([
    ["a size that is no number", "zz\r\nabc\r\n0\r\n\r\n"],
    ["a negative size", "-1\r\nabc\r\n0\r\n\r\n"],
    ["0x before a size", "0x3\r\nabc\r\n0\r\n\r\n"],
    ["a size that no number holds", "fffffffffffffffffffff\r\nabc\r\n0\r\n\r\n"],
    ["a space behind a size", "3 \r\nabc\r\n0\r\n\r\n"],
    ["bare LF", "3\nabc\n0\n\n"],
    ["a bare LF in an extension", `3;a\nb\r\nabc\r\n0\r\n\r\n${SMUGGLED}`],
    ["a bare CR behind a size", "3\rabc\r\n0\r\n\r\n"],
  ])("%s: 400", async (_, body) => {
    const client = await at.send(`${CHUNKED}\r\n${body}`);
    expect(await client.response()).toMatchObject({ status: 400 });
    await client.over();
    expect(at.asked.filter((head) => head.includes("smuggled"))).toEqual([]);
  });

  test.each([
    ["more than its size", "3\r\nabcd\r\n0\r\n\r\n", 400],
    ["what a trailer must not hold", "3\r\nabc\r\n0\r\nContent-Length: 5\r\n\r\n", 400],
    ["trailers without end", `3\r\nabc\r\n0\r\n${"X-T: 1\r\n".repeat(10_000)}\r\n`, 431],
    ["an extension without end", `3;${"a".repeat(40_000)}\r\nabc\r\n0\r\n\r\n`, 413],
  ])(
    "%s: refused, and a request that the origin has begun to get is broken off, not ended",
    async (_, bytes, status) => {
      let body: Promise<string> | undefined;
      at.answer = (_head, _connection, coming) => {
        body = coming;
      };
      const client = await at.send(`${CHUNKED}\r\n${bytes}`);
      expect(await client.response()).toMatchObject({ status });
      await client.over();
      if (body) await expect(body).rejects.toThrow("has ended");
    },
  );

  test("extensions and trailers of a request are not passed on", async () => {
    let got = "";
    at.answer = async (_head, connection, body) => {
      got = await body;
      connection.send(OK);
    };
    const client = await at.send(`${CHUNKED}\r\n3;a=b;c="d"\r\nabc\r\n0\r\nX-T: 1\r\n\r\n`);
    expect(await client.response()).toMatchObject({ status: 200 });
    expect(["abc", "3\r\nabc\r\n0\r\n\r\n"]).toContain(got);
  });
});

test("pipelined requests are answered in turn, each for what it asked, and what follows a refused one is not looked at", async () => {
  at.answer = (head, connection) => {
    const path = /^GET (\S+)/.exec(head)?.[1] ?? "";
    const send = () => connection.send(`HTTP/1.1 200 OK\r\nContent-Length: ${path.length}\r\n\r\n${path}`);
    if (path === "/1") setTimeout(send, 60);
    else send();
  };
  const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;
  const client = await at.send(
    `${get("/1")}${get("/2")}${get("/3")}GET /4 HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n${get("/5")}`,
  );
  for (const body of ["/1", "/2", "/3"]) expect(await client.response()).toMatchObject({ status: 200, body });
  await client.over();
  expect(at.asked.map((head) => head.split(" ")[1]).sort()).toEqual(["/1", "/2", "/3"]);
});

test("the body of one request is never the beginning of the next", async () => {
  const bodies: string[] = [];
  at.answer = async (_head, connection, body) => {
    bodies.push(await body);
    connection.send(OK);
  };
  const client = await at.send(`${POST}Content-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`);
  expect(await client.response()).toMatchObject({ body: "ok" });
  // A body of a GET has no meaning, but a length.
  const fat = await at.send(`${GET}Content-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`);
  expect(await fat.response()).toMatchObject({ body: "ok", fields: { "x-cache": "BYPASS" } });
  // One that is answered here is read to its end too.
  const refused = await at.send(`TRACE / HTTP/1.1\r\nHost: a\r\nContent-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`);
  expect(await refused.response()).toMatchObject({ status: 405 });
  await refused.over();
  expect(refused.text).toBe("");
  expect(bodies).toEqual([SMUGGLED, SMUGGLED]);
  expect(at.asked).toHaveLength(2);
});

test("the method of a request is not that of another: TRACE and CONNECT are refused, OPTIONS * is answered here", async () => {
  const trace = await at.send("TRACE / HTTP/1.1\r\nHost: a\r\nCookie: secret\r\n\r\n");
  expect(await trace.response()).toMatchObject({ status: 405, body: expect.not.stringContaining("secret") });
  for (const target of ["a:80", "127.0.0.1:22", "/"]) {
    const connect = await at.send(`CONNECT ${target} HTTP/1.1\r\nHost: a\r\n\r\nraw bytes`);
    const got = connect.response();
    expect([400, 405]).toContain((await got).status);
    await connect.over();
  }
  const options = await at.send("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
  expect(await options.response()).toMatchObject({
    status: 200,
    fields: { allow: expect.stringContaining("GET"), "content-length": "0" },
  });
  options.send("GET * HTTP/1.1\r\nHost: a\r\n\r\n");
  expect(await options.response()).toMatchObject({ status: 400 });
  expect(at.asked).toEqual([]);
});

test("RFC 9110 §10.1.1: Expect is answered here and not passed on; what is not known is refused", async () => {
  const client = await at.send(`${POST}Expect: 100-continue\r\nContent-Length: 3\r\n\r\n`);
  expect(await client.response()).toMatchObject({ status: 100 });
  client.send("abc");
  expect(await client.response()).toMatchObject({ status: 200, body: "ok" });
  expect(at.asked[0]).not.toMatch(/expect:/i);
  const other = await at.send(`${POST}Expect: something\r\nContent-Length: 3\r\n\r\nabc`);
  expect(await other.response()).toMatchObject({ status: 417 });
  expect(at.asked).toHaveLength(1);
});

import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { takesText, wholeText } from "../../src/serve/whole-text.js";
import { type ProxyUnderTest, startProxy } from "./proxy-harness.js";
import { RawConnection } from "./raw.js";

const EVERY_BYTE = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
const ASKING = "GET /a HTTP/1.1\r\nHost: example.test\r\n\r\n";

describe("hits on one response within a second", () => {
  let proxy: ProxyUnderTest;
  const connections: RawConnection[] = [];
  const connect = async (): Promise<RawConnection> => {
    const connection = await RawConnection.to(proxy.server.url);
    connections.push(connection);
    return connection;
  };

  beforeEach(async () => {
    proxy = await startProxy(({ url }, response) => {
      const fields = { "cache-control": "max-age=60", "x-text": "caf\xe9" };
      if (url === "/none") response.writeHead(204, fields).end();
      else if (url === "/empty") response.writeHead(404, { ...fields, "content-length": 0 }).end();
      else response.writeHead(200, fields).end(EVERY_BYTE);
    });
    for (const path of ["/a", "/none", "/empty"]) await proxy.get(path, { host: "example.test" });
    // At the very moment in which it came, what is left of its lifetime is about to be another second.
    proxy.clock.advance(300);
  });
  afterEach(async () => {
    for (const connection of connections.splice(0)) connection.destroy();
    await proxy.stop();
    expect(proxy.failures).toEqual([]);
  });

  test("are the same byte by byte, on one connection and on others", async () => {
    const one = await connect();
    const first = await one.send(ASKING).response();
    expect(first).toMatchObject({ status: 200, body: EVERY_BYTE.toString("latin1") });
    expect(first.fields).toMatchObject({ "x-cache": "HIT", "x-text": "caf\xe9", connection: "keep-alive", age: "0" });
    for (let i = 0; i < 3; i++) expect(await one.send(ASKING).response()).toEqual(first);
    expect(await (await connect()).send(ASKING).response()).toEqual(first);
    expect(one.text).toBe("");
  });

  test("say of their age what is right in each second", async () => {
    const one = await connect();
    for (const age of ["0", "1", "2"]) {
      for (let i = 0; i < 3; i++) expect((await one.send(ASKING).response()).fields).toMatchObject({ age });
      proxy.clock.advance(1000);
    }
  });

  test("are sent in their order to who asks many times at once", async () => {
    const one = await connect();
    one.send(`${ASKING}${ASKING}GET /empty HTTP/1.1\r\nHost: example.test\r\n\r\n${ASKING}${ASKING}`);
    const got = [];
    for (let i = 0; i < 5; i++) got.push((await one.response()).status);
    expect(got).toEqual([200, 200, 404, 200, 200]);
  });

  test("let each client have its connection as it asks for it", async () => {
    const stays = await connect();
    for (let i = 0; i < 2; i++) await stays.send(ASKING).response();
    const goes = await connect();
    const last = await goes.send("GET /a HTTP/1.1\r\nHost: example.test\r\nConnection: close\r\n\r\n").response();
    expect(last.fields).toMatchObject({ connection: "close", "x-cache": "HIT" });
    expect(last.fields).not.toHaveProperty("keep-alive");
    await goes.over();
    const old = await connect();
    const oldLast = await old.send("GET /a HTTP/1.0\r\nHost: example.test\r\n\r\n").response();
    expect(oldLast).toMatchObject({ status: 200, body: last.body, fields: { connection: "close" } });
    await old.over();
    expect((await stays.send(ASKING).response()).fields).toMatchObject({ connection: "keep-alive" });
  });

  test.each([
    ["/none", 204],
    ["/empty", 404],
  ])("keep the status of what has no body: %s", async (path, status) => {
    const one = await connect();
    const asking = `GET ${path} HTTP/1.1\r\nHost: example.test\r\n\r\n`;
    const first = await one.send(asking).response();
    expect(first).toMatchObject({ status, body: "", fields: { "x-cache": "HIT" } });
    for (let i = 0; i < 3; i++) expect(await one.send(asking).response()).toEqual(first);
  });
});

describe("the text of a response", () => {
  async function answers(asking: string, answer: (request: IncomingMessage, response: ServerResponse) => void) {
    const server = createServer(answer).listen(0, "127.0.0.1");
    await once(server, "listening");
    const connection = await RawConnection.to(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    try {
      const whole = await connection.send(asking).response();
      return { whole, next: await connection.send(asking).response() };
    } finally {
      connection.destroy();
      server.close();
    }
  }

  test("is what this Node sends for it, and is sent instead of it", async () => {
    let text: string | undefined;
    const taken: boolean[] = [];
    const statuses: number[] = [];
    const { whole, next } = await answers(ASKING, (request, response) => {
      taken.push(text !== undefined && takesText(request, response, 203, text));
      statuses.push(response.statusCode);
      if (taken.at(-1)) return void response.end();
      response.writeHead(203, ["Date", "Sat, 21 Nov 2026 18:00:00 GMT", "Content-Length", "256"]);
      text = wholeText(request, response, EVERY_BYTE);
      response.end(EVERY_BYTE);
    });
    expect(taken).toEqual([false, true]);
    expect(statuses).toEqual([200, 203]);
    expect(next).toEqual(whole);
    expect(whole).toMatchObject({ status: 203, body: EVERY_BYTE.toString("latin1") });
  });

  test("is none where its body is sent in chunks", async () => {
    const texts: unknown[] = [];
    const { whole } = await answers(ASKING, (request, response) => {
      response.writeHead(200, ["Transfer-Encoding", "chunked"]);
      texts.push(wholeText(request, response, EVERY_BYTE));
      response.end(EVERY_BYTE);
    });
    expect(whole.body).toBe(EVERY_BYTE.toString("latin1"));
    expect(texts).toEqual([undefined, undefined]);
  });

  test("is none where the connection ends with it", async () => {
    const asking = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    const seen: unknown[] = [];
    const server = createServer((request, response) => {
      seen.push(takesText(request, response, 200, "HTTP/1.1 200 OK\r\n\r\n"));
      response.writeHead(200, ["Content-Length", "0"]);
      seen.push(wholeText(request, response, Buffer.alloc(0)));
      response.end();
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const connection = await RawConnection.to(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    expect(await connection.send(asking).response()).toMatchObject({ status: 200 });
    expect(seen).toEqual([false, undefined]);
    await connection.over();
    server.close();
  });
});

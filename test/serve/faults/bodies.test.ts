import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { until } from "../../support/until.js";
import { type ProxyUnderTest, startProxy } from "../proxy-harness.js";
import { RawConnection } from "../raw.js";

let proxy: ProxyUnderTest;
let origin: ReturnType<typeof createServer>;
let answer: (request: IncomingMessage, response: ServerResponse) => void;
const clients: RawConnection[] = [];
/** Requests of the origin whose connection broke off. */
let broken: string[] = [];

beforeEach(async () => {
  broken = [];
  origin = createServer((request, response) => {
    request.on("error", () => broken.push(`${request.method} request`));
    response.on("close", () => response.writableFinished || broken.push(`${request.method} response`));
    answer(request, response);
  });
  origin.listen(0, "127.0.0.1");
  await once(origin, "listening");
  const url = `http://127.0.0.1:${(origin.address() as AddressInfo).port}`;
  proxy = await startProxy(() => {}, {
    options: { origins: [{ path: "/", url }], headersTimeoutMs: 1000, maxObjectBytes: 2_000_000 },
  });
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  origin.closeAllConnections();
  origin.close();
  await proxy.stop();
});

const send = async (text: string) => {
  const client = await RawConnection.to(proxy.server.url);
  clients.push(client);
  return client.send(text);
};
const MB = 1_000_000;
const post = (length: number) => `POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n`;

/** Writes until nothing is taken for a while. @returns bytes that were taken */
async function writeUntilFull(
  socket: RawConnection["socket"],
  most: number,
  piece = Buffer.alloc(64 * 1024, "x"),
): Promise<number> {
  let written = 0;
  while (written < most) {
    written += piece.length;
    if (socket.write(piece)) continue;
    const full = await Promise.race([
      once(socket, "drain").then(() => false),
      new Promise<boolean>((resolve) => setTimeout(resolve, 300, true)),
    ]);
    if (full) return written - socket.writableLength;
  }
  return written;
}

/** Bytes that the endless origin has written. */
let sent = 0;
const endless = (fields: Record<string, string>) => (_request: IncomingMessage, response: ServerResponse) => {
  sent = 0;
  response.writeHead(200, fields);
  const piece = Buffer.alloc(64 * 1024, "x");
  const more = () => {
    do sent += piece.length;
    while (!response.destroyed && response.write(piece));
  };
  response.on("drain", more);
  more();
};

describe("an upload", () => {
  test("to an origin that is away: 502, though the client has not sent all of it", async () => {
    origin.close();
    await once(origin, "close");
    const client = await send(`${post(5 * MB)}${"x".repeat(1000)}`);
    expect(await client.response()).toMatchObject({ status: 502 });
    const chunked = await send("POST /up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    expect(await chunked.response()).toMatchObject({ status: 502 });
  });

  test("to an origin that answers before it has all of it: its answer, not a broken connection", async () => {
    answer = (request, response) => {
      request.resume();
      response.writeHead(413, { "content-length": 8 }).end("too much");
    };
    const client = await send(post(20 * MB));
    client.socket.write(Buffer.alloc(2 * MB));
    expect(await client.response()).toMatchObject({ status: 413, body: "too much" });
  });

  test("to an origin that breaks off: 502", async () => {
    answer = (request) => void request.once("data", () => request.socket.resetAndDestroy());
    const client = await send(`${post(5 * MB)}${"x".repeat(1000)}`);
    expect(await client.response()).toMatchObject({ status: 502 });
  });

  test("to an origin that says nothing to it: 504", async () => {
    answer = (request) => void request.resume();
    const client = await send(`${post(10)}0123456789`);
    expect(await client.response()).toMatchObject({ status: 504 });
  });

  test("that its client breaks off is broken off at the origin, not ended", async () => {
    let got = 0;
    answer = (request) => void request.on("data", (piece: Buffer) => (got += piece.length));
    const client = await send(`${post(MB)}${"x".repeat(1000)}`);
    await until(() => got === 1000);
    client.destroy();
    await until(() => broken.includes("POST request"));
    const half = await send("POST /up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    await until(() => got === 1003);
    broken = [];
    half.end();
    await until(() => broken.includes("POST request"));
  });

  test("goes no faster than the origin takes it", async () => {
    let request: IncomingMessage | undefined;
    answer = (asked, response) => {
      request = asked;
      asked.once("end", () => response.end("done"));
    };
    const client = await send(post(60 * MB));
    const before = process.memoryUsage().arrayBuffers;
    const taken = await writeUntilFull(client.socket, 60 * MB);
    expect(taken).toBeLessThan(30 * MB);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(30 * MB);
    expect(request?.complete).toBe(false);
    client.destroy();
    request?.resume();
    await until(() => broken.length > 0);
  });
});

describe("a download", () => {
  const settled = async () => {
    let last = -1;
    await until(
      () => {
        const same = last === sent;
        last = sent;
        return same && sent > 0;
      },
      { everyMs: 200 },
    );
    return sent;
  };

  test.each([
    ["that is not kept", { "cache-control": "no-store" }],
    ["that is kept, until it is too large", { "cache-control": "max-age=60" }],
  ])("%s goes no faster than the client takes it, and ends when the client goes", async (_, fields) => {
    answer = endless(fields);
    const client = await send("GET /down HTTP/1.1\r\nHost: a\r\n\r\n");
    client.socket.pause();
    const before = process.memoryUsage().arrayBuffers;
    expect(await settled()).toBeLessThan(40 * MB);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(30 * MB);
    client.destroy();
    await until(() => broken.includes("GET response"));
  });

  test("that can be kept is fetched to its end, though its client has gone", async () => {
    let finish: (() => void) | undefined;
    answer = (_request, response) => {
      response.writeHead(200, { "cache-control": "max-age=60", "content-length": MB });
      response.write(Buffer.alloc(MB / 2, "a"));
      finish = () => response.end(Buffer.alloc(MB / 2, "b"));
    };
    const client = await send(`GET /kept HTTP/1.1\r\nHost: ${new URL(proxy.server.url).host}\r\n\r\n`);
    await until(() => client.size > 1000);
    client.destroy();
    finish?.();
    await until(async () => (await proxy.get("/kept", { "cache-control": "only-if-cached" })).status === 200);
    const { text } = await proxy.get("/kept", { "cache-control": "only-if-cached" });
    expect([text.length, text.at(0), text.at(-1)]).toEqual([MB, "a", "b"]);
  });
});

describe("slow clients", () => {
  const restart = async (patience: object) => {
    await proxy.stop();
    const url = `http://127.0.0.1:${(origin.address() as AddressInfo).port}`;
    proxy = await startProxy(() => {}, { options: { origins: [{ path: "/", url }], patience } });
  };

  test("who does not come to the end of the fields is answered 408, also on a connection that was used before", async () => {
    answer = (_request, response) => void response.end("ok");
    await restart({ headMs: 200 });
    const many = await Promise.all(Array.from({ length: 50 }, () => send("GET / HTTP/1.1\r\nHost: a\r\nX-")));
    const drip = setInterval(() => {
      for (const client of many) if (!client.closed) client.send("a");
    }, 50);
    try {
      for (const client of many) {
        expect(await client.response()).toMatchObject({ status: 408, fields: { connection: "close" } });
        await client.over();
      }
    } finally {
      clearInterval(drip);
    }
    const used = await send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    expect(await used.response()).toMatchObject({ status: 200 });
    used.send("GET / HTT");
    expect(await used.response()).toMatchObject({ status: 408 });
  });

  test("who does not come to the end of a body is answered 408, and the origin is not kept waiting", async () => {
    answer = () => {};
    await restart({ headMs: 200, requestMs: 400 });
    const client = await send(`${post(1000)}abc`);
    const drip = setInterval(() => client.send("a"), 50);
    try {
      expect(await client.response()).toMatchObject({ status: 408 });
      await until(() => broken.includes("POST request"));
    } finally {
      clearInterval(drip);
    }
  });

  test("who takes nothing is cut; who waits for a slow origin is not", async () => {
    answer = async (request, response) => {
      if (request.url === "/large") return endless({ "cache-control": "no-store" })(request, response);
      await new Promise((resolve) => setTimeout(resolve, 700));
      response.end("slow");
    };
    await restart({ stalledMs: 300 });
    const stalled = await send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    stalled.socket.pause();
    const slow = await send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    expect(await slow.response()).toMatchObject({ status: 200, body: "slow" });
    await until(() => broken.includes("GET response"));
    stalled.socket.resume();
    await stalled.over();
  });

  test("who sends nothing is let go", async () => {
    await restart({ idleMs: 100, stalledMs: 200 });
    const silent = await send("");
    await silent.over();
  });

  test("who pipelines what he does not read is not read from any more", async () => {
    const body = Buffer.alloc(100_000, "x");
    answer = (_request, response) => void response.writeHead(200, { "cache-control": "max-age=60" }).end(body);
    await proxy.get("/piped");
    const client = await send("");
    client.socket.pause();
    const requests = Buffer.from("GET /piped HTTP/1.1\r\nHost: a\r\n\r\n".repeat(5000));
    const before = process.memoryUsage();
    expect(await writeUntilFull(client.socket, 40 * MB, requests)).toBeLessThan(40 * MB);
    const after = process.memoryUsage();
    expect(after.rss - before.rss).toBeLessThan(150 * MB);
  });
});

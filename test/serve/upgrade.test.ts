import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { connect as connectTls } from "node:tls";
import { afterEach, describe, expect, test } from "vitest";
import { readTls } from "../../src/serve/tls.js";
import { makeCertificates } from "../support/certificates.js";
import { tempDir } from "../support/temp-dir.js";
import { until } from "../support/until.js";
import { type ProxySetup, type ProxyUnderTest, startProxy } from "./proxy-harness.js";
import { RawConnection, type RawOrigin, startRawOrigin } from "./raw.js";

let origin: RawOrigin;
let proxy: ProxyUnderTest;
const clients: RawConnection[] = [];

const start = async (answer?: Parameters<typeof startRawOrigin>[0], setup: ProxySetup = {}) => {
  origin = await startRawOrigin(answer);
  const origins = [{ path: "/", url: origin.url }];
  proxy = await startProxy((_request, response) => void response.end(), {
    ...setup,
    options: { origins, ...setup.options },
  });
};
const client = async () => {
  const connection = await RawConnection.to(proxy.server.url);
  clients.push(connection);
  return connection;
};
afterEach(async () => {
  for (const one of clients.splice(0)) one.destroy();
  await origin.stop();
  await proxy.stop();
});

const KEY = "dGhlIHNhbXBsZSBub25jZQ==";
const HANDSHAKE = `GET /chat?room=1 HTTP/1.1\r\nHost: a.example\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: ${KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n`;
/** RFC 6455 §4.2.2. */
const ACCEPT = createHash("sha1").update(`${KEY}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
const SWITCHED = `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nKeep-Alive: timeout=5\r\nSec-WebSocket-Accept: ${ACCEPT}\r\n\r\n`;

/** RFC 6455 §5.2. @param opcode 1 = text, 8 = close, 9 = ping, 10 = pong */
function frame(opcode: number, text: string, masked: boolean): string {
  const head = [0x80 | opcode, (masked ? 0x80 : 0) | text.length];
  if (!masked) return Buffer.from([...head, ...Buffer.from(text)]).toString("latin1");
  const mask = randomBytes(4);
  const content = Buffer.from(text).map((byte, i) => byte ^ (mask[i % 4] ?? 0));
  return Buffer.from([...head, ...mask, ...content]).toString("latin1");
}

/** A client and the origin, joined. */
async function joined() {
  const browser = (await client()).send(HANDSHAKE);
  const asked = await origin.request();
  const [server] = origin.connections;
  if (!server) throw new Error("no connection");
  server.send(SWITCHED);
  return { browser, server, asked, answer: await browser.response() };
}

describe("a WebSocket", () => {
  test("its handshake is relayed, without the fields of either connection but those of the switch", async () => {
    await start();
    const { asked, answer } = await joined();
    const lines = asked.split("\r\n");
    expect(lines[0]).toBe("GET /chat?room=1 HTTP/1.1");
    expect(lines.filter((line) => /^(connection|upgrade|keep-alive)/i.test(line))).toEqual([
      "connection: upgrade",
      "upgrade: websocket",
    ]);
    expect(asked).toContain(`Sec-WebSocket-Key: ${KEY}\r\n`);
    expect(asked).toMatch(/\r\nvia: 1\.1 cache-test\r\n/i);
    expect(answer).toMatchObject({
      status: 101,
      fields: { connection: "Upgrade", upgrade: "websocket", "sec-websocket-accept": ACCEPT },
    });
    expect(answer.fields["keep-alive"]).toBeUndefined();
    expect(answer.fields["content-length"] ?? answer.fields["transfer-encoding"]).toBeUndefined();
  });

  test("frames go to and fro byte for byte, each way at any time, and at last both sides have closed", async () => {
    await start();
    const { browser, server } = await joined();
    for (let i = 0; i < 20; i++) {
      const ping = frame(9, `ping ${i}`, true);
      browser.send(ping);
      expect(await server.bytes(ping.length)).toBe(ping);
      const pong = frame(10, `ping ${i}`, false);
      server.send(pong);
      expect(await browser.bytes(pong.length)).toBe(pong);
    }
    const large = randomBytes(3_000_000).toString("latin1");
    browser.send(large);
    server.send(large);
    expect(await server.bytes(large.length)).toBe(large);
    expect(await browser.bytes(large.length)).toBe(large);
    browser.end();
    await until(() => server.ended);
    expect(server.closed).toBe(false);
    server.send("last words");
    expect(await browser.bytes(10)).toBe("last words");
    server.end();
    await until(() => browser.ended && server.closed && browser.closed);
  });

  test("what is sent with the handshake, before the answer to it, arrives", async () => {
    await start();
    const early = frame(1, "early", true);
    const browser = (await client()).send(HANDSHAKE + early);
    await origin.request();
    const hello = frame(1, "hello", false);
    origin.connections[0]?.send(SWITCHED + hello);
    expect((await browser.response()).status).toBe(101);
    expect(await origin.connections[0]?.bytes(early.length)).toBe(early);
    expect(await browser.bytes(hello.length)).toBe(hello);
  });

  test("the origin's end is told to the client, who may go on", async () => {
    await start();
    const { browser, server } = await joined();
    server.end();
    await until(() => browser.ended);
    browser.send("still here");
    expect(await server.bytes(10)).toBe("still here");
    browser.end();
    await until(() => browser.closed && server.closed);
  });

  test.each(["client", "origin"])("where the %s breaks off, the other is told", async (who) => {
    await start();
    const { browser, server } = await joined();
    const [first, second] = who === "client" ? [browser, server] : [server, browser];
    first.socket.resetAndDestroy();
    await second.over();
  });

  test("nobody is made to hold what the other side does not read", async () => {
    await start();
    const { browser, server } = await joined();
    browser.socket.pause();
    const before = process.memoryUsage().arrayBuffers;
    let sent = 0;
    const piece = Buffer.alloc(256 * 1024);
    // Until our own socket takes no more for a while.
    while (sent < 200 && (server.socket.write(piece) || (await drained(server)))) sent += 1;
    expect(sent).toBeLessThan(100);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64e6);
  });

  test("ends when nothing has passed for the time that is set", async () => {
    await start(undefined, { options: { tunnelIdleMs: 150 } });
    const { browser, server } = await joined();
    browser.send("a");
    await server.bytes(1);
    await Promise.all([browser.over(), server.over()]);
  });

  test("a stop waits for it as long as for a request, and then ends it on both sides", async () => {
    await start();
    const { browser, server } = await joined();
    const stopped = proxy.server.stop();
    await until(() => proxy.clock.sleepers > 0);
    browser.send("one more");
    expect(await server.bytes(8)).toBe("one more");
    proxy.clock.advance(1000);
    expect(await stopped).toBe(false);
    await Promise.all([browser.over(), server.over()]);
  });

  test("one that has ended before is not waited for", async () => {
    await start();
    const { browser, server } = await joined();
    browser.end();
    await until(() => server.ended);
    server.end();
    await until(() => browser.closed);
    expect(await proxy.server.stop()).toBe(true);
  });

  test("over TLS", async () => {
    const made = await makeCertificates(tempDir("upgrade"));
    const tls = readTls({ tlsCert: made.cert, tlsKey: made.key });
    if (!tls) throw new Error("no certificate");
    await start(undefined, { options: { tls } });
    const { port } = new URL(proxy.server.url);
    const socket = connectTls({ host: "127.0.0.1", port: Number(port), ca: readFileSync(made.ca) });
    const browser = new RawConnection(socket).send(HANDSHAKE);
    clients.push(browser);
    expect(await origin.request()).toContain("X-Forwarded-Proto: https");
    const [server] = origin.connections;
    server?.send(SWITCHED);
    expect((await browser.response()).status).toBe(101);
    browser.send("over TLS");
    expect(await server?.bytes(8)).toBe("over TLS");
    const h2c = new RawConnection(connectTls({ host: "127.0.0.1", port: Number(port), ca: readFileSync(made.ca) }));
    clients.push(h2c);
    h2c.send("GET /b HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n");
    expect(await origin.request(1)).toContain("connection: keep-alive");
    origin.connections[1]?.send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nb");
    expect(await h2c.response()).toMatchObject({ status: 200, body: "b" });
  });
});

describe("other protocols", () => {
  test("any but those that are HTTP again is passed on", async () => {
    await start();
    const browser = await client();
    browser.send(
      "POST /attach HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c, tcp\r\nContent-Length: 0\r\n\r\n",
    );
    expect(await origin.request()).toContain("\r\nupgrade: tcp\r\n");
    origin.connections[0]?.send("HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nraw");
    expect((await browser.response("POST")).status).toBe(101);
    expect(await browser.bytes(3)).toBe("raw");
  });

  test.each([
    [
      "h2c",
      "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n\r\n",
    ],
    ["TLS", "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: TLS/1.0, HTTP/2.0\r\n\r\n"],
    ["HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"],
    ["no option in Connection", "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n"],
    [
      "content",
      "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n\r\nhello",
    ],
    [
      "chunked content",
      "POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ],
  ])("%s: answered as if nothing had been asked for", async (_, request) => {
    await start((_head, connection) => {
      connection.send("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 4\r\n\r\nfine");
    });
    const browser = (await client()).send(request);
    expect(await browser.response()).toMatchObject({ status: 200, body: "fine" });
    if (request.includes("HTTP/1.0")) return;
    // The connection goes on, and what is cached is served.
    browser.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    expect(await browser.response()).toMatchObject({ status: 200, body: "fine" });
  });

  test("pipelined behind another request: in turn, whether it is taken up or not", async () => {
    await start((head, connection) => {
      if (head.startsWith("GET /slow")) {
        setTimeout(() => connection.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow"), 50);
      } else if (head.includes("upgrade: websocket")) connection.send(`${SWITCHED}hi`);
      else connection.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext");
    });
    const slow = "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n";
    const browser = (await client()).send(slow + slow + HANDSHAKE.replace("websocket", "h2c"));
    for (const body of ["slow", "slow", "next"]) expect(await browser.response()).toMatchObject({ body });
    browser.send(slow + HANDSHAKE);
    expect(await browser.response()).toMatchObject({ body: "slow" });
    expect(await browser.response()).toMatchObject({ status: 101 });
    expect(await browser.bytes(2)).toBe("hi");
  });
});

test("a client that breaks off while it waits behind another request is nobody's end", async () => {
  let answer = () => {};
  await start((_head, connection) => {
    answer = () => connection.send(`${"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".repeat(10)}${LARGE}`);
  });
  for (let i = 0; i < 5; i++) {
    const browser = (await client()).send(`GET /slow/${i} HTTP/1.1\r\nHost: a\r\n\r\n${HANDSHAKE}`);
    await until(() => origin.connections.length > i);
    browser.socket.resetAndDestroy();
    answer();
  }
  answer = () => {};
  const other = (await client()).send("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
  expect(await other.response()).toMatchObject({ status: 200 });
});

const LARGE = `HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n${"x".repeat(1_000_000)}`;

describe("an origin that does not switch", () => {
  test("its response is passed on as any other, and the connection ends", async () => {
    await start((_head, connection) => {
      connection.send(
        "HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nno!\r\n0\r\n\r\n",
      );
    });
    const browser = (await client()).send(HANDSHAKE);
    expect(await browser.response()).toMatchObject({
      status: 426,
      body: "no!",
      fields: { "sec-websocket-version": "13", connection: "close" },
    });
    // RFC 6455: what comes now would be frames, and must be taken for no request.
    browser.send("GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
    await browser.over();
    expect(browser.text).toBe("");
    expect(origin.connections).toHaveLength(1);
  });

  test.each([
    ["to what was not asked for", "HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"],
    ["without saying to what", "HTTP/1.1 101 X\r\nConnection: Upgrade\r\n\r\n"],
  ])("one that switches %s: 502", async (_, answer) => {
    await start((_head, connection) => connection.send(answer).end());
    const browser = (await client()).send(HANDSHAKE);
    expect(await browser.response()).toMatchObject({ status: 502 });
    await browser.over();
  });

  test("one that is away, or says nothing: 502 and 504", async () => {
    await start(() => {}, { options: { headersTimeoutMs: 100 } });
    expect(await (await client()).send(HANDSHAKE).response()).toMatchObject({ status: 504 });
    await origin.stop();
    expect(await (await client()).send(HANDSHAKE).response()).toMatchObject({ status: 502 });
    origin = await startRawOrigin();
  });

  test("one that switches a request which asked for nothing: 502", async () => {
    await start((_head, connection) => connection.send(SWITCHED));
    const browser = (await client()).send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    expect(await browser.response()).toMatchObject({ status: 502 });
  });
});

function drained({ socket }: RawConnection): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), 300);
    socket.once("drain", () => {
      clearTimeout(timer);
      resolve(true);
    });
  });
}

import { expect, test } from "vitest";
import { startProxy } from "../serve/proxy-harness.js";
import { RawConnection, startRawOrigin } from "../serve/raw.js";

/** mulberry32: the same numbers for the same seed. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

const REQUESTS = [
  "GET /a HTTP/1.1\r\nHost: a\r\n\r\n",
  'GET /b?x=1 HTTP/1.1\r\nHost: a\r\nRange: bytes=0-1,3-\r\nIf-None-Match: "1"\r\n\r\n',
  "POST /c HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
  "POST /d HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nT: 1\r\n\r\n",
  "GET /e HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x05hello",
  "GET http://a/f HTTP/1.1\r\nHost: a\r\nCache-Control: max-age=0, only-if-cached\r\n\r\n",
  "OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: 3\r\n\r\n",
  "PUT /g HTTP/1.1\r\nHost: [::1]:80\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi",
];
const ANSWERS = [
  'HTTP/1.1 200 OK\r\nCache-Control: max-age=60, stale-if-error=60\r\nETag: "1"\r\nVary: Accept, X-A\r\nContent-Length: 5\r\n\r\nhello',
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: T\r\n\r\n5\r\nhello\r\n0\r\nT: 1\r\n\r\n",
  'HTTP/1.1 304 Not Modified\r\nETag: "1"\r\nCache-Control: max-age=60\r\n\r\n',
  "HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\nHTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n",
  "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x82\x01x",
  "HTTP/1.1 301 Moved\r\nLocation: /x\r\nSet-Cookie: a=b\r\nSurrogate-Key: a b\r\nContent-Length: 0\r\n\r\n",
];
const PIECES = [
  "\r\n",
  "\n",
  "\r",
  "\0",
  " ",
  ":",
  ",",
  ";",
  '"',
  "chunked",
  "Content-Length: 3\r\n",
  "Transfer-Encoding: chunked\r\n",
  "Connection: close\r\n",
  "0",
  "-1",
  "\xff",
  "%2e",
  "/..",
  "HTTP/1.0",
  "Host: b\r\n",
  "Vary: *\r\n",
  "1e9",
];

/** Some bytes of a text changed, left out, doubled or put in. */
function mangled(text: string, next: (below: number) => number): string {
  let out = text;
  for (let changes = next(4); changes > 0; changes--) {
    const at = next(out.length + 1);
    const end = Math.min(out.length, at + next(8));
    const kind = next(4);
    if (kind === 0) out = out.slice(0, at) + String.fromCharCode(next(256)) + out.slice(at + 1);
    else if (kind === 1) out = out.slice(0, at) + out.slice(end);
    else if (kind === 2) out = out.slice(0, at) + out.slice(at, end).repeat(2) + out.slice(end);
    else out = out.slice(0, at) + (PIECES[next(PIECES.length)] ?? "") + out.slice(at);
  }
  return out;
}

/** What every head that the origin gets must be, whatever was sent to the proxy. */
function expectSound(head: string): void {
  expect(head).toMatch(/^[A-Z-]+ \/[!-~]* HTTP\/1\.1\r\n(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+: [\t -~\x80-\xff]*\r\n)+\r\n$/);
  expect(head.match(/\r\nhost:/gi)).toHaveLength(1);
  expect((head.match(/\r\n(?:content-length|transfer-encoding):/gi) ?? []).length).toBeLessThanOrEqual(1);
  expect(head).not.toMatch(/\r\n(?:te|trailer|keep-alive|proxy-connection|expect):/i);
}

const SEEDS = process.env.SEED ? [Number(process.env.SEED)] : Array.from({ length: 20 }, (_, i) => 1000 + i);

test.each(SEEDS)(
  "whatever bytes come from clients and origins, the proxy lives on and passes on sound requests alone: seed %i",
  async (seed) => {
    const next = random(seed);
    const unsound: unknown[] = [];
    const switched = new WeakSet<RawConnection>();
    let isAlive = false;
    const origin = await startRawOrigin((head, connection, body) => {
      body.catch(() => {});
      try {
        // What a tunnel carries is no request.
        if (!switched.has(connection)) expectSound(head);
      } catch (error) {
        unsound.push(error);
      }
      if (isAlive) return connection.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nalive");
      const answer = mangled(ANSWERS[next(ANSWERS.length)] ?? "", next);
      if (answer.includes("101")) switched.add(connection);
      connection.send(answer);
      return next(3) === 0 ? connection.end() : undefined;
    });
    const proxy = await startProxy(() => {}, {
      options: {
        origins: [{ path: "/", url: origin.url }],
        headersTimeoutMs: 300,
        bodyTimeoutMs: 300,
        tunnelIdleMs: 200,
        patience: { headMs: 300, requestMs: 500, idleMs: 300, stalledMs: 500 },
      },
    });
    for (let round = 0; round < 20; round++) {
      const clients = await Promise.all(Array.from({ length: 20 }, () => RawConnection.to(proxy.server.url)));
      for (const client of clients) {
        for (let i = next(3); i >= 0; i--) client.send(mangled(REQUESTS[next(REQUESTS.length)] ?? "", next));
        if (next(4) === 0) client.end();
        if (next(10) === 0) client.destroy();
      }
      // Nobody is kept for ever, whatever he said or did not say.
      await Promise.all(clients.map((client) => client.over(10_000)));
      for (const client of clients) {
        if (client.size > 0) expect(client.text).toMatch(/^HTTP\/1\.1 [1-9]\d\d /);
        client.destroy();
      }
      proxy.clock.advance(30_000);
      expect(unsound).toEqual([]);
    }
    isAlive = true;
    for (const connection of origin.connections) connection.destroy();
    expect(await proxy.get(`/alive/${seed}`)).toMatchObject({ status: 200, text: "alive" });
    expect(proxy.failures).toEqual([]);
    await origin.stop();
    await proxy.stop();
  },
);

import { createHash } from "node:crypto";
import type { ServerResponse } from "node:http";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../../src/clock.js";
import { type RedisServer, startRedis } from "../../support/redis-server.js";
import { until } from "../../support/until.js";
import { type ProxyUnderTest, startProxy } from "../proxy-harness.js";
import { RawConnection } from "../raw.js";

/** More than the buffers of sockets between store and client hold. */
const SIZE = 12_000_000;
const BODY = createHash("shake256", { outputLength: SIZE }).update("a body").digest();
const TAG = '"v1"';

let redis: RedisServer;
let proxy: ProxyUnderTest;
/** Of the origin, from the moment at which the store is lost. */
let then: (asked: { range: string; ifRange: string | undefined }, response: ServerResponse) => unknown;
let isLost: boolean;
let fields: Record<string, string>;
const clients: RawConnection[] = [];

beforeEach(async () => {
  isLost = false;
  fields = { etag: TAG };
  redis = await startRedis();
  proxy = await startProxy(
    ({ headers }, response) => {
      if (isLost) return void then({ range: headers.range ?? "", ifRange: headers["if-range"] as string }, response);
      response.writeHead(200, { "cache-control": "max-age=60", "content-length": SIZE, ...fields }).end(BODY);
    },
    { store: redis.url, time: systemClock },
  );
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await proxy.stop();
  await redis.stop();
});

/** What a client gets that asks for a stored body and takes the beginning of it, before the store is lost, and the rest afterwards. */
async function lostOnTheWay(more = "", lose = () => redis.kill()) {
  await proxy.get("/a");
  const client = await RawConnection.to(proxy.server.url);
  clients.push(client);
  client.send(`GET /a HTTP/1.1\r\nHost: ${new URL(proxy.server.url).host}\r\n${more}\r\n`);
  await until(() => client.size > 0);
  client.socket.pause();
  isLost = true;
  await lose();
  client.socket.resume();
  return client;
}

/** Bytes that a range names, both ends included. */
const bounds = (range: string) => {
  const [, start, end] = /^bytes=(\d+)-(\d+)$/.exec(range) ?? [];
  return { start: Number(start), end: Number(end) };
};

/** An origin that does as it should. */
const sound: typeof then = ({ range, ifRange }, response) => {
  const { start, end } = bounds(range);
  expect(ifRange).toBe(TAG);
  const part = BODY.subarray(start, end + 1);
  const contentRange = `bytes ${start}-${end}/${SIZE}`;
  response.writeHead(206, { etag: TAG, "content-range": contentRange, "content-length": part.length }).end(part);
};

/** Looking for a response in what came so far is dear while it is long. */
const whole = async (client: RawConnection, least = SIZE) => {
  await until(() => client.size >= least, { timeoutMs: 20_000, what: "the whole of a body" });
  return client.response("GET", 20_000);
};

const same = (text: string, bytes: Buffer) => Buffer.from(text, "latin1").equals(bytes);

describe("the rest of a large hit whose store dies in the middle", () => {
  test("RFC 9110 §13.1.5, §14.2: is what the origin has from there on, asked for by its strong entity tag", async () => {
    const ranges: string[] = [];
    then = (asked, response) => {
      ranges.push(asked.range);
      return sound(asked, response);
    };
    const client = await lostOnTheWay();
    const { status, body, fields: got } = await whole(client);
    expect([status, got["x-cache"], same(body, BODY)]).toEqual([200, "HIT", true]);
    expect(ranges).toHaveLength(1);
    const { start, end } = bounds(ranges[0] ?? "");
    expect(start).toBeGreaterThan(0);
    expect(end).toBe(SIZE - 1);
    // The connection goes on.
    then = (_asked, response) => response.end("more");
    client.send("GET /b HTTP/1.1\r\nHost: a\r\n\r\n");
    expect(await client.response()).toMatchObject({ status: 200, body: "more" });
  });

  test("is the end of the whole where the origin knows no ranges", async () => {
    then = (_asked, response) => response.writeHead(200, { etag: TAG, "content-length": SIZE }).end(BODY);
    const { status, body } = await whole(await lostOnTheWay());
    expect([status, same(body, BODY)]).toEqual([200, true]);
  });

  test("is the rest of the middle of a whole", async () => {
    then = (_asked, response) => response.writeHead(200, { etag: TAG }).end(BODY);
    const part = BODY.subarray(1000, SIZE - 999);
    const inParts = await lostOnTheWay(`Range: bytes=1000-${SIZE - 1000}\r\n`);
    const { status, body } = await whole(inParts, SIZE - 3000);
    expect([status, same(body, part)]).toEqual([206, true]);
  });

  test("is the rest of several ranges", async () => {
    then = sound;
    const half = SIZE / 2;
    const inParts = await lostOnTheWay(`Range: bytes=10-${half},${half + 10}-${SIZE - 10}\r\n`);
    const { status, body } = await whole(inParts, SIZE - 3000);
    expect(status).toBe(206);
    const at = body.indexOf("\r\n\r\n") + 4;
    expect(same(body.slice(at, at + half - 9), BODY.subarray(10, half + 1))).toBe(true);
    const next = body.indexOf("\r\n\r\n", at + half - 9) + 4;
    expect(same(body.slice(next, next + half - 19), BODY.subarray(half + 10, SIZE - 9))).toBe(true);
  });

  test("also where somebody removed it from the store meanwhile", async () => {
    then = sound;
    const remove = async () => {
      await proxy.cache.clear();
    };
    const { body } = await whole(await lostOnTheWay("", remove));
    expect(same(body, BODY)).toBe(true);
  });
});

describe("a large hit whose store dies is cut, never wrong, where the origin", () => {
  const answering =
    (status: number, more: (start: number, end: number) => Record<string, string | number>, body = BODY): typeof then =>
    ({ range }, response) => {
      const { start, end } = bounds(range);
      response.writeHead(status, more(start, end)).end(status === 206 ? body.subarray(start, end + 1) : body);
    };
  const contentRange = (start: number, end: number, size: number | string = SIZE) => `bytes ${start}-${end}/${size}`;

  const hostile: [string, typeof then][] = [
    ["has another version", answering(200, () => ({ etag: '"v2"' }))],
    [
      "gives another range",
      answering(206, (start, end) => ({ etag: TAG, "content-range": contentRange(start - 1, end) })),
    ],
    [
      "gives several ranges in one",
      answering(206, (start, end) => ({
        etag: TAG,
        "content-type": "multipart/byteranges; boundary=b",
        "content-range": contentRange(start, end),
      })),
    ],
    [
      "gives too few bytes",
      ({ range }, response) => {
        const { start, end } = bounds(range);
        const head = { etag: TAG, "content-range": contentRange(start, end), "transfer-encoding": "chunked" };
        response.writeHead(206, head).end(BODY.subarray(start, end - 9));
      },
    ],
    [
      "gives too many bytes at once",
      ({ range }, response) => {
        const { start, end } = bounds(range);
        const head = { etag: TAG, "content-range": contentRange(start, end), "transfer-encoding": "chunked" };
        response.writeHead(206, head).end(Buffer.concat([BODY.subarray(start, end + 1), Buffer.from("x")]));
      },
    ],
    ["has a shorter whole", answering(200, () => ({ etag: TAG }), BODY.subarray(0, SIZE - 10))],
    ["has gone", (_asked, response) => response.destroy()],
    [
      "goes in the middle",
      ({ range }, response) => {
        const { start, end } = bounds(range);
        const head = { etag: TAG, "content-range": contentRange(start, end), "content-length": end - start + 1 };
        response.writeHead(206, head);
        response.write(BODY.subarray(start, start + 100_000), () => response.destroy());
      },
    ],
  ];

  const beginsAsTheBody = (client: RawConnection) => {
    const at = client.text.indexOf("\r\n\r\n") + 4;
    const bytes = Buffer.from(client.text.slice(at), "latin1");
    return bytes.length < SIZE && bytes.equals(BODY.subarray(0, bytes.length));
  };

  test.each(hostile)("%s", async (_, answer) => {
    let count = 0;
    then = (asked, response) => {
      count += 1;
      return answer(asked, response);
    };
    const client = await lostOnTheWay();
    await client.over(20_000);
    expect([client.closed || client.ended, beginsAsTheBody(client)]).toEqual([true, true]);
    // One that gave up its connection is asked once more.
    expect(count).toBeGreaterThanOrEqual(1);
    expect(proxy.failures.length).toBeGreaterThan(0);
    // It lives on.
    then = (_asked, response) => response.end("more");
    expect(await proxy.get("/b")).toMatchObject({ status: 200, text: "more" });
  });

  test.each([["gave it no strong tag", { etag: 'W/"v1"' }]])("%s: it is not asked", async (_, said) => {
    fields = said;
    let count = 0;
    then = (_asked, response) => {
      count += 1;
      response.end();
    };
    const client = await lostOnTheWay();
    await client.over(20_000);
    expect([beginsAsTheBody(client), count]).toEqual([true, 0]);
  });
});

test("a client that goes while the origin is asked for the rest lets go of the origin", async () => {
  let isGone = false;
  let isAsked = false;
  then = (_asked, response) => {
    isAsked = true;
    response.on("close", () => {
      isGone = true;
    });
  };
  const client = await lostOnTheWay();
  await until(() => isAsked, { timeoutMs: 20_000 });
  client.destroy();
  await until(() => isGone);
});

import { request } from "undici";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../src/clock.js";
import { openCache } from "../../src/library.js";
import { type RunningServer, startServer } from "../../src/serve/server.js";
import { type HttpOrigin, startOrigin } from "../support/http-origin.js";

let origin: HttpOrigin;
let server: RunningServer;
const failures: unknown[] = [];

beforeEach(async () => {
  failures.length = 0;
  origin = await startOrigin((_, response) => {
    response.writeHead(200, { "cache-control": "max-age=60", "content-type": "text/plain" }).end("hello");
  });
  const cache = await openCache({ store: "memory:", namespace: "http" });
  server = await startServer(
    cache,
    systemClock,
    {
      host: "127.0.0.1",
      port: 0,
      origins: [{ path: "/", url: origin.url }],
      maxObjectBytes: 100_000_000,
      drainMs: 1000,
      preserveHost: false,
      trustedProxies: [],
      pseudonym: "cache-test",
      stripTags: false,
      defaultLifetimeMs: undefined,
    },
    { answered: () => {}, asked: () => {}, storeFailed: (error) => failures.push(error) },
  );
});

afterEach(async () => {
  await server.stop();
  await origin.stop();
  expect(failures).toEqual([]);
});

async function get(path: string, headers: Record<string, string> = {}) {
  const { statusCode, headers: fields, body } = await request(server.url + path, { headers });
  return { status: statusCode, fields, text: await body.text() };
}

describe("a proxy", () => {
  test("asks the origin once and then answers by itself", async () => {
    const first = await get("/a");
    expect(first).toMatchObject({ status: 200, text: "hello" });
    expect(first.fields["x-cache"]).toBe("MISS");
    const second = await get("/a");
    expect(second).toMatchObject({ status: 200, text: "hello" });
    expect(second.fields["x-cache"]).toBe("HIT");
    expect(origin.seen).toHaveLength(1);
  });
});

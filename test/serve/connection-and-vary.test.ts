import { Agent, get } from "node:http";
import { afterEach, beforeEach, expect, test } from "vitest";
import { systemClock } from "../../src/clock.js";
import { openCache } from "../../src/library.js";
import { type RunningServer, startServer } from "../../src/serve/server.js";
import { type HttpOrigin, startOrigin } from "../support/http-origin.js";

let origin: HttpOrigin;
let server: RunningServer;
const failures: unknown[] = [];

beforeEach(async () => {
  failures.length = 0;
  origin = await startOrigin((request, response) => {
    response.writeHead(200, { "cache-control": "max-age=60", vary: "x-device" });
    response.end(`for ${request.headers["x-device"] ?? "none"}`);
  });
  const cache = await openCache({ store: "memory:", namespace: "http" });
  server = await startServer(
    cache,
    systemClock,
    {
      host: "127.0.0.1",
      port: 0,
      origins: [{ path: "/", url: origin.url }],
      maxObjectBytes: 1_000_000,
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

function textOf(headers: Record<string, string>): Promise<string> {
  return new Promise((resolve, reject) => {
    get(`${server.url}/a`, { headers, agent: new Agent() }, (response) => {
      let text = "";
      response.setEncoding("latin1");
      response.on("data", (piece: string) => {
        text += piece;
      });
      response.on("end", () => resolve(text));
      response.on("error", reject);
    }).on("error", reject);
  });
}

test("RFC 9111 §4.1, RFC 9110 §7.6.1: what Connection takes away chooses no variant", async () => {
  // The origin never sees X-Device of this request, so its answer is for those who have none.
  expect(await textOf({ "x-device": "phone", connection: "close, x-device" })).toBe("for none");
  expect(await textOf({ "x-device": "phone" })).toBe("for phone");
  expect(await textOf({})).toBe("for none");
});

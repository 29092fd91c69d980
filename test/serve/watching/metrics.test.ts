import { connect } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { until } from "../../support/until.js";
import { startWatched, type Watched, type WatchedSetup } from "./watched.js";

const running: Watched[] = [];
afterEach(async () => {
  for (const one of running.splice(0)) await one.stop();
});

async function watched(setup?: WatchedSetup, answer = site): Promise<Watched> {
  const one = await startWatched(answer, setup);
  running.push(one);
  return one;
}

const site: Watched["origin"]["answer"] = ({ url }, response) => {
  if (url === "/gone") response.writeHead(404, { "cache-control": "no-store" }).end("gone");
  else if (url === "/broken") response.writeHead(500, { "cache-control": "no-store" }).end();
  else if (url === "/private") response.writeHead(200, { "cache-control": "no-store" }).end("yours");
  else if (url === "/checked") response.writeHead(200, { "cache-control": "max-age=10", etag: '"1"' }).end("checked");
  else response.writeHead(200, { "cache-control": "max-age=10, stale-while-revalidate=5" }).end("hello");
};

describe("metrics", () => {
  test("count requests by what became of them, exactly", async () => {
    const { get, scrape, clock } = await watched(undefined, (request, response) => {
      if (request.headers["if-none-match"]) response.writeHead(304, { "cache-control": "max-age=10" }).end();
      else site(request, response);
    });
    for (let i = 0; i < 5; i += 1) expect(await get("/a")).toBe(200);
    await get("/private");
    await get("/gone");
    await get("/broken");
    await get("/checked");
    clock.advance(12_000);
    await get("/checked");
    await get("/a");
    await get("/a", { "if-match": '"1"' });
    await get("/nowhere", { via: "1.1 cache-test" });
    const figures = await scrape();
    const requests = [...figures].filter(([name, value]) => name.startsWith("cache_http_requests_total") && value > 0);
    expect(Object.fromEntries(requests)).toEqual({
      'cache_http_requests_total{outcome="HIT",status="2xx"}': 4,
      'cache_http_requests_total{outcome="MISS",status="2xx"}': 3,
      'cache_http_requests_total{outcome="MISS",status="4xx"}': 1,
      'cache_http_requests_total{outcome="MISS",status="5xx"}': 1,
      'cache_http_requests_total{outcome="STALE",status="2xx"}': 1,
      'cache_http_requests_total{outcome="REVALIDATED",status="2xx"}': 1,
      'cache_http_requests_total{outcome="BYPASS",status="2xx"}': 1,
      'cache_http_requests_total{outcome="NONE",status="5xx"}': 1,
    });
    expect(figures.get("cache_http_hit_ratio")).toBeCloseTo(5 / 11);
    expect(figures.get('cache_http_request_duration_seconds_count{outcome="HIT"}')).toBe(4);
  });

  test("count a client that went away as cut", async () => {
    let began = false;
    const { server, scrape } = await watched(undefined, () => {
      began = true;
    });
    const { port } = new URL(server.url);
    const socket = connect(Number(port), "127.0.0.1");
    socket.write("POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    await until(() => began);
    socket.destroy();
    const figures = await scrape();
    expect(figures.get('cache_http_requests_total{outcome="NONE",status="cut"}')).toBe(1);
    await until(async () => (await scrape()).get("cache_http_connections") === 0);
  });
});

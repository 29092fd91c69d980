import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { startRedis } from "../../support/redis-server.js";
import { tempDir } from "../../support/temp-dir.js";
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

  test("count a connection that was joined to the origin's as one request, which has ended", async () => {
    const server = createServer();
    server.on("upgrade", (_request, socket) => {
      socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
      socket.pipe(socket);
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    const { port: upstream } = server.address() as AddressInfo;
    const url = `http://127.0.0.1:${upstream}`;
    const proxy = await watched({ options: { origins: [{ path: "/", url }] }, watch: { origins: [url] } });
    const socket = connect(Number(new URL(proxy.server.url).port), "127.0.0.1");
    let text = "";
    socket.on("data", (piece) => {
      text += piece.toString();
    });
    socket.write("GET /a HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nping");
    await until(() => text.endsWith("ping"));
    const figures = await proxy.scrape();
    expect(figures.get('cache_http_requests_total{outcome="BYPASS",status="1xx"}')).toBe(1);
    expect(figures.get("cache_http_connections")).toBe(1);
    socket.destroy();
    await until(async () => (await proxy.scrape()).get("cache_http_connections") === 0);
    server.close();
    server.closeAllConnections();
  });

  test("count what origins answered, by origin, and why they did not", async () => {
    const { get, scrape, origin } = await watched();
    await get("/a");
    await get("/a");
    await get("/gone");
    await get("/broken");
    await origin.stop();
    expect(await get("/b")).toBe(502);
    const figures = await scrape();
    const answers = [...figures].filter(([name, value]) => name.startsWith("cache_origin_requests_total") && value > 0);
    expect(Object.fromEntries(answers)).toEqual({
      [`cache_origin_requests_total{origin="${origin.url}",status="2xx"}`]: 1,
      [`cache_origin_requests_total{origin="${origin.url}",status="4xx"}`]: 1,
      [`cache_origin_requests_total{origin="${origin.url}",status="5xx"}`]: 1,
      [`cache_origin_requests_total{origin="${origin.url}",status="connect"}`]: 1,
    });
    expect(figures.get(`cache_origin_duration_seconds_count{origin="${origin.url}"}`)).toBe(4);
  });

  test("sort durations into buckets", async () => {
    const { get, scrape, clock, origin } = await watched();
    origin.answer = (_request, response) => {
      clock.advance(30);
      response.writeHead(200, { "cache-control": "no-store" }).end();
    };
    await get("/a");
    origin.answer = (_request, response) => {
      clock.advance(40_000);
      response.writeHead(200, { "cache-control": "no-store" }).end();
    };
    await get("/a");
    const figures = await scrape();
    const upTo = (le: string) => figures.get(`cache_http_request_duration_seconds_bucket{outcome="MISS",le="${le}"}`);
    expect([upTo("0.025"), upTo("0.05"), upTo("30"), upTo("+Inf")]).toEqual([0, 1, 1, 2]);
    expect(figures.get('cache_http_request_duration_seconds_sum{outcome="MISS"}')).toBeCloseTo(40.03);
    expect(figures.get(`cache_origin_duration_seconds_sum{origin="${origin.url}"}`)).toBeCloseTo(40.03);
  });

  test("count bytes in both directions", async () => {
    const { server, scrape } = await watched();
    const { port } = new URL(server.url);
    const asked = "GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let answered = 0;
    const socket = connect(Number(port), "127.0.0.1");
    socket.on("data", (piece) => {
      answered += piece.length;
    });
    socket.write(asked);
    await until(() => socket.closed);
    await until(async () => (await scrape()).get("cache_http_connections") === 0);
    const figures = await scrape();
    expect(figures.get("cache_http_received_bytes_total")).toBe(asked.length);
    expect(figures.get("cache_http_sent_bytes_total")).toBe(answered);
  });

  test("show each tier, and what purges did", async () => {
    const { get, scrape, admin, clock, server } = await watched({ store: ["memory:", `sqlite:${tempDir()}/cache.db`] });
    await get("/a");
    await get("/a");
    await get("/b");
    clock.advance(1500);
    const before = await scrape();
    expect(before.get('cache_tier_entries{tier="sqlite"}')).toBe(2);
    expect(before.get('cache_tier_up{tier="memory"}')).toBe(1);
    expect(before.get('cache_tier_up{tier="sqlite"}')).toBe(1);
    expect(before.get('cache_tier_in_use{tier="sqlite"}')).toBe(1);
    expect(before.get('cache_tier_round_trip_seconds{tier="sqlite"}')).toBeLessThan(1);
    expect(before.get('cache_tier_operations_total{tier="memory",operation="hits"}')).toBe(1);
    expect(before.get('cache_tier_operations_total{tier="sqlite",operation="sets"}')).toBe(2);
    expect(before.get('cache_purges_total{by="url"}')).toBe(0);
    const purged = await admin("/cache/purge", { method: "POST", body: { urls: [`${server.url}/a`] } });
    expect(purged.status).toBe(200);
    await admin("/cache/purge", { method: "POST", body: { match: "/*", soft: true } });
    clock.advance(1500);
    const after = await scrape();
    expect(after.get('cache_tier_entries{tier="sqlite"}')).toBe(1);
    expect(after.get('cache_purges_total{by="url"}')).toBe(1);
    expect(after.get('cache_purges_total{by="glob"}')).toBe(1);
    expect(after.get('cache_purged_entries_total{how="deleted"}')).toBe(1);
    expect(after.get('cache_purged_entries_total{how="softened"}')).toBe(1);
    expect(after.get('cache_store_changes_total{op="delete"}')).toBeGreaterThanOrEqual(1);
    expect(after.get('cache_store_changes_total{op="soften"}')).toBeGreaterThanOrEqual(1);
  });

  test("answer while the store is away, and say that it is", async () => {
    const redis = await startRedis();
    const proxy = await watched({ store: redis.url, live: true });
    await proxy.get("/a");
    const before = await proxy.scrape();
    expect(before.get('cache_tier_up{tier="redis"}')).toBe(1);
    expect(before.get('cache_breaker_state{tier="redis",state="closed"}')).toBe(1);
    await redis.stop();
    for (let i = 0; i < 20; i += 1) expect(await proxy.get("/a")).toBe(200);
    const figures = await until(async () => {
      const seen = await proxy.scrape();
      return seen.get('cache_breaker_state{tier="redis",state="open"}') === 1 && seen;
    });
    expect(figures.get('cache_tier_up{tier="redis"}')).toBe(0);
    expect(figures.get("cache_store_failures_total")).toBeGreaterThan(0);
    expect(figures.get('cache_http_requests_total{outcome="MISS",status="2xx"}')).toBe(21);
    expect(proxy.warnings.length).toBeLessThan(5);
  });

  test("name nothing that a client sent", async () => {
    const { get, scrape, admin } = await watched();
    for (let i = 0; i < 50; i += 1)
      await get(`/hostile-${i}?hostile=${i}`, { host: `hostile${i}.example`, "x-a": "hostile" });
    const names = async () => [...(await scrape()).keys()].filter((name) => name.startsWith("cache_"));
    const before = await names();
    for (let i = 50; i < 100; i += 1) await get(`/hostile-${i}`, { host: `hostile${i}.example` });
    expect(await names()).toEqual(before);
    expect((await admin("/metrics")).text).not.toContain("hostile");
  });

  test("have a help and a type, are of the process too, and are for who may look", async () => {
    const { admin } = await watched();
    const { status, type, text } = await admin("/metrics", { as: "viewer" });
    expect([status, type]).toEqual([200, "text/plain; version=0.0.4; charset=utf-8"]);
    const families = new Set([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = ""]) => name));
    const helped = new Set([...text.matchAll(/^# HELP (\S+) \S/gm)].map(([, name = ""]) => name));
    expect(families).toEqual(helped);
    expect(families).toContain("process_cpu_seconds_total");
    const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    const form = /^([a-z_][a-z0-9_]*)(?:\{(?:[a-z_]+="(?:[^"\\]|\\.)*",?)*\})? (?:[-+]?[\d.e+-]+|\+Inf|NaN)$/i;
    const names = lines.map((line) => form.exec(line)?.[1] ?? `no metric: ${line}`);
    expect(
      names.filter((name) => !families.has(name.replace(/_(?:bucket|sum|count)$/, "")) && !families.has(name)),
    ).toEqual([]);
    expect(new Set(lines.map((line) => line.slice(0, line.lastIndexOf(" ")))).size).toBe(lines.length);
    expect((await admin("/metrics", { as: null })).status).toBe(401);
  });
});

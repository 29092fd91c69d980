import { connect, type Socket } from "node:net";
import { request } from "undici";
import { afterEach, describe, expect, test } from "vitest";
import { tokenEntry } from "../../../src/config/admin-tokens.js";
import { startRedis } from "../../support/redis-server.js";
import { tempDir } from "../../support/temp-dir.js";
import { until } from "../../support/until.js";
import { startWatched, type Watched, type WatchedSetup } from "./watched.js";

const running: Watched[] = [];
afterEach(async () => {
  for (const one of running.splice(0)) await one.stop();
});

async function watched(setup?: WatchedSetup): Promise<Watched> {
  const one = await startWatched((_request, response) => {
    response.writeHead(200, { "cache-control": "max-age=10" }).end("hello");
  }, setup);
  running.push(one);
  return one;
}

interface Heard {
  event: string;
  data: Record<string, unknown> & Record<string, unknown>[];
}

/** Listens to the events of a server. */
async function listen({ server, tokens }: Watched) {
  const { statusCode, headers, body } = await request(`${server.adminUrl}/events`, {
    headers: { authorization: `Bearer ${tokens.viewer}` },
  });
  expect([statusCode, headers["content-type"], headers["cache-control"]]).toEqual([
    200,
    "text/event-stream",
    "no-store",
  ]);
  const heard: Heard[] = [];
  const seen = { text: "", ended: false };
  body.on("data", (piece: Buffer) => {
    seen.text += piece.toString();
    heard.length = 0;
    for (const block of seen.text.split("\n\n").slice(0, -1)) {
      const [, event = "", data = ""] = /^event: (.*)\ndata: (.*)$/.exec(block) ?? [];
      if (event !== "") heard.push({ event, data: JSON.parse(data) });
    }
  });
  body.on("end", () => {
    seen.ended = true;
  });
  return {
    heard,
    seen,
    stop: () => body.destroy(),
    /** Waits for events of a name, while the clock goes on. */
    async hears(event: string, count = 1): Promise<Heard["data"][]> {
      return until(
        () => {
          const found = heard.filter((one) => one.event === event).map(({ data }) => data);
          return found.length >= count && found;
        },
        { what: `${count} × ${event}` },
      );
    },
  };
}

describe("events", () => {
  test("tell samples of the monitor, those of before at once", async () => {
    const proxy = await watched({ watch: { monitorMs: 5000 } });
    const { clock, get } = proxy;
    const first = await listen(proxy);
    const [history] = await first.hears("history");
    expect(history).toHaveLength(1);
    await get("/a");
    await get("/a");
    clock.advance(5000);
    const [sample] = await first.hears("sample");
    expect(sample).toMatchObject({ at: clock.now(), counters: { hits: 1, sets: 1 }, entries: 1 });
    const second = await listen(proxy);
    const [later] = await second.hears("history");
    expect(later).toEqual([history?.[0], sample]);
    expect((await proxy.scrape()).get("cache_events_listeners")).toBe(2);
    second.stop();
    await until(async () => (await proxy.scrape()).get("cache_events_listeners") === 1);
    first.stop();
  });

  test("tell figures as they are and were, and how each tier does", async () => {
    const proxy = await watched({
      store: ["memory:", `sqlite:${tempDir("events")}/c.db`],
      watch: { monitorMs: 10_000 },
    });
    const { clock, get } = proxy;
    const first = await listen(proxy);
    const [before] = await first.hears("points");
    expect(before).toEqual([]);
    const [health] = await first.hears("health");
    expect(health).toMatchObject({
      ...{ proxies: true, alerts: [], totals: { hits: 0, misses: 0, sets: 0 } },
      tiers: [
        { name: "memory", kind: "memory", connected: true, inUse: true, entries: 0 },
        { name: "sqlite", kind: "sqlite", connected: true, inUse: true, target: expect.stringContaining("sqlite:") },
      ],
    });
    await get("/a");
    await get("/a");
    const [point] = await until(async () => {
      clock.advance(250);
      const points = first.heard.filter(({ event, data }) => event === "point" && Object(data.requests).MISS > 0);
      return points.length > 0 && points.map(({ data }) => data);
    });
    expect(point).toMatchObject({
      ...{ requests: { MISS: 1 }, p50: expect.any(Number), p99: expect.any(Number) },
      tiers: [{ name: "memory" }, { name: "sqlite", entries: expect.any(Number) }],
    });
    const second = await listen(proxy);
    const [later] = await second.hears("points");
    expect(later).toContainEqual(point);
    for (const one of [first, second]) one.stop();
  });

  test("end for who is not let in any more", async () => {
    const proxy = await watched();
    const { server, tokens, clock } = proxy;
    const listener = await listen(proxy);
    await listener.hears("history");
    server.useTokens([tokenEntry(tokens.operator, "o", "operator")]);
    await until(() => {
      clock.advance(1000);
      return listener.seen.ended;
    });
    expect(listener.heard.map(({ event }) => event)).not.toContain("point");
    await until(() => proxy.watch.events.listeners === 0);
  });

  test("tell how many changes there were, once a second", async () => {
    const proxy = await watched();
    const { clock, get, cache } = proxy;
    const listener = await listen(proxy);
    await listener.hears("history");
    for (let i = 0; i < 5; i += 1) await get(`/${i}`);
    await cache.invalidate({ prefix: "r:" });
    const changes = await until(async () => {
      clock.advance(1000);
      const sums = listener.heard.filter(({ event }) => event === "changes");
      return sums.some(({ data }) => Number(data.delete) > 0) && sums;
    });
    const written = changes.reduce((sum, { data }) => sum + Number(data.write ?? 0), 0);
    expect(written).toBeGreaterThanOrEqual(5);
    listener.stop();
  });

  test("say now and then that the connection stands", async () => {
    const proxy = await watched();
    const listener = await listen(proxy);
    await listener.hears("history");
    await until(() => {
      proxy.clock.advance(1000);
      return listener.seen.text.endsWith(":\n\n");
    });
    expect(listener.seen.text).toMatch(/^retry: \d+\n\n/);
    listener.stop();
  });

  test("tell of breakers, and of alerts that the log is warned of too", async () => {
    const redis = await startRedis();
    const proxy = await watched({
      store: redis.url,
      live: true,
      watch: { monitorMs: 50, thresholds: { hitRateBelow: 0.5, minLookups: 5 } },
    });
    const { get, scrape, warnings } = proxy;
    const listener = await listen(proxy);
    for (let i = 0; i < 20; i += 1) await get(`/${i}`);
    await until(() => listener.heard.some(({ event, data }) => event === "alert" && data.name === "hit-rate"));
    expect(warnings).toContainEqual(expect.stringMatching(/^the hit rate is \d+\.\d%, below 50\.0%$/));
    expect((await scrape()).get('cache_monitor_alert{alert="hit-rate"}')).toBe(1);
    await redis.stop();
    for (let i = 0; i < 20; i += 1) await get(`/${i}`);
    const [store] = await listener.hears("store");
    expect(store).toMatchObject({ code: "breaker-open", store: "redis" });
    await until(() => listener.heard.some(({ event, data }) => event === "alert" && data.name === "unreachable"));
    listener.stop();
  });

  test("are for so many at once, and end when the server stops", async () => {
    const proxy = await watched();
    const listeners = await Promise.all(Array.from({ length: 64 }, () => listen(proxy)));
    const { status, text } = await proxy.admin("/events");
    expect([status, JSON.parse(text).error.code]).toEqual([503, "too-many-listeners"]);
    listeners[0]?.stop();
    await until(async () => (await proxy.scrape()).get("cache_events_listeners") === 63);
    const again = await listen(proxy);
    await again.hears("history");
    const began = performance.now();
    await proxy.server.stop();
    expect(performance.now() - began).toBeLessThan(900);
    await until(() => again.seen.ended);
  });

  test("let go who does not read them", async () => {
    const proxy = await watched();
    const { hostname, port } = new URL(proxy.server.adminUrl ?? "");
    const slow: Socket = connect(Number(port), hostname);
    slow.write(
      `GET /events HTTP/1.1\r\nHost: ${hostname}:${port}\r\nAuthorization: Bearer ${proxy.tokens.viewer}\r\n\r\n`,
    );
    slow.pause();
    slow.on("error", () => {});
    const quick = await listen(proxy);
    await until(async () => proxy.watch.events.listeners === 2);
    const data = { text: "x".repeat(100_000) };
    await until(
      async () => {
        proxy.watch.events.tell({ event: "large", data });
        // The one that reads is given time to.
        await new Promise((resolve) => setImmediate(resolve));
        await until(() => quick.seen.text.endsWith("\n\n"));
        return proxy.watch.events.listeners === 1;
      },
      { everyMs: 0 },
    );
    expect(quick.seen.ended).toBe(false);
    quick.stop();
    slow.destroy();
  });

  test("are for who may look", async () => {
    const { admin } = await watched();
    expect((await admin("/events", { as: null })).status).toBe(401);
  });
});

import { once } from "node:events";
import { readFileSync } from "node:fs";
import { Agent, request } from "undici";
import { afterEach, describe, expect, test } from "vitest";
import { readTls } from "../../../src/serve/tls.js";
import { makeCertificates } from "../../support/certificates.js";
import { Gate } from "../../support/gate.js";
import { startRedis } from "../../support/redis-server.js";
import { tempDir } from "../../support/temp-dir.js";
import { until } from "../../support/until.js";
import { type AdminUnderTest, startAdmin } from "./admin-harness.js";

let admin: AdminUnderTest | undefined;
afterEach(async () => {
  await admin?.stop();
  admin = undefined;
});

/** Deadlines come, which are of the clock that the test moves. */
async function whileTimePasses<T>({ clock }: AdminUnderTest, work: Promise<T>): Promise<T> {
  let isOver = false;
  const over = work.finally(() => {
    isOver = true;
  });
  await until(async () => {
    await clock.advance(100);
    return isOver;
  });
  return over;
}

describe("where the admin API is", () => {
  test("a port of its own: the proxy's paths stay the origin's", async () => {
    admin = await startAdmin();
    const { server, url } = admin;
    expect(new URL(url).port).not.toBe(new URL(server.url).port);
    for (const path of ["/cache/stats", "/health/live", "/metrics", "/events", "/v1/entries/get", "/openapi.json"]) {
      expect([path, (await admin.get(path)).text]).toEqual([path, "hello"]);
    }
    expect((await admin.call("/a")).status).toBe(404);
  });

  test("the proxy's port: its own paths are the admin API's, all others the origin's", async () => {
    admin = await startAdmin({ admin: { sharesPort: true } });
    const { server, url, tokens } = admin;
    expect(url).toBe(server.url);
    expect((await admin.call("/health/live", { as: null })).json()).toEqual({ status: "ok" });
    expect((await admin.call("/cache/stats")).status).toBe(200);
    expect((await admin.call("/v1/store/describe", { method: "POST", body: {} })).status).toBe(200);
    expect((await admin.get("/cache/stats")).status).toBe(401);
    expect((await admin.get("/cache/stats", { host: "www.example.com" })).status).toBe(421);
    for (const path of ["/", "/cache", "/cached/x", "/metrics/x", "/v1/users", "/openapi.json", "/x?/cache/stats"]) {
      const authorization = `Bearer ${tokens.operator}`;
      expect([path, (await admin.get(path, { authorization })).text]).toEqual([path, "hello"]);
    }
  });

  test("without an origin only the admin API runs", async () => {
    admin = await startAdmin({ options: { origins: [] } });
    expect(admin.server.url).toBe(admin.url);
    expect((await admin.call("/health/ready", { as: null })).json()).toMatchObject({
      status: "ready",
      degraded: false,
    });
    expect((await admin.call("/cache/entry?key=a", { method: "PUT", body: "b" })).status).toBe(200);
    expect((await admin.call("/cache/entry?key=a&raw=true")).text).toBe("b");
  });

  test("where others can reach it, with the certificate of the proxy", async () => {
    const made = await makeCertificates(tempDir("admin-tls"));
    const tls = readTls({ tlsCert: made.cert, tlsKey: made.key });
    if (!tls) throw new Error("there is no certificate");
    admin = await startAdmin({ options: { tls }, admin: { host: "0.0.0.0", exposed: true } });
    const dispatcher = new Agent({ connect: { ca: readFileSync(made.ca) } });
    const url = admin.url.replace("0.0.0.0", "127.0.0.1");
    const authorization = `Bearer ${admin.tokens.operator}`;
    const get = (fields: Record<string, string>) =>
      request(`${url}/cache/entry?key=a`, { method: "DELETE", dispatcher, headers: { authorization, ...fields } });
    expect(url).toMatch(/^https:/);
    expect((await get({ origin: url })).statusCode).toBe(200);
    expect((await get({ origin: url.replace("https", "http") })).statusCode).toBe(403);
    await dispatcher.close();
  });
});

describe("/health/ready", () => {
  test("says no while the server stops, and the process lives", async () => {
    const held = new Gate();
    admin = await startAdmin({}, async (_request, response) => {
      await held.opened;
      response.end("late");
    });
    const { server, call } = admin;
    const late = admin.get("/slow");
    await until(() => admin?.origin.seen.length === 1);
    const stopped = server.stop();
    const { status, json } = await call("/health/ready", { as: null });
    expect([status, json()]).toMatchObject([503, { status: "stopping", degraded: false }]);
    expect((await call("/health/live", { as: null })).status).toBe(200);
    held.open();
    expect((await late).text).toBe("late");
    await stopped;
    await admin.origin.stop();
    admin = undefined;
  });

  test("a proxy whose store is away is ready, and degraded; without an origin it is not", async () => {
    const redis = await startRedis();
    const proxy = await startAdmin({ store: ["memory:", redis.url] });
    const alone = await startAdmin({ store: redis.url, options: { origins: [] } });
    await redis.stop();
    try {
      const ask = (one: AdminUnderTest, path: string) => whileTimePasses(one, one.call(path, { as: "viewer" }));
      // That a connection has ended is heard a moment later.
      for (const one of [proxy, alone]) {
        await until(async () => (await ask(one, "/health/ready")).json().degraded === true);
      }
      const [ready, not] = [await ask(proxy, "/health/ready"), await ask(alone, "/health/ready")];
      expect([ready.status, ready.json()]).toMatchObject([200, { status: "ready", degraded: true }]);
      expect([not.status, not.json()]).toMatchObject([503, { status: "unavailable", degraded: true }]);
      const stats = await ask(proxy, "/cache/stats");
      expect([stats.status, stats.json()]).toMatchObject([
        200,
        { memory: { connected: true }, redis: { connected: false, latency: null } },
      ]);
      const health = await ask(proxy, "/cache/redis/health");
      expect([health.status, health.json()]).toMatchObject([
        503,
        { status: "unhealthy", connected: false, latency: null, error: { code: expect.any(String) } },
      ]);
      expect((await ask(proxy, "/cache/redis/ping")).status).toBeGreaterThanOrEqual(500);
      const judged = await ask(proxy, "/health/cache");
      expect([judged.status, judged.json()]).toMatchObject([
        503,
        {
          status: "unhealthy",
          tiers: { memory: { status: "healthy" }, redis: { status: "unhealthy", connected: false } },
        },
      ]);
    } finally {
      await whileTimePasses(proxy, proxy.stop());
      await whileTimePasses(alone, alone.stop());
    }
  });
});

describe("a stop", () => {
  test("does not wait for who follows the store's changes", async () => {
    admin = await startAdmin({ options: { origins: [] } });
    const { url, tokens, clock } = admin;
    const ask = (name: string, body: object) =>
      request(`${url}/v1/store/${name}`, {
        method: "POST",
        headers: { authorization: `Bearer ${tokens.viewer}`, "content-type": "application/json" },
        body: JSON.stringify(body),
      });
    const { position } = (await (await ask("position", {})).body.json()) as { position: string };
    const changes = (await ask("changes", { after: position })).body;
    let lines = "";
    changes.on("data", (piece: Buffer) => {
      lines += piece;
    });
    const ended = once(changes, "end");
    await until(async () => {
      await clock.advance(50);
      return lines !== "";
    });
    // The drain is of a clock that nobody moves.
    expect(await admin.server.stop()).toBe(true);
    await ended;
    expect(lines.trim().split("\n").at(-1)).toContain('"code":"server-stopping"');
    await admin.origin.stop();
    admin = undefined;
  });
});

describe("GET /cache/stats", () => {
  test("of Redis: what the server says, for people and as numbers", async () => {
    const redis = await startRedis();
    admin = await startAdmin({ store: ["memory:", redis.url] });
    await admin.cache.set("a", 1);
    const { redis: seen } = (await admin.call("/cache/stats")).json() as {
      redis: { memory: string; memoryBytes: number };
    };
    expect(seen).toMatchObject({
      ...{ kind: "redis", connected: true, latency: expect.any(Number), keys: expect.any(Number) },
      keyspace: { db0: expect.stringMatching(/^keys=\d+,expires=\d+$/) },
      memory: expect.stringMatching(/^\d+\.\dMB$/),
    });
    expect(seen.memoryBytes / 1e6).toBeCloseTo(Number.parseFloat(seen.memory), 0);
    const health = await admin.call("/cache/redis/health", { as: "viewer" });
    expect(health.json()).toMatchObject({
      status: "healthy",
      connected: true,
      memory: expect.any(String),
      keys: expect.any(Number),
    });
    expect((await admin.call("/cache/redis/info")).json()).toMatchObject({ kind: "redis", facts: { role: "master" } });
    await admin.stop();
    admin = undefined;
    await redis.stop();
  });

  test("of files: how many there are", async () => {
    admin = await startAdmin({ store: `file:${tempDir("admin")}` });
    for (const key of ["a", "b"]) await admin.cache.set(key, 1);
    expect((await admin.call("/cache/stats")).json()).toMatchObject({ file: { kind: "file", size: 2, files: 2 } });
  });
});

describe("DELETE /cache/{tier} without a namespace", () => {
  test("of a store that others may share needs its name", async () => {
    const redis = await startRedis();
    admin = await startAdmin({ store: redis.url, admin: { namespace: "" } });
    const clear = (query = "") => admin?.call(`/cache/redis${query}`, { method: "DELETE" });
    const refused = await clear();
    const target = `redis://${new URL(redis.url).host}/0`;
    expect([refused?.status, refused?.json()]).toMatchObject([
      409,
      { error: { code: "needs-confirmation", hint: `Say it with ?confirm=${encodeURIComponent(target)}` } },
    ]);
    expect((await clear("?confirm=redis"))?.status).toBe(409);
    expect((await clear(`?confirm=${encodeURIComponent(target)}`))?.status).toBe(200);
    await admin.stop();
    admin = undefined;
    await redis.stop();
  });
});

describe("/health/cache", () => {
  const judged = async (one: AdminUnderTest) => {
    const { status, json } = await one.call("/health/cache", { as: null });
    return [status, json().tiers] as const;
  };

  test("is healthy while there are under a hundred lookups, and then by the hit rate of late", async () => {
    admin = await startAdmin();
    const { cache, clock } = admin;
    const misses = async (count: number) => {
      for (let i = 0; i < count; i++) await cache.get(`none-${i}`);
    };
    expect(await judged(admin)).toMatchObject([200, { memory: { status: "healthy", hitRate: null, lookups: 0 } }]);
    await misses(99);
    expect(await judged(admin)).toMatchObject([200, { memory: { lookups: 99, hitRate: 0 } }]);
    await misses(1);
    expect(await judged(admin)).toMatchObject([
      503,
      { memory: { status: "unhealthy", because: "a hit rate of 0.0% of late" } },
    ]);
    // Ten minutes later that is long ago.
    await clock.advance(11 * 60_000);
    expect(await judged(admin)).toMatchObject([503, { memory: { lookups: 100 } }]);
    await clock.advance(11 * 60_000);
    expect(await judged(admin)).toMatchObject([200, { memory: { lookups: 0 } }]);
    await cache.set("there", 1);
    await misses(85);
    for (let i = 0; i < 15; i++) await cache.get("there");
    expect(await judged(admin)).toMatchObject([200, { memory: { lookups: 100, hitRate: 0.15 } }]);
  });

  test("errors count from ten on", async () => {
    admin = await startAdmin();
    admin.cache.count("errors", 9);
    expect(await judged(admin)).toMatchObject([200, { memory: { errors: 9 } }]);
    admin.cache.count("errors");
    expect(await judged(admin)).toMatchObject([503, { memory: { because: "10 errors of late" } }]);
  });

  test("what was counted before the start is of other processes", async () => {
    const store = `sqlite:${tempDir("admin")}/c.db`;
    const first = await startAdmin({ store });
    for (let i = 0; i < 200; i++) await first.cache.get("none");
    expect(await judged(first)).toMatchObject([503, { sqlite: { lookups: 200 } }]);
    await first.stop();
    admin = await startAdmin({ store });
    expect(await judged(admin)).toMatchObject([200, { sqlite: { lookups: 0 } }]);
  });
});

import { parseList, Token } from "structured-headers";
import { describe, expect, test } from "vitest";
import { type Got, siteForTests } from "./site.js";

const site = siteForTests();
const FRESH = { "cache-control": "max-age=60" };

/** The members of Cache-Status, as a structured field (RFC 8941) has them. */
function membersOf({ fields }: Got): { name: string; parameters: Record<string, unknown> }[] {
  return parseList(String(fields["cache-status"])).map(([item, parameters]) => ({
    name: String(item instanceof Token ? item.toString() : item),
    parameters: Object.fromEntries(
      [...parameters].map(([name, value]) => [name, value instanceof Token ? value.toString() : value]),
    ),
  }));
}

/** What we say. */
const ours = (got: Got) => membersOf(got).at(-1)?.parameters ?? {};

describe("Cache-Status", () => {
  test("RFC 9211 §2: it is a list whose members MUST be tokens or strings, ours the last", async () => {
    const fields = { ...FRESH, "cache-status": 'Origin; hit; ttl=1100, "Next CDN"; fwd=uri-miss' };
    const resource = site.resource({ fields });
    for (const cache of ["MISS", "HIT"]) {
      const got = await resource.get();
      expect(got.cache).toBe(cache);
      expect(membersOf(got).map(({ name }) => name)).toEqual(["Origin", "Next CDN", "cache"]);
    }
  });

  test("RFC 9211 §2: what the caches nearer to the origin said is kept, on what passes through, too", async () => {
    const resource = site.resource({ fields: { "cache-control": "no-store", "cache-status": "Origin; hit" } });
    for (const method of ["GET", "POST"]) {
      const got = await resource.send(method);
      expect(membersOf(got).map(({ name }) => name)).toEqual(["Origin", "cache"]);
    }
  });

  test("RFC 9211 §2: a response of our own has none", async () => {
    const resource = site.resource((_, response) => {
      response.destroy();
    });
    const failed = await resource.get();
    expect([failed.status, failed.fields["cache-status"]]).toEqual([502, undefined]);
    const none = await site.resource().get({ "cache-control": "only-if-cached" });
    expect([none.status, none.fields["cache-status"]]).toEqual([504, undefined]);
  });

  test("RFC 9211 §2: a 304 and a 206 of a stored response have one", async () => {
    const resource = site.resource({ fields: { ...FRESH, etag: '"1"' } });
    await resource.get();
    expect(ours(await resource.get({ "if-none-match": '"1"' }))).toMatchObject({ hit: true });
    expect(ours(await resource.get({ range: "bytes=0-1" }))).toMatchObject({ hit: true });
  });

  test("RFC 9211 §2.1: hit says that the response is from the store, and the request did not go forward", async () => {
    const resource = site.resource({ fields: FRESH });
    await resource.get();
    const said = ours(await resource.get());
    expect(said).toMatchObject({ hit: true });
    expect(said).not.toHaveProperty("fwd");
    expect(said).not.toHaveProperty("stored");
    expect(said).not.toHaveProperty("collapsed");
  });

  test("RFC 9211 §2.1: hit is not said of what was validated, or of a miss", async () => {
    const resource = site.resource({ fields: { ...FRESH, etag: '"1"' } }, { status: 304 });
    expect(ours(await resource.get())).not.toHaveProperty("hit");
    site.wait(61);
    expect(ours(await resource.get())).not.toHaveProperty("hit");
  });

  test("RFC 9211 §2.2: fwd=uri-miss where nothing of the URL is stored", async () => {
    expect(ours(await site.resource({ fields: FRESH }).get())).toEqual({
      fwd: "uri-miss",
      "fwd-status": 200,
      stored: true,
    });
  });

  test("RFC 9211 §2.2: fwd=vary-miss where what is stored of the URL is for other requests", async () => {
    const resource = site.resource({ fields: { ...FRESH, vary: "x-a" } });
    await resource.get({ "x-a": "1" });
    expect(ours(await resource.get({ "x-a": "2" }))).toMatchObject({ fwd: "vary-miss" });
  });

  test("RFC 9211 §2.2: fwd=stale where what is stored is stale", async () => {
    const resource = site.resource({ fields: { ...FRESH, etag: '"1"' } }, { status: 304 });
    await resource.get();
    site.wait(61);
    expect(ours(await resource.get({ "cache-control": "no-cache" }))).toMatchObject({ fwd: "stale" });
    site.wait(61);
    expect(ours(await resource.get())).toMatchObject({ fwd: "stale", "fwd-status": 304 });
  });

  test("RFC 9211 §2.2: fwd=request where the request does not want what is stored and fresh", async () => {
    const resource = site.resource({ fields: FRESH });
    await resource.get();
    for (const control of ["no-cache", "max-age=0", "min-fresh=100"]) {
      site.wait(1);
      expect(ours(await resource.get({ "cache-control": control })), control).toMatchObject({ fwd: "request" });
    }
  });

  test("RFC 9211 §2.2: fwd=method where the method can't be answered from the store", async () => {
    expect(ours(await site.resource().send("POST"))).toMatchObject({ fwd: "method" });
  });

  test("RFC 9211 §2.2: fwd=bypass where the store has nothing to do with the request", async () => {
    expect(ours(await site.resource().get({ "if-match": '"1"' }))).toMatchObject({ fwd: "bypass" });
  });

  test("RFC 9211 §2.3: fwd-status is what the origin answered", async () => {
    const resource = site.resource(
      { fields: { "cache-control": "max-age=60, stale-if-error=60", etag: '"1"' } },
      { status: 304 },
      { status: 503 },
    );
    await resource.get();
    site.wait(61);
    expect(ours(await resource.get())).toMatchObject({ "fwd-status": 304 });
    site.wait(61);
    const stale = await resource.get();
    expect([stale.status, ours(stale)["fwd-status"]]).toEqual([200, 503]);
    expect(ours(await site.resource({ status: 404 }).get())).toMatchObject({ "fwd-status": 404 });
  });

  test("RFC 9211 §2.4: ttl is what is left of the freshness lifetime, below zero where it is stale", async () => {
    const resource = site.resource({ fields: { ...FRESH, etag: '"1"' } });
    await resource.get();
    site.wait(20);
    expect(ours(await resource.get())).toMatchObject({ hit: true, ttl: 40 });
    site.wait(50);
    expect(ours(await resource.get({ "cache-control": "max-stale" }))).toMatchObject({ hit: true, ttl: -10 });
  });

  test("RFC 9211 §2.4: ttl counts what the cache itself gave of freshness", async () => {
    const resource = site.resource({ fields: { "last-modified": site.date(-1000) } });
    await resource.get();
    expect(ours(await resource.get())).toMatchObject({ ttl: 100 });
  });

  test("RFC 9211 §2.5: stored is said of what was stored, and of nothing else", async () => {
    expect(ours(await site.resource({ fields: FRESH }).get())).toMatchObject({ stored: true });
    for (const control of ["no-store", "private"]) {
      expect(ours(await site.resource({ fields: { "cache-control": control } }).get())).not.toHaveProperty("stored");
    }
  });

  test("RFC 9211 §2.6: collapsed is said of those who got the response to another's request", async () => {
    let go = () => {};
    const gate = new Promise<void>((resolve) => {
      go = resolve;
    });
    const resource = site.resource(async (_, response) => {
      await gate;
      response.writeHead(200, FRESH).end("one");
    });
    const all = Array.from({ length: 3 }, () => resource.get());
    await expect.poll(() => resource.asked).toBe(1);
    go();
    const said = (await Promise.all(all)).map(ours);
    expect(said.filter(({ collapsed }) => collapsed === true)).toHaveLength(2);
    for (const { fwd, hit } of said) expect([fwd, hit]).toEqual(["uri-miss", undefined]);
  });

  test("RFC 9211 §2.8: detail says why a response was not stored", async () => {
    for (const [control, detail] of [
      ["no-store", "no-store"],
      ["private", "private"],
    ] as const) {
      expect(ours(await site.resource({ fields: { "cache-control": control } }).get())).toMatchObject({ detail });
    }
  });

  test("RFC 9211 §2: in a request it means nothing", async () => {
    const resource = site.resource({ fields: FRESH });
    const got = await resource.get({ "cache-status": "client; hit" });
    expect(membersOf(got)).toHaveLength(1);
  });
});

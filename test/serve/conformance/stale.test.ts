import { describe, expect, test } from "vitest";
import { type Answer, type Resource, siteForTests } from "./site.js";

const site = siteForTests();

/** Stored, and then so many seconds pass. */
async function stored(control: string, seconds: number, ...answers: Answer[]): Promise<Resource> {
  const resource = site.resource({ fields: { "cache-control": control, etag: '"1"' } }, ...answers);
  await resource.get();
  site.wait(seconds);
  return resource;
}

/** The origin hangs up. */
const away: Answer = (_, response) => {
  response.destroy();
};

describe("stale responses", () => {
  test("RFC 9111 §4.2.4: a stale response MUST NOT be sent while the origin can be asked and nobody allows it", async () => {
    const resource = await stored("max-age=10", 11, { body: "new" });
    expect(await resource.get()).toMatchObject({ text: "new", cache: "MISS" });
  });

  test("RFC 9111 §4.2.4: a stale response may be sent where the origin can't be reached", async () => {
    const resource = await stored("max-age=10", 600, away);
    expect(await resource.get()).toMatchObject({
      status: 200,
      text: "answer 1",
      cache: "STALE",
      fields: { age: "600" },
    });
  });

  test("RFC 9111 §4.2.4: an explicit directive MUST keep a stale response from being sent, also where the origin can't be reached", async () => {
    for (const control of ["must-revalidate", "proxy-revalidate", "s-maxage=10", "no-cache"]) {
      const resource = await stored(`max-age=10, ${control}`, 11, away);
      expect((await resource.get()).status, control).toBe(502);
    }
  });

  test("RFC 9111 §4.2.4: an error of the origin is no disconnection, and is passed on", async () => {
    for (const status of [500, 502, 503, 504]) {
      expect((await (await stored("max-age=10", 11, { status })).get()).status).toBe(status);
    }
  });

  test("RFC 9111 §4.2.4, §5.2.1.4: who wants validation gets no stale response where the origin can't be reached", async () => {
    const resource = await stored("max-age=10", 11, away);
    expect((await resource.get({ "cache-control": "no-cache" })).status).toBe(502);
  });
});

describe("stale-while-revalidate", () => {
  test("RFC 5861 §3: a stale response may be sent at once, while it is validated", async () => {
    const resource = await stored("max-age=10, stale-while-revalidate=30", 20, { status: 304 });
    expect(await resource.get()).toMatchObject({ text: "answer 1", cache: "STALE", fields: { age: "20" } });
    await expect.poll(async () => (await resource.get()).cache).toBe("HIT");
    expect(resource.seen[1]?.headers["if-none-match"]).toBe('"1"');
    expect((await resource.get()).fields).not.toMatchObject({ age: "20" });
  });

  test("RFC 5861 §3: what comes of the validation is for who asks later", async () => {
    const control = "max-age=10, stale-while-revalidate=30";
    const resource = await stored(control, 20, { fields: { "cache-control": control }, body: "new" });
    expect((await resource.get()).text).toBe("answer 1");
    await expect.poll(async () => (await resource.get()).text).toBe("new");
  });

  test("RFC 5861 §3: it ends when its time is over", async () => {
    const edge = await stored("max-age=10, stale-while-revalidate=30", 40, { status: 304 });
    expect((await edge.get()).cache).toBe("STALE");
    const later = await stored("max-age=10, stale-while-revalidate=30", 41, { status: 304 });
    expect((await later.get()).cache).toBe("REVALIDATED");
  });

  test("RFC 5861 §3: many requests at once ask the origin once", async () => {
    let go = () => {};
    const gate = new Promise<void>((resolve) => {
      go = resolve;
    });
    const resource = await stored("max-age=10, stale-while-revalidate=30", 20, async (_, response) => {
      await gate;
      response.writeHead(304).end();
    });
    const all = await Promise.all(Array.from({ length: 10 }, () => resource.get()));
    expect(new Set(all.map(({ cache }) => cache))).toEqual(new Set(["STALE"]));
    expect(resource.asked).toBe(2);
    go();
    await expect.poll(async () => (await resource.get()).cache).toBe("HIT");
    expect(resource.asked).toBe(2);
  });

  test("RFC 5861 §3: an origin that fails meanwhile leaves the stale response", async () => {
    const resource = await stored("max-age=10, stale-while-revalidate=30", 20, { status: 500 });
    expect((await resource.get()).text).toBe("answer 1");
    await expect.poll(() => resource.asked).toBe(2);
    expect(await resource.get()).toMatchObject({ status: 200, text: "answer 1", cache: "STALE" });
  });

  test("RFC 5861 §3: without the directive, or with a malformed one, there is none of it", async () => {
    for (const control of [
      "max-age=10",
      "max-age=10, stale-while-revalidate",
      "max-age=10, stale-while-revalidate=x",
    ]) {
      expect((await (await stored(control, 11, { status: 304 })).get()).cache, control).toBe("REVALIDATED");
    }
  });

  test("RFC 5861 §3: a HEAD may be answered so, too", async () => {
    const resource = await stored("max-age=10, stale-while-revalidate=30", 20, { status: 304 });
    expect((await resource.send("HEAD")).cache).toBe("STALE");
    await expect.poll(async () => (await resource.send("HEAD")).cache).toBe("HIT");
  });
});

describe("stale-if-error", () => {
  test("RFC 5861 §4: where the origin answers 500, 502, 503 or 504 a stale response may be sent", async () => {
    for (const status of [500, 502, 503, 504]) {
      const resource = await stored("max-age=10, stale-if-error=30", 20, { status, body: "bad" });
      expect(await resource.get()).toMatchObject({
        status: 200,
        text: "answer 1",
        cache: "STALE",
        fields: { age: "20" },
      });
    }
  });

  test("RFC 5861 §4: other statuses are no errors, and are passed on", async () => {
    for (const status of [400, 403, 404, 410, 429, 501, 505]) {
      expect((await (await stored("max-age=10, stale-if-error=30", 20, { status })).get()).status).toBe(status);
    }
  });

  test("RFC 5861 §4: when its time is over the error is passed on", async () => {
    const edge = await stored("max-age=10, stale-if-error=30", 40, { status: 503 });
    expect((await edge.get()).status).toBe(200);
    const later = await stored("max-age=10, stale-if-error=30", 41, { status: 503 });
    expect((await later.get()).status).toBe(503);
  });

  test("RFC 5861 §4: a request may allow it, too", async () => {
    const resource = await stored("max-age=10", 20, { status: 503 });
    expect((await resource.get()).status).toBe(503);
    expect(await resource.get({ "cache-control": "stale-if-error=10" })).toMatchObject({ status: 200, cache: "STALE" });
    expect((await resource.get({ "cache-control": "stale-if-error=9" })).status).toBe(503);
  });

  test("RFC 5861 §4, RFC 9111 §5.2.2.2: must-revalidate goes before it", async () => {
    const resource = await stored("max-age=10, must-revalidate, stale-if-error=30", 20, { status: 503 });
    expect((await resource.get()).status).toBe(503);
  });

  test("RFC 5861 §4: each request asks the origin again, which can be back", async () => {
    const resource = await stored(
      "max-age=10, stale-if-error=30",
      20,
      { status: 503 },
      { status: 503 },
      { status: 304 },
    );
    expect(await resource.outcomes({}, {}, {}, {})).toBe("STALE STALE REVALIDATED HIT");
  });

  test("RFC 5861 §4: a condition of the client is answered from the stale response", async () => {
    const resource = await stored("max-age=10, stale-if-error=30", 20, { status: 503 });
    expect(await resource.get({ "if-none-match": '"1"' })).toMatchObject({ status: 304, cache: "STALE" });
  });
});

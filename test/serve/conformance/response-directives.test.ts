import { describe, expect, test } from "vitest";
import { type Answer, type Resource, siteForTests } from "./site.js";

const site = siteForTests();
const control = (value: string | string[], more: Record<string, string> = {}) => ({
  fields: { "cache-control": value, ...more },
});

async function stored(value: string, more: Record<string, string>, ...answers: Answer[]): Promise<Resource> {
  const resource = site.resource(control(value, more), ...answers);
  await resource.get();
  return resource;
}

/** The origin hangs up. */
const away: Answer = (_, response) => {
  response.destroy();
};

describe("Cache-Control of responses", () => {
  test("RFC 9111 §5.2.2.1: max-age says how long a response is fresh", async () => {
    const resource = await stored("max-age=10", {});
    site.wait(9);
    expect((await resource.get()).cache).toBe("HIT");
    site.wait(2);
    expect((await resource.get()).cache).toBe("MISS");
  });

  test("RFC 9111 §5.2.2.2: with must-revalidate a stale response MUST NOT be used without validation", async () => {
    const resource = await stored(
      "max-age=10, must-revalidate, stale-while-revalidate=60",
      { etag: '"1"' },
      { status: 304 },
    );
    site.wait(11);
    expect(await resource.get()).toMatchObject({ cache: "REVALIDATED", text: "answer 1" });
    expect(resource.asked).toBe(2);
  });

  test("RFC 9111 §5.2.2.2: with must-revalidate an error MUST be sent where the origin can't be reached", async () => {
    for (const value of [
      "must-revalidate",
      "must-revalidate=x",
      "MUST-REVALIDATE",
      "must-revalidate, stale-if-error=60",
    ]) {
      const resource = await stored(`max-age=10, ${value}`, { etag: '"1"' }, away);
      site.wait(11);
      const got = await resource.get();
      expect(got.status, value).toBeGreaterThanOrEqual(502);
      expect(got.text, value).not.toContain("answer");
    }
  });

  test("RFC 9111 §5.2.2.2: with must-revalidate a fresh response may be used", async () => {
    expect((await (await stored("max-age=10, must-revalidate", {})).get()).cache).toBe("HIT");
  });

  test("RFC 9111 §5.2.2.3: with must-understand and a status that is understood no-store is ignored", async () => {
    expect((await (await stored("must-understand, no-store, max-age=10", {})).get()).cache).toBe("HIT");
  });

  test("RFC 9111 §5.2.2.3: with must-understand a response of an unknown status MUST NOT be stored", async () => {
    for (const status of [299, 499, 599]) {
      const resource = site.resource({ status, ...control("must-understand, max-age=10") });
      expect(await resource.again(), `${status}`).toBe("MISS");
    }
  });

  test("RFC 9111 §5.2.2.3: a malformed must-understand takes nothing from no-store", async () => {
    expect((await (await stored("must-understand=no, no-store, max-age=10", {})).get()).cache).toBe("MISS");
  });

  test("RFC 9111 §5.2.2.4: with no-cache a response MUST NOT be used without successful validation", async () => {
    for (const value of [
      "no-cache, max-age=60",
      "max-age=60, No-Cache",
      "max-age=60, no-cache=",
      "no-cache; max-age=60",
    ]) {
      const resource = await stored(value, { etag: '"1"' }, { status: 304 });
      expect(await resource.get(), value).toMatchObject({ cache: "REVALIDATED", text: "answer 1" });
      expect(resource.asked, value).toBe(2);
    }
  });

  test("RFC 9111 §5.2.2.4: with no-cache a response MUST NOT be used where the origin can't be reached, or fails", async () => {
    for (const answer of [away, { status: 503 }] as const) {
      const resource = await stored("no-cache, max-age=60, stale-if-error=60", { etag: '"1"' }, answer);
      expect((await resource.get()).status).toBeGreaterThanOrEqual(502);
    }
  });

  test("RFC 9111 §5.2.2.4: fields that no-cache names MUST NOT be sent without validation; the rest may be", async () => {
    const resource = await stored('max-age=60, no-cache="x-a, X-B"', { "x-a": "1", "x-b": "2", "x-c": "3" });
    const { cache, fields } = await resource.get();
    expect([cache, fields["x-a"], fields["x-b"], fields["x-c"]]).toEqual(["HIT", undefined, undefined, "3"]);
  });

  test("RFC 9111 §5.2.2.4: the client that asked gets the fields that no-cache names", async () => {
    const resource = site.resource(control("max-age=60, no-cache=x-a", { "x-a": "1" }));
    expect((await resource.get()).fields["x-a"]).toBe("1");
  });

  test("RFC 9111 §5.2.2.5: with no-store no part of a response MUST be stored, also beside what would allow it", async () => {
    const resource = site.resource(control("no-store, public, s-maxage=60, max-age=60", { expires: site.date(60) }));
    expect(await resource.outcomes({}, {}, {})).toBe("MISS MISS MISS");
  });

  test("RFC 9111 §5.2.2.6, RFC 9110 §7.7: with no-transform the content MUST NOT be changed", async () => {
    const resource = await stored("max-age=60, no-transform", { "content-type": "text/html" });
    expect(await resource.get({ "accept-encoding": "gzip, br" })).toMatchObject({ cache: "HIT", text: "answer 1" });
  });

  test("RFC 9111 §5.2.2.7: with private a response MUST NOT be stored by a shared cache", async () => {
    for (const value of [
      "private, max-age=60",
      "private=, max-age=60",
      'private="", max-age=60',
      'private="x y", max-age=60',
    ]) {
      expect((await (await stored(value, {})).get()).cache, value).toBe("MISS");
    }
  });

  test("RFC 9111 §5.2.2.7: fields that private names MUST NOT be stored; the rest may be", async () => {
    const resource = site.resource(control('max-age=60, private="x-a"', { "x-a": "1", "x-c": "3" }));
    expect((await resource.get()).fields["x-a"]).toBe("1");
    const { cache, fields } = await resource.get();
    expect([cache, fields["x-a"], fields["x-c"]]).toEqual(["HIT", undefined, "3"]);
  });

  test("RFC 9111 §5.2.2.8: proxy-revalidate is for a shared cache what must-revalidate is for all", async () => {
    const resource = await stored("max-age=10, proxy-revalidate", { etag: '"1"' }, away);
    expect((await resource.get()).cache).toBe("HIT");
    site.wait(11);
    expect((await resource.get()).status).toBeGreaterThanOrEqual(502);
  });

  test("RFC 9111 §5.2.2.9: with public a response may be stored that could not be otherwise", async () => {
    const moved = site.resource({ status: 302, ...control("public", { "last-modified": site.date(-36_000) }) });
    expect(await moved.again()).toBe("HIT");
    const user = site.resource(control("public, max-age=60"));
    expect(await user.again({ authorization: "x" })).toBe("HIT");
  });

  test("RFC 9111 §5.2.2.10: with s-maxage a stale response MUST NOT be used without validation", async () => {
    const resource = await stored("s-maxage=10, stale-while-revalidate=60, stale-if-error=60", { etag: '"1"' }, away);
    expect((await resource.get()).cache).toBe("HIT");
    site.wait(11);
    expect((await resource.get()).status).toBeGreaterThanOrEqual(502);
  });

  test("RFC 9111 §5.2: the directives of a response MUST be passed on, also from the store", async () => {
    const value = 'max-age=60, s-maxage=30, foo, bar="baz"';
    const resource = site.resource(control(value));
    for (const cache of ["MISS", "HIT"]) {
      expect(await resource.get()).toMatchObject({ cache, fields: { "cache-control": value } });
    }
  });

  test("RFC 9111 §5.2.3: an unknown directive of a response MUST be ignored", async () => {
    for (const value of [
      "max-age=60, foo",
      'foo="private", max-age=60',
      'community="UCI", max-age=60',
      "max-age=60, no-store-ever",
    ]) {
      expect((await (await stored(value, {})).get()).cache, value).toBe("HIT");
    }
  });

  test("RFC 9111 §5.2: directives in several lines all count", async () => {
    expect(await site.resource(control(["max-age=60", "private"])).again()).toBe("MISS");
    expect(await site.resource(control(["foo", "max-age=60"])).again()).toBe("HIT");
  });
});

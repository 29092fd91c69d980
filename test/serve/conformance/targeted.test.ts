import { describe, expect, test } from "vitest";
import { type Answer, type Resource, siteForTests } from "./site.js";

const site = siteForTests();

const targeted = (cdn: string | string[], more: Record<string, string> = {}, ...answers: Answer[]): Resource =>
  site.resource({ fields: { "cdn-cache-control": cdn, ...more } }, ...answers);

async function freshAt(resource: Resource, seconds: number): Promise<boolean> {
  await resource.get();
  site.wait(seconds);
  return (await resource.get()).cache === "HIT";
}

describe("CDN-Cache-Control", () => {
  test("RFC 9213 §2.2: the targeted field MUST be used, and Cache-Control ignored, where it is valid", async () => {
    expect(await freshAt(targeted("max-age=60", { "cache-control": "max-age=5" }), 59)).toBe(true);
    expect(await freshAt(targeted("max-age=5", { "cache-control": "max-age=60, s-maxage=60" }), 6)).toBe(false);
  });

  test("RFC 9213 §2.2: no-store, private and the like of Cache-Control MUST be ignored beside it", async () => {
    for (const control of ["no-store", "private", "no-cache", "max-age=0, must-revalidate"]) {
      expect(await freshAt(targeted("max-age=60", { "cache-control": control }), 59), control).toBe(true);
    }
  });

  test("RFC 9213 §2.2: what Cache-Control allows is not allowed by it beside the targeted field", async () => {
    for (const cdn of ["no-store", "private", "no-cache", "max-age=0"]) {
      expect(await freshAt(targeted(cdn, { "cache-control": "public, s-maxage=60" }), 0), cdn).toBe(false);
    }
    const user = targeted("max-age=60", { "cache-control": "public" });
    expect(await user.again({ authorization: "x" })).toBe("MISS");
  });

  test("RFC 9213 §2.2: Expires MUST be ignored beside it", async () => {
    expect(await freshAt(targeted("max-age=60", { expires: "0" }), 59)).toBe(true);
    expect(await freshAt(targeted("foo", { expires: site.date(60) }), 1)).toBe(false);
  });

  test("RFC 9213 §2.1: an empty one MUST be ignored", async () => {
    expect(await freshAt(targeted("", { "cache-control": "max-age=60" }), 59)).toBe(true);
    expect(await freshAt(targeted("", { "cache-control": "no-store" }), 0)).toBe(false);
  });

  test("RFC 9213 §2.1: one that can't be parsed MUST be ignored as a whole", async () => {
    for (const cdn of [
      "max-age=60, &",
      "max-age=60 no-store",
      "Max-Age=60",
      "max-age = 60",
      "max-age=",
      'x="',
      "max-age=60,",
    ]) {
      expect(await freshAt(targeted(cdn, { "cache-control": "max-age=5" }), 6), cdn).toBe(false);
      expect(await freshAt(targeted(cdn, { "cache-control": "max-age=90" }), 61), cdn).toBe(true);
    }
  });

  test("RFC 9213 §2.1: a value of another type than the directive's is not used", async () => {
    for (const cdn of [
      "max-age=60.5",
      'max-age="60"',
      "max-age=?1",
      "max-age",
      "max-age=-60",
      "max-age=(60)",
      "max-age=abc",
    ]) {
      expect(await freshAt(targeted(cdn, { "cache-control": "max-age=600" }), 1), cdn).toBe(false);
    }
  });

  test("RFC 9213 §2.1: parameters are ignored", async () => {
    expect(await freshAt(targeted("max-age=60;x=1;no-store", { "cache-control": "max-age=5" }), 59)).toBe(true);
  });

  test("RFC 9213 §2.1: of two members with one name the last counts, as in every dictionary", async () => {
    expect(await freshAt(targeted("max-age=5, max-age=60"), 59)).toBe(true);
    expect(await freshAt(targeted("max-age=60, max-age=5"), 6)).toBe(false);
  });

  test("RFC 9213 §2.1: several lines are one dictionary", async () => {
    expect(await freshAt(targeted(["max-age=60", "no-store"]), 0)).toBe(false);
    expect(await freshAt(targeted(["foo", "max-age=60"]), 59)).toBe(true);
  });

  test("RFC 9213 §2.2: unknown directives are ignored, also where there is nothing else", async () => {
    expect(await freshAt(targeted("foo=1, max-age=60", { "cache-control": "no-store" }), 59)).toBe(true);
    const none = targeted("none", { "cache-control": "no-store", "last-modified": site.date(-36_000) });
    expect(await freshAt(none, 60)).toBe(true);
  });

  test("RFC 9213 §2.2: max-age, must-revalidate, no-store, no-cache and private MUST be understood in it", async () => {
    expect(await freshAt(targeted("max-age=10"), 9)).toBe(true);
    expect(await freshAt(targeted("max-age=10"), 11)).toBe(false);
    for (const cdn of ["no-store, max-age=60", "private, max-age=60"]) {
      expect(await freshAt(targeted(cdn), 0), cdn).toBe(false);
    }
    const away: Answer = (_, response) => {
      response.destroy();
    };
    const strict = targeted("max-age=10, must-revalidate", { etag: '"1"' }, away);
    expect(await freshAt(strict, 9)).toBe(true);
    site.wait(2);
    expect((await strict.get()).status).toBe(502);
    const checked = targeted("no-cache, max-age=60", { etag: '"1"' }, { status: 304 });
    expect(await checked.outcomes({}, {})).toBe("MISS REVALIDATED");
    const partly = targeted('max-age=60, private="x-a", no-cache="x-b"', { "x-a": "1", "x-b": "2", "x-c": "3" });
    await partly.get();
    const { cache, fields } = await partly.get();
    expect([cache, fields["x-a"], fields["x-b"], fields["x-c"]]).toEqual(["HIT", undefined, undefined, "3"]);
  });

  test("RFC 9213 §2.2, RFC 5861 §3: other directives may be used in it as in Cache-Control", async () => {
    const resource = targeted(
      "max-age=10, stale-while-revalidate=30",
      { "cache-control": "max-age=10" },
      { status: 304 },
    );
    await resource.get();
    site.wait(20);
    expect((await resource.get()).cache).toBe("STALE");
    expect(await freshAt(targeted("s-maxage=60, max-age=5"), 59)).toBe(true);
    expect(await targeted("public, max-age=60").again({ authorization: "x" })).toBe("HIT");
  });

  test("RFC 9213 §2.2: a targeted field that is not on the list MUST NOT change anything, and MUST be passed through", async () => {
    const resource = site.resource({
      fields: { "cache-control": "max-age=60", "example-cdn-cache-control": "no-store" },
    });
    for (const cache of ["MISS", "HIT"]) {
      expect(await resource.get()).toMatchObject({ cache, fields: { "example-cdn-cache-control": "no-store" } });
    }
  });

  test("RFC 9213 §3.1: the field, and Cache-Control beside it, are passed on for other caches", async () => {
    const fields = { "cdn-cache-control": "max-age=60", "cache-control": "no-store" };
    const resource = site.resource({ fields });
    for (const cache of ["MISS", "HIT"]) expect(await resource.get()).toMatchObject({ cache, fields });
  });

  test("RFC 9213 §2.2: it is looked at response by response, so that a 304 without it keeps what is stored", async () => {
    const resource = targeted("max-age=10", { etag: '"1"', "cache-control": "no-store" }, { status: 304 });
    await resource.get();
    site.wait(11);
    expect(await resource.outcomes({}, {})).toBe("REVALIDATED HIT");
  });

  test("RFC 9213 §2: in a request it says nothing", async () => {
    const resource = site.resource({ fields: { "cache-control": "max-age=60" } });
    await resource.get();
    expect((await resource.get({ "cdn-cache-control": "no-cache" })).cache).toBe("HIT");
  });
});

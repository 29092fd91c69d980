import { describe, expect, test } from "vitest";
import { type Resource, siteForTests } from "./site.js";

const site = siteForTests();

/** Stored, and so many seconds old. */
async function aged(seconds: number, control = "max-age=60", more: Record<string, string> = {}): Promise<Resource> {
  const resource = site.resource({ fields: { "cache-control": control, ...more } });
  await resource.get();
  site.wait(seconds);
  return resource;
}

const wish = (control: string) => ({ "cache-control": control });

describe("Cache-Control of requests", () => {
  test("RFC 9111 §5.2.1.1: max-age wants nothing older", async () => {
    const resource = await aged(30);
    expect(await resource.outcomes(wish("max-age=30"), wish("max-age=29"))).toBe("HIT MISS");
    expect((await (await aged(1)).get(wish("max-age=0"))).cache).toBe("MISS");
  });

  test("RFC 9111 §5.2.1.1: max-age without max-stale wants nothing stale", async () => {
    const resource = await aged(61, "max-age=60, stale-while-revalidate=60");
    expect(await resource.get(wish("max-age=100"))).toMatchObject({ cache: "MISS", text: "answer 2" });
  });

  test("RFC 9111 §5.2.1.2: max-stale may be answered with what is stale for no longer than that", async () => {
    const resource = await aged(70, "max-age=60", { etag: '"1"' });
    expect((await resource.get(wish("max-stale=10"))).cache).toBe("STALE");
    expect((await resource.get(wish("max-stale=9"))).cache).toBe("MISS");
  });

  test("RFC 9111 §5.2.1.2: max-stale without a number may be answered with what is stale for any time", async () => {
    const resource = await aged(3000, "max-age=60", { etag: '"1"' });
    expect(await resource.get(wish("max-stale"))).toMatchObject({ cache: "STALE", fields: { age: "3000" } });
    expect(resource.asked).toBe(1);
  });

  test("RFC 9111 §4.2.4, §5.2.1.2: max-stale MUST NOT get what is prohibited to be used stale", async () => {
    for (const control of [
      "max-age=60, must-revalidate",
      "max-age=60, proxy-revalidate",
      "s-maxage=60",
      "max-age=60, no-cache",
    ]) {
      const resource = await aged(61, control, { etag: '"1"' });
      expect(await resource.get(wish("max-stale=1000")), control).toMatchObject({ cache: "MISS", text: "answer 2" });
    }
  });

  test("RFC 9111 §5.2.1.3: min-fresh wants what is fresh for that long yet", async () => {
    const resource = await aged(30);
    expect(await resource.outcomes(wish("min-fresh=30"), wish("min-fresh=31"))).toBe("HIT MISS");
  });

  test("RFC 9111 §5.2.1.4: no-cache wants nothing without validation", async () => {
    const plain = await aged(1);
    expect(await plain.get(wish("no-cache"))).toMatchObject({ cache: "MISS", text: "answer 2" });
    expect(await plain.get()).toMatchObject({ cache: "HIT", text: "answer 2" });
    const tagged = site.resource({ fields: { ...wish("max-age=60"), etag: '"1"' } }, { status: 304 });
    await tagged.get();
    expect(await tagged.get(wish("no-cache"))).toMatchObject({ cache: "REVALIDATED", text: "answer 1" });
    expect(tagged.seen[1]?.headers["if-none-match"]).toBe('"1"');
  });

  test("RFC 9111 §5.2.1.5: no part of a response to a request with no-store MUST be stored", async () => {
    const resource = site.resource({ fields: wish("max-age=60") });
    expect(await resource.outcomes(wish("no-store"), {}, {})).toBe("MISS MISS HIT");
  });

  test("RFC 9111 §5.2.1.5: a 304 to a request with no-store MUST NOT change what is stored", async () => {
    const resource = site.resource(
      { fields: { ...wish("max-age=60"), etag: '"1"' } },
      { status: 304, fields: { ...wish("max-age=600"), "x-new": "1" } },
      { status: 304 },
    );
    await resource.get();
    site.wait(61);
    expect(await resource.get(wish("no-store"))).toMatchObject({
      status: 200,
      text: "answer 1",
      fields: { "x-new": "1" },
    });
    const later = await resource.get();
    expect([later.cache, later.text, later.fields["x-new"]]).toEqual(["REVALIDATED", "answer 1", undefined]);
  });

  test("RFC 9111 §5.2.1.5: a request with no-store may be answered from the store", async () => {
    expect((await (await aged(1)).get(wish("no-store"))).cache).toBe("HIT");
  });

  test("RFC 9111 §5.2.1.6: no-transform is passed on", async () => {
    const resource = site.resource();
    await resource.get(wish("no-transform"));
    expect(resource.seen[0]?.headers["cache-control"]).toBe("no-transform");
  });

  test("RFC 9111 §5.2.1.7: only-if-cached is answered from the store, or with 504", async () => {
    const resource = await aged(1, "max-age=60", { etag: '"1"' });
    expect((await resource.get(wish("only-if-cached"))).cache).toBe("HIT");
    site.wait(60);
    expect((await resource.get(wish("only-if-cached"))).status).toBe(504);
    expect((await resource.get(wish("only-if-cached, max-stale=10"))).cache).toBe("STALE");
    expect((await site.resource().get(wish("only-if-cached"))).status).toBe(504);
    expect((await resource.get({ ...wish("only-if-cached"), authorization: "x" })).status).toBe(504);
    expect(resource.asked).toBe(1);
  });

  test("RFC 9111 §5.2: the directives of a request MUST be passed on, also those that nobody knows", async () => {
    const resource = site.resource();
    await resource.get(wish("max-age=5, foo, bar=baz"));
    expect(resource.seen[0]?.headers["cache-control"]).toBe("max-age=5, foo, bar=baz");
  });

  test("RFC 9111 §5.2.3: an unknown directive of a request MUST be ignored", async () => {
    const resource = await aged(1);
    expect(await resource.outcomes(wish("foo"), wish('bar="no-cache"'), wish("must-revalidate, private"))).toBe(
      "HIT HIT HIT",
    );
  });

  test("RFC 9111 §5.2: names of directives are without regard to case, and arguments may be quoted", async () => {
    const resource = await aged(30);
    expect(await resource.outcomes(wish('MAX-AGE="30"'), wish('Max-Age="29"'))).toBe("HIT MISS");
  });

  test("RFC 9111 §5.4: Pragma: no-cache counts where there is no Cache-Control", async () => {
    const resource = await aged(1);
    expect(await resource.outcomes({ pragma: "no-cache" })).toBe("MISS");
    expect(await resource.outcomes({ pragma: "no-cache", "cache-control": "max-age=60" })).toBe("HIT");
    expect(await resource.outcomes({ pragma: "foo" })).toBe("HIT");
  });

  test("RFC 9111 §5.4: Pragma of a response says nothing", async () => {
    expect(await site.resource({ fields: { ...wish("max-age=60"), pragma: "no-cache" } }).again()).toBe("HIT");
  });

  test("RFC 9111 §5.2.1: what is malformed is read so that less comes from the store", async () => {
    for (const control of ["max-age=x", "max-age", "max-age=-1", "min-fresh=x", "no-cache=foo", "max-age = 0"]) {
      expect((await (await aged(1)).get(wish(control))).cache, control).toBe("MISS");
    }
    expect((await (await aged(61)).get(wish("max-stale=x"))).cache).toBe("MISS");
  });
});

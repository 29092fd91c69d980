import { describe, expect, test } from "vitest";
import { type Answer, type Resource, siteForTests } from "./site.js";

const site = siteForTests();
const FRESH = "max-age=60";

/** Stored, and stale by now. */
async function stale(fields: Record<string, string | string[]>, ...answers: Answer[]): Promise<Resource> {
  const resource = site.resource({ fields: { "cache-control": FRESH, ...fields } }, ...answers);
  await resource.get();
  site.wait(61);
  return resource;
}

describe("asking whether a response is still good", () => {
  test("RFC 9111 §4.3.1: the entity tag of what is validated MUST be sent, and its Last-Modified", async () => {
    const modified = site.date(-1000);
    const resource = await stale({ etag: '"1"', "last-modified": modified }, { status: 304 });
    expect((await resource.get()).cache).toBe("REVALIDATED");
    expect(resource.seen[1]?.headers).toMatchObject({ "if-none-match": '"1"', "if-modified-since": modified });
  });

  test("RFC 9111 §4.3.1: a weak entity tag is sent as it is", async () => {
    const resource = await stale({ etag: 'W/"1"' }, { status: 304 });
    await resource.get();
    expect(resource.seen[1]?.headers["if-none-match"]).toBe('W/"1"');
  });

  test("RFC 9111 §4.3.1: with Last-Modified alone that is what is sent", async () => {
    const modified = site.date(-1000);
    const resource = await stale({ "last-modified": modified }, { status: 304 });
    expect((await resource.get()).cache).toBe("REVALIDATED");
    expect(resource.seen[1]?.headers["if-modified-since"]).toBe(modified);
    expect(resource.seen[1]?.headers).not.toHaveProperty("if-none-match");
  });

  test("RFC 9111 §4.3.1: what has no validator is fetched without a condition", async () => {
    const resource = await stale({});
    expect(await resource.get()).toMatchObject({ cache: "MISS", text: "answer 2" });
    expect(resource.seen[1]?.headers).not.toHaveProperty("if-none-match");
    expect(resource.seen[1]?.headers).not.toHaveProperty("if-modified-since");
  });

  test("RFC 9111 §4.3.1: conditions of the client do not go to the origin in place of those of the store", async () => {
    const resource = await stale({ etag: '"1"' }, { status: 304 });
    const got = await resource.get({ "if-none-match": '"mine"' });
    expect(resource.seen[1]?.headers["if-none-match"]).toBe('"1"');
    expect(got).toMatchObject({ status: 200, text: "answer 1" });
  });
});

describe("the answer to a validation", () => {
  test("RFC 9111 §4.3.3: after a 304 the stored response may be used again", async () => {
    const resource = await stale({ etag: '"1"' }, { status: 304, fields: { etag: '"1"' } });
    expect(await resource.get()).toMatchObject({ status: 200, text: "answer 1", cache: "REVALIDATED" });
    expect(await resource.get()).toMatchObject({ text: "answer 1", cache: "HIT" });
    site.wait(61);
    expect((await resource.get()).cache).toBe("REVALIDATED");
  });

  test("RFC 9111 §4.3.3: a full response MUST be used in place of the stored one, and may be stored", async () => {
    const resource = await stale({ etag: '"1"' }, { fields: { "cache-control": FRESH, etag: '"2"' } });
    expect(await resource.get()).toMatchObject({
      status: 200,
      text: "answer 2",
      fields: { etag: '"2"' },
      cache: "MISS",
    });
    expect(await resource.get()).toMatchObject({ text: "answer 2", cache: "HIT" });
  });

  test("RFC 9111 §4.3.3: a full response that may not be stored MUST be used, too", async () => {
    const resource = await stale({ etag: '"1"' }, { fields: { "cache-control": "no-store" } });
    expect(await resource.get()).toMatchObject({ text: "answer 2", cache: "MISS" });
    expect(await resource.get()).toMatchObject({ text: "answer 3", cache: "MISS" });
  });

  test("RFC 9111 §4.3.3: a 5xx may be passed on, and leaves the stored response to be asked for again", async () => {
    const resource = await stale({ etag: '"1"' }, { status: 500 }, { status: 304 });
    expect((await resource.get()).status).toBe(500);
    expect(await resource.get()).toMatchObject({ status: 200, text: "answer 1", cache: "REVALIDATED" });
  });

  test("RFC 9111 §4.3.3: a 4xx is passed on", async () => {
    const resource = await stale({ etag: '"1"' }, { status: 404, fields: { "cache-control": "no-store" } });
    expect((await resource.get()).status).toBe(404);
  });

  test("RFC 9111 §4.3.3: a client's own condition is answered from what was validated", async () => {
    const resource = await stale({ etag: '"1"' }, { status: 304, fields: { etag: '"1"' } });
    expect(await resource.get({ "if-none-match": '"1"' })).toMatchObject({
      status: 304,
      text: "",
      cache: "REVALIDATED",
    });
  });

  test("RFC 9111 §4.3.3: a client's own condition is answered from what came in its place", async () => {
    const resource = await stale({ etag: '"1"' }, { fields: { "cache-control": FRESH, etag: '"2"' } });
    expect(await resource.get({ "if-none-match": '"2"' })).toMatchObject({ status: 304, text: "" });
  });
});

describe("fields that a 304 brings", () => {
  test("RFC 9111 §3.2, §4.3.4: each field of it MUST be added, in place of those that are there", async () => {
    const resource = await stale(
      { etag: '"1"', "x-old": "1", "x-both": ["1", "2"], "content-type": "text/a" },
      {
        status: 304,
        fields: { "cache-control": "max-age=120", "x-both": ["3", "4"], "x-new": "5", "content-type": "text/b" },
      },
    );
    const expected = {
      "x-old": "1",
      "x-both": "3, 4",
      "x-new": "5",
      "cache-control": "max-age=120",
      "content-type": "text/b",
    };
    expect(await resource.get()).toMatchObject({ text: "answer 1", fields: expected });
    site.wait(119);
    expect(await resource.get()).toMatchObject({ text: "answer 1", cache: "HIT", fields: expected });
  });

  test("RFC 9111 §3.2: Content-Length is not taken over", async () => {
    const resource = await stale({ etag: '"1"' }, { status: 304, fields: { "content-length": "3" } });
    for (const cache of ["REVALIDATED", "HIT"]) {
      expect(await resource.get()).toMatchObject({ cache, text: "answer 1", fields: { "content-length": "8" } });
    }
  });

  test("RFC 9111 §3.2: what the stored bytes depend on is not taken over", async () => {
    const fields = { "content-encoding": "gzip", "content-range": "bytes 0-1/2" };
    const resource = await stale({ etag: '"1"' }, { status: 304, fields });
    for (const cache of ["REVALIDATED", "HIT"]) {
      const got = await resource.get();
      expect([got.cache, got.text]).toEqual([cache, "answer 1"]);
      for (const name of Object.keys(fields)) expect(got.fields).not.toHaveProperty(name);
    }
  });

  test("RFC 9111 §3.2: fields of the connection, and those that it names, are not taken over", async () => {
    const resource = await stale(
      { etag: '"1"', "x-hop": "stored" },
      { status: 304, fields: { connection: "x-hop", "x-hop": "new" } },
    );
    expect((await resource.get()).fields["x-hop"]).toBe("stored");
    expect((await resource.get()).fields["x-hop"]).toBe("stored");
  });

  test("RFC 9111 §3.2, §5.2.2.7: what private names is for the client that asked, and is not stored", async () => {
    const fields = { "cache-control": `${FRESH}, private="x-user"`, "x-user": "me", etag: '"1"' };
    const resource = await stale({ etag: '"1"' }, { status: 304, fields });
    expect(await resource.get()).toMatchObject({ cache: "REVALIDATED", fields: { "x-user": "me" } });
    const hit = await resource.get();
    expect([hit.cache, hit.fields["x-user"]]).toEqual(["HIT", undefined]);
  });

  test("RFC 9111 §7.3: cookies of a 304 are for the client that asked, and are not stored", async () => {
    const resource = await stale(
      { etag: '"1"' },
      { status: 304, fields: { "set-cookie": ["a=1", "b=2"], etag: '"1"' } },
    );
    const first = await resource.get();
    expect([first.text, first.fields["set-cookie"]]).toEqual(["answer 1", ["a=1", "b=2"]]);
    expect((await resource.get()).fields).not.toHaveProperty("set-cookie");
  });

  test("RFC 9111 §3: a 304 that forbids to store MUST end the use of the stored response", async () => {
    for (const control of ["no-store", "private", "private, max-age=60"]) {
      const resource = await stale(
        { etag: '"1"' },
        { status: 304, fields: { "cache-control": control } },
        { body: "new" },
      );
      expect(await resource.get(), control).toMatchObject({ status: 200, text: "answer 1" });
      expect(await resource.get(), control).toMatchObject({ text: "new", cache: "MISS" });
      expect(resource.seen[2]?.headers, control).not.toHaveProperty("if-none-match");
    }
  });

  test("RFC 9111 §4.1, §4.3.4: after a 304 with another Vary only matching requests get the stored response", async () => {
    const fields = { "cache-control": FRESH, etag: '"1"', vary: "accept-language" };
    const resource = await stale(
      { etag: '"1"' },
      { status: 304, fields },
      { fields: { ...fields, etag: '"2"' }, body: "fr" },
    );
    expect((await resource.get({ "accept-language": "de" })).text).toBe("answer 1");
    expect(await resource.get({ "accept-language": "fr" })).toMatchObject({ text: "fr", cache: "MISS" });
  });

  test("RFC 9111 §3.5, §4.3.4: a 304 that takes back what allows to answer others MUST NOT leave it to them", async () => {
    const resource = site.resource(
      { fields: { "cache-control": "public, max-age=60", etag: '"1"' } },
      { status: 304, fields: { "cache-control": FRESH } },
      { body: "anonymous" },
    );
    await resource.get({ authorization: "x" });
    site.wait(61);
    await resource.get();
    expect(await resource.get()).toMatchObject({ text: "anonymous", cache: "MISS" });
  });

  test("RFC 9111 §4.3.4: a 304 without new freshness gives the lifetime again that the stored fields have", async () => {
    const resource = await stale({ etag: '"1"' }, { status: 304 });
    await resource.get();
    site.wait(59);
    expect((await resource.get()).cache).toBe("HIT");
  });

  test("RFC 9111 §4.3.4: every client that comes later gets the updated fields, also of a large response", async () => {
    const body = Buffer.alloc(600_000, "x");
    const resource = site.resource(
      { fields: { "cache-control": FRESH, etag: '"1"' }, body },
      { status: 304, fields: { "x-new": "1" } },
    );
    await resource.get();
    site.wait(61);
    for (const cache of ["REVALIDATED", "HIT"]) {
      const got = await resource.get();
      expect([got.cache, got.text.length, got.fields["x-new"]]).toEqual([cache, 600_000, "1"]);
    }
    expect(resource.asked).toBe(2);
  });
});

describe("which response a 304 is about", () => {
  const other = { status: 304, fields: { etag: '"2"', "x-new": "1" } };

  test("RFC 9111 §4.3.4: one with another strong validator MUST NOT update the stored response", async () => {
    const resource = await stale({ etag: '"1"' }, other, {
      fields: { "cache-control": FRESH, etag: '"2"' },
      body: "other",
    });
    expect(await resource.get()).toMatchObject({ status: 200, text: "other", fields: { etag: '"2"' } });
    expect(resource.seen[2]?.headers).not.toHaveProperty("if-none-match");
  });

  test("RFC 9111 §4.3.4: one with a strong validator does not update what has a weak one of the same text", async () => {
    const resource = await stale({ etag: 'W/"1"' }, { status: 304, fields: { etag: '"1"' } }, { body: "other" });
    expect((await resource.get()).text).toBe("other");
  });

  test("RFC 9111 §4.3.4: one with a weak validator that corresponds may update the stored response", async () => {
    for (const stored of ['"1"', 'W/"1"']) {
      const resource = await stale({ etag: stored }, { status: 304, fields: { etag: 'W/"1"' } });
      expect(await resource.get(), stored).toMatchObject({ text: "answer 1", cache: "REVALIDATED" });
    }
  });

  test("RFC 9111 §4.3.4: one with another Last-Modified does not update the stored response", async () => {
    const resource = await stale(
      { "last-modified": site.date(-1000) },
      { status: 304, fields: { "last-modified": site.date(-500) } },
      { body: "other" },
    );
    expect((await resource.get()).text).toBe("other");
  });

  test("RFC 9111 §4.3.4: one without a validator is about the one response that was asked for", async () => {
    const resource = await stale({ etag: '"1"' }, { status: 304 });
    expect(await resource.get()).toMatchObject({ text: "answer 1", cache: "REVALIDATED" });
  });
});

describe("conditions of clients", () => {
  async function stored(fields: Record<string, string>): Promise<Resource> {
    const resource = site.resource({ fields: { "cache-control": FRESH, ...fields } });
    await resource.get();
    return resource;
  }

  test("RFC 9111 §4.3.2: If-None-Match that names the stored entity tag is answered 304 from the store", async () => {
    const resource = await stored({ etag: '"1"' });
    for (const list of ['"1"', 'W/"1"', '"0", "1"', '"0" ,W/"1", "2"', "*"]) {
      expect(await resource.get({ "if-none-match": list }), list).toMatchObject({
        status: 304,
        text: "",
        cache: "HIT",
      });
    }
    expect(resource.asked).toBe(1);
  });

  test("RFC 9111 §4.3.2: If-None-Match that does not is answered with the stored response", async () => {
    const resource = await stored({ etag: '"1"' });
    for (const list of ['"2"', "1", '"1', '"2", "3"', '"1 "']) {
      expect((await resource.get({ "if-none-match": list })).status, list).toBe(200);
    }
  });

  test("RFC 9110 §13.1.2: entity tags are compared weakly for If-None-Match", async () => {
    const resource = await stored({ etag: 'W/"1"' });
    expect((await resource.get({ "if-none-match": '"1"' })).status).toBe(304);
    expect((await resource.get({ "if-none-match": 'W/"1"' })).status).toBe(304);
  });

  test("RFC 9111 §4.3.2: If-Modified-Since is compared with Last-Modified, else with Date", async () => {
    const modified = site.date(-1000);
    const dated = await stored({ "last-modified": modified });
    for (const [since, status] of [
      [modified, 304],
      [site.date(-500), 304],
      [site.date(-1500), 200],
      ["no date", 200],
    ] as const) {
      expect((await dated.get({ "if-modified-since": since })).status, since).toBe(status);
    }
    const undated = await stored({});
    expect((await undated.get({ "if-modified-since": site.date() })).status).toBe(304);
    expect((await undated.get({ "if-modified-since": site.date(-5) })).status).toBe(200);
  });

  test("RFC 9110 §13.1.3: If-Modified-Since MUST be ignored beside If-None-Match", async () => {
    const resource = await stored({ etag: '"1"', "last-modified": site.date(-1000) });
    expect((await resource.get({ "if-none-match": '"2"', "if-modified-since": site.date() })).status).toBe(200);
    expect((await resource.get({ "if-none-match": '"1"', "if-modified-since": site.date(-5000) })).status).toBe(304);
  });

  test("RFC 9111 §4.3.2: If-Match and If-Unmodified-Since MUST NOT be evaluated by a cache", async () => {
    for (const condition of [{ "if-match": '"2"' }, { "if-unmodified-since": site.date(-5000) }]) {
      const resource = site.resource({ fields: { "cache-control": FRESH, etag: '"1"' } }, { status: 412 });
      await resource.get();
      expect(await resource.get(condition)).toMatchObject({ status: 412, cache: "BYPASS" });
      expect(resource.seen[1]?.headers).toMatchObject(condition);
    }
  });

  test("RFC 9111 §4.3.2: with a method that the store can't answer, conditions are for the origin", async () => {
    const resource = site.resource({ fields: { "cache-control": FRESH, etag: '"1"' } }, { status: 412 });
    await resource.get();
    expect((await resource.send("PUT", { "if-none-match": "*" }, "x")).status).toBe(412);
    expect(resource.seen[1]?.headers["if-none-match"]).toBe("*");
  });

  test("RFC 9110 §13.2.1: conditions MUST be ignored where the response would be no 2xx", async () => {
    const resource = site.resource({ status: 404, fields: { "cache-control": FRESH, etag: '"1"' } });
    await resource.get();
    expect(await resource.get({ "if-none-match": '"1"' })).toMatchObject({ status: 404, cache: "HIT" });
  });

  test("RFC 9110 §15.4.5: a 304 MUST have the fields that a 200 would have to keep a copy by", async () => {
    const fields = { etag: '"1"', expires: site.date(60), vary: "x", "content-location": "/here" };
    const resource = await stored({ ...fields, "content-type": "text/x", "last-modified": site.date(-10) });
    const got = await resource.get({ "if-none-match": '"1"' });
    expect(got.fields).toMatchObject({ ...fields, "cache-control": FRESH });
    expect(got.fields.date).toBeDefined();
    expect(got.fields).not.toHaveProperty("content-length");
    expect(got.fields).not.toHaveProperty("last-modified");
  });

  test("RFC 9111 §4.3.2: a condition is evaluated on a response that has just come, too", async () => {
    const resource = site.resource({ fields: { "cache-control": FRESH, etag: '"1"' } });
    expect(await resource.get({ "if-none-match": '"1"' })).toMatchObject({ status: 304, cache: "MISS" });
    expect(await resource.get()).toMatchObject({ status: 200, text: "answer 1", cache: "HIT" });
  });
});

describe("HEAD", () => {
  test("RFC 9110 §9.3.2: HEAD is answered from what GET stored, with the same fields and no content", async () => {
    const resource = site.resource({ fields: { "cache-control": FRESH, etag: '"1"', "x-y": "z" } });
    await resource.get();
    const got = await resource.send("HEAD");
    expect(got).toMatchObject({ status: 200, text: "", cache: "HIT" });
    expect(got.fields).toMatchObject({ etag: '"1"', "x-y": "z", "content-length": "8" });
  });

  test("RFC 9110 §9.3.2: a response to HEAD is no response to GET", async () => {
    const resource = site.resource({ fields: { "cache-control": FRESH } });
    expect((await resource.send("HEAD")).cache).toBe("MISS");
    expect(await resource.get()).toMatchObject({ cache: "MISS", text: "answer 2" });
  });

  test("RFC 9111 §4.3.5: a HEAD with the same validators and length updates the stored response", async () => {
    const update = { fields: { "cache-control": "max-age=100", etag: '"1"', "x-new": "1", "content-length": "8" } };
    const resource = await stale({ etag: '"1"' }, update);
    expect(await resource.send("HEAD")).toMatchObject({ status: 200, fields: { "x-new": "1" } });
    site.wait(99);
    expect(await resource.get()).toMatchObject({ cache: "HIT", text: "answer 1", fields: { "x-new": "1", age: "99" } });
    expect(resource.asked).toBe(2);
  });

  test("RFC 9111 §4.3.5: a HEAD with another validator or length makes the stored response stale", async () => {
    const modified = site.date(-1000);
    for (const [n, fields] of [
      { etag: '"2"' },
      { "last-modified": site.date(-10) },
      { etag: '"1"', "content-length": "9" },
    ].entries()) {
      const resource = site.resource(
        { fields: { "cache-control": FRESH, etag: '"1"', "last-modified": modified } },
        { fields: { "cache-control": FRESH, ...fields } },
        { fields: { "cache-control": FRESH }, body: "new" },
      );
      await resource.get();
      expect((await resource.send("HEAD", { "cache-control": "no-cache" })).cache, `${n}`).toBe("MISS");
      expect(await resource.get(), `${n}`).toMatchObject({ text: "new", cache: "MISS" });
    }
  });

  test("RFC 9111 §4.3.5: an error that answers a HEAD changes nothing", async () => {
    const resource = site.resource({ fields: { "cache-control": FRESH, etag: '"1"' } }, { status: 500 });
    await resource.get();
    expect((await resource.send("HEAD", { "cache-control": "no-cache" })).status).toBe(500);
    expect(await resource.get()).toMatchObject({ cache: "HIT", text: "answer 1" });
  });

  test("RFC 9111 §4.3.4: a 304 to a HEAD updates what GET stored", async () => {
    const resource = await stale({ etag: '"1"' }, { status: 304, fields: { "x-new": "1" } });
    expect(await resource.send("HEAD")).toMatchObject({ status: 200, cache: "REVALIDATED", text: "" });
    expect(await resource.get()).toMatchObject({ cache: "HIT", text: "answer 1", fields: { "x-new": "1" } });
    expect(resource.seen.map(({ method }) => method)).toEqual(["GET", "HEAD"]);
  });

  test("RFC 9111 §4.3.5, §5.2.1.5: a HEAD that says no-store updates nothing", async () => {
    const resource = await stale({ etag: '"1"' }, { fields: { etag: '"1"', "x-new": "1" } }, { status: 304 });
    await resource.send("HEAD", { "cache-control": "no-store" });
    const got = await resource.get();
    expect([got.cache, got.text, got.fields["x-new"]]).toEqual(["REVALIDATED", "answer 1", undefined]);
  });
});

import { describe, expect, test } from "vitest";
import { asWritten, siteForTests } from "./site.js";

const site = siteForTests();

/** Answers with the value of the request fields that its Vary names. */
const varying = (vary: string | string[], more: Record<string, string> = {}) =>
  site.resource((seen, response) => {
    const names = [vary].flat().join().split(",");
    const body = names.map((name) => seen.headers[name.trim().toLowerCase()] ?? "none").join("|");
    response.setHeader("vary", vary);
    for (const [name, value] of Object.entries(more)) response.setHeader(name, value);
    response.setHeader("cache-control", more["cache-control"] ?? "max-age=60");
    response.end(body);
  });

describe("Vary", () => {
  test("RFC 9111 §4.1: a stored response MUST NOT be used where a field that it varies on differs", async () => {
    const resource = varying("x-a");
    expect((await resource.get({ "x-a": "1" })).text).toBe("1");
    expect(await resource.get({ "x-a": "2" })).toMatchObject({ text: "2", cache: "MISS" });
    expect(await resource.get({ "x-a": "1" })).toMatchObject({ text: "1", cache: "HIT" });
    expect(await resource.get({ "x-a": "2" })).toMatchObject({ text: "2", cache: "HIT" });
  });

  test("RFC 9111 §4.1: it may be used where all of them match, whatever else differs", async () => {
    const resource = varying("x-a");
    expect(await resource.outcomes({ "x-a": "1", "x-b": "1" }, { "x-a": "1", "x-b": "2" }, { "x-a": "1" })).toBe(
      "MISS HIT HIT",
    );
  });

  test("RFC 9111 §4.1: a field that is absent matches only where it is absent", async () => {
    const resource = varying("x-a");
    expect(await resource.outcomes({}, { "x-a": "" }, {}, { "x-a": "1" }, {})).toBe("MISS MISS HIT MISS HIT");
  });

  test("RFC 9111 §4.1: all nominated fields have to match", async () => {
    const resource = varying("x-a, x-b");
    const fields = [{ "x-a": "1", "x-b": "1" }, { "x-a": "1", "x-b": "2" }, { "x-a": "2", "x-b": "1" }, { "x-a": "1" }];
    expect(await resource.outcomes(...fields)).toBe("MISS MISS MISS MISS");
    expect(await resource.outcomes(...fields)).toBe("HIT HIT HIT HIT");
  });

  test("RFC 9111 §4.1, RFC 9110 §5.3: the nominated fields may be named in several lines", async () => {
    const resource = varying(["x-a", "x-b"]);
    const fields = [
      { "x-a": "1", "x-b": "1" },
      { "x-a": "1", "x-b": "2" },
    ];
    expect(await resource.outcomes(...fields, ...fields)).toBe("MISS MISS HIT HIT");
  });

  test("RFC 9111 §4.1: a Vary with * always fails to match", async () => {
    for (const vary of ["*", "x-a, *", "*, x-a"]) {
      const resource = site.resource({ fields: { "cache-control": "max-age=60", vary } });
      expect(await resource.outcomes({}, {}, { "x-a": "1" }), vary).toBe("MISS MISS MISS");
    }
    const resource = site.resource({ fields: { "cache-control": "max-age=60", vary: ["x-a", "*"] } });
    expect(await resource.again()).toBe("MISS");
  });

  test("RFC 9111 §4.1: white space and the number of lines change no meaning, and may be ignored", async () => {
    const resource = varying("x-a");
    await resource.get({ "x-a": "1, 2" });
    expect((await resource.get({ "x-a": ["1", "2"] })).cache).toBe("HIT");
    const padded = `GET ${resource.path} HTTP/1.1\r\nHost: ${new URL(site.proxy.server.url).host}\r\nConnection: close\r\nX-A: \t1, 2 \t\r\n\r\n`;
    expect(await site.raw(padded)).toMatch(/\r\nX-Cache: HIT\r\n/i);
  });

  test("RFC 9111 §4.1: names of fields are compared without regard to case, values with", async () => {
    const resource = varying("X-Case");
    expect(await resource.outcomes({ "x-case": "a" }, { "X-CASE": "a" }, { "x-case": "A" })).toBe("MISS HIT MISS");
  });

  test("RFC 9111 §4.1: the order in Accept-Encoding means nothing, and may be ignored", async () => {
    const resource = varying("accept-encoding");
    const same = ["gzip, br", "br,gzip", "GZIP;q=1.0, br"].map((value) => ({ "accept-encoding": value }));
    expect(await resource.outcomes(...same, { "accept-encoding": "br" })).toBe("MISS HIT HIT MISS");
    expect((await resource.get({ "accept-encoding": "gzip;q=0, br" })).cache).toBe("MISS");
  });

  test("RFC 9111 §4.1: the fields of one request don't select what is stored for the fields of another run together", async () => {
    const resource = varying("x-a, x-b");
    await resource.get({ "x-a": "1", "x-b": "2" });
    for (const fields of [{ "x-a": "12" }, { "x-a": "1, x-b: 2" }, { "x-b": "12" }, { "x-a": "2", "x-b": "1" }]) {
      expect((await resource.get(fields)).cache, JSON.stringify(fields)).toBe("MISS");
    }
  });

  test("RFC 9111 §4: of several responses that match the one with the most recent Date MUST be used", async () => {
    const resource = site.resource(
      { fields: { "cache-control": "max-age=600", vary: "accept-language" }, body: "oldest" },
      { fields: { "cache-control": "max-age=600", vary: "accept-encoding" }, body: "newer" },
      { fields: { "cache-control": "max-age=600", vary: "accept-language" }, body: "for others" },
    );
    await resource.get({ "accept-language": "de", "accept-encoding": "br" });
    site.wait(10);
    await resource.get({ "accept-language": "en", "accept-encoding": "gzip" });
    site.wait(10);
    await resource.get({ "accept-language": "fr", "accept-encoding": "br" });
    // The first and the second match.
    const got = await resource.get({ "accept-language": "de", "accept-encoding": "gzip" });
    expect(got).toMatchObject({ cache: "HIT", text: "newer" });
    expect((await resource.get({ "accept-language": "de", "accept-encoding": "br" })).text).toBe("oldest");
  });

  test("RFC 9111 §4.1: what Vary named before, and does not now, does not choose the newer response", async () => {
    const resource = site.resource(
      { fields: { "cache-control": "max-age=10", vary: "x-a" }, body: "varies" },
      { fields: { "cache-control": "max-age=60" }, body: "for all" },
    );
    await resource.get({ "x-a": "1" });
    site.wait(11);
    await resource.get({ "x-a": "1" });
    expect(await resource.get({ "x-a": "2" })).toMatchObject({ text: "for all", cache: "HIT" });
  });

  test("RFC 9111 §4.1: a response that begins to vary is not given to others any more", async () => {
    const resource = site.resource(
      { fields: { "cache-control": "max-age=10" }, body: "for all" },
      { fields: { "cache-control": "max-age=60", vary: "x-a" }, body: "for 1" },
      { fields: { "cache-control": "max-age=60", vary: "x-a" }, body: "for 2" },
    );
    await resource.get({ "x-a": "1" });
    site.wait(11);
    expect((await resource.get({ "x-a": "1" })).text).toBe("for 1");
    expect(await resource.get({ "x-a": "2" })).toMatchObject({ text: "for 2", cache: "MISS" });
  });

  test("RFC 9111 §4.1: a variant is validated with its own validator", async () => {
    const resource = site.resource((seen, response) => {
      const own = `"${seen.headers["x-a"]}"`;
      response.setHeader("vary", "x-a").setHeader("etag", own).setHeader("cache-control", "max-age=10");
      response.statusCode = seen.headers["if-none-match"] === own ? 304 : 200;
      response.end(response.statusCode === 304 ? undefined : own);
    });
    expect(await resource.outcomes({ "x-a": "1" }, { "x-a": "2" })).toBe("MISS MISS");
    site.wait(11);
    expect(await resource.get({ "x-a": "1" })).toMatchObject({ text: '"1"', cache: "REVALIDATED" });
    expect(await resource.get({ "x-a": "2" })).toMatchObject({ text: '"2"', cache: "REVALIDATED" });
  });

  test("RFC 9111 §4.1: a Vary that names no field, or nonsense, is taken for one that fails to match", async () => {
    for (const vary of ["x a", "x-a; x-b", '"x-a"']) {
      expect(await site.resource({ fields: { "cache-control": "max-age=60", vary } }).again(), vary).toBe("MISS");
    }
    const empty = asWritten([
      "HTTP/1.1 200 OK",
      `Date: ${site.date()}`,
      "Cache-Control: max-age=60",
      "Vary:",
      "Content-Length: 0",
    ]);
    expect(await site.resource(empty).again()).toBe("HIT");
  });

  test("RFC 9111 §4.1: a HEAD selects among variants as a GET does", async () => {
    const resource = varying("x-a", { etag: '"x"' });
    await resource.get({ "x-a": "1" });
    expect((await resource.send("HEAD", { "x-a": "1" })).cache).toBe("HIT");
    expect((await resource.send("HEAD", { "x-a": "2" })).cache).toBe("MISS");
  });
});

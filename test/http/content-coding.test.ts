import { describe, expect, test } from "vitest";
import { codedFields, codingFor, preferredCoding, withOneCoding } from "../../src/http/content-coding.js";

const accepting = (value: string) => ["Accept-Encoding", value];

describe("RFC 9110 §12.5.3: the coding that a client likes best", () => {
  test.each([
    ["gzip, deflate, br, zstd", "br"],
    ["gzip, deflate", "gzip"],
    ["x-gzip", "gzip"],
    ["GZIP", "gzip"],
    ["br;q=0.5, gzip;q=0.8", "gzip"],
    ["br;q=0.5, gzip;q=0.5", "br"],
    ["gzip;q=0", undefined],
    ["br;q=0, *", "gzip"],
    ["*", "br"],
    ["*;q=0", undefined],
    ["identity", undefined],
    ["identity;q=1, gzip;q=0.5", undefined],
    ["identity;q=0.5, gzip", "gzip"],
    ["identity;q=0", undefined],
    ["deflate, zstd", undefined],
    ["", undefined],
    ["gzip;q=high", undefined],
    ["gzip;q=1.5", undefined],
    ["gzip; q=0.001", "gzip"],
    [",,gzip,,", "gzip"],
  ])("%j: %s", (accepted, coding) => {
    expect(preferredCoding(accepting(accepted))).toBe(coding);
  });

  test("without the field: none, since who says nothing may be able to undo none", () => {
    expect(preferredCoding([])).toBeUndefined();
  });

  test("is the one that the origin is asked for; no-transform of the request asks for none (RFC 9111 §5.2.1.6)", () => {
    const fields = ["Accept", "*/*", "accept-encoding", "gzip", "Accept-Encoding", "br"];
    expect(withOneCoding(fields)).toEqual(["Accept", "*/*", "Accept-Encoding", "br"]);
    expect(withOneCoding([])).toEqual(["Accept-Encoding", "identity"]);
    const forbidden = ["Cache-Control", "max-age=0, No-Transform"];
    expect(withOneCoding([...forbidden, ...fields])).toEqual([
      ...forbidden,
      "Accept",
      "*/*",
      "Accept-Encoding",
      "identity",
    ]);
  });
});

describe("what is compressed", () => {
  const coded = (fields: string[], status = 200, accepted = "br") => codingFor(accepting(accepted), { status, fields });
  const html = ["Content-Type", "text/html; charset=utf-8"];

  test.each([
    "text/html",
    "TEXT/CSS ; charset=utf-8",
    "application/json",
    "application/ld+json",
    "application/xhtml+xml",
    "application/javascript",
    "image/svg+xml",
    "application/wasm",
    "font/ttf",
  ])("%s is", (type) => {
    expect(coded(["content-type", type])).toBe("br");
    expect(coded(["content-type", type], 200, "identity")).toBe("as-is");
  });

  test.each([
    "image/png",
    "video/mp4",
    "application/zip",
    "font/woff2",
    "text/event-stream",
    "application/octet-stream",
    "",
    "text",
    "json",
  ])("%j is not, nor does it vary then", (type) => {
    expect(coded(["content-type", type])).toBeUndefined();
  });

  test("what is small is not, and of what has no length nobody knows", () => {
    expect(coded([...html, "Content-Length", "1023"])).toBeUndefined();
    expect(coded([...html, "Content-Length", "1024"])).toBe("br");
    expect(coded(html)).toBe("br");
  });

  test("RFC 9111 §5.2.2.6: no-transform is left as it is", () => {
    expect(coded([...html, "Cache-Control", "max-age=60, no-transform"])).toBeUndefined();
    expect(coded([...html, "CDN-Cache-Control", "max-age=60", "Cache-Control", "no-transform"])).toBeUndefined();
  });

  test("what its origin has encoded is left as it is, and varies, for it was asked for one coding alone", () => {
    expect(coded([...html, "Content-Encoding", "gzip"])).toBe("as-is");
    expect(coded([...html, "Content-Encoding", "identity"])).toBe("br");
  });

  test.each([204, 206, 304])("%i is not", (status) => {
    expect(coded(html, status)).toBeUndefined();
  });
});

describe("RFC 9110 §8.4, §8.8.1, §12.5.5: the fields of what was compressed", () => {
  test("name the coding, vary, have a weak entity tag and no digests", () => {
    const fields = ["ETag", '"a"', "Vary", "Origin", "Content-MD5", "x", "Repr-Digest", "sha-256=:x:", "X", "y"];
    expect(codedFields(fields, "gzip")).toEqual([
      ...["ETag", 'W/"a"', "Vary", "Origin", "X", "y", "Content-Encoding", "gzip", "Vary", "Accept-Encoding"],
    ]);
  });

  test("vary once, and have one entity tag that is weak already", () => {
    const fields = ["etag", 'W/"a"', "vary", "Origin, accept-encoding", "Content-Encoding", "identity"];
    expect(codedFields(fields, "br")).toEqual([
      "etag",
      'W/"a"',
      "vary",
      "Origin, accept-encoding",
      "Content-Encoding",
      "br",
    ]);
  });

  test("of what was not, but might have been, vary and are else the origin's", () => {
    expect(codedFields(["ETag", '"a"'], "as-is")).toEqual(["ETag", '"a"', "Vary", "Accept-Encoding"]);
  });
});

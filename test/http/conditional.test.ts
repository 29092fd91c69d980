import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { evaluatePreconditions, notModifiedFields } from "../../src/http/conditional.js";
import type { Fields } from "../../src/http/message.js";

const NOW = Date.UTC(2026, 10, 21);
const EARLIER = "Sun, 06 Nov 1994 08:49:36 GMT";
const THEN = "Sun, 06 Nov 1994 08:49:37 GMT";
const LATER = "Sun, 06 Nov 1994 08:49:38 GMT";

const evaluate = (request: Fields, stored: Fields, { method = "GET", status = 200, responseTime = NOW } = {}) =>
  evaluatePreconditions(method, request, { status, fields: stored, responseTime }, NOW);

const noneMatch = (list: string, tag: string) => evaluate(["If-None-Match", list], ["ETag", tag]);
const since = (date: string, stored: Fields) => evaluate(["If-Modified-Since", date], stored);

describe("If-None-Match", () => {
  test("RFC 9111 §4.3.2: a listed entity tag is 304, another is the stored response", () => {
    expect(noneMatch('"a"', '"a"')).toBe("not-modified");
    expect(noneMatch('"b", "a"', '"a"')).toBe("not-modified");
    expect(noneMatch('"b"', '"a"')).toBe("proceed");
    expect(noneMatch('"A"', '"a"')).toBe("proceed");
    expect(evaluate([], ["ETag", '"a"'])).toBe("proceed");
    expect(evaluate(["If-None-Match", '"b"', "if-none-match", '"a"'], ["ETag", '"a"'])).toBe("not-modified");
  });

  test("RFC 9110 §13.1.2: the comparison is the weak one", () => {
    expect(noneMatch('W/"a"', '"a"')).toBe("not-modified");
    expect(noneMatch('"a"', 'W/"a"')).toBe("not-modified");
    expect(noneMatch('W/"a"', 'W/"a"')).toBe("not-modified");
    // The W is case-sensitive (§8.8.3): this is no entity tag.
    expect(noneMatch('w/"a"', '"a"')).toBe("proceed");
  });

  test("RFC 9110 §13.1.2: an asterisk matches any stored response", () => {
    expect(noneMatch("*", '"a"')).toBe("not-modified");
    expect(evaluate(["If-None-Match", " * "], [])).toBe("not-modified");
    // In a list it is no entity tag.
    expect(noneMatch('"b", *', '"a"')).toBe("proceed");
  });

  test("RFC 9110 §8.8.3: commas, spaces and backslashes within the quotes", () => {
    expect(noneMatch('"a,b"', '"a,b"')).toBe("not-modified");
    expect(noneMatch('"x", "a,b" ,"y"', '"a,b"')).toBe("not-modified");
    expect(noneMatch('"a,b"', '"a"')).toBe("proceed");
    expect(noneMatch('"a,"b",c"', '"b"')).toBe("proceed");
    expect(noneMatch('"a\\"', '"a\\"')).toBe("not-modified");
    expect(noneMatch('"é"', '"é"')).toBe("not-modified");
    expect(noneMatch('""', '""')).toBe("not-modified");
  });

  test("RFC 9110 §13.1.2: what is no entity tag matches nothing, and its neighbours still do", () => {
    for (const list of ["", ",", "a", '"a', 'a"', "'a'", '"a" "b"', 'x"a"', '"a"x']) {
      expect(noneMatch(list, '"a"'), list).toBe("proceed");
    }
    expect(noneMatch('abc, ,, "a"', '"a"')).toBe("not-modified");
    // Where quotes are amiss, the rest could be the inside of another entity tag.
    expect(noneMatch('"x" y, "a"', '"a"')).toBe("proceed");
    expect(noneMatch("a", "a")).toBe("proceed");
    expect(evaluate(["If-None-Match", '"a"'], [])).toBe("proceed");
  });

  test("RFC 9110 §13.1.3, §13.2.2: beside it If-Modified-Since is ignored, whichever way it would go", () => {
    const stored = ["ETag", '"a"', "Last-Modified", THEN];
    expect(evaluate(["If-None-Match", '"b"', "If-Modified-Since", THEN], stored)).toBe("proceed");
    expect(evaluate(["If-Modified-Since", EARLIER, "If-None-Match", '"a"'], stored)).toBe("not-modified");
    expect(evaluate(["If-Modified-Since", THEN, "If-None-Match", "nonsense"], stored)).toBe("proceed");
  });
});

describe("If-Modified-Since", () => {
  test("RFC 9111 §4.3.2: compared with Last-Modified, not later is 304", () => {
    expect(since(EARLIER, ["Last-Modified", THEN])).toBe("proceed");
    expect(since(THEN, ["Last-Modified", THEN])).toBe("not-modified");
    expect(since(LATER, ["Last-Modified", THEN])).toBe("not-modified");
    expect(since("Sunday, 06-Nov-94 08:49:37 GMT", ["Last-Modified", "Sun Nov  6 08:49:37 1994"])).toBe("not-modified");
  });

  test("RFC 9111 §4.3.2: without Last-Modified with Date, without Date with the time it was received", () => {
    expect(since(EARLIER, ["Date", THEN])).toBe("proceed");
    expect(since(THEN, ["Date", THEN])).toBe("not-modified");
    expect(since(THEN, ["Date", THEN, "Last-Modified", LATER])).toBe("proceed");
    const received = { responseTime: Date.UTC(1994, 10, 6, 8, 49, 37) };
    expect(evaluate(["If-Modified-Since", EARLIER], [], received)).toBe("proceed");
    expect(evaluate(["If-Modified-Since", THEN], [], received)).toBe("not-modified");
    expect(evaluatePreconditions("GET", ["If-Modified-Since", THEN], { status: 200, fields: [] }, NOW)).toBe("proceed");
  });

  test("RFC 9110 §13.1.3: what is no date, or more than one, is ignored", () => {
    for (const date of ["", "yesterday", "0", `${THEN}, ${THEN}`]) {
      expect(since(date, ["Last-Modified", EARLIER])).toBe("proceed");
    }
    expect(evaluate(["If-Modified-Since", THEN, "If-Modified-Since", THEN], ["Last-Modified", THEN])).toBe("proceed");
    expect(since(THEN, ["Last-Modified", "nonsense"])).toBe("proceed");
    expect(since(THEN, ["Last-Modified", "nonsense", "Date", THEN])).toBe("proceed");
  });
});

describe("whose preconditions they are", () => {
  test("RFC 9111 §4.3.2: If-Match and If-Unmodified-Since are not a cache's to judge", () => {
    for (const name of ["If-Match", "if-unmodified-since"]) {
      for (const value of ["*", '"a"', THEN, "nonsense"]) {
        expect(evaluate([name, value], ["ETag", '"a"', "Last-Modified", THEN])).toBe("forward");
        expect(evaluate([name, value, "If-None-Match", '"a"'], ["ETag", '"a"'])).toBe("forward");
      }
    }
  });

  test("RFC 9110 §13.1.2, §13.1.3: of other methods than GET and HEAD they are the origin's", () => {
    const stored = ["ETag", '"a"', "Last-Modified", THEN];
    expect(evaluate(["If-None-Match", '"a"'], stored, { method: "HEAD" })).toBe("not-modified");
    expect(evaluate(["If-None-Match", '"a"'], stored, { method: "POST" })).toBe("forward");
    expect(evaluate(["If-Modified-Since", THEN], stored, { method: "POST" })).toBe("forward");
    expect(evaluate([], stored, { method: "POST" })).toBe("proceed");
  });

  test("RFC 9111 §4.3.2, RFC 9110 §13.2.1: they are ignored where the stored response is no 200", () => {
    for (const status of [203, 204, 301, 404, 410, 500]) {
      expect(evaluate(["If-None-Match", '"a"'], ["ETag", '"a"'], { status })).toBe("proceed");
      expect(evaluate(["If-Modified-Since", THEN], ["Last-Modified", THEN], { status })).toBe("proceed");
    }
  });

  test("a field whose name is like one of them is none", () => {
    expect(evaluate(["If-Snatch", "*", "I", "x", "If-Range", '"a"', "", "*"], ["ETag", '"a"'])).toBe("proceed");
  });
});

test("RFC 9110 §15.4.5: a 304 carries what would be in the 200, but for what describes the content", () => {
  const kept = [
    "Cache-Control",
    "max-age=1",
    "Content-Location",
    "/x",
    "Date",
    THEN,
    "ETag",
    '"a"',
    "Expires",
    THEN,
    "Vary",
    "Accept",
    "Set-Cookie",
    "a=b",
    "Access-Control-Allow-Origin",
    "*",
  ];
  const content = [
    "Content-Type",
    "text/html",
    "content-length",
    "5",
    "Content-Encoding",
    "gzip",
    "Content-Language",
    "de",
  ];
  expect(notModifiedFields([...content, ...kept, "Last-Modified", THEN, "Content-Range", "bytes 0-1/2"])).toEqual(kept);
  // Without an entity tag it is what guides the update of other caches.
  expect(notModifiedFields(["Last-Modified", THEN, "Content-Type", "a/b"])).toEqual(["Last-Modified", THEN]);
});

test("no field makes it throw, or take long", () => {
  const value = fc.oneof(
    fc.string({ maxLength: 60 }),
    fc.string({ unit: fc.constantFrom('"', ",", "W/", "a", " ", "*"), maxLength: 40 }),
  );
  fc.assert(
    fc.property(value, value, (asked, tag) => {
      evaluate(["If-None-Match", asked, "If-Modified-Since", tag], ["ETag", tag, "Last-Modified", asked]);
      // A list of entity tags that are well formed, with one among them.
      if (/^[\x21\x23-\x7e]*$/.test(tag))
        expect(noneMatch(`${asked.replace(/"/g, "")}, "${tag}"`, `"${tag}"`)).toBe("not-modified");
    }),
    { numRuns: 2000 },
  );
  const began = performance.now();
  for (const unit of ['"', ",", 'W/"', '"a" ', '"a",', " ", '",', 'a"', "W/"])
    noneMatch(unit.repeat(65_536 / unit.length), '"x"');
  expect(performance.now() - began).toBeLessThan(1000);
});

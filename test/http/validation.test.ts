import { describe, expect, test } from "vitest";
import type { Fields } from "../../src/http/message.js";
import {
  freshenedFields,
  hasValidator,
  headUpdates,
  isFreshenedBy,
  validationFields,
} from "../../src/http/validation.js";

const THEN = "Sun, 06 Nov 1994 08:49:37 GMT";
const SAME = "Sunday, 06-Nov-94 08:49:37 GMT";
const LATER = "Sun, 06 Nov 1994 08:49:38 GMT";
const tag = (text: string) => ["ETag", text];
const dated = (text: string) => ["Last-Modified", text];

describe("validation requests", () => {
  test("RFC 9111 §4.3.1: both validators are sent", () => {
    expect(validationFields([...tag('"a"'), "X", "1", ...dated(THEN)])).toEqual([
      "If-None-Match",
      '"a"',
      "If-Modified-Since",
      THEN,
    ]);
    expect(validationFields(["etag", 'W/"a,b"'])).toEqual(["If-None-Match", 'W/"a,b"']);
    expect(validationFields(dated(SAME))).toEqual(["If-Modified-Since", SAME]);
    expect(validationFields(["Date", THEN, "Expires", THEN])).toEqual([]);
  });

  test.each(["*", "a", '"a', '"a", "b"', "", 'w/"a"', '"a" x', "W/a"])(
    "RFC 9110 §8.8.3: %j is no entity tag, and is not sent",
    (text) => {
      expect(validationFields(tag(text))).toEqual([]);
      expect(hasValidator(tag(text))).toBe(false);
      expect(hasValidator([...tag(text), ...dated(THEN)])).toBe(true);
    },
  );

  test("a date that is none, and one validator of two, is not sent", () => {
    expect(validationFields(dated("yesterday"))).toEqual([]);
    expect(validationFields([...dated(THEN), ...dated(LATER)])).toEqual([]);
    expect(validationFields([...tag('"a"'), ...tag('"b"')])).toEqual([]);
  });
});

describe("304", () => {
  test("RFC 9111 §4.3.4: a strong validator selects the response that has it, and no other", () => {
    expect(isFreshenedBy(tag('"a"'), tag('"a"'))).toBe(true);
    expect(isFreshenedBy(tag('"a"'), tag('"b"'))).toBe(false);
    expect(isFreshenedBy(tag('W/"a"'), tag('"a"'))).toBe(false);
    expect(isFreshenedBy([], tag('"a"'))).toBe(false);
    expect(isFreshenedBy(dated(THEN), [...tag('"a"'), ...dated(THEN)])).toBe(false);
    expect(isFreshenedBy([...tag('"a"'), ...dated(THEN)], [...tag('"a"'), ...dated(LATER)])).toBe(true);
  });

  test("RFC 9111 §4.3.4: weak validators select the response that they correspond to", () => {
    expect(isFreshenedBy(tag('W/"a"'), tag('W/"a"'))).toBe(true);
    expect(isFreshenedBy(tag('"a"'), tag('W/"a"'))).toBe(true);
    expect(isFreshenedBy(tag('W/"a"'), tag('W/"b"'))).toBe(false);
    expect(isFreshenedBy(dated(THEN), tag('W/"b"'))).toBe(false);
    expect(isFreshenedBy(dated(THEN), dated(THEN))).toBe(true);
    expect(isFreshenedBy(dated(THEN), dated(SAME))).toBe(true);
    expect(isFreshenedBy(dated(THEN), dated(LATER))).toBe(false);
    expect(isFreshenedBy(tag('"a"'), dated(LATER))).toBe(false);
    expect(isFreshenedBy([...tag('W/"a"'), ...dated(THEN)], [...tag('W/"a"'), ...dated(LATER)])).toBe(false);
    expect(isFreshenedBy(tag('W/"a"'), [...tag('W/"a"'), ...dated(LATER)])).toBe(true);
  });

  test("RFC 9110 §15.4.5: a 304 without validators is about what was asked", () => {
    for (const stored of [[], tag('"a"'), dated(THEN)]) expect(isFreshenedBy(stored, ["Date", THEN])).toBe(true);
  });

  test("what is no entity tag selects what has the same", () => {
    expect(isFreshenedBy([...tag("abc"), ...dated(THEN)], [...tag("abc"), ...dated(THEN)])).toBe(true);
    expect(isFreshenedBy([...tag("abc"), ...dated(THEN)], [...tag("abd"), ...dated(THEN)])).toBe(false);
    expect(isFreshenedBy(tag('"a"'), tag("a"))).toBe(false);
  });
});

describe("updates", () => {
  const update = (stored: Fields, fresh: Fields) => freshenedFields(stored, fresh);

  test("RFC 9111 §3.2: every field of the update replaces all lines of its name, and the others stay", () => {
    const stored = ["X-A", "1", "x-a", "2", "X-B", "3", "Cache-Control", "max-age=1"];
    expect(update(stored, ["X-a", "4", "cache-control", "max-age=2", "X-C", "5", "X-C", "6"])).toEqual([
      ...["X-B", "3", "X-a", "4"],
      ...["cache-control", "max-age=2", "X-C", "5", "X-C", "6"],
    ]);
    expect(update(["X-A", "1"], [])).toEqual(["X-A", "1"]);
  });

  test("RFC 9111 §3.2: Content-Length never, nor what the stored bytes depend on", () => {
    const stored = ["Content-Length", "5", "Content-Encoding", "gzip"];
    const fresh = ["Content-Length", "0", "content-encoding", "br", "Content-Range", "bytes 0-1/2"];
    expect(update(stored, [...fresh, "Transfer-Encoding", "chunked"])).toEqual(stored);
    expect(update(["Content-Length", "5"], fresh)).toEqual(["Content-Length", "5"]);
  });

  test('RFC 9111 §3.2: other fields that begin with "Content-" are updated', () => {
    const stored = ["Content-Type", "text/plain", "Content-Language", "en", "Content-Location", "/a"];
    const fresh = ["Content-Type", "text/html", "Content-Language", "de", "Content-Location", "/b"];
    expect(update(stored, fresh)).toEqual(fresh);
  });

  test("RFC 9111 §4.2.3: age and date are those of the update, if it has any", () => {
    expect(update(["Age", "50", "Date", THEN], [])).toEqual([]);
    expect(update(["Age", "50", "Date", THEN], ["Date", LATER, "Age", "3"])).toEqual(["Date", LATER, "Age", "3"]);
  });
});

describe("HEAD", () => {
  const head = (fields: Fields, stored: Fields = [], { status = 200, size = 5 } = {}) =>
    headUpdates({ fields: stored, size }, { status, fields });

  test("RFC 9111 §4.3.5: the same validators and length update the stored response", () => {
    const both = [...tag('"a"'), ...dated(THEN)];
    expect(head([...both, "Content-Length", "5"], both)).toBe("update");
    expect(head(tag('"a"'), both)).toBe("update");
    expect(head(dated(SAME), both)).toBe("update");
    expect(head(["Content-Length", "5"], both)).toBe("update");
    expect(head([], both)).toBe("update");
  });

  test("RFC 9111 §4.3.5: other validators or another length make it outdated", () => {
    const both = [...tag('"a"'), ...dated(THEN)];
    for (const fields of [
      tag('"b"'),
      tag('W/"a"'),
      tag("a"),
      [...tag('"a"'), ...dated(LATER)],
      dated("yesterday"),
      ["Content-Length", "6"],
      ["Content-Length", ""],
      ["Content-Length", "5", "Content-Length", "6"],
    ]) {
      expect(head(fields, both), fields.join()).toBe("invalidate");
    }
    expect(head(tag('"a"'))).toBe("invalidate");
    expect(head(dated(THEN))).toBe("invalidate");
  });

  test("RFC 9111 §4.3.5: only a 200 says anything", () => {
    for (const status of [204, 206, 304, 404, 405, 500])
      expect(head(tag('"b"'), tag('"a"'), { status })).toBe("ignore");
  });
});

import { describe, expect, test } from "vitest";
import { continuationFields, continues } from "../../src/http/continuation.js";

const stored = { status: 200, fields: ["ETag", '"v1"', "Content-Type", "text/plain"] };
const asked = { start: 300, end: 999 };
const SIZE = 1000;
const RANGE = "bytes 300-999/1000";

describe("RFC 9110 §13.1.5: the rest of a stored response is asked for", () => {
  test("by its strong entity tag", () => {
    expect(continuationFields("GET", stored, asked)).toEqual(["Range", "bytes=300-999", "If-Range", '"v1"']);
    expect(continuationFields("GET", { ...stored, coding: "as-is" }, asked)).toBeDefined();
  });

  test.each([
    ["a weak tag", { fields: ["ETag", 'W/"v1"'] }],
    ["no tag", { fields: [] }],
    ["a date alone", { fields: ["Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT"] }],
    ["something that is no tag", { fields: ["ETag", "v1"] }],
    ["two tags", { fields: ["ETag", '"v1"', "ETag", '"v1"'] }],
    ["a list of tags", { fields: ["ETag", '"v1", "v2"'] }],
    ["a coding of ours", { coding: "br" as const }],
    ["another status", { status: 404 }],
  ])("not with %s", (_, other) => {
    expect(continuationFields("GET", { ...stored, ...other }, asked)).toBeUndefined();
  });

  test("not of what was a POST", () => {
    expect(continuationFields("POST", stored, asked)).toBeUndefined();
  });
});

describe("RFC 9110 §15.3.7: what the origin answers goes on where the store ended", () => {
  const part = ["ETag", '"v1"', "Content-Range", RANGE];

  test.each([
    ["that part", 206, part, "part"],
    ["with its length", 206, [...part, "Content-Length", "700"], "part"],
    ["the whole", 200, ["ETag", '"v1"'], "whole"],
    ["the whole with its length", 200, ["etag", '"v1"', "content-length", "1000"], "whole"],
  ])("%s", (_, status, fields, what) => {
    expect(continues(stored, SIZE, asked, { status, fields })).toBe(what);
  });

  test("in the coding that it is stored with", () => {
    const coded = { status: 200, fields: [...stored.fields, "Content-Encoding", "gzip"] };
    expect(continues(coded, SIZE, asked, { status: 206, fields: part })).toBe("part");
    expect(continues(coded, SIZE, asked, { status: 200, fields: coded.fields })).toBe("whole");
    expect(continues(coded, SIZE, asked, { status: 200, fields: stored.fields })).toBeUndefined();
  });

  test.each<[string, number, string[]]>([
    ["another tag", 206, ["ETag", '"v2"', "Content-Range", RANGE]],
    ["no tag", 206, ["Content-Range", RANGE]],
    ["a weak tag", 206, ["ETag", 'W/"v1"', "Content-Range", RANGE]],
    ["two tags", 206, [...part, "ETag", '"v1"']],
    ["another beginning", 206, ["ETag", '"v1"', "Content-Range", "bytes 299-999/1000"]],
    ["another end", 206, ["ETag", '"v1"', "Content-Range", "bytes 300-998/1000"]],
    ["another size", 206, ["ETag", '"v1"', "Content-Range", "bytes 300-999/1001"]],
    ["a size that is not told", 206, ["ETag", '"v1"', "Content-Range", "bytes 300-999/*"]],
    ["other units", 206, ["ETag", '"v1"', "Content-Range", "lines 300-999/1000"]],
    ["two ranges", 206, [...part, "Content-Range", RANGE]],
    ["no range", 206, ["ETag", '"v1"']],
    ["several parts", 206, [...part, "Content-Type", "Multipart/ByteRanges; boundary=b"]],
    ["another coding", 206, [...part, "Content-Encoding", "gzip"]],
    ["another length", 206, [...part, "Content-Length", "701"]],
    ["another whole", 200, ["ETag", '"v2"']],
    ["a whole without a tag", 200, []],
    ["a whole of another length", 200, ["ETag", '"v1"', "Content-Length", "999"]],
    ["a whole in another coding", 200, ["ETag", '"v1"', "Content-Encoding", "br"]],
    ["no such range", 416, ["ETag", '"v1"', "Content-Range", "bytes */1000"]],
    ["no change", 304, ["ETag", '"v1"']],
    ["a failure", 503, part],
    ["a redirection", 302, [...part, "Location", "/b"]],
  ])("not %s", (_, status, fields) => {
    expect(continues(stored, SIZE, asked, { status, fields })).toBeUndefined();
  });
});

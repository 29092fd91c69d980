import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { invalidatedBy, isSafe } from "../../src/http/invalidation.js";
import type { Fields } from "../../src/http/message.js";

const URL_OF = "http://a.example/dir/x?y=1";
const changed = (fields: Fields = [], { method = "POST", status = 200, url = URL_OF } = {}) =>
  invalidatedBy({ method, url }, { status, fields });
const besides = (name: string, value: string) => changed([name, value]).slice(1);

describe("invalidation", () => {
  test("RFC 9110 §9.2.1: what is safe", () => {
    for (const method of ["GET", "HEAD", "OPTIONS", "TRACE", "PROPFIND"]) expect(isSafe(method)).toBe(true);
    for (const method of ["POST", "PUT", "DELETE", "PATCH", "CONNECT", "get", "FOO", ""]) {
      expect(isSafe(method)).toBe(false);
    }
  });

  test("RFC 9111 §4.4: a method that is not safe, or not known, invalidates its target", () => {
    for (const method of ["POST", "PUT", "DELETE", "PATCH", "FOO"]) expect(changed([], { method })).toEqual([URL_OF]);
    for (const method of ["GET", "HEAD", "OPTIONS"]) {
      expect(changed(["Location", "/b", "Content-Location", "/c"], { method })).toEqual([]);
    }
  });

  test("RFC 9111 §4.4: only a response that is no error does", () => {
    for (const status of [200, 201, 204, 206, 301, 303, 304, 399]) expect(changed([], { status })).toEqual([URL_OF]);
    for (const status of [100, 199, 400, 404, 412, 500, 503])
      expect(changed(["Location", "/b"], { status })).toEqual([]);
  });

  test("RFC 9111 §4.4: what Location and Content-Location name is invalidated too", () => {
    expect(changed(["Location", "../b", "content-location", "c#d"])).toEqual([
      URL_OF,
      "http://a.example/b",
      "http://a.example/dir/c",
    ]);
    expect(besides("Location", "?z")).toEqual(["http://a.example/dir/x?z"]);
    expect(besides("Location", "http://A.example:80/b")).toEqual(["http://a.example/b"]);
    expect(besides("Location", "//a.example/b")).toEqual(["http://a.example/b"]);
    expect(besides("Location", URL_OF)).toEqual([]);
  });

  test("it is named as requests for it are", () => {
    expect(besides("Location", "/%7euser/%e4?%41")).toEqual(["http://a.example/~user/%E4?A"]);
    expect(besides("Location", "http://a.example./b")).toEqual(["http://a.example/b"]);
  });

  test.each([
    "https://a.example/b",
    "http://b.example/b",
    "http://a.example.b/b",
    "http://a.example:81/b",
    "http://a.example@b/b",
    "http://u@a.example/b",
    "http://:p@a.example/b",
    "//b.example/b",
    "\\\\b.example\\b",
    "http:///b.example/b",
    "javascript:1",
    "data:,x",
    "http://[/",
    "http://",
    `/${"a".repeat(10_000)}`,
  ])("RFC 9111 §4.4: not what has another origin, or is none: %.30s", (value) => {
    expect(besides("Location", value)).toEqual([]);
    expect(besides("Content-Location", value)).toEqual([]);
  });

  test("a field that has many lines invalidates few", () => {
    const many = Array.from({ length: 1000 }, (_, i) => ["Location", `/${i}`]).flat();
    expect(changed(many).length).toBeLessThan(10);
  });

  test("whatever comes, nothing is thrown, and all that is named has the same origin", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.webUrl()), fc.string(), (location, url) => {
        changed(["Location", location], { url });
        for (const one of changed(["Location", location])) expect(one.startsWith("http://a.example/")).toBe(true);
      }),
    );
  });
});

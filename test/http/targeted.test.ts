import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { lifetimeOf } from "../../src/http/freshness.js";
import type { Fields } from "../../src/http/message.js";
import { policyOf } from "../../src/http/targeted.js";
import { textWork } from "../support/text-work.js";

const NOW = Date.UTC(2026, 10, 21);
const cdn = (value: string, ...others: string[]) =>
  policyOf(["Cache-Control", "max-age=1", "CDN-Cache-Control", value, ...others]);
const lifetime = (fields: Fields) => lifetimeOf({ status: 200, fields }, NOW);

describe("CDN-Cache-Control", () => {
  test("RFC 9213 §2.2: where it is valid, Cache-Control and Expires are ignored", () => {
    expect(cdn("max-age=600")).toMatchObject({ from: "cdn-cache-control", directives: { maxAge: 600 } });
    const store = policyOf(["Cache-Control", "no-store, private", "CDN-Cache-Control", "max-age=600"]);
    expect(store.directives).toMatchObject({ noStore: false, private: false });
    const expires = ["Expires", new Date(NOW + 60_000).toUTCString()];
    expect(lifetime(expires)).toEqual({ ms: 60_000, source: "expires" });
    expect(lifetime([...expires, "CDN-Cache-Control", "public"])).toEqual({ ms: 0, source: "none" });
    expect(lifetime(["Cache-Control", "s-maxage=9", "CDN-Cache-Control", "max-age=5"]).ms).toBe(5000);
  });

  test("RFC 9213 §3.1: a directive that nobody knows is valid, and sets Cache-Control aside", () => {
    const { from, directives } = policyOf(["Cache-Control", "no-store", "CDN-Cache-Control", "none"]);
    expect(from).toBe("cdn-cache-control");
    expect(directives.noStore).toBe(false);
  });

  test.each([
    "",
    " ",
    "max-age=",
    "max-age =1",
    "Max-Age=1",
    "max-age=1,",
    ",max-age=1",
    "max-age=1;;",
    'private="a',
    "max-age=9999999999999999",
    "max-age=60 public",
    "no-store, é",
    "(a)",
  ])("RFC 9213 §2.1: %j is ignored", (value) => {
    expect(cdn(value)).toMatchObject({ from: "cache-control", directives: { maxAge: 1 } });
  });

  test("RFC 9213 §2.1: lines are one dictionary", () => {
    expect(cdn("max-age=600", "cdn-cache-control", "no-store").directives).toMatchObject({
      maxAge: 600,
      noStore: true,
    });
    expect(cdn("max-age=600", "cdn-cache-control", "NO").from).toBe("cache-control");
    // RFC 9651 §3.2: of two members with one name the last counts.
    expect(cdn("max-age=600, max-age=5").directives.maxAge).toBe(5);
  });

  test("RFC 9213 §2.1: parameters are ignored", () => {
    expect(cdn("max-age=60;x=1;y, must-revalidate;z").directives).toMatchObject({ maxAge: 60, mustRevalidate: true });
  });

  test("RFC 9213 §2.1: values of another type are not used", () => {
    for (const value of [
      "max-age=1.5",
      'max-age="60"',
      "max-age=-1",
      "max-age",
      "max-age=?1",
      "max-age=(60)",
      "max-age=a",
    ]) {
      expect(cdn(value).directives.maxAge, value).toBe(0);
    }
    for (const value of ["max-age=:YQ==:", "max-age=%22", "max-age=@1"]) {
      expect([0, 1], value).toContain(cdn(value).directives.maxAge);
    }
    expect(cdn("no-store=1").directives.noStore).toBe(true);
    expect(cdn("public=1").directives.public).toBe(false);
    expect(cdn("private=a").directives.private).toBe(true);
    expect(cdn('no-cache=("a" "b")').directives.noCache).toBe(true);
    expect(cdn("no-store=?0, max-age=?0").directives).toMatchObject({ noStore: false });
    expect(cdn("max-age=?0").directives.maxAge).toBeUndefined();
  });

  test("RFC 9213 §2.2: the directives that a targeted field must have, and their precedence", () => {
    const all = 'max-age=9, must-revalidate, no-store, no-cache="Set-Cookie", private="X-A, x-b"';
    expect(cdn(all).directives).toMatchObject({
      maxAge: 9,
      mustRevalidate: true,
      noStore: true,
      noCache: ["set-cookie"],
      private: ["x-a", "x-b"],
    });
    expect(cdn("s-maxage=8, max-age=9, stale-while-revalidate=1, stale-if-error=2").directives).toMatchObject({
      sMaxage: 8,
      staleWhileRevalidate: 1,
      staleIfError: 2,
    });
  });

  test("RFC 9213 §2.2: fields for other caches change nothing", () => {
    const fields = ["Cache-Control", "max-age=1", "Surrogate-Control", "no-store", "Example-Cache-Control", "no-store"];
    expect(policyOf(fields)).toMatchObject({ from: "cache-control", directives: { maxAge: 1, noStore: false } });
  });

  test("whatever comes, nothing is thrown, in time that grows with its length", () => {
    fc.assert(fc.property(fc.string(), fc.string(), (a, b) => void cdn(a, "CDN-Cache-Control", b)));
    const size = 64 * 1024;
    for (const unit of ["a,", 'a="', "a=(", "a;b;", "a=:", "a=1,", "(", '"', "a=%", "a ", 'a="\\"', "a=(1 "]) {
      const line = unit.repeat(Math.ceil(size / unit.length)).slice(0, size);
      expect(textWork(() => cdn(line)) / size, unit).toBeLessThan(20);
    }
  });
});

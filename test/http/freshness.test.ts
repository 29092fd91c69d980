import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { currentAgeMs, initialAgeMs, type LifetimeOptions, lifetimeOf } from "../../src/http/freshness.js";
import { formatHttpDate } from "../../src/http/http-date.js";
import type { Fields } from "../../src/http/message.js";

const NOW = Date.UTC(2026, 10, 21, 12);
const HOUR = 3_600_000;
const at = (ms: number) => formatHttpDate(NOW + ms);
const lifetime = (fields: Fields, options?: LifetimeOptions, status = 200) =>
  lifetimeOf({ status, fields }, NOW, options);

describe("freshness lifetime", () => {
  test("RFC 9111 §4.2.1: s-maxage before max-age before Expires", () => {
    const expires = ["Date", at(0), "Expires", at(30_000)];
    expect(lifetime(expires)).toEqual({ ms: 30_000, source: "expires" });
    expect(lifetime([...expires, "Cache-Control", "max-age=20"])).toEqual({ ms: 20_000, source: "max-age" });
    expect(lifetime([...expires, "Cache-Control", "max-age=20, s-maxage=10"])).toEqual({
      ms: 10_000,
      source: "s-maxage",
    });
    expect(lifetime(["Cache-Control", "max-age=20, s-maxage=0"])).toEqual({ ms: 0, source: "s-maxage" });
  });

  test("RFC 9111 §5.3: Expires does not count beside a max-age, also a malformed one", () => {
    expect(lifetime(["Expires", at(HOUR), "Cache-Control", "max-age=abc"])).toEqual({ ms: 0, source: "max-age" });
  });

  test("RFC 9111 §4.2.1: Expires counts from Date, or from the receipt where Date is missing or malformed", () => {
    expect(lifetime(["Date", at(-HOUR), "Expires", at(HOUR)]).ms).toBe(2 * HOUR);
    expect(lifetime(["Date", at(HOUR), "Expires", at(2 * HOUR)]).ms).toBe(HOUR);
    expect(lifetime(["Expires", at(HOUR)]).ms).toBe(HOUR);
    expect(lifetime(["Date", "yesterday", "Expires", at(HOUR)]).ms).toBe(HOUR);
  });

  test.each(["0", "-1", "", "now", "Thu, 01 Jan 1970 00:00:00 GMT", "Sat, 21 Nov 2026 13:00:00 CET", "3600"])(
    "RFC 9111 §5.3: Expires: %s is in the past",
    (text) => {
      expect(lifetime(["Expires", text])).toEqual({ ms: 0, source: "expires" });
      // It is explicit: nothing is guessed in its place.
      expect(lifetime(["Expires", text, "Last-Modified", at(-HOUR)], { defaultLifetimeMs: HOUR }).ms).toBe(0);
    },
  );

  test("RFC 9111 §4.2.1: of several Expires the first counts, unless a later one is earlier", () => {
    expect(lifetime(["Expires", at(HOUR), "expires", at(2 * HOUR)]).ms).toBe(HOUR);
    expect(lifetime(["Expires", at(2 * HOUR), "Expires", at(HOUR)]).ms).toBe(0);
    expect(lifetime(["Expires", at(HOUR), "Expires", "0"]).ms).toBe(0);
  });

  test("RFC 9111 §1.2.2: no lifetime is above 2^31 seconds", () => {
    const most = 2 ** 31 * 1000;
    expect(lifetime(["Cache-Control", "max-age=99999999999999"]).ms).toBe(most);
    expect(lifetime(["Expires", "Fri, 31 Dec 9999 23:59:59 GMT"]).ms).toBe(most);
  });

  test("RFC 9111 §4.2.2: without explicit freshness, a tenth of the time since Last-Modified, a day at most", () => {
    expect(lifetime(["Date", at(0), "Last-Modified", at(-10 * HOUR)])).toEqual({ ms: HOUR, source: "heuristic" });
    expect(lifetime(["Last-Modified", at(-10 * HOUR)]).ms).toBe(HOUR);
    expect(lifetime(["Last-Modified", at(-1000 * HOUR)]).ms).toBe(24 * HOUR);
    expect(lifetime(["Date", at(-HOUR), "Last-Modified", at(-11 * HOUR)]).ms).toBe(HOUR);
    for (const fields of [[], ["Last-Modified", at(1000)], ["Last-Modified", "long ago"], ["Last-Modified", ""]]) {
      expect(lifetime(fields)).toEqual({ ms: 0, source: "none" });
    }
  });

  test("RFC 9111 §4.2.2: no heuristic beside explicit freshness", () => {
    expect(lifetime(["Last-Modified", at(-HOUR), "Cache-Control", "max-age=0"]).source).toBe("max-age");
  });

  test("RFC 9111 §4.2.2, RFC 9110 §15.1: the heuristic is for some statuses, and for what says public", () => {
    const modified = ["Last-Modified", at(-10 * HOUR)];
    for (const status of [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501]) {
      expect(lifetime(modified, undefined, status).ms, `${status}`).toBe(HOUR);
      expect(lifetime([], { defaultLifetimeMs: 5 }, status), `${status}`).toEqual({ ms: 5, source: "default" });
    }
    for (const status of [201, 302, 303, 307, 400, 403, 500, 503, 299]) {
      expect(lifetime(modified, { defaultLifetimeMs: 5 }, status), `${status}`).toEqual({ ms: 0, source: "none" });
      expect(lifetime([...modified, "Cache-Control", "public"], undefined, status).ms, `${status}`).toBe(HOUR);
      expect(lifetime(["Cache-Control", "max-age=1"], undefined, status).ms, `${status}`).toBe(1000);
    }
  });

  test("a default stands in for the heuristic alone, and a rule for everything", () => {
    const modified = ["Last-Modified", at(-10 * HOUR)];
    expect(lifetime(modified, { defaultLifetimeMs: 7 })).toEqual({ ms: 7, source: "default" });
    expect(lifetime(["Cache-Control", "max-age=1"], { defaultLifetimeMs: 7 }).source).toBe("max-age");
    const both = { defaultLifetimeMs: 7, ruleLifetimeMs: 9 };
    expect(lifetime(["Cache-Control", "s-maxage=1"], both, 500)).toEqual({ ms: 9, source: "rule" });
    expect(lifetime(["Cache-Control", "max-age=1"], { ruleLifetimeMs: 0 })).toEqual({ ms: 0, source: "rule" });
  });
});

describe("age", () => {
  const initial = (fields: Fields, delay = 0, now = NOW) =>
    initialAgeMs(fields, { requestTime: now - delay, responseTime: now });

  test("RFC 9111 §4.2.3: the apparent age, or the Age with the delay, whichever is more", () => {
    expect(initial(["Date", at(-5000)])).toBe(5000);
    expect(initial(["Date", at(-5000), "Age", "3"])).toBe(5000);
    expect(initial(["Date", at(-5000), "Age", "9"])).toBe(9000);
    expect(initial(["Date", at(-5000), "Age", "3"], 4000)).toBe(7000);
    expect(initial([], 1500)).toBe(1500);
    expect(initial(["Date", at(0)])).toBe(0);
  });

  test("RFC 9111 §4.2.3: a Date in the future makes nothing younger", () => {
    expect(initial(["Date", at(HOUR)])).toBe(0);
    expect(initial(["Date", at(HOUR), "Age", "4"])).toBe(4000);
  });

  test("a Date without milliseconds makes nothing older", () => {
    expect(initial(["Date", at(0)], 0, NOW + 999)).toBe(0);
    expect(initial(["Date", at(0)], 0, NOW + 1001)).toBe(1000);
  });

  test("RFC 9110 §6.6.1: what has no valid Date was made when it was received", () => {
    expect(initial([], 0, NOW + 999)).toBe(0);
    expect(initial(["Date", "x"], 0, NOW + 999)).toBe(0);
  });

  test("RFC 9111 §5.1: of a list of Ages the first counts, and what is no number is ignored", () => {
    expect(initial(["Age", "7, 100"])).toBe(7000);
    expect(initial(["Age", "7", "Age", "100"])).toBe(7000);
    for (const age of ["", "abc", "-7", "7.5", "+7", "7s", '"7"', "0x7", ", 7"])
      expect(initial(["Age", age]), age).toBe(0);
    expect(initial(["Age", " 7 "])).toBe(7000);
    expect(initial(["Age", "9".repeat(100)])).toBe(2 ** 31 * 1000);
  });

  test("RFC 9111 §4.2.3: the time in the cache is added, and a clock that is set back takes nothing off", () => {
    expect(currentAgeMs(5000, NOW, NOW + 1500)).toBe(6500);
    expect(currentAgeMs(5000, NOW, NOW - 1500)).toBe(5000);
    expect(initialAgeMs(["Age", "5"], { requestTime: NOW + 500, responseTime: NOW })).toBe(5000);
  });

  test("whatever comes, age and lifetime are numbers from 0 to 2^31 seconds and a delay", () => {
    const name = fc.constantFrom("Date", "Age", "Expires", "Last-Modified", "Cache-Control");
    const value = fc.oneof(
      fc.string(),
      fc.date({ noInvalidDate: true }).map((date) => date.toUTCString()),
      fc.integer().map(String),
      fc.constantFrom("max-age=1", "s-maxage=x", "public"),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(name, value), { maxLength: 8 }), (pairs) => {
        const fields = pairs.flat();
        expect(lifetime(fields).ms).toBeGreaterThanOrEqual(0);
        expect(lifetime(fields).ms).toBeLessThanOrEqual(2 ** 31 * 1000);
        expect(initial(fields, 10)).toBeGreaterThanOrEqual(10);
        expect(Number.isInteger(initial(fields, 10))).toBe(true);
      }),
    );
  });
});

import { describe, expect, test } from "vitest";
import { formatHttpDate } from "../../src/http/http-date.js";
import type { Fields } from "../../src/http/message.js";
import { type StoreOptions, storability, storedFields } from "../../src/http/storable.js";

const NOW = Date.UTC(2026, 10, 21, 12);
const DATE = ["Date", formatHttpDate(NOW)];

interface Case {
  method?: string;
  asked?: Fields;
  status?: number;
  options?: StoreOptions;
}

const judge = (fields: Fields, { method = "GET", asked = [], status = 200, options }: Case = {}) =>
  storability({ method, url: "http://a/", fields: asked }, { status, fields }, NOW, options);
const refusal = (fields: Fields, more?: Case) => {
  const verdict = judge(fields, more);
  return verdict.storable ? "storable" : verdict.reason;
};
const cc = (value: string, more?: Case) => refusal(["Cache-Control", value], more);
const stored = (...fields: string[]) => storedFields({ status: 200, fields: [...DATE, ...fields] }, NOW).slice(2);

describe("what may be stored", () => {
  test("RFC 9111 §3: a response to GET; to another method only if a rule says so", () => {
    expect(cc("max-age=1")).toBe("storable");
    for (const method of ["HEAD", "POST", "PUT", "OPTIONS", "get"]) {
      expect(cc("max-age=1", { method })).toBe("method");
      expect(cc("max-age=1", { method, options: { methods: [method] } })).toBe("storable");
    }
  });

  test("RFC 9111 §3: the status is final", () => {
    for (const status of [100, 101, 103, 199, 600, 999]) expect(cc("max-age=1", { status })).toBe("status");
  });

  test("RFC 9111 §3.3: parts are not stored, since they are not put together", () => {
    expect(cc("public, max-age=1", { status: 206 })).toBe("status");
    expect(cc("public, max-age=1", { status: 304 })).toBe("status");
  });

  test("RFC 6585 §3, §4, §5, §6: 428, 429, 431 and 511 must not be stored", () => {
    const options = { ruleLifetimeMs: 1, override: true };
    for (const status of [428, 429, 431, 511]) expect(cc("public, max-age=1", { status, options })).toBe("status");
  });

  test("what answers a precondition, a range or an expectation is not stored", () => {
    for (const status of [412, 416, 417]) expect(cc("public, max-age=1", { status })).toBe("status");
  });

  test("RFC 9111 §3: any other status with explicit freshness is stored, also one that is not known", () => {
    for (const status of [200, 201, 203, 299, 302, 307, 400, 403, 404, 499, 500, 503, 599]) {
      expect(cc("max-age=1", { status }), `${status}`).toBe("storable");
      expect(cc("s-maxage=1", { status }), `${status}`).toBe("storable");
      expect(cc("public", { status }), `${status}`).toBe("storable");
      expect(refusal(["Expires", "0"], { status }), `${status}`).toBe("storable");
    }
  });

  test("RFC 9111 §3, RFC 9110 §15.1: without explicit freshness only some statuses are stored", () => {
    for (const status of [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501]) {
      expect(refusal([], { status }), `${status}`).toBe("storable");
    }
    for (const status of [201, 202, 302, 303, 307, 400, 401, 403, 500, 502, 503, 504, 299]) {
      expect(refusal([], { status }), `${status}`).toBe("no-freshness");
      expect(refusal([], { status, options: { ruleLifetimeMs: 1 } }), `${status}`).toBe("storable");
    }
  });

  test("RFC 9111 §5.2.2.3: must-understand stores what is understood, and then sets no-store aside", () => {
    expect(cc("must-understand, no-store, max-age=1")).toBe("storable");
    expect(cc("must-understand, max-age=1", { status: 299 })).toBe("must-understand");
    expect(cc("must-understand, no-store, max-age=1", { status: 599 })).toBe("must-understand");
    expect(cc("must-understand=1, no-store, max-age=1")).toBe("no-store");
  });

  test("RFC 9111 §5.2.2.5, §5.2.2.7: no-store and private are not stored, unless a rule overrides them", () => {
    const options = { override: true };
    for (const [line, reason] of [
      ["no-store", "no-store"],
      ["no-store, public, s-maxage=9", "no-store"],
      ["private", "private"],
      ["private, s-maxage=9", "private"],
      ['private="a b"', "private"],
    ] as const) {
      expect(cc(line), line).toBe(reason);
      expect(judge(["Cache-Control", line], { options }), line).toEqual({ storable: true, overridden: reason });
    }
    expect(judge(["Cache-Control", "max-age=1"], { options })).toEqual({ storable: true });
    expect(cc("no-store", { options: { ruleLifetimeMs: 1 } })).toBe("no-store");
  });

  test("RFC 9111 §5.2.1.5: what a request asks not to store is not, whatever a rule says", () => {
    const asked = ["cache-control", "No-Store"];
    expect(cc("max-age=1", { asked, options: { override: true, ruleLifetimeMs: 1 } })).toBe("request-no-store");
  });

  test("RFC 9111 §3.5: responses to Authorization are stored where public, s-maxage or must-revalidate allow it", () => {
    const asked = ["authorization", "Basic x"];
    for (const line of ["max-age=1", "proxy-revalidate, max-age=1", "no-transform", "public=1"]) {
      expect(cc(line, { asked }), line).toBe("authorization");
      expect(cc(line, { asked, options: { override: true, ruleLifetimeMs: 1 } }), line).toBe("authorization");
    }
    for (const line of ["public, max-age=1", "s-maxage=1", "must-revalidate, max-age=1"]) {
      expect(cc(line, { asked }), line).toBe("storable");
    }
  });

  test("RFC 9111 §7.3: a response that sets cookies is stored only if it is for all, and fresh", () => {
    const cookie = ["Set-Cookie", "id=1"];
    const withCookie = (line: string, options?: StoreOptions) =>
      judge([...cookie, "Cache-Control", line], options && { options });
    for (const line of [
      "max-age=1",
      "max-age=1, must-revalidate",
      "public, max-age=0",
      "s-maxage=0",
      "s-maxage=x",
      "public, no-cache",
    ]) {
      expect(withCookie(line), line).toEqual({ storable: false, reason: "set-cookie" });
      expect(withCookie(line, { override: true }), line).toEqual({ storable: true, overridden: "set-cookie" });
    }
    for (const line of ["public", "public, max-age=1", "s-maxage=1", 'max-age=1, private="set-cookie"']) {
      expect(withCookie(line), line).toEqual({ storable: true });
    }
    expect(withCookie('max-age=1, no-cache="Set-Cookie"')).toEqual({ storable: true });
    expect(refusal(cookie)).toBe("set-cookie");
  });

  test("RFC 9111 §5.2.2.4: no-cache is stored where it can be validated", () => {
    expect(cc("no-cache, max-age=1")).toBe("no-validator");
    expect(refusal(["Cache-Control", "no-cache", "ETag", '"a"'])).toBe("storable");
    expect(refusal(["Cache-Control", "no-cache", "Last-Modified", formatHttpDate(NOW)])).toBe("storable");
    expect(refusal(["Cache-Control", "no-cache", "ETag", "*"])).toBe("no-validator");
    expect(cc('no-cache="x-a", max-age=1')).toBe("storable");
  });

  test("RFC 9213 §2.2: a targeted field decides alone", () => {
    const own = ["Cache-Control", "no-store, private"];
    expect(refusal([...own, "CDN-Cache-Control", "max-age=1"])).toBe("storable");
    expect(refusal(["Cache-Control", "max-age=1", "CDN-Cache-Control", "private"])).toBe("private");
  });
});

describe("what is stored of the fields", () => {
  test("RFC 9111 §3.1: all but those of the connection", () => {
    expect(
      stored(
        "Connection",
        "close, X-Hop",
        "X-Hop",
        "1",
        "Keep-Alive",
        "x",
        "X-Unknown",
        "2",
        "Proxy-Authenticate",
        "x",
      ),
    ).toEqual(["X-Unknown", "2"]);
    for (const name of ["Proxy-Authentication-Info", "Proxy-Authorization", "TE", "Transfer-Encoding", "Upgrade"]) {
      expect(stored(name, "x"), name).toEqual([]);
    }
  });

  test("RFC 9111 §5.2.2.7, §5.2.2.4: none that private or no-cache names", () => {
    const line = 'max-age=1, private="x-a, Set-Cookie", no-cache=X-B';
    const rest = ["Cache-Control", line, "X-C", "3"];
    expect(stored("X-A", "1", "x-b", "2", ...rest, "Set-Cookie", "4")).toEqual(rest);
  });

  test("Set-Cookie only where the response is for all", () => {
    const cookies = ["Set-Cookie", "a", "set-cookie", "b"];
    expect(stored("Cache-Control", "public", ...cookies)).toEqual(["Cache-Control", "public", ...cookies]);
    expect(stored("Cache-Control", "private", ...cookies)).toEqual(["Cache-Control", "private"]);
  });

  test("RFC 9110 §6.6.1: what has no valid Date gets that of its receipt", () => {
    const of = (...fields: string[]) => storedFields({ status: 200, fields }, NOW + 700);
    expect(of("X-A", "1")).toEqual(["X-A", "1", ...DATE]);
    expect(of("date", "today", "X-A", "1")).toEqual(["X-A", "1", ...DATE]);
    const dated = ["Date", formatHttpDate(NOW - 5000)];
    expect(of(...dated)).toEqual(dated);
  });
});

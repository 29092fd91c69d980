import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { endToEnd, isLoop, maxForwards, seenByOrigin, via } from "../../src/http/hop-by-hop.js";

describe("fields of one connection", () => {
  test("RFC 9110 §7.6.1: Connection and what it names are removed, on all its lines", () => {
    expect(endToEnd(["A", "1", "Connection", "close, X-Hop", "x-hop", "2", "B", "3"])).toEqual(["A", "1", "B", "3"]);
    expect(endToEnd(["connection", "x", "Connection", " ,Y,", "X", "1", "y", "2", "Z", "3"])).toEqual(["Z", "3"]);
  });

  test("RFC 9110 §7.6.1: those that are known are removed without being named", () => {
    const known = ["Keep-Alive", "Proxy-Connection", "TE", "Transfer-Encoding", "Upgrade", "Trailer", "HTTP2-Settings"];
    expect(endToEnd(known.flatMap((name) => [name, "x"]))).toEqual([]);
  });

  test("RFC 9111 §3.1: fields of proxies are not stored", () => {
    const fields = ["Proxy-Authenticate", "x", "proxy-authentication-info", "x", "Proxy-Authorization", "x", "A", "1"];
    expect(endToEnd(fields)).toEqual(["A", "1"]);
  });

  test("RFC 9110 §7.6.1: Connection does not take away what is for all recipients", () => {
    const fields = [
      "Host",
      "a",
      "Content-Length",
      "5",
      "Cache-Control",
      "private",
      "Age",
      "1",
      "Vary",
      "*",
      "Set-Cookie",
      "a=b",
      "Authorization",
      "x",
      "Cookie",
      "x",
      "Via",
      "1.1 a",
      "X-Forwarded-For",
      "1.2.3.4",
    ];
    const names = fields.filter((_, i) => i % 2 === 0);
    expect(endToEnd(["Connection", names.join(), ...fields])).toEqual(fields);
  });

  test("spelling, order and repeated fields stay as they are", () => {
    const fields = ["b", "1", "A", "2", "b", "3", "A", ""];
    expect(endToEnd(fields)).toEqual(fields);
  });
});

describe("what Vary is judged by", () => {
  test("RFC 9111 §4.1, RFC 9110 §7.6.1: a field that Connection names never reached the origin", () => {
    const request = ["X-Device", "mobile", "Connection", "keep-alive, X-Device", "Accept", "a"];
    expect(seenByOrigin(request)).toEqual(["Accept", "a"]);
  });

  test("most requests are taken as they are", () => {
    for (const fields of [[], ["Connection", "keep-alive", "A", "1"], ["Connection", "Close"], ["Connection", ""]]) {
      expect(seenByOrigin(fields)).toBe(fields);
    }
  });
});

describe("Via", () => {
  test("RFC 9110 §7.6.3: we are its last member, with the version that was received", () => {
    expect(via(["A", "1"], "1.1", "proxy")).toEqual(["A", "1", "Via", "1.1 proxy"]);
    expect(via(["via", "1.0 fred", "A", "1", "Via", "1.1 p.example"], "1.0", "proxy")).toEqual([
      "A",
      "1",
      "Via",
      "1.0 fred, 1.1 p.example, 1.0 proxy",
    ]);
    expect(via(["DNT", "1", "Via-2", "x"], "1.1", "p")).toEqual(["DNT", "1", "Via-2", "x", "Via", "1.1 p"]);
    expect(via(["Via", ""], "1.1", "proxy")).toEqual(["Via", "1.1 proxy"]);
  });

  test("RFC 9110 §7.6.3: a request that has been here is known by our name", () => {
    expect(isLoop(["Via", "1.0 fred, HTTP/1.1 Proxy (cachectl)"], "proxy")).toBe(true);
    expect(isLoop(["Via", "1.0 fred", "Via", "1.1\tproxy"], "proxy")).toBe(true);
    expect(isLoop(via([], "1.1", "proxy"), "proxy")).toBe(true);
    expect(isLoop(["Via", "1.1 proxy2, proxy, 1.1 a.proxy (proxy)"], "proxy")).toBe(false);
    expect(isLoop([], "proxy")).toBe(false);
  });
});

describe("Max-Forwards", () => {
  test("RFC 9110 §7.6.2: OPTIONS and TRACE go no further at zero, and one less otherwise", () => {
    for (const method of ["OPTIONS", "TRACE"]) {
      expect(maxForwards(method, ["Max-Forwards", "0"])).toEqual({ final: true });
      expect(maxForwards(method, ["max-forwards", "5", "A", "5"])).toEqual({
        final: false,
        fields: ["max-forwards", "4", "A", "5"],
      });
      expect(maxForwards(method, ["Max-Forwards", "9".repeat(400)])).toMatchObject({ fields: ["Max-Forwards", "254"] });
    }
  });

  test("RFC 9110 §7.6.2: other methods, and what is no number, are left alone", () => {
    for (const [method, value] of [
      ["GET", "0"],
      ["OPTIONS", "-1"],
      ["OPTIONS", "x"],
      ["OPTIONS", ""],
      ["TRACE", "1, 0"],
    ] as const) {
      const fields = ["Max-Forwards", value];
      expect(maxForwards(method, fields)).toEqual({ final: false, fields });
    }
    expect(maxForwards("OPTIONS", [])).toEqual({ final: false, fields: [] });
  });
});

test("any fields are taken in little time, also 64 KiB of them", () => {
  const pair = fc.tuple(fc.constantFrom("Connection", "Via", "Max-Forwards", "X"), fc.string({ maxLength: 40 }));
  fc.assert(
    fc.property(fc.array(pair), (pairs) => {
      const fields = pairs.flat();
      endToEnd(fields);
      via(fields, "1.1", "p");
      isLoop(fields, "p");
      maxForwards("OPTIONS", fields);
    }),
  );
  const began = performance.now();
  for (const unit of [",", "a,", '"', " ", "1.1 p(,", "x-1,"]) {
    const value = unit.repeat(65_536 / unit.length);
    endToEnd(["Connection", value, ...Array(4000).fill("X")]);
    isLoop(["Via", value], "p");
    maxForwards("OPTIONS", ["Max-Forwards", value]);
  }
  expect(performance.now() - began).toBeLessThan(1000);
});

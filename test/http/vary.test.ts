import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { variantKey } from "../../src/http/key.js";
import { fieldsForVary, pickVariants, varyOf } from "../../src/http/vary.js";

describe("what a response varies on", () => {
  test("RFC 9110 §12.5.5: names of all lines, in lower case, once, in one order", () => {
    expect(varyOf([])).toEqual([]);
    expect(varyOf(["Vary", "Accept-Encoding"])).toEqual(["accept-encoding"]);
    expect(varyOf(["vary", "b , A,,", "X", "1", "VARY", "\ta,\tC"])).toEqual(["a", "b", "c"]);
    expect(varyOf(["Vary", ""])).toEqual([]);
  });

  test("RFC 9110 §12.5.5: an asterisk anywhere is all there is to say", () => {
    expect(varyOf(["Vary", "*"])).toBe("*");
    expect(varyOf(["Vary", "accept, *"])).toBe("*");
    expect(varyOf(["Vary", "accept", "Vary", "*"])).toBe("*");
  });

  test("RFC 9111 §4.1: what is no field name is taken for an asterisk", () => {
    for (const value of ["accept encoding", "a;b", '"a"', "a, (b)", "é"]) expect(varyOf(["Vary", value])).toBe("*");
  });

  test("RFC 9111 §4.1: the address of the client is another for each", () => {
    expect(varyOf(["Vary", "Accept, X-Forwarded-For"])).toBe("*");
    expect(varyOf(["Vary", "Forwarded"])).toBe("*");
    expect(varyOf(["Vary", "X-Forwarded-Proto"])).toEqual(["x-forwarded-proto"]);
  });

  test("more than 16 names are taken for an asterisk", () => {
    const names = (count: number) => Array.from({ length: count }, (_, i) => `x-${i}`).join(",");
    expect(varyOf(["Vary", names(16)])).toHaveLength(16);
    expect(varyOf(["Vary", names(17)])).toBe("*");
    expect(varyOf(["Vary", Array(1000).fill("a").join()])).toEqual(["a"]);
  });
});

describe("when requests select the same response", () => {
  const same = (name: string, a: string | readonly string[] | undefined, b: string | readonly string[] | undefined) => {
    const fields = (lines: string | readonly string[] | undefined) =>
      lines === undefined ? [] : [lines].flat().flatMap((line) => [name, line]);
    return fieldsForVary([name], fields(a)) === fieldsForVary([name], fields(b));
  };

  test("RFC 9111 §4.1: the values must match", () => {
    expect(same("x-a", "1", "1")).toBe(true);
    expect(same("x-a", "1", "2")).toBe(false);
    expect(same("user-agent", "curl", "Curl")).toBe(false);
  });

  test("RFC 9111 §4.1: a field that is absent matches only where it is absent, too", () => {
    expect(same("x-a", undefined, undefined)).toBe(true);
    expect(same("x-a", undefined, "")).toBe(false);
    expect(same("accept-encoding", undefined, "")).toBe(false);
    expect(same("accept-encoding", undefined, "identity")).toBe(false);
  });

  test("RFC 9111 §4.1: white space at the ends, and lines that are combined, change nothing", () => {
    expect(same("x-a", " 1\t", "1")).toBe(true);
    expect(same("x-a", ["1", "2"], "1, 2")).toBe(true);
    expect(same("x-a", ["1", "2"], ["2", "1"])).toBe(false);
    // Of a field that is not known to be a list nobody knows where white space is allowed.
    expect(same("x-a", "1,2", "1, 2")).toBe(false);
  });

  test("RFC 9110 §12.5.3: in Accept-Encoding neither order, case, white space nor a weight of 1 change anything", () => {
    expect(same("accept-encoding", "gzip, br", "br,GZIP")).toBe(true);
    expect(same("accept-encoding", ["gzip", "br"], "br , , gzip")).toBe(true);
    expect(same("accept-encoding", "gzip;q=1.0, br ; q=0.50", "br;q=0.5,gzip")).toBe(true);
    expect(same("accept-encoding", "gzip, gzip", "gzip")).toBe(true);
    expect(same("accept-encoding", "gzip", "br")).toBe(false);
    expect(same("accept-encoding", "gzip;q=0", "gzip")).toBe(false);
    expect(same("accept-encoding", "gzip;q=0.9, br", "gzip, br;q=0.9")).toBe(false);
    expect(same("accept-encoding", "*", "gzip")).toBe(false);
    expect(same("accept-encoding", "gzip;q=0.1, gzip;q=0.9", "gzip;q=0.9, gzip;q=0.1")).toBe(false);
    // Not a weight.
    expect(same("accept-encoding", "gzip;q=1.00000", "gzip")).toBe(false);
  });

  test("RFC 9110 §12.5.4: in Accept-Language order may be a preference, the rest is not", () => {
    expect(same("accept-language", "de-DE, en;q=0.80", "de-de,en;q=0.8")).toBe(true);
    expect(same("accept-language", "de, en", "en, de")).toBe(false);
  });

  test("RFC 9110 §12.5.1: in Accept quoted parameters, case and what comes after the weight are kept", () => {
    expect(same("accept", "text/html ;level=1, */* ; q=0.8", "text/html;level=1,*/*;q=0.8")).toBe(true);
    expect(same("accept", 'text/x;a="1, 2"', 'text/x;a="1,2"')).toBe(false);
    expect(same("accept", 'text/x;a="\\";q=1"', 'text/x;a="\\""')).toBe(false);
    expect(same("accept", "text/html;q=1", "text/html")).toBe(true);
    expect(same("accept", "text/html;q=1;a=b", "text/html;a=b")).toBe(false);
    expect(same("accept", "text/html;v=A", "text/html;v=a")).toBe(false);
  });

  test("no value can look like another field or another value", () => {
    const value = fc.string({ unit: fc.constantFrom("a", ":", "\n", "=", "-", "1", ",", " ", "b"), maxLength: 12 });
    const fields = fc.dictionary(fc.constantFrom("a", "b", "c"), value);
    const names = ["a", "b", "c"];
    const raw = (record: Record<string, string>) => Object.entries(record).flat();
    const meant = (record: Record<string, string>) =>
      names.map((name) => record[name]?.replace(/^ +| +$/g, "") ?? null);
    fc.assert(
      fc.property(fields, fields, (one, other) => {
        const equal = JSON.stringify(meant(one)) === JSON.stringify(meant(other));
        expect(fieldsForVary(names, raw(one)) === fieldsForVary(names, raw(other))).toBe(equal);
      }),
      { numRuns: 2000 },
    );
  });

  test("any value is taken in little time, also 64 KiB of it", () => {
    const name = fc.constantFrom("accept", "accept-encoding", "accept-language", "cookie", "vary");
    fc.assert(
      fc.property(name, fc.string({ maxLength: 200 }), (field, value) => {
        fieldsForVary([field], [field, value, field, value]);
        varyOf(["Vary", value]);
      }),
    );
    const began = performance.now();
    for (const unit of [",", ";", '"', '"\\', "a,", "a;q=1,", ' ,"', ";q=1", " \t", 'a;b="']) {
      const value = unit.repeat(65_536 / unit.length);
      for (const field of ["accept", "accept-encoding", "accept-language", "x"]) fieldsForVary([field], [field, value]);
      varyOf(["Vary", value]);
    }
    expect(performance.now() - began).toBeLessThan(2000);
  });
});

test("RFC 9111 §4.1: of several lists, the newest names the likeliest variant", () => {
  const request = ["Accept", "a", "Cookie", "b"];
  expect(pickVariants([["cookie"], ["accept"], []], "g", request)).toEqual([
    variantKey("g", ["cookie"], request),
    variantKey("g", ["accept"], request),
    variantKey("g", [], request),
  ]);
});

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { contentRange, multipartHeads, multipartType, selectRange, unsatisfiedRange } from "../../src/http/ranges.js";

const MODIFIED = "Sun, 06 Nov 1994 08:49:37 GMT";
const MUCH_LATER = "Sun, 06 Nov 1994 08:50:00 GMT";

const select = (range: string, size = 1000) => selectRange(["Range", range], [], size);
const whole = { kind: "whole" };
const unsatisfiable = { kind: "unsatisfiable" };
const ranges = (...pairs: [number, number][]) => ({
  kind: "ranges",
  ranges: pairs.map(([start, end]) => ({ start, end })),
});

describe("which bytes are asked for", () => {
  test("RFC 9110 §14.1.2: first and last position, both included", () => {
    expect(select("bytes=0-499")).toEqual(ranges([0, 499]));
    expect(select("bytes=500-500")).toEqual(ranges([500, 500]));
    expect(select("bytes=9-")).toEqual(ranges([9, 999]));
    expect(select("bytes=0-")).toEqual(ranges([0, 999]));
  });

  test("RFC 9110 §14.1.2: a last position beyond the end is the end", () => {
    expect(select("bytes=500-1000")).toEqual(ranges([500, 999]));
    expect(select(`bytes=0-${"9".repeat(400)}`)).toEqual(ranges([0, 999]));
  });

  test("RFC 9110 §14.1.2: a suffix, also one longer than the content", () => {
    expect(select("bytes=-500")).toEqual(ranges([500, 999]));
    expect(select("bytes=-1")).toEqual(ranges([999, 999]));
    expect(select("bytes=-5000")).toEqual(ranges([0, 999]));
  });

  test("RFC 9110 §14.1.2: what begins beyond the end, and an empty suffix, can't be satisfied", () => {
    expect(select("bytes=1000-")).toEqual(unsatisfiable);
    expect(select("bytes=5000-6000")).toEqual(unsatisfiable);
    expect(select("bytes=-0")).toEqual(unsatisfiable);
    expect(select("bytes=0-", 0)).toEqual(unsatisfiable);
    // RFC 9110 §14.1.2: the set can, if one of them can.
    expect(select("bytes=1000-,0-1")).toEqual(ranges([0, 1]));
  });

  test("a suffix of nothing is the whole of it: no Content-Range could tell it", () => {
    expect(select("bytes=-5", 0)).toEqual(whole);
  });

  test("RFC 9110 §14.1: the name of the unit matches without regard to case, other units are ignored", () => {
    expect(select("Bytes=0-1")).toEqual(ranges([0, 1]));
    expect(select("items=0-1")).toEqual(whole);
    expect(select("none=")).toEqual(whole);
  });

  test("RFC 9110 §14.2: what is malformed is ignored", () => {
    const malformed = [
      "",
      "bytes",
      "bytes=",
      "bytes=,",
      "bytes=-",
      "bytes=a-b",
      "bytes=1",
      "bytes=1-2-3",
      "bytes=--1",
      "bytes=+1-2",
      "bytes=1.0-2",
      "bytes=0x1-2",
      "bytes= 1 - 2",
      "bytes =0-1",
      "0-1",
      "bytes=0-1;x",
      "bytes=0-1, x",
      "bytes=0-1 2-3",
    ];
    for (const range of malformed) expect(select(range), range).toEqual(whole);
    expect(selectRange(["Range", "bytes=0-1", "Range", "bytes=2-3"], [], 1000)).toEqual(whole);
  });

  test("RFC 9110 §14.1.1: a range that ends before it begins makes the whole set invalid", () => {
    expect(select("bytes=5-4")).toEqual(whole);
    expect(select("bytes=0-1,5-4")).toEqual(whole);
    expect(select("bytes=5000-4000")).toEqual(whole);
  });

  test("RFC 9110 §14.2: several, in the order asked for, with empty members left out", () => {
    expect(select("bytes=500-599,0-9 , ,\t-1")).toEqual(ranges([500, 599], [0, 9], [999, 999]));
  });

  test("RFC 9110 §14.2: only for GET, and only of a 200", () => {
    const request = ["Range", "bytes=0-1"];
    expect(selectRange(request, [], 10, "GET", 200)).toEqual(ranges([0, 1]));
    for (const method of ["HEAD", "POST"]) expect(selectRange(request, [], 10, method, 200)).toEqual(whole);
    for (const status of [203, 301, 404]) expect(selectRange(request, [], 10, "GET", status)).toEqual(whole);
    expect(selectRange([], [], 10)).toEqual(whole);
  });
});

describe("ranges that are an attack", () => {
  test("RFC 9110 §14.2, §17.15: more than 16 are ignored", () => {
    const set = (count: number) => `bytes=${Array.from({ length: count }, (_, i) => `${i * 10}-${i * 10}`).join()}`;
    expect(select(set(16))).toMatchObject({ kind: "ranges" });
    expect(select(set(17))).toEqual(whole);
    expect(select(`bytes=${"0-,".repeat(20_000)}`)).toEqual(whole);
  });

  test("RFC 9110 §14.2: more than two that overlap are ignored", () => {
    expect(select("bytes=0-,0-,0-")).toEqual(whole);
    expect(select("bytes=0-9,5-14,10-20")).toEqual(whole);
    expect(select("bytes=0-9,5-14,100-109,105-110")).toEqual(whole);
  });

  test("RFC 9110 §15.3.7.2: two that overlap are made one", () => {
    expect(select("bytes=0-9,5-14")).toEqual(ranges([0, 14]));
    expect(select("bytes=50-60,5-14,0-9")).toEqual(ranges([50, 60], [0, 14]));
    expect(select("bytes=0-999,-10")).toEqual(ranges([0, 999]));
  });
});

describe("If-Range", () => {
  const holds = (condition: string | readonly string[], stored: readonly string[]) => {
    const conditions = [condition].flat().flatMap((one) => ["If-Range", one]);
    return selectRange(["Range", "bytes=0-1", ...conditions], stored, 10).kind === "ranges";
  };

  test("RFC 9110 §13.1.5: an entity tag by strong comparison", () => {
    expect(holds('"a"', ["ETag", '"a"'])).toBe(true);
    expect(holds('"b"', ["ETag", '"a"'])).toBe(false);
    expect(holds('W/"a"', ["ETag", 'W/"a"'])).toBe(false);
    expect(holds('"a"', ["ETag", 'W/"a"'])).toBe(false);
    expect(holds('"a"', [])).toBe(false);
    expect(holds('"a", "b"', ["ETag", '"a"'])).toBe(false);
    expect(holds("*", ["ETag", '"a"'])).toBe(false);
  });

  test("RFC 9110 §13.1.5, §8.8.2.2: a date that is exactly Last-Modified, if that is a strong validator", () => {
    expect(holds(MODIFIED, ["Last-Modified", MODIFIED, "Date", MUCH_LATER])).toBe(true);
    expect(holds(MODIFIED, ["Last-Modified", MODIFIED, "Date", "Sun, 06 Nov 1994 08:49:38 GMT"])).toBe(true);
    expect(holds(MUCH_LATER, ["Last-Modified", MODIFIED, "Date", MUCH_LATER])).toBe(false);
    expect(holds(MODIFIED, ["Last-Modified", MUCH_LATER, "Date", MUCH_LATER])).toBe(false);
    expect(holds(MODIFIED, ["Last-Modified", MODIFIED, "Date", MODIFIED])).toBe(false);
    expect(holds(MODIFIED, ["Last-Modified", MODIFIED])).toBe(false);
    expect(holds("x", ["Last-Modified", "x", "Date", MUCH_LATER])).toBe(false);
  });

  test("RFC 9110 §13.1.5: two conditions are none that holds", () => {
    expect(holds(['"a"', '"a"'], ["ETag", '"a"'])).toBe(false);
  });
});

describe("what a partial response says", () => {
  test("RFC 9110 §14.4: Content-Range", () => {
    expect(contentRange({ start: 0, end: 9 }, 1000)).toBe("bytes 0-9/1000");
    expect(unsatisfiedRange(1000)).toBe("bytes */1000");
  });

  test("RFC 9110 §14.6: several ranges are parts of a multipart/byteranges, of the length that is told", () => {
    const content = Buffer.from("0123456789");
    const parts = [
      { start: 0, end: 1 },
      { start: 8, end: 9 },
    ];
    const { heads, tail, length } = multipartHeads(parts, 10, "text/plain", "B");
    const body =
      heads.map((head, i) => head + content.subarray(parts[i]?.start, (parts[i]?.end ?? 0) + 1)).join("") + tail;
    expect(body).toBe(
      "--B\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/10\r\n\r\n01" +
        "\r\n--B\r\nContent-Type: text/plain\r\nContent-Range: bytes 8-9/10\r\n\r\n89\r\n--B--\r\n",
    );
    expect(length).toBe(body.length);
    expect(multipartType("B")).toBe("multipart/byteranges; boundary=B");
  });

  test("RFC 9110 §14.6: no Content-Type where there is none, nor one that would break the part", () => {
    for (const type of [undefined, "a/b\r\nX: y"]) {
      const { heads } = multipartHeads([{ start: 0, end: 0 }], 1, type, "B");
      expect(heads).toEqual(["--B\r\nContent-Range: bytes 0-0/1\r\n\r\n"]);
    }
  });
});

test("RFC 9110 §14.2: whatever is asked, the ranges are within the content, don't overlap, and are no more than it", () => {
  const number = fc.oneof(fc.nat(30).map(String), fc.constantFrom("", "00", "99999999999999999999", "x"));
  const spec = fc.tuple(number, number).map(([first, last]) => `${first}-${last}`);
  const set = fc.array(
    fc.oneof({ weight: 9, arbitrary: spec }, { weight: 1, arbitrary: fc.string({ maxLength: 5 }) }),
    { maxLength: 6 },
  );
  fc.assert(
    fc.property(set, fc.nat(40), (specs, size) => {
      const selected = select(`bytes=${specs.join()}`, size);
      if (selected.kind !== "ranges") return;
      const covered = new Set<number>();
      expect(selected.ranges.length).toBeGreaterThan(0);
      for (const { start, end } of selected.ranges) {
        expect(start).toBeLessThanOrEqual(end);
        for (let at = start; at <= end; at++) {
          expect(at).toBeLessThan(size);
          expect(covered.has(at)).toBe(false);
          covered.add(at);
        }
      }
    }),
    { numRuns: 3000 },
  );
});

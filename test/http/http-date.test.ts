import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatHttpDate, parseHttpDate } from "../../src/http/http-date.js";

const NOW = Date.UTC(2026, 10, 21);
const parse = (text: string) => parseHttpDate(text, NOW);
const NOV_6_1994 = Date.UTC(1994, 10, 6, 8, 49, 37);

describe("dates", () => {
  test("RFC 9110 §5.6.7: all three forms are read", () => {
    expect(parse("Sun, 06 Nov 1994 08:49:37 GMT")).toBe(NOV_6_1994);
    expect(parse("Sunday, 06-Nov-94 08:49:37 GMT")).toBe(NOV_6_1994);
    expect(parse("Sun Nov  6 08:49:37 1994")).toBe(NOV_6_1994);
    expect(parse("Wed Nov 16 08:49:37 1994")).toBe(Date.UTC(1994, 10, 16, 8, 49, 37));
  });

  test("RFC 9110 §5.6.7: a year of two digits more than 50 years ahead is past", () => {
    expect(parse("Sunday, 01-Jan-70 00:00:00 GMT")).toBe(Date.UTC(2070, 0, 1));
    expect(parse("Sunday, 20-Nov-76 00:00:00 GMT")).toBe(Date.UTC(2076, 10, 20));
    expect(parse("Sunday, 22-Nov-76 00:00:00 GMT")).toBe(Date.UTC(1976, 10, 22));
    expect(parse("Sunday, 01-Jan-99 00:00:00 GMT")).toBe(Date.UTC(1999, 0, 1));
    expect(parse("Sunday, 01-Jan-25 00:00:00 GMT")).toBe(Date.UTC(2025, 0, 1));
  });

  test("RFC 9110 §5.6.7: the first form is the one that is generated", () => {
    expect(formatHttpDate(NOV_6_1994 + 999)).toBe("Sun, 06 Nov 1994 08:49:37 GMT");
    expect(formatHttpDate(0)).toBe("Thu, 01 Jan 1970 00:00:00 GMT");
  });

  test("RFC 9111 §4.2: letters match without regard to case", () => {
    expect(parse("sun, 06 nov 1994 08:49:37 gmt")).toBe(NOV_6_1994);
    expect(parse("SUN, 06 NOV 1994 08:49:37 GMT")).toBe(NOV_6_1994);
  });

  test("RFC 9110 §5.6.7: a leap second is a second", () => {
    expect(parse("Sat, 31 Dec 2016 23:59:60 GMT")).toBe(Date.UTC(2017, 0, 1));
  });

  test("RFC 9111 §4.2: anything else is no date", () => {
    const none = [
      "",
      "0",
      "-1",
      "now",
      "Sun, 06 Nov 1994 08:49:37 UTC",
      "Sun, 06 Nov 1994 08:49:37 EST",
      "Sun, 06 Nov 1994 08:49:37 +0000",
      "Sun, 06 Nov 1994 08:49:37",
      "Sun, 6 Nov 1994 08:49:37 GMT",
      "Sun, 06 Nov 94 08:49:37 GMT",
      "Sun,06 Nov 1994 08:49:37 GMT",
      "Sun, 06 Nov 1994  08:49:37 GMT",
      "Sun, 06 Nov 1994 8:49:37 GMT",
      "Sun, 06 Nov 1994 24:00:00 GMT",
      "Sun, 06 Nov 1994 08:60:37 GMT",
      "Sun, 06 Nov 1994 08:49:61 GMT",
      "Sun, 31 Feb 1994 08:49:37 GMT",
      "Sun, 00 Nov 1994 08:49:37 GMT",
      "Sun, 06 Foo 1994 08:49:37 GMT",
      "Foo, 06 Nov 1994 08:49:37 GMT",
      "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
      " Sun, 06 Nov 1994 08:49:37 GMT",
      "1994-11-06T08:49:37Z",
      "784111777",
      "Sun, 06 Nov 1994 08:49:37 GMT".repeat(3000),
    ];
    for (const text of none) expect(parse(text), text.slice(0, 60)).toBeUndefined();
  });

  test("RFC 9110 §5.6.7: what is written in the preferred form is read back", () => {
    const time = fc.date({
      min: new Date(Date.UTC(0, 0, 1)),
      max: new Date(Date.UTC(9999, 11, 31)),
      noInvalidDate: true,
    });
    fc.assert(
      fc.property(time, (date) => {
        const seconds = Math.floor(date.getTime() / 1000) * 1000;
        expect(parse(date.toUTCString())).toBe(seconds);
      }),
    );
    // A year before 100 is not one of the last century.
    expect(parse("Sat, 01 Jan 0050 00:00:00 GMT")).toBe(new Date("0050-01-01T00:00:00Z").getTime());
  });
});

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MOST_SECONDS, requestDirectives, responseDirectives } from "../../src/http/cache-control.js";
import { textWork } from "../support/text-work.js";

const read = (...lines: string[]) => responseDirectives(lines);
const asked = (...lines: string[]) => requestDirectives(lines.flatMap((line) => ["Cache-Control", line]));
const NOTHING = {
  noStore: false,
  noCache: false,
  private: false,
  public: false,
  mustRevalidate: false,
  proxyRevalidate: false,
  mustUnderstand: false,
  noTransform: false,
};
const NO_WISHES = { noCache: false, noStore: false, noTransform: false, onlyIfCached: false };

describe("Cache-Control of a response", () => {
  test("RFC 9111 §5.2.2: every directive is read, on one line or several", () => {
    const all = {
      maxAge: 1,
      sMaxage: 2,
      noStore: true,
      noCache: true,
      private: true,
      public: true,
      mustRevalidate: true,
      proxyRevalidate: true,
      mustUnderstand: true,
      noTransform: true,
      staleWhileRevalidate: 3,
      staleIfError: 4,
    };
    const line =
      "max-age=1, s-maxage=2,no-store ,\tno-cache, private, public, must-revalidate, proxy-revalidate, must-understand, no-transform, stale-while-revalidate=3, stale-if-error=4";
    expect(read(line)).toEqual(all);
    expect(read(...line.split(","))).toEqual(all);
    expect(read()).toEqual(NOTHING);
    expect(read("", " , ,")).toEqual(NOTHING);
  });

  test("RFC 9111 §5.2: names match in any case", () => {
    expect(read("Max-Age=1, NO-STORE")).toEqual({ ...NOTHING, maxAge: 1, noStore: true });
  });

  test("RFC 9111 §5.2: an argument is a token or a quoted string alike", () => {
    expect(read('max-age="10", s-maxage="2\\0"')).toEqual({ ...NOTHING, maxAge: 10, sMaxage: 20 });
    expect(read("private=Set-Cookie").private).toEqual(["set-cookie"]);
  });

  test("RFC 9111 §5.2.3: a directive that is not known is ignored, with all of its argument", () => {
    expect(read('community="UCI", max-age=60, x=1, no-stores, ext="a, no-store, private"')).toEqual({
      ...NOTHING,
      maxAge: 60,
    });
    expect(read("max-age2=60, xmax-age=60")).toEqual(NOTHING);
  });

  test("RFC 9111 §1.2.2: seconds without end are 2^31", () => {
    for (const digits of ["2147483648", "2147483649", "99999999999999999999", "9".repeat(400)]) {
      expect(read(`max-age=${digits}`).maxAge).toBe(MOST_SECONDS);
    }
    expect(read("max-age=2147483647").maxAge).toBe(MOST_SECONDS - 1);
    expect(read("max-age=00060").maxAge).toBe(60);
  });

  test.each([
    "max-age",
    "max-age=",
    "max-age=abc",
    "max-age=-1",
    "max-age=+60",
    "max-age=60.5",
    "max-age=6e9",
    "max-age=0x60",
    "max-age=60s",
    "max-age='60'",
    'max-age=""',
    'max-age=" 60"',
    'max-age="60',
    'max-age="60"0',
    "max-age =60",
    "max-age= 60",
    "max-age = 60",
    "max-age:60",
    "max-age=60 public",
    "max-age=60; public",
    "max-age=60;",
    "public max-age=60",
    "max-age==60",
    "=max-age=60",
    "max-age=６０",
    "max-age=60\u00a0",
    "max-age=60, max-age",
    "max-age=60, max-age=abc",
    "max-age=60, max-age=30",
  ])("RFC 9111 §4.2.1: %s is stale", (line) => {
    expect(read(line)).toEqual({ ...NOTHING, maxAge: 0 });
    expect(read(`${line}, no-transform`)).toEqual({ ...NOTHING, maxAge: 0, noTransform: true });
  });

  test("RFC 9111 §4.2.1: of several the first counts, unless a later one allows less", () => {
    expect(read("max-age=60, max-age=60").maxAge).toBe(60);
    expect(read("max-age=60", "max-age=90").maxAge).toBe(60);
    expect(read("max-age=90", "max-age=60").maxAge).toBe(0);
    expect(read("s-maxage=9, max-age=60, s-maxage=10").sMaxage).toBe(9);
    expect(read("stale-while-revalidate=9, stale-while-revalidate=1").staleWhileRevalidate).toBe(0);
  });

  test("what restricts counts however it is spelled", () => {
    for (const name of ["no-store", "must-revalidate", "proxy-revalidate", "private", "no-cache", "no-transform"]) {
      const own = read(name);
      for (const line of [
        `${name}=1`,
        `${name}=""`,
        `${name};`,
        `${name}; x`,
        `x ${name}`,
        `"${name}"`,
        `x="a${name === "private" ? "," : ""} ${name}`,
        `x="a"", ${name}, "`,
        `x="a\\", ${name}`,
        `max-age=60 ${name}`.replace("max-age=60", "y"),
      ]) {
        // A token is the name of a field to these two.
        if (line.endsWith("=1") && (name === "private" || name === "no-cache")) continue;
        expect(read(line), line).toEqual(own);
      }
    }
    expect(read("no-store max-age=60")).toEqual({ ...NOTHING, noStore: true, maxAge: 0 });
  });

  test("what allows counts only as it is to be spelled", () => {
    for (const name of ["public", "must-understand"]) {
      expect(read(name.toUpperCase())).not.toEqual(NOTHING);
      for (const line of [`${name}=1`, `${name}=""`, `${name};`, `x ${name}`, `"${name}"`, `${name}, ${name}=1`]) {
        expect(read(line), line).toEqual(NOTHING);
      }
    }
  });

  test("RFC 9111 §5.2.2.4, §5.2.2.7: fields are named in any case, and without a name that is one it is about all", () => {
    expect(read('no-cache="Set-Cookie, X-A,,", private="x-b"')).toMatchObject({
      noCache: ["set-cookie", "x-a"],
      private: ["x-b"],
    });
    expect(read('private="a", private="b"').private).toEqual(["a", "b"]);
    for (const line of ['private=""', 'private=","', 'private="a b"', 'private="a", private', 'private="a, ("']) {
      expect(read(line).private, line).toBe(true);
    }
    expect(read('private ="a"').private).toBe(true);
  });

  test("a quoted string hides what is in it, and no more", () => {
    expect(read('x="a, max-age=1", max-age=2').maxAge).toBe(2);
    expect(read('x="\\", max-age=1", max-age=2').maxAge).toBe(2);
    expect(read('x="\\", no-store')).toEqual({ ...NOTHING, noStore: true });
  });
});

describe("Cache-Control of a request", () => {
  test("RFC 9111 §5.2.1: every directive is read", () => {
    expect(
      asked("max-age=1, max-stale=2, min-fresh=3", "no-cache,no-store, no-transform, only-if-cached, stale-if-error=4"),
    ).toEqual({
      maxAge: 1,
      maxStale: 2,
      minFresh: 3,
      noCache: true,
      noStore: true,
      noTransform: true,
      onlyIfCached: true,
      staleIfError: 4,
    });
  });

  test("RFC 9111 §5.2.1.2: max-stale without a number takes any age, and the least of several counts", () => {
    expect(asked("max-stale").maxStale).toBe(Number.POSITIVE_INFINITY);
    expect(asked("max-stale, max-stale=5, max-stale=7").maxStale).toBe(5);
    for (const line of ["max-stale=", 'max-stale=""', "max-stale=x", "max-stale=-1", "max-stale =5", "max-stale;"]) {
      expect(asked(line).maxStale, line).toBe(0);
    }
  });

  test("a malformed age asks for the most", () => {
    for (const argument of ["", "=", "=x", "=-1", " =5", "= 5"]) {
      expect(asked(`max-age${argument}`).maxAge, argument).toBe(0);
      expect(asked(`min-fresh${argument}`).minFresh, argument).toBe(MOST_SECONDS);
      expect(asked(`stale-if-error${argument}`).staleIfError, argument).toBe(0);
    }
    expect(asked("min-fresh=5, min-fresh=7").minFresh).toBe(7);
  });

  test("RFC 9111 §5.4: Pragma: no-cache counts only where there is no Cache-Control", () => {
    expect(requestDirectives(["PRAGMA", "No-Cache"])).toEqual({ ...NO_WISHES, noCache: true });
    expect(requestDirectives(["pragma", "x=1", "pragma", "a, no-cache"])).toEqual({ ...NO_WISHES, noCache: true });
    expect(requestDirectives(["Pragma", "x, max-age=0"])).toEqual(NO_WISHES);
    expect(requestDirectives(["Pragma", "no-cache", "Cache-Control", ""])).toEqual(NO_WISHES);
    expect(requestDirectives(["Cache-Control", "max-age=5", "Pragma", "no-cache"])).toEqual({
      ...NO_WISHES,
      maxAge: 5,
    });
  });

  test("a request that says nothing costs nothing", () => {
    const fields = [
      "Host",
      "a",
      "Authorization",
      "x",
      "Cookie",
      "y",
      "If-None-Match",
      "z",
      "Cache-Contro1",
      "no-store",
    ];
    expect(requestDirectives(fields)).toEqual(NO_WISHES);
    expect(requestDirectives(fields)).toBe(requestDirectives([]));
  });
});

describe("any text", () => {
  const pieces = fc.constantFrom(
    ...'max-age no-store private public s-maxage = , ; " \\ \t 1 60 x set-cookie'.split(" "),
    " ",
    "\u00e9",
    "\0",
  );
  const text = fc.oneof(
    fc.string(),
    fc.array(pieces, { maxLength: 30 }).map((all) => all.join("")),
  );

  test("never throws, and gives numbers from 0 to 2^31", () => {
    fc.assert(
      fc.property(fc.array(text, { maxLength: 3 }), (lines) => {
        const { maxAge = 0, sMaxage = 0 } = read(...lines);
        for (const seconds of [maxAge, sMaxage, asked(...lines).minFresh ?? 0]) {
          expect(seconds >= 0 && seconds <= MOST_SECONDS).toBe(true);
        }
      }),
    );
  });

  test("a no-store of its own is found behind anything that closes its quotes, and anything malformed", () => {
    fc.assert(
      fc.property(text, (before) => {
        const quotes = before.replace(/\\./gs, "").split('"').length - 1;
        fc.pre(quotes === 0);
        expect(read(`${before},no-store`).noStore).toBe(true);
        expect(read(`no-store,${before}`).noStore).toBe(true);
        expect(read(before, "no-store").noStore).toBe(true);
      }),
    );
  });

  test("64 KiB of anything are read in one pass or two", () => {
    const size = 64 * 1024;
    for (const unit of [
      ",",
      " ",
      '"',
      "\\",
      '\\"',
      "=",
      "a",
      "a,",
      "a ",
      'a="',
      'a="\\',
      'a="\\",',
      'a="b,',
      'a="b"c,',
      'a="",',
      "max-age=1,",
      'private="a",',
      "max-age=1;",
      '"a=',
      "no-store ",
      "1",
      "\t,",
    ]) {
      const line = unit.repeat(Math.ceil(size / unit.length)).slice(0, size);
      for (const whole of [line, `a="${line}`, `private="${line}"`, `max-age=${line}`]) {
        const work = textWork(() => {
          responseDirectives([whole]);
          requestDirectives(["cache-control", whole]);
        });
        expect(work / (2 * size), JSON.stringify(whole.slice(0, 20))).toBeLessThan(12);
      }
    }
  });
});

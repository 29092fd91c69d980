import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isToken, membersOf, splitOutsideQuotes, trimmed } from "../../src/http/field-syntax.js";
import { remembering } from "../../src/http/memo.js";

describe("the syntax of fields", () => {
  test("RFC 9110 §5.6.1: members of a list, without empty ones", () => {
    expect(membersOf("a, b ,c\t,, ,")).toEqual(["a", "b", "c"]);
    expect(membersOf("")).toEqual([]);
    expect(membersOf(" , ")).toEqual([]);
  });

  test("RFC 9110 §5.6.4: a separator in a quoted string is none, also after an escaped quote", () => {
    expect(membersOf('a="1,2", b="\\",", c')).toEqual(['a="1,2"', 'b="\\","', "c"]);
    expect(membersOf('a, "b, c')).toEqual(["a", '"b, c']);
    expect(membersOf('"a\\')).toEqual(['"a\\']);
    expect(splitOutsideQuotes('a;b=";";c', ";")).toEqual(["a", 'b=";"', "c"]);
  });

  test("RFC 9110 §5.6.2, §5.6.3: tokens, and the white space around things", () => {
    expect(isToken("X-a!#$%&'*+.^_`|~1")).toBe(true);
    for (const text of ["", "a b", "a,", "a/b", "é", "a\n"]) expect(isToken(text)).toBe(false);
    expect(trimmed(" \t a b\t ")).toBe("a b");
    expect(trimmed("\u00a0a\r\n")).toBe("\u00a0a\r\n");
    expect(trimmed(" \t")).toBe("");
  });

  test("splitting loses nothing", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom("a", ",", '"', "\\", ";"), maxLength: 30 }), (text) => {
        expect(splitOutsideQuotes(text, ",").join()).toBe(text);
      }),
    );
  });
});

describe("a function that remembers", () => {
  test("makes a text once, forgets everything when it is full, and keeps no long text", () => {
    const made: string[] = [];
    const upper = remembering(
      (text) => {
        made.push(text);
        return text.toUpperCase();
      },
      { entries: 2, longest: 3 },
    );
    const asked = ["a", "a", "b", "a", "long", "long", "c", "c", "a"];
    expect(asked.map(upper)).toEqual(asked.map((text) => text.toUpperCase()));
    expect(made).toEqual(["a", "b", "long", "long", "c", "a"]);
  });
});

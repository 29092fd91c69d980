import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { hexText } from "../../src/page/entry/hex.js";
import { isJson, jsonPieces } from "../../src/page/entry/json-text.js";

const shown = (source: string) =>
  jsonPieces(source)
    ?.map(({ text }) => text)
    .join("");

describe("JSON, laid out", () => {
  test("says what it said before", () => {
    fc.assert(
      fc.property(fc.json(), fc.nat(3), (source, indent) => {
        const spaced = JSON.stringify(JSON.parse(source), null, indent);
        expect(JSON.parse(shown(spaced) ?? "")).toEqual(JSON.parse(source));
        expect(shown(spaced)).toBe(shown(source));
      }),
    );
  });

  test.each([
    ['{"a":1.0,"b":[{}, [ ]]}', '{\n  "a": 1.0,\n  "b": [\n    {},\n    []\n  ]\n}'],
    ["12345678901234567890", "12345678901234567890"],
    ['"a:b{,}\\" \\u0041"', '"a:b{,}\\" \\u0041"'],
    ["", undefined],
    ["{a:1}", undefined],
  ])("%s", (source, expected) => {
    expect(shown(source)).toBe(expected);
  });

  test("tells names from texts", () => {
    const kinds = jsonPieces('{"a":"b","c":[true,-1]}')?.filter(({ kind }) => kind !== "mark");
    expect(kinds?.map(({ kind }) => kind)).toEqual(["name", "string", "name", "word", "number"]);
  });

  test("is not much longer where it is deep, nor slow where it is long", () => {
    const deep = "[".repeat(30_000) + "]".repeat(30_000);
    expect(isJson(deep)).toBe(true);
    expect(shown(deep)?.length).toBeLessThan(3_000_000);
    const long = JSON.stringify({ text: 'a\\"'.repeat(300_000) });
    expect(shown(long)?.length).toBe(long.length + 5);
  });
});

test("bytes in hex: where, what, and as text", () => {
  const bytes = Uint8Array.from({ length: 18 }, (_, i) => i * 15);
  expect(hexText(bytes)).toBe(
    [
      "00000000  00 0f 1e 2d 3c 4b 5a 69  78 87 96 a5 b4 c3 d2 e1  ...-<KZix.......",
      "00000010  f0 ff                                             ..",
    ].join("\n"),
  );
});

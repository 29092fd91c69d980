import { describe, expect, test } from "vitest";
import { clip, pad, padStart, widthOf, wrap } from "../../../src/cli/screen/text-width.js";

describe("the width of text", () => {
  test.each([
    ["", 0],
    ["key:1", 5],
    ["é", 1],
    ["e\u0301", 1],
    ["日本語", 6],
    ["한국", 4],
    ["ＡＢ", 4],
    ["😀", 2],
    ["𠀀", 2],
    ["…▁█", 3],
  ])("%j takes %i columns", (text, columns) => {
    expect(widthOf(text)).toBe(columns);
  });

  test.each([
    ["key:12", 6, "key:12"],
    ["key:12", 5, "key:…"],
    ["日本語", 6, "日本語"],
    ["日本語", 5, "日本…"],
    ["日本語", 4, "日…"],
    ["e\u0301e\u0301e\u0301", 2, "e\u0301…"],
    ["ab", 1, "…"],
    ["ab", 0, ""],
    ["ab", -1, ""],
  ])("%j cut to %i columns is %j", (text, columns, cut) => {
    expect(clip(text, columns)).toBe(cut);
  });

  test.each([
    ["", [""]],
    ["abcdef", ["abc", "def"]],
    ["日本語", ["日", "本", "語"]],
    ["abe\u0301d", ["abe\u0301", "d"]],
    ["abcdefghijkl", ["abc", "def", "ghi"]],
  ])("%j in three columns and three pieces at most is %j", (text, pieces) => {
    expect(wrap(text, 3, 3)).toEqual(pieces);
  });

  test("padded text takes exactly the columns", () => {
    for (const text of ["", "a", "日本語日本語", "e\u0301😀"]) {
      expect(widthOf(pad(text, 5))).toBe(5);
      expect(widthOf(padStart(text, 5))).toBe(5);
    }
    expect([pad("ab", 4), padStart("ab", 4)]).toEqual(["ab  ", "  ab"]);
  });
});

import { describe, expect, test } from "vitest";
import { bar, sparkline } from "../../../src/cli/render/graph.js";

describe("a sparkline", () => {
  test.each([
    [[], 3, "   "],
    [[0, 0, 0], 3, "▁▁▁"],
    [[0, 4, 8], 3, "▁▄█"],
    [[1, 1000], 4, "  ▂█"],
    [[9, 1, 2], 2, "▄█"],
    [[5, undefined, 5], 3, "█ █"],
    [[1], 0, ""],
  ])("of %j in %i columns is %j", (values, columns, line) => {
    expect(sparkline(values, columns)).toBe(line);
  });

  test("goes by a top where one is given", () => {
    expect(sparkline([0, 0.5, 1, 2], 4, 1)).toBe("▁▄██");
  });
});

describe("a bar", () => {
  test.each([
    [0, "    "],
    [0.5, "██  "],
    [0.53, "██▏ "],
    [1, "████"],
    [7, "████"],
    [-1, "    "],
    [Number.NaN, "    "],
  ])("of %d is %j", (share, line) => {
    expect(bar(share, 4)).toBe(line);
  });
});

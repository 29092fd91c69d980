import type { ChalkInstance } from "chalk";
import Table from "cli-table3";
import { escapeLine } from "./value.js";

const NONE = "";
const BARE = {
  top: NONE,
  "top-mid": NONE,
  "top-left": NONE,
  "top-right": NONE,
  bottom: NONE,
  "bottom-mid": NONE,
  "bottom-left": NONE,
  "bottom-right": NONE,
  left: NONE,
  "left-mid": NONE,
  mid: NONE,
  "mid-mid": NONE,
  right: NONE,
  "right-mid": NONE,
  middle: "  ",
};

/** A table without lines, as wide as its cells: it can be read, and cut with awk. */
export function table(
  head: readonly string[] | undefined,
  rows: readonly (readonly string[])[],
  style: ChalkInstance,
): string {
  const grid = new Table({ chars: BARE, style: { "padding-left": 0, "padding-right": 0, head: [], border: [] } });
  if (head) grid.push(head.map((cell) => style.bold(escapeLine(cell))));
  for (const row of rows) {
    const cells = row.map(escapeLine);
    grid.push(head ? cells : cells.map((cell, i) => (i === 0 ? style.dim(cell) : cell)));
  }
  return grid
    .toString()
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n");
}

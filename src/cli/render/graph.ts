const BLOCKS = "▁▂▃▄▅▆▇█";
const EIGHTHS = " ▏▎▍▌▋▊▉";

/**
 * The last values as one line of blocks, the newest at its end, in exactly `columns` characters. A value that is undefined is a gap, one that is 0 the lowest block.
 * @param top what fills a block; default the largest value that is shown
 */
export function sparkline(values: readonly (number | undefined)[], columns: number, top?: number): string {
  const shown = columns > 0 ? values.slice(-columns) : [];
  const highest = top ?? Math.max(0, ...shown.map((value) => value ?? 0));
  const blocks = shown.map((value) => {
    if (value === undefined) return " ";
    const share = highest > 0 ? Math.min(1, Math.max(0, value / highest)) : 0;
    return BLOCKS[share === 0 ? 0 : Math.max(1, Math.ceil(share * BLOCKS.length) - 1)] ?? " ";
  });
  return " ".repeat(Math.max(0, columns - shown.length)) + blocks.join("");
}

/** A share of 0 to 1 as a bar of exactly `columns` characters, to an eighth of one. */
export function bar(share: number, columns: number): string {
  const eighths = Math.round(Math.min(1, Math.max(0, share)) * columns * 8);
  const full = Math.floor(eighths / 8);
  const rest = eighths % 8 === 0 ? "" : (EIGHTHS[eighths % 8] ?? "");
  return `${"█".repeat(full)}${rest}`.padEnd(Math.max(0, columns));
}

/**
 * One line of the table.
 * @typedef {object} Figure
 * @property {string} what
 * @property {string} peer
 * @property {"at most" | "at least"} [bound] absent where it is only reported
 * @property {number} [wanted]
 * @property {number} seen
 * @property {"×" | "µs" | "ms" | "s" | "MB" | "KiB" | "%" | "bytes" | "requests"} unit
 * @property {Record<string, unknown>} [samples] what it was made of
 */

/** @param {Figure} figure */
const isHit = ({ bound, seen, wanted }) => (bound === "at most" ? seen <= wanted : seen >= wanted);

/** @param {number} value */
const digits = (value) => (value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2));

/** @param {readonly Figure[]} figures */
export function printTable(figures) {
  const head = ["what", "against", "wanted", "seen", ""];
  const lines = figures.map((figure) => [
    figure.what,
    figure.peer,
    figure.bound ? `${figure.bound === "at most" ? "≤" : "≥"} ${figure.wanted} ${figure.unit}` : "–",
    `${digits(figure.seen)} ${figure.unit}`,
    figure.bound ? (isHit(figure) ? "hit" : "MISS") : "",
  ]);
  const widths = head.map((_, i) => Math.max(...[head, ...lines].map((line) => line[i].length)));
  for (const line of [head, widths.map((width) => "-".repeat(width)), ...lines]) {
    console.log(`| ${line.map((cell, i) => cell.padEnd(widths[i])).join(" | ")} |`);
  }
}

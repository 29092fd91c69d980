import type { ChalkInstance } from "chalk";
import type { BenchSettings, Cell, Measured, Need } from "../../bench/plan.js";
import type { Before, BenchReport, BenchResult } from "../../bench/report.js";
import { formatDuration, formatSize } from "../../units.js";
import { bar } from "./graph.js";
import { table } from "./table.js";
import { escapeLine } from "./value.js";

/** Columns of a table, those that are wanted most first: what does not fit is left out. */
const COLUMNS: readonly { title: string; place: number; of: (result: BenchResult) => string }[] = [
  { title: "OPS/S", place: 1, of: ({ opsPerSecond }) => formatCount(opsPerSecond) },
  { title: "P50", place: 2, of: ({ latencyUs }) => formatMicros(latencyUs.p50) },
  { title: "CHANGE", place: 1.5, of: ({ before }) => (before ? formatChange(before) : "") },
  { title: "P99", place: 4, of: ({ latencyUs }) => formatMicros(latencyUs.p99) },
  { title: "P99.9", place: 5, of: ({ latencyUs: { p999 } }) => (p999 === undefined ? "-" : formatMicros(p999)) },
  { title: "MAX", place: 6, of: ({ latencyUs }) => formatMicros(latencyUs.max) },
  { title: "P90", place: 3, of: ({ latencyUs }) => formatMicros(latencyUs.p90) },
];
const GAP = 2;
const MIN_BAR = 8;
const MAX_BAR = 40;
const MAX_NAME = 32;

/** What one cell came to, a line a store, with a bar for its operations a second. */
export function cellText(
  cell: Cell,
  results: readonly BenchResult[],
  columns: number,
  nameWidth: number,
  style: ChalkInstance,
): string {
  const names = results.map(({ store }) => cut(escapeLine(store), MAX_NAME).padEnd(Math.min(nameWidth, MAX_NAME)));
  const known = COLUMNS.filter(({ title }) => title !== "CHANGE" || results.some(({ before }) => before));
  const all = known.map(({ title, place, of }) => {
    const cells = results.map(of);
    const width = Math.max(title.length, MIN_CELL, ...cells.map((text) => text.length));
    return { title: title.padStart(width), place, width, cells: cells.map((text) => text.padStart(width)) };
  });
  let left = columns - Math.max(5, ...names.map((name) => name.length));
  const fitting: typeof all = [];
  for (const [i, column] of all.entries()) {
    // A bar before the rarer percentiles.
    const reserved = i >= 3 ? GAP + MIN_BAR : 0;
    if (left - GAP - column.width < reserved && i > 0) break;
    left -= GAP + column.width;
    fitting.push(column);
  }
  const shown = fitting.sort((a, b) => a.place - b.place);
  const rows = names.map((name, i) => [name, ...shown.map(({ cells }) => cells[i] ?? "")]);
  const lines = table(["STORE", ...shown.map(({ title }) => title)], rows, style).split("\n");
  const width = Math.min(MAX_BAR, left - GAP);
  const best = Math.max(...results.map(({ opsPerSecond }) => opsPerSecond));
  const plain = (i: number) => rows[i]?.join(" ".repeat(GAP)).length ?? 0;
  const drawn = lines.map((line, i) => {
    const result = results[i - 1];
    if (width < MIN_BAR || !result) return line;
    // What is there at all is seen.
    const blocks = bar(Math.max(result.opsPerSecond / best, 1 / (8 * width)), width).trimEnd();
    const colour = result.opsPerSecond === best ? style.green : style.cyan;
    return `${line}${" ".repeat(Math.max(0, plain(i - 1) - line.length) + GAP)}${colour(blocks)}`;
  });
  const title = cellTitle(cell);
  const heading = title.length <= columns ? title : title.replaceAll(" · ", "\n  ");
  return [style.bold(heading), ...drawn, ...troubles(results).map((text) => style.yellow(escapeLine(text)))].join("\n");
}

/** So that columns stand below each other in most tables. */
const MIN_CELL = 7;

const NAMES: Record<Measured, string> = {
  set: "set",
  get: "get",
  mixed: "mixed",
  "batch-set": "batch set",
  "batch-get": "batch get",
};

export function cellTitle({ workload, valueSize, concurrency, batch }: Cell): string {
  const keys = batch > 1 ? `, ${batch} keys a call` : "";
  return `${NAMES[workload]}${keys} · ${formatSize(valueSize)} · ${concurrency} at once`;
}

/** What was not as it should be, a line a store. */
export function troubles(results: readonly BenchResult[]): string[] {
  return results.flatMap(({ store, missed, rejected, errors }) => {
    const parts = Object.entries(errors).map(([code, times]) => `${formatCount(times)} × ${code}`);
    if (missed > 0) parts.push(`${formatCount(missed)} keys were not there`);
    if (rejected > 0) parts.push(`${formatCount(rejected)} writes were not taken`);
    return parts.length > 0 ? [`${store}: ${parts.join(", ")}`] : [];
  });
}

export interface SkippedStore {
  name: string;
  target: string;
  reason: string;
}

export function summaryText(report: BenchReport, skipped: readonly SkippedStore[], style: ChalkInstance): string {
  return table(undefined, summaryRows(report, skipped), style);
}

/** What there is to say when all was measured: where, and what the figures hold besides the stores. */
export function summaryRows(report: BenchReport, skipped: readonly SkippedStore[]): [string, string][] {
  const { machine, overhead, stores } = report;
  const [before, after] = machine.load;
  const rows: [string, string][] = [
    ["machine", `${machine.cpu}, ${machine.cores} cores, ${machine.platform}, node ${machine.node}`],
    ["load", `${before.toFixed(2)} before, ${after.toFixed(2)} after${before > machine.cores ? ": it was busy" : ""}`],
    [
      "in every figure",
      `${overhead.map(({ concurrency, nsPerOp }) => `${formatMicros(nsPerOp / 1000)} at ${concurrency}`).join(", ")}: measuring itself`,
    ],
    ["garbage collected", `${formatCount(machine.gc.count)} times, ${formatDuration(machine.gc.ms)}`],
  ];
  for (const { name, target, error, left } of stores) {
    const more = [
      ...(error ? [`failed: ${error.message}`] : []),
      ...(left === undefined ? [] : [`not emptied: ${left}`]),
    ];
    rows.push([name, [target, ...more].join(", ")]);
  }
  for (const { name, reason } of skipped) rows.push([name, `left out: ${reason}`]);
  return rows;
}

/** What will be written, before it is. */
export function planText(stores: readonly { target: string; namespace: string }[], { entries, bytes }: Need): string[] {
  const most = `at most ${formatCount(entries)} keys (${formatSize(bytes)}) at a time`;
  return stores.map(
    ({ target, namespace }) =>
      `${escapeLine(target)}: ${most} under ${escapeLine(namespace)}, removed at the end, gone after 10 minutes in any case`,
  );
}

/** How long it takes, in words: filling stores, and operations that take longer than a round, come on top. */
export function lengthText(cells: number, stores: number, { length, warmUpMs }: BenchSettings): string {
  const count = `${cells * stores} measurements`;
  return "ms" in length ? `${count}, at least ${formatDuration(cells * stores * (length.ms + warmUpMs))}` : count;
}

export function formatCount(count: number): string {
  return Math.round(count).toLocaleString("en-US");
}

/** `+25%`, `-10%`; `same` where the rounds of both overlap. */
export function formatChange({ ratio, differs }: Before): string {
  if (!differs) return "same";
  return ratio >= 10 ? `${ratio.toFixed(0)}x` : `${ratio >= 1 ? "+" : ""}${Math.round((ratio - 1) * 100)}%`;
}

/** `0.42µs`, `12.3µs`, `4.56ms`: three digits. */
export function formatMicros(us: number): string {
  if (us < 1000) return `${digits(us)}µs`;
  return us < 1e6 ? `${digits(us / 1000)}ms` : `${digits(us / 1e6)}s`;
}

function digits(value: number): string {
  return value < 9.995 ? value.toFixed(2) : value < 99.95 ? value.toFixed(1) : value.toFixed(0);
}

function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, width - 1)}…`;
}

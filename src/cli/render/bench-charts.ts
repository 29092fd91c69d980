import type { BenchResult } from "../../bench/report.js";
import { formatMicros } from "./bench.js";
import { html } from "./html.js";

/** Colours of the style sheet: `s0` and on. More stores than that share them. */
const COLOURS = 8;

/** Where the plot begins, for what is written on its left; in hundredths of the width. Text is not scaled, so places are parts of the whole. */
const LEFT = 14;
const RIGHT = 97;
/** The same for the height. */
const TOP = 6;
const BOTTOM = 88;

/** A bar as wide as its cell allows: no size is fixed, so that it fits a phone and a sheet of paper. */
export function barChart(share: number, colour: number): string {
  const width = Math.max(0.5, share * 100).toFixed(2);
  return `<svg class="bar" width="100%" height="14" aria-hidden="true"><rect class="s${colour % COLOURS}" width="${width}%" height="14" rx="2"/></svg>`;
}

interface Point {
  label: string;
  us: number;
}

function pointsOf({ latencyUs: { p50, p90, p99, p999, max } }: BenchResult): (Point | undefined)[] {
  return [
    { label: "p50", us: p50 },
    { label: "p90", us: p90 },
    { label: "p99", us: p99 },
    p999 === undefined ? undefined : { label: "p99.9", us: p999 },
    { label: "max", us: max },
  ];
}

const LABELS = ["p50", "p90", "p99", "p99.9", "max"];

/** Latency from the median to the slowest, on a logarithmic scale, a line a store. @param colours of the stores, in the order of the results */
export function latencyChart(results: readonly BenchResult[], colours: readonly number[], title: string): string {
  const all = results.flatMap((result) => pointsOf(result).flatMap((point) => point?.us ?? []));
  const from = Math.floor(Math.log10(Math.min(...all)));
  const to = Math.max(from + 1, Math.ceil(Math.log10(Math.max(...all))));
  const x = (place: number) => (LEFT + 3 + (place * (RIGHT - LEFT - 6)) / (LABELS.length - 1)).toFixed(2);
  const y = (us: number) => (BOTTOM - ((Math.log10(us) - from) * (BOTTOM - TOP)) / (to - from)).toFixed(2);
  const grid = Array.from({ length: to - from + 1 }, (_, i) => 10 ** (from + i)).map(
    (us) =>
      `<line class="grid" x1="${LEFT}%" x2="${RIGHT}%" y1="${y(us)}%" y2="${y(us)}%"/><text class="end" x="${LEFT - 1}%" y="${y(us)}%" dy="4">${decade(us)}</text>`,
  );
  const labels = LABELS.map((label, i) => `<text class="middle" x="${x(i)}%" y="98%">${label}</text>`);
  const lines = results.map((result, n) => {
    const points = pointsOf(result).flatMap((point, i) => (point ? [{ ...point, at: x(i), high: y(point.us) }] : []));
    const parts = points.slice(1).map((point, i) => {
      const before = points[i] ?? point;
      return `<line x1="${before.at}%" y1="${before.high}%" x2="${point.at}%" y2="${point.high}%"/>`;
    });
    const dots = points.map(
      ({ label, us, at, high }) =>
        `<circle cx="${at}%" cy="${high}%" r="4"><title>${html(result.store)}, ${label}: ${formatMicros(us)}</title></circle>`,
    );
    return `<g class="line s${(colours[n] ?? 0) % COLOURS}">${parts.join("")}${dots.join("")}</g>`;
  });
  return `<svg class="plot" width="100%" height="220" role="img" aria-label="${html(title)}">${grid.join("")}${labels.join("")}${lines.join("")}</svg>`;
}

/** `100ns`, `10µs`, `1ms`. */
function decade(us: number): string {
  if (us < 0.9) return `${Math.round(us * 1000)}ns`;
  if (us < 900) return `${Math.round(us)}µs`;
  return us < 900_000 ? `${Math.round(us / 1000)}ms` : `${Math.round(us / 1e6)}s`;
}

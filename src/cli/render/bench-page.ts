import { createHash } from "node:crypto";
import type { BenchSettings, Cell } from "../../bench/plan.js";
import type { BenchReport, BenchResult } from "../../bench/report.js";
import { formatDuration, formatSize } from "../../units.js";
import {
  cellTitle,
  formatChange,
  formatCount,
  formatMicros,
  type SkippedStore,
  summaryRows,
  troubles,
} from "./bench.js";
import { barChart, latencyChart } from "./bench-charts.js";
import { STYLE } from "./bench-style.js";
import { html } from "./html.js";

export interface BenchPage {
  version: string;
  settings: BenchSettings;
  report: BenchReport;
  skipped: readonly SkippedStore[];
  cells: readonly { cell: Cell; results: readonly BenchResult[] }[];
}

/** The report as one page that asks for nothing: no script, no font, no picture from elsewhere, and a policy that would allow none. */
export function benchPage(page: BenchPage): string {
  const { report, cells } = page;
  const names = report.stores.map(({ name }) => name);
  const hash = createHash("sha256").update(STYLE).digest("base64");
  const policy = `default-src 'none'; style-src 'sha256-${hash}'; img-src data:; base-uri 'none'; form-action 'none'`;
  const title = `cache bench: ${names.join(", ")}`;
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<link rel="icon" href="data:,">
<title>${html(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<header>
<h1>cache bench</h1>
<p>${html(subtitle(page))}</p>
</header>
<main>
${overview(page, names)}
<h2>Each measurement</h2>
${cells.map(({ cell, results }, i) => section(cell, results, names, i)).join("\n")}
<h2>Where and how</h2>
<div class="wide"><table>
${details(page)
  .map(([name, text]) => `<tr><th scope="row" class="name">${html(name)}</th><td class="t">${html(text)}</td></tr>`)
  .join("\n")}
</table></div>
</main>
</body>
</html>
`;
}

function subtitle({ report, version }: BenchPage): string {
  const when = `${new Date(report.startedAt).toISOString().slice(0, 16).replace("T", " ")} UTC`;
  const stopped = report.interrupted ? ", stopped before the end" : "";
  return `${when}, cachectl ${version}, took ${formatDuration(report.ms)}${stopped}. ${report.machine.cpu}, ${report.machine.cores} cores.`;
}

/** Operations a second of every store in every cell; the best of each is bold. */
function overview({ cells }: BenchPage, names: readonly string[]): string {
  if (cells.length === 0) return "<p>Nothing was measured.</p>";
  const head = names.map((name, i) => `<th scope="col" class="n">${mark(i)}${html(name)}</th>`).join("");
  const rows = cells.map(({ cell, results }, i) => {
    const best = bestOf(results);
    const figures = names.map((name) => {
      const rate = results.find(({ store }) => store === name)?.opsPerSecond;
      if (rate === undefined) return '<td class="n dim">–</td>';
      return `<td class="n${rate === best ? " best" : ""}">${formatCount(rate)}</td>`;
    });
    return `<tr><th scope="row" class="what"><a href="#m${i}">${html(cellTitle(cell))}</a></th>${figures.join("")}</tr>`;
  });
  return `<h2>Operations a second</h2>
<div class="wide"><table>
<thead><tr><th scope="col">measurement</th>${head}</tr></thead>
<tbody>
${rows.join("\n")}
</tbody>
</table></div>`;
}

function section(cell: Cell, results: readonly BenchResult[], names: readonly string[], number: number): string {
  const best = bestOf(results);
  const colours = results.map(({ store }) => names.indexOf(store));
  const title = cellTitle(cell);
  const isCompared = results.some(({ before }) => before);
  const rows = results.map(({ store, opsPerSecond, before, latencyUs: { p50, p90, p99, p999, max } }, i) => {
    const colour = colours[i] ?? 0;
    const change = isCompared ? `<td class="n">${before ? formatChange(before) : "–"}</td>` : "";
    const latencies = [p50, p90, p99, p999, max].map((us) => (us === undefined ? "–" : formatMicros(us)));
    return `<tr><th scope="row" class="name">${mark(colour)}${html(store)}</th><td class="n">${formatCount(opsPerSecond)}</td>${change}<td class="b">${barChart(opsPerSecond / best, colour)}</td>${latencies.map((text) => `<td class="n">${text}</td>`).join("")}</tr>`;
  });
  const said = troubles(results).map((text) => `<p class="trouble">${html(text)}</p>`);
  const heads = ["p50", "p90", "p99", "p99.9", "max"].map((text) => `<th scope="col" class="n">${text}</th>`).join("");
  return `<section id="m${number}">
<h3>${html(title)}</h3>
<div class="wide"><table>
<thead><tr><th scope="col">store</th><th scope="col" class="n">ops/s</th>${isCompared ? '<th scope="col" class="n">change</th>' : ""}<th scope="col"><span class="dim">of the fastest</span></th>${heads}</tr></thead>
<tbody>
${rows.join("\n")}
</tbody>
</table></div>
${said.join("")}<figure><figcaption>latency by percentile</figcaption>
${latencyChart(results, colours, `Latency by percentile: ${title}`)}</figure>
</section>`;
}

/** A spot in the colour of a store. */
function mark(colour: number): string {
  return `<svg class="mark" width="10" height="10" aria-hidden="true"><rect class="s${colour % 8}" width="10" height="10" rx="2"/></svg>`;
}

function bestOf(results: readonly BenchResult[]): number {
  return Math.max(...results.map(({ opsPerSecond }) => opsPerSecond));
}

function details({ settings, report, skipped, cells }: BenchPage): [string, string][] {
  const { rounds, length, warmUpMs, distribution, seed, readShare } = settings;
  const each = "ms" in length ? formatDuration(length.ms) : `${formatCount(length.ops)} operations`;
  const sizes = [...new Map(cells.map(({ cell }) => [cell.valueSize, cell.keys]))];
  const keys = sizes.map(([size, count]) => `${formatCount(count)} of ${formatSize(size)}`);
  const loop =
    "Each caller makes its next call when the last one was answered; a store that is slow is asked less. Latency is on a logarithmic scale.";
  return [
    [
      "measured",
      `${each} each, in ${rounds} rounds of which the median counts, the stores in turn; ${formatDuration(warmUpMs)} before, not counted`,
    ],
    ["keys", `${keys.join(", ")}, used by ${distribution}, seed ${seed}; mixed reads ${Math.round(readShare * 100)}%`],
    ["callers", loop],
    ...summaryRows(report, skipped),
  ];
}

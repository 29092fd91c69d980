import type { Reading, TierReading } from "../../cache/readings.js";
import type { PrefixGroup } from "../../cache/survey.js";
import type { CacheError } from "../../errors.js";
import { showKey } from "../../key.js";
import { formatDuration, formatSize } from "../../units.js";
import { bar, sparkline } from "../render/graph.js";
import { escapeLine } from "../render/value.js";
import { type Line, type Size, toned } from "./line.js";
import { type Mean, meanOf, meansOf, spanOf } from "./means.js";
import { clip, pad, padStart, widthOf } from "./text-width.js";
import type { Seen, Survey, WatchState } from "./watch-state.js";

/** What does not change while it is watched. */
export interface WatchTitle {
  /** The store, on one line. */
  from: string;
  /** Milliseconds between two looks. */
  interval: number;
}

/** The moment that is drawn. */
export interface Moment {
  /** Epoch milliseconds. */
  now: number;
  /** Milliseconds since the look that is under way began. */
  asking?: number;
}

const KEYS = "q quit  s sort  p pause  r reset  ? help";

const HELP: readonly (readonly [string, string])[] = [
  ["q, Esc", "quit"],
  ["s", "sort prefixes by bytes, entries or name"],
  ["p, space", "stop the picture; figures are still taken"],
  ["r", "begin the graphs and averages anew"],
  ["?", "this help, and back"],
];

const ABOUT = [
  "Figures are means over 10 s: programs hand over what",
  "they counted every 5 s. avg and max are of the graph.",
];

/** Rows that are always there: title, state, four graphs, totals, keys. */
const FIXED_ROWS = 8;

/** The whole screen. */
export function watchScreen(state: WatchState, title: WatchTitle, moment: Moment, size: Size): Line[] {
  const seen = state.paused ?? state;
  const readings = seen.readings.filter((one): one is Reading => !("error" in one));
  const top: Line[] = [
    titleLine(title, state.paused !== undefined, size.columns),
    stateLine(state, moment),
    ...graphs(seen, size.columns),
    totalsLine(readings.at(-1)),
  ];
  const room = Math.max(0, size.rows - FIXED_ROWS);
  const below = state.help ? helpLines() : details(state, seen, readings, moment, { ...size, rows: room });
  const filled = [...top, ...below.slice(0, room)];
  while (filled.length < size.rows - 1) filled.push([]);
  return [...filled, [toned("dim", KEYS)]];
}

function titleLine({ from, interval }: WatchTitle, paused: boolean, columns: number): Line {
  const right = paused ? "PAUSED" : `every ${formatDuration(interval)}`;
  const left = pad(`cache stats  ${from}`, columns - right.length - 1);
  return [toned("bold", left), " ", toned(paused ? "yellow" : "dim", right)];
}

/** Milliseconds after which a look that is under way is worth a word. */
const SLOW_LOOK = 1500;

function stateLine({ readings }: Seen, { now, asking = 0 }: Moment): Line {
  const last = readings.at(-1);
  if (last === undefined) return [toned("dim", "asking for the first figures")];
  if ("error" in last) {
    const began = readings[readings.findLastIndex((one) => !("error" in one)) + 1] ?? last;
    const { message }: CacheError = last.error;
    return [toned("red", `✗ away for ${formatDuration(Math.max(0, now - began.at))}: ${escapeLine(message)}`)];
  }
  if (asking > SLOW_LOOK) return [toned("yellow", `… no answer for ${formatDuration(asking)}`)];
  const stands = last.fallback ? ", a fallback stands in" : last.connected ? "" : ", not connected";
  const tone = last.fallback || !last.connected ? "yellow" : "green";
  const first = readings[0] ?? last;
  const seen = formatDuration(Math.max(0, last.at - first.at));
  return [toned(tone, "●"), ` answered in ${last.latency.toFixed(1)} ms${stands}, watched for ${seen}`];
}

const LABEL = 11;
const FIGURE = 8;
const ASIDE = 22;
/** Screens narrower than that have no averages beside the graphs. */
const WIDE_ENOUGH = 64;

function graphs({ readings }: Seen, columns: number): Line[] {
  const aside = columns >= WIDE_ENOUGH;
  const width = columns - LABEL - FIGURE - 1 - (aside ? ASIDE : 0);
  const means = meansOf(readings);
  const now = means.at(-1);
  const all = meanOf(readings);
  const graph = (
    label: string,
    tone: "green" | "cyan" | "red",
    of: (mean: Mean) => number | undefined,
    top?: number,
  ) => {
    const show = top === undefined ? figureOf : percent;
    const values = means.map((mean) => (mean === undefined ? undefined : of(mean)));
    const figure = now === undefined ? undefined : of(now);
    const average = padStart(optional(of(all), show), 6);
    const most = padStart(figureOf(Math.max(0, ...values.map((value) => value ?? 0))), 6);
    const beside = top === undefined ? ` avg ${average} max ${most}` : ` avg ${average}`;
    return [
      pad(label, LABEL),
      toned("bold", padStart(optional(figure, show), FIGURE)),
      " ",
      // A line of nothing is no alarm.
      toned(tone === "red" && !values.some((value) => value) ? "dim" : tone, sparkline(values, width, top)),
      ...(aside ? [toned("dim", beside)] : []),
    ];
  };
  return [
    graph("hit rate", "green", ({ hitRate }) => hitRate, 1),
    graph("lookups/s", "cyan", ({ perSecond }) => perSecond("hits") + perSecond("misses")),
    graph("sets/s", "cyan", ({ perSecond }) => perSecond("sets")),
    graph("errors/s", "red", ({ perSecond }) => perSecond("errors")),
  ];
}

function totalsLine(last: Reading | undefined): Line {
  if (last === undefined) return [];
  const { hits = 0, misses = 0, sets, deletes, expirations, evictions, errors } = last.totals;
  const share = hits + misses === 0 ? "" : ` (${percent(hits / (hits + misses))})`;
  // Of these only what there was, so that a narrow screen shows it.
  const others = { sets, deletes, expired: expirations, evicted: evictions, errors };
  const rest = Object.entries(others).map(([name, count]) => (!count ? "" : `  ${name} ${figureOf(count)}`));
  const whose = last.source === "server" ? "server: " : "";
  return [toned("dim", `${whose}hits ${figureOf(hits)}  misses ${figureOf(misses)}${share}${rest.join("")}`)];
}

function details(state: WatchState, seen: Seen, readings: readonly Reading[], { now }: Moment, size: Size): Line[] {
  const last = readings.at(-1);
  const away = seen.readings.at(-1);
  const span = spanOf(seen.readings, seen.readings.length - 1);
  const rows = (last?.tiers ?? []).map((tier) => ({ tier, mean: meanOf(span, tier.name) }));
  const tiers = tierLines(rows, away !== undefined && "error" in away, size.columns);
  const groups = prefixLines(seen, state.sort, now, size.columns);
  // Empty lines between are for screens that have some to spare.
  const spare = size.rows - tiers.length - Math.min(groups.length, 4);
  return spare >= 2 ? [[], ...tiers, [], ...groups] : [...tiers, ...groups];
}

/** Screens narrower than that show of a tier what matters most. */
const FULL_TIERS = 76;

function tierLines(rows: readonly { tier: TierReading; mean: Mean }[], away: boolean, columns: number): Line[] {
  const tiers = rows.map(({ tier }) => tier);
  const full = columns >= FULL_TIERS;
  const name = Math.min(20, Math.max(8, ...tiers.map((tier) => widthOf(escapeLine(tier.name)) + 1)));
  const row = (cells: readonly string[]) => cells.map((cell) => padStart(cell, 10)).join("");
  const breaker = tiers.some((tier) => tier.breaker !== undefined);
  const heads = ["lookups/s", ...(full ? ["sets/s", "entries", "bytes"] : []), ...(full && breaker ? ["breaker"] : [])];
  const head = `${pad("TIER", name)}${pad("STATE", 6)}${pad("HIT RATE", full ? 20 : 9)}${row(heads).toUpperCase()}`;
  return [
    [toned("bold", head)],
    ...rows.map(({ tier, mean: { hitRate, perSecond } }): Line => {
      const up = tier.connected && !away;
      const share = hitRate ?? shareOf(tier);
      const figure = padStart(share === undefined ? "-" : percent(share), 6);
      const cells = [
        figureOf(perSecond("hits") + perSecond("misses")),
        ...(full
          ? [figureOf(perSecond("sets")), optional(tier.entries, figureOf), optional(tier.bytes, formatSize)]
          : []),
        ...(full && breaker ? [tier.breaker ?? "-"] : []),
      ];
      return [
        pad(escapeLine(tier.name), name),
        toned(up ? "green" : "red", pad(up ? "up" : "away", 6)),
        ...(full ? [toned("green", bar(share ?? 0, 12)), " "] : []),
        pad(figure, full ? 7 : 9),
        row(cells),
      ];
    }),
  ];
}

/** Where nothing was looked up just now: since counting began. */
function shareOf({ totals: { hits = 0, misses = 0 } }: TierReading): number | undefined {
  return hits + misses === 0 ? undefined : hits / (hits + misses);
}

function prefixLines(
  { survey, surveyFailure }: Seen,
  wanted: WatchState["sort"],
  now: number,
  columns: number,
): Line[] {
  if (surveyFailure !== undefined && survey === undefined) {
    return [[toned("bold", "TOP PREFIXES"), toned("dim", `  ${escapeLine(surveyFailure)}`)]];
  }
  if (survey === undefined) return [[toned("bold", "TOP PREFIXES"), toned("dim", "  looking through the keys")]];
  const sort = survey.sized || wanted !== "bytes" ? wanted : "entries";
  const groups = sorted(survey.groups, sort);
  const by = sort === "entries" || !survey.sized ? "entries" : "bytes";
  const whole = groups.reduce((sum, group) => sum + group[by], 0);
  const width = columns >= FULL_TIERS ? 20 : 6;
  return [
    [toned("bold", `TOP PREFIXES by ${sort}`), toned("dim", `  ${howMuch(survey, now)}`)],
    ...groups.map(
      (group): Line => [
        toned("cyan", bar(whole === 0 ? 0 : group[by] / whole, width)),
        padStart(figureOf(group.entries), 8),
        ...(survey.sized ? [padStart(formatSize(group.bytes), 10)] : []),
        `  ${showKey(group.prefix) || "(none)"}`,
      ],
    ),
  ];
}

function howMuch({ seen, complete, at }: Survey, now: number): string {
  const entries = `${figureOf(seen)} ${seen === 1 ? "entry" : "entries"}`;
  const age = now - at < 1000 ? "now" : `${formatDuration(now - at)} ago`;
  return complete ? `of ${entries}, ${age}` : `of the first ${entries}, ${age}`;
}

function sorted(groups: readonly PrefixGroup[], sort: WatchState["sort"]): PrefixGroup[] {
  const order = [...groups];
  if (sort === "name") return order.sort((a, b) => (a.prefix < b.prefix ? -1 : 1));
  return order.sort((a, b) => b[sort] - a[sort]);
}

function helpLines(): Line[] {
  const keys = HELP.map(([key, what]): Line => [pad(`  ${key}`, 12), what]);
  return [[toned("bold", "KEYS")], ...keys, [], ...ABOUT.map((line): Line => [toned("dim", line)])];
}

const percent = (share: number) => `${(share * 100).toFixed(1)}%`;

const optional = (value: number | undefined, show: (value: number) => string) =>
  value === undefined ? "-" : show(value);

/** A count or a rate in at most six characters: `0.4`, `12`, `8,210`, `12.3k`, `4.5M`. */
export function figureOf(value: number): string {
  if (value < 9.95 && !Number.isInteger(value)) return value.toFixed(1);
  if (value < 9999.5) return Math.round(value).toLocaleString("en-US");
  for (const [unit, size] of [
    ["k", 1e3],
    ["M", 1e6],
    ["G", 1e9],
  ] as const) {
    if (value < size * 999.5) return `${(value / size).toFixed(value < size * 99.95 ? 1 : 0)}${unit}`;
  }
  return clip(value.toExponential(0), 6);
}

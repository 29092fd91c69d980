import type { ServerHealth, ServerPoint, TierState } from "../../api/events.js";
import { showBytes, showCount, showMs, showPerSecond, showRate } from "../text.js";

/** Milliseconds that "now" is: less would jump about. */
const NOW_MS = 30_000;

/** The figures that are asked for first. */
export function Tiles({ points, health }: { points: readonly ServerPoint[]; health: ServerHealth }) {
  const until = points.at(-1)?.at ?? 0;
  const recent = points.filter(({ at }) => at > until - NOW_MS);
  const sum = (figure: (point: ServerPoint) => number) => recent.reduce((total, point) => total + figure(point), 0);
  const ms = sum((point) => point.ms);
  const [hits, misses] = [sum((point) => point.hits), sum((point) => point.misses)];
  const requests = sum((point) => Object.values(point.requests).reduce((a, b) => a + b, 0));
  const rate = (count: number) => (ms > 0 ? `${showPerSecond((count / ms) * 1000)}/s` : "–");
  const last = recent.findLast(({ p50 }) => p50 !== null);
  const { totals, tiers } = health;
  const lowest = tiers.at(-1);
  const all = totals.hits + totals.misses;
  const ofTiers = (name: "evictions" | "errors") => tiers.reduce((total, tier) => total + tier[name], 0);
  const bytes = tiers.reduce((total, tier) => total + (tier.bytes ?? 0), 0);
  const tiles: readonly (readonly [name: string, value: string, more: string])[] = [
    [
      "Hit rate",
      showRate(hits + misses > 0 ? hits / (hits + misses) : null),
      all > 0
        ? `${showRate(totals.hits / all)} of all ${showCount(all)} lookups`
        : lowest?.connected
          ? "no lookups yet"
          : "not known just now",
    ],
    health.proxies
      ? [
          "Requests",
          rate(requests),
          `${points.at(-1)?.running ?? 0} running, ${points.at(-1)?.connections ?? 0} connections`,
        ]
      : ["Lookups", rate(hits + misses), `${showCount(totals.sets)} written`],
    ...(health.proxies
      ? ([
          ["Time to answer", showMs(last?.p50), last ? `99 in 100 within ${showMs(last.p99)}` : "no requests just now"],
        ] as const)
      : []),
    [...held(lowest), `${showBytes(bytes)} in ${tiers.length === 1 ? "one tier" : `${tiers.length} tiers`}`],
    ["Evictions", showCount(ofTiers("evictions")), `${showCount(ofTiers("errors"))} errors`],
  ];
  return (
    <dl class="tiles">
      {tiles.map(([name, value, more]) => (
        <div class="card" key={name}>
          <dt>{name}</dt>
          <dd class="tile-value">{value}</dd>
          <dd class="hint">{more}</dd>
        </div>
      ))}
    </dl>
  );
}

/** What the lowest tier holds is what there is. A server shared with others knows only what all of it holds. */
function held(lowest: TierState | undefined): [name: string, value: string] {
  if (lowest?.entries === undefined && lowest?.keys !== undefined)
    return [`Keys in ${lowest.name}`, showCount(lowest.keys)];
  return ["Entries", lowest?.entries === undefined ? "–" : showCount(lowest.entries)];
}

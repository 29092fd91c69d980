import { useMemo, useState } from "preact/hooks";
import type { ServerHealth, ServerPoint } from "../../api/events.js";
import { type Live, useLive } from "../live.js";
import type { Route } from "../route.js";
import { showBytes, showCount, showMs, showPerSecond, showRate } from "../text.js";
import { Chart } from "./chart.js";
import { Happenings } from "./happenings.js";
import * as figures from "./series.js";
import { Tiers } from "./tiers.js";
import { Tiles } from "./tiles.js";
import "./overview.css";

const SPANS = [
  { minutes: 5, label: "5 min" },
  { minutes: 15, label: "15 min" },
  { minutes: 60, label: "1 h" },
] as const;

/** How the cache does: now, and for the last hour. */
export function Overview(_: { route: Route }) {
  const live = useLive();
  const [minutes, setMinutes] = useState(5);
  const [asTable, setTable] = useState(false);
  return (
    <>
      <div class="title">
        <h1 tabIndex={-1}>Overview</h1>
        <Connection live={live} />
        <fieldset class="choice">
          <legend class="hidden">Time that is shown</legend>
          {SPANS.map((span) => (
            <label key={span.minutes}>
              <input
                type="radio"
                name="span"
                checked={minutes === span.minutes}
                onChange={() => setMinutes(span.minutes)}
              />
              {span.label}
            </label>
          ))}
        </fieldset>
        <button type="button" aria-pressed={asTable} onClick={() => setTable(!asTable)}>
          Tables
        </button>
      </div>
      {live.health && <Alerts names={live.health.alerts} />}
      {live.health && <Tiles points={live.points} health={live.health} />}
      {live.health && <Charts points={live.points} health={live.health} minutes={minutes} asTable={asTable} />}
      {live.health && <Tiers health={live.health} />}
      <Happenings happenings={live.happenings} />
      {live.health && <p class="hint">cachectl {live.health.version}</p>}
    </>
  );
}

function Connection({ live: { state, because } }: { live: Live }) {
  const said = {
    connecting: "Connecting…",
    live: "Live",
    waiting: `Not connected: ${because ?? "the server does not answer"}. Trying again…`,
  };
  return (
    <p class={`connection ${state}`} role="status">
      {said[state]}
    </p>
  );
}

const ALERTS: Readonly<Record<string, string>> = {
  "hit-rate": "few lookups are hits",
  errors: "many operations fail",
  "error-rate": "many operations fail",
  breaker: "a circuit breaker opened",
  unreachable: "the store can't be read",
};

/** What the monitor warns of just now. */
function Alerts({ names }: { names: readonly string[] }) {
  if (names.length === 0) return null;
  const said = [...new Set(names.map((name) => ALERTS[name] ?? name))].join(", ");
  return (
    <p class="card warning" role="status">
      The monitor warns: {said}.
    </p>
  );
}

interface ChartsProps {
  points: readonly ServerPoint[];
  health: ServerHealth;
  minutes: number;
  asTable: boolean;
}

function Charts({ points, health, minutes, asTable }: ChartsProps) {
  const tiers = health.tiers.map(({ name }) => name).join("\n");
  const { proxies } = health;
  const curves = useMemo(() => {
    const shown = figures.withHoles(points, minutes * 60_000);
    const names = tiers.split("\n");
    return {
      hitRate: figures.hitRates(shown, names),
      rates: proxies ? figures.requestRates(shown) : figures.lookupRates(shown),
      times: proxies ? figures.latencies(shown) : figures.roundTrips(shown, names),
      bytes: figures.bytesHeld(shown, names),
      entries: figures.entriesHeld(shown, names),
      evictions: figures.evictionRates(shown, names),
    };
  }, [points, minutes, tiers, proxies]);
  const shared = { span: minutes * 60, asTable };
  return (
    <div class="charts">
      <Chart
        title="Hit rate"
        unit="share of lookups"
        curves={curves.hitRate}
        show={showRate}
        tick={(rate) => `${rate * 100}%`}
        max={1}
        {...shared}
      />
      <Chart
        title={proxies ? "Requests a second" : "Lookups a second"}
        unit="a second"
        curves={curves.rates}
        show={showPerSecond}
        tick={showTick}
        {...shared}
      />
      <Chart
        title={proxies ? "Time to answer" : "Round trip"}
        unit="in milliseconds"
        curves={curves.times}
        show={showMs}
        tick={(ms) => (ms >= 1000 ? `${showTick(ms / 1000)} s` : `${showTick(ms)} ms`)}
        {...shared}
      />
      <Chart
        title="Memory"
        unit="bytes held"
        curves={curves.bytes}
        show={showBytes}
        tick={(bytes) => showBytes(bytes).replace(".0 ", " ")}
        isBytes
        {...shared}
      />
      <Chart title="Entries" unit="entries held" curves={curves.entries} show={showCount} tick={showTick} {...shared} />
      <Chart
        title="Evictions a second"
        unit="a second"
        curves={curves.evictions}
        show={showPerSecond}
        tick={showTick}
        {...shared}
      />
    </div>
  );
}

/** `0.5`, `200`, `1.5K` */
function showTick(value: number): string {
  return value.toLocaleString("en", { notation: "compact", maximumSignificantDigits: 3 });
}

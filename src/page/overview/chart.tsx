import { useEffect, useRef, useState } from "preact/hooks";
import type uPlot from "uplot";
import { useCell } from "../cell.js";
import { theme } from "../theme.js";
import { clockTime, dataOf, type PlotOptions, plot } from "./plot.js";
import type { Curves, Series } from "./series.js";

interface ChartProps extends Omit<PlotOptions, "onPoint"> {
  title: string;
  curves: Curves;
  /** What the numbers are, for who only hears them: "in milliseconds". */
  unit: string;
  /** The same as a table. */
  asTable: boolean;
}

/** Curves with what they are at the pointer, else at the end; or the same as a table. */
export function Chart({ title, curves, unit, asTable, ...options }: ChartProps) {
  const [index, setIndex] = useState<number | null>(null);
  const at = index ?? curves.times.length - 1;
  const time = curves.times[at];
  return (
    <figure class="card chart">
      <figcaption>
        <h2>{title}</h2>
        <span class="hint">{index !== null && time !== undefined ? clockTime(time) : ""}</span>
      </figcaption>
      {asTable ? (
        <Table title={title} unit={unit} curves={curves} show={options.show} />
      ) : (
        <>
          <Legend series={curves.series} at={at} show={options.show} />
          <Canvas
            curves={curves}
            label={`${title}, ${unit}: ${summaryOf(curves, options.show)}`}
            onPoint={setIndex}
            {...options}
          />
        </>
      )}
    </figure>
  );
}

function Legend({ series, at, show }: { series: readonly Series[]; at: number; show: PlotOptions["show"] }) {
  return (
    <ul class="legend">
      {series.map(({ label, colour, values }) => (
        <li key={label}>
          <span class={`mark colour-${colour}`} aria-hidden="true" />
          {label} <strong>{textOf(values[at], show)}</strong>
        </li>
      ))}
    </ul>
  );
}

function Canvas({ curves, label, ...options }: PlotOptions & { curves: Curves; label: string }) {
  const place = useRef<HTMLDivElement>(null);
  const drawn = useRef<uPlot | null>(null);
  const chosen = useCell(theme);
  const dark = useIsDark();
  const names = curves.series.map((one) => one.label).join("\n");
  // Made anew when there are other curves or colours; new values alone are given to it below.
  useEffect(() => {
    const element = place.current;
    if (!element) return undefined;
    const made = plot(element, curves, options);
    drawn.current = made;
    const observer = new ResizeObserver(() => {
      const width = element.clientWidth;
      if (width > 0 && width !== made.width) made.setSize({ width, height: made.height });
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
    };
  }, [names, options.span, chosen, dark]);
  useEffect(() => {
    drawn.current?.setData(dataOf(curves));
  }, [curves]);
  return <div class="plot" ref={place} role="img" aria-label={label} />;
}

/** No more than can be seen without scrolling. */
const MOST_ROWS = 10;

function Table({
  title,
  unit,
  curves: { times, series },
  show,
}: Pick<ChartProps, "title" | "unit" | "curves" | "show">) {
  const rows = times
    .map((time, i) => ({ time, i }))
    .slice(-MOST_ROWS)
    .reverse();
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    // What has to be scrolled must be reached with the keyboard; what has not is no stop on the way.
    const element = place.current;
    if (element && element.scrollWidth > element.clientWidth) element.tabIndex = 0;
    else element?.removeAttribute("tabindex");
  });
  return (
    <div class="figures" ref={place}>
      <table>
        <caption class="hidden">
          {title}, {unit}, the latest first
        </caption>
        <thead>
          <tr>
            <th scope="col">Time</th>
            {series.map(({ label }) => (
              <th scope="col" key={label}>
                {label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(({ time, i }) => (
            <tr key={time}>
              <th scope="row">{clockTime(time)}</th>
              {series.map(({ label, values }) => (
                <td key={label}>{textOf(values[i], show)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** `HIT 12.0 now, at most 30.1` of each. */
function summaryOf({ series }: Curves, show: PlotOptions["show"]): string {
  return series
    .map(({ label, values }) => {
      const known = values.filter((value) => value !== null);
      if (known.length === 0) return `${label} nothing yet`;
      return `${label} ${textOf(known.at(-1), show)} at the end, at most ${show(known.reduce((a, b) => Math.max(a, b)))}`;
    })
    .join("; ");
}

function textOf(value: number | null | undefined, show: PlotOptions["show"]): string {
  return value === null || value === undefined ? "–" : show(value);
}

function useIsDark(): boolean {
  const [query] = useState(() => matchMedia("(prefers-color-scheme: dark)"));
  const [isDark, setDark] = useState(query.matches);
  useEffect(() => {
    const changed = () => setDark(query.matches);
    query.addEventListener("change", changed);
    return () => query.removeEventListener("change", changed);
  }, [query]);
  return isDark;
}

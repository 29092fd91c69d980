import uPlot from "uplot";
import type { Curves } from "./series.js";

export interface PlotOptions {
  /** Text of a value. */
  show: (value: number) => string;
  /** The same on the axis, where there is little room. */
  tick: (value: number) => string;
  /** The top of the scale where it is always the same. */
  max?: number;
  /** Steps of an axis of bytes are powers of two. */
  isBytes?: boolean;
  /** Seconds that are shown. */
  span: number;
  /** Where the pointer is: the index of a moment, null = nowhere. */
  onPoint: (index: number | null) => void;
}

const HEIGHT = 180;
const FONT = '12px system-ui, "DejaVu Sans", sans-serif';

/** Draws curves into an element, as wide as that is. Whoever changes what is drawn makes another one; new values are given to the same. */
export function plot(place: HTMLElement, curves: Curves, options: PlotOptions): uPlot {
  const { tick, max, span, onPoint, isBytes = false } = options;
  const [text, line] = [colourOf(place, "soft"), colourOf(place, "line")];
  const axis = { stroke: text, font: FONT, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 } };
  return new uPlot(
    {
      width: Math.max(place.clientWidth, 100),
      height: HEIGHT,
      legend: { show: false },
      cursor: { drag: { x: false, y: false }, points: { size: 7 } },
      hooks: { setCursor: [({ cursor }) => onPoint(cursor.idx ?? null)] },
      scales: {
        x: { range: (_plot, _from, to) => [to - span, to] },
        y: { range: (_plot, _from, to) => [0, max ?? (to > 0 ? to * 1.1 : 1)] },
      },
      axes: [
        {
          ...axis,
          incrs: STEPS,
          size: 30,
          space: 40,
          values: (_plot, times) => times.map((time) => clockTime(time).slice(0, 5)),
        },
        {
          ...axis,
          size: 62,
          space: 34,
          ...(isBytes && { incrs: POWERS }),
          values: (_plot, values) => values.map((value) => (value === 0 ? "0" : tick(value))),
        },
      ],
      series: [
        {},
        ...curves.series.map(({ label, colour }) => {
          const stroke = colourOf(place, colour);
          return { label, stroke, width: 1.75, points: { size: 4, fill: stroke } };
        }),
      ],
    },
    dataOf(curves),
    place,
  );
}

export function dataOf({ times, series }: Curves): uPlot.AlignedData {
  return [[...times], ...series.map(({ values }) => [...values])];
}

/** `14:05:30` */
export function clockTime(time: number): string {
  return new Date(time * 1000).toLocaleTimeString("en-GB");
}

/** As the style sheet has it in the theme of the moment: the canvas knows no names of colours. */
function colourOf(place: HTMLElement, name: string): string {
  const probe = document.createElement("i");
  probe.className = `colour-${name}`;
  place.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

/** Whole minutes, in seconds: the axis shows no others. */
const STEPS = [60, 120, 300, 600, 900, 1800, 3600];
const POWERS = Array.from({ length: 45 }, (_, power) => 2 ** power);

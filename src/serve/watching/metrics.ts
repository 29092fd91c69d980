import {
  Counter,
  collectDefaultMetrics,
  Gauge,
  type GaugeConfiguration,
  Histogram,
  type MetricObjectWithValues,
  type MetricType,
  type MetricValueWithName,
  Registry,
} from "prom-client";
import { type Family, histogramPoints, type Seen } from "./family.js";
import { HTTP_FAMILIES } from "./http-families.js";
import { STORE_FAMILIES } from "./store-families.js";

/** Metrics in the text form of Prometheus. They cost nothing until they are asked for. */
export class Metrics {
  readonly #look: () => Promise<Seen>;
  readonly #registry = new Registry();

  /** @param look takes the figures as they are now */
  constructor(look: () => Promise<Seen>) {
    this.#look = look;
    collectDefaultMetrics({ register: this.#registry });
  }

  async scrape(): Promise<{ contentType: string; text: string }> {
    const seen = await this.#look();
    const { type } = await new Histogram({ name: "any", help: "any", registers: [] }).get();
    // A registry of its own for each: another scrape may be under way with other figures.
    const registry = new Registry();
    for (const family of [...HTTP_FAMILIES, ...STORE_FAMILIES]) {
      const metric = metricOf(family, seen, type);
      if (metric) registry.registerMetric(metric);
    }
    const [ours, process] = await Promise.all([registry.metrics(), this.#registry.metrics()]);
    return { contentType: registry.contentType, text: `${ours.trimEnd()}\n\n${process}` };
  }
}

/** Undefined where there is nothing to show: a metric without labels would show 0. */
function metricOf(family: Family, seen: Seen, histogram: MetricType): Counter | Gauge | undefined {
  const { name, help, labels } = family;
  const config = { name, help, labelNames: [...labels], registers: [] };
  if (family.kind === "histogram") {
    const points = family.series(seen).flatMap((one) => histogramPoints(name, one.labels, one.durations));
    return new Counted(config, histogram, points);
  }
  const points = family.points(seen);
  if (points.length === 0) return undefined;
  if (family.kind === "gauge") {
    const gauge = new Gauge(config);
    for (const point of points) gauge.set({ ...point.labels }, point.value);
    return gauge;
  }
  const counter = new Counter(config);
  for (const point of points) counter.inc({ ...point.labels }, point.value);
  return counter;
}

/** A histogram whose observations were counted elsewhere: prom-client's own can only observe. */
class Counted extends Gauge {
  readonly #type: MetricType;
  readonly #points: MetricValueWithName<string>[];

  constructor(config: GaugeConfiguration<string>, type: MetricType, points: MetricValueWithName<string>[]) {
    super(config);
    this.#type = type;
    this.#points = points;
  }

  override async get(): Promise<MetricObjectWithValues<MetricValueWithName<string>>> {
    return { ...(await super.get()), type: this.#type, values: this.#points };
  }
}

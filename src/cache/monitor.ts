import { COUNTER_NAMES, type Counters } from "../backends/backend.js";
import { type Clock, LONGEST_TIMER_MS } from "../clock.js";
import { CacheError, messageOf } from "../errors.js";
import type { Listener } from "../events.js";
import { CALLBACK, checkOptions, type Forms, numberFrom, SIGNAL } from "../option-checks.js";
import { NOTHING, stepOf } from "./counter-steps.js";
import type { CacheStats } from "./options.js";

/** What happened to the cache between two looks at it. */
export interface Sample {
  /** Epoch milliseconds of the look. */
  at: number;
  /** Counted since the look before, over all processes that count in this store. */
  counters: Counters;
  /** 0 to 1; undefined where nothing was looked up. */
  hitRate: number | undefined;
  /** Live entries and the bytes of their values, where the store knows. */
  entries?: number;
  bytes?: number;
  /** Milliseconds that the look took. */
  latency: number;
  /** Why the store could not be looked at; everything counted is 0 then. */
  error?: CacheError;
}

export interface Thresholds {
  /** Alert when the hit rate of the history is lower, 0 to 1. Default 0.7. */
  hitRateBelow: number;
  /** Alert when more operations than that failed in the history. Default 10. */
  errorsAbove: number;
  /** Alert when a larger share of the operations failed, 0 to 1. Default 0.05. */
  errorRateAbove: number;
  /** Nothing is judged before so many lookups. Default 100. */
  minLookups: number;
}

export type AlertName = "hit-rate" | "errors" | "error-rate" | "breaker" | "unreachable";

export interface Alert {
  name: AlertName;
  /** True when it began, false when it is over. */
  raised: boolean;
  /** Epoch milliseconds. */
  at: number;
  /** A sentence for people. */
  message: string;
}

export interface MonitorOptions {
  /** Milliseconds between two looks. Default 10,000. */
  interval?: number;
  /** Samples that are kept, and over which thresholds are judged. Default 360. */
  history?: number;
  /** `false`: nothing is judged. */
  thresholds?: Partial<Thresholds> | false;
  onSample?: (sample: Sample) => void;
  /** Called when an alert begins and when it is over, not in between. */
  onAlert?: (alert: Alert) => void;
  signal?: AbortSignal;
}

const OPTIONS: Forms<MonitorOptions> = {
  interval: numberFrom(1, LONGEST_TIMER_MS),
  history: numberFrom(1, 1_000_000),
  thresholds: {
    what: "thresholds, or false",
    holds: (value) => value === false || (typeof value === "object" && value !== null),
  },
  onSample: CALLBACK,
  onAlert: CALLBACK,
  signal: SIGNAL,
};

const THRESHOLDS: Forms<Thresholds> = {
  hitRateBelow: numberFrom(0, 1),
  errorsAbove: numberFrom(0),
  errorRateAbove: numberFrom(0, 1),
  minLookups: numberFrom(0),
};

const DEFAULTS: Thresholds = { hitRateBelow: 0.7, errorsAbove: 10, errorRateAbove: 0.05, minLookups: 100 };

const DEFAULT_INTERVAL = 10_000;
const DEFAULT_HISTORY = 360;

/** Looks at a cache at an interval, keeps a short history and tells when a threshold is crossed. It keeps no process alive. */
export class Monitor {
  readonly #look: () => Promise<CacheStats>;
  readonly #clock: Clock;
  readonly #emit: Listener;
  readonly #options: MonitorOptions;
  readonly #thresholds: Thresholds | undefined;
  readonly #stop = new AbortController();
  readonly #samples: Sample[] = [];
  readonly #alerts = new Set<AlertName>();
  readonly #ended: Promise<void>;
  #before: Partial<Counters> | undefined;
  #trips: number | undefined;

  /**
   * @param look gives the figures as they are now
   * @param emit is told when a callback fails
   * @throws CacheError `invalid-monitor`
   */
  constructor(look: () => Promise<CacheStats>, clock: Clock, emit: Listener, options: MonitorOptions = {}) {
    checkOptions("a monitor", options, OPTIONS, "invalid-monitor");
    if (options.thresholds) checkOptions("thresholds", options.thresholds, THRESHOLDS, "invalid-monitor");
    this.#look = look;
    this.#clock = clock;
    this.#emit = emit;
    this.#options = options;
    this.#thresholds = options.thresholds === false ? undefined : { ...DEFAULTS, ...options.thresholds };
    const signals = [this.#stop.signal, ...(options.signal ? [options.signal] : [])];
    this.#ended = this.#run(AbortSignal.any(signals));
  }

  /** Oldest first. */
  get samples(): readonly Sample[] {
    return this.#samples;
  }

  /** The alerts that hold now. */
  get alerts(): readonly AlertName[] {
    return [...this.#alerts];
  }

  /** Ends it; resolves when a look under way is over. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#ended;
  }

  async #run(signal: AbortSignal): Promise<void> {
    await this.#sample();
    for (;;) {
      // Nobody waits for the next look: a program that forgets to stop it ends all the same.
      await this.#clock.sleep(this.#options.interval ?? DEFAULT_INTERVAL, signal, true);
      if (signal.aborted) return;
      await this.#sample();
    }
  }

  async #sample(): Promise<void> {
    const start = this.#clock.monotonic();
    const sample = await this.#take();
    sample.latency = this.#clock.monotonic() - start;
    this.#samples.push(sample);
    if (this.#samples.length > (this.#options.history ?? DEFAULT_HISTORY)) this.#samples.shift();
    this.#tell(() => this.#options.onSample?.(sample));
    if (this.#thresholds) this.#judge(sample, this.#thresholds);
  }

  async #take(): Promise<Sample> {
    const at = this.#clock.now();
    try {
      const { counters, info } = await this.#look();
      const since = stepOf(this.#before, counters);
      this.#before = counters;
      this.#countTrips(info.resilience?.trips);
      const lookups = since.hits + since.misses;
      return {
        at,
        counters: since,
        hitRate: lookups === 0 ? undefined : since.hits / lookups,
        ...(info.entries !== undefined && { entries: info.entries }),
        ...(info.bytes !== undefined && { bytes: info.bytes }),
        latency: 0,
      };
    } catch (thrown) {
      const error = thrown instanceof CacheError ? thrown : new CacheError("store", "unknown", messageOf(thrown));
      return { at, counters: { ...NOTHING }, hitRate: undefined, latency: 0, error };
    }
  }

  #countTrips(trips: number | undefined): void {
    const tripped = trips !== undefined && this.#trips !== undefined && trips > this.#trips;
    this.#trips = trips ?? this.#trips;
    if (this.#thresholds)
      this.#set("breaker", tripped, `the circuit breaker of the store opened (${trips} times so far)`);
  }

  #judge(sample: Sample, limits: Thresholds): void {
    this.#set("unreachable", sample.error !== undefined, `the store can't be read: ${sample.error?.message}`);
    const sum = { ...NOTHING };
    for (const { counters } of this.#samples) for (const name of COUNTER_NAMES) sum[name] += counters[name];
    const lookups = sum.hits + sum.misses;
    if (lookups < limits.minLookups) return;
    const hitRate = sum.hits / lookups;
    const errorRate = sum.errors / (lookups + sum.sets + sum.deletes);
    this.#set(
      "hit-rate",
      hitRate < limits.hitRateBelow,
      `the hit rate is ${share(hitRate)}, below ${share(limits.hitRateBelow)}`,
    );
    this.#set("errors", sum.errors > limits.errorsAbove, `${sum.errors} errors, more than ${limits.errorsAbove}`);
    this.#set(
      "error-rate",
      errorRate > limits.errorRateAbove,
      `the error rate is ${share(errorRate)}, above ${share(limits.errorRateAbove)}`,
    );
  }

  #set(name: AlertName, raised: boolean, message: string): void {
    if (raised === this.#alerts.has(name)) return;
    if (raised) this.#alerts.add(name);
    else this.#alerts.delete(name);
    const alert = { name, raised, at: this.#clock.now(), message: raised ? message : `over: ${name}` };
    this.#tell(() => this.#options.onAlert?.(alert));
  }

  /** A callback that throws must neither end the monitor nor go unseen. */
  #tell(callback: () => void): void {
    try {
      callback();
    } catch (error) {
      const message = `a callback of the monitor failed: ${messageOf(error)}`;
      this.#emit({ type: "warning", code: "callback-failed", message });
    }
  }
}

const share = (value: number) => `${(value * 100).toFixed(1)}%`;

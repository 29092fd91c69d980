import { LONGEST_TIMER_MS } from "../../clock.js";
import { CacheError } from "../../errors.js";
import type { Backend, BackendContext } from "../backend.js";

export interface BreakerOptions {
  /** Failures in a row that open it; default 5. */
  failures?: number;
  /** Share of failures in the window that opens it, above 0 and at most 1; default 0.5. */
  failureRate?: number;
  /** Attempts in the window below which the share says nothing; default 20. */
  minimumCalls?: number;
  /** Milliseconds; default 10,000. */
  windowMs?: number;
  /** Milliseconds that it stays open for the first time; doubled each time the probe fails. Default 5,000. */
  openMs?: number;
  /** Milliseconds that it stays open at most; default 60,000. */
  maxOpenMs?: number;
}

/** Each part can be switched off. */
export interface ResilienceOptions {
  /** Milliseconds that one call may take, retries included; 0 = no deadline. Default 5,000. */
  timeoutMs?: number;
  /** Attempts after the first of a call that may be made again; 0 = none. Default 3. */
  retries?: number;
  /** Milliseconds that the first retry waits at most; each later one twice as long. Default 100. */
  retryBaseMs?: number;
  /** Milliseconds that any retry waits at most; default 60,000. */
  retryCapMs?: number;
  breaker?: BreakerOptions | false;
  /** Milliseconds between two health checks of a store that nobody asks; 0 = none. Default 30,000. */
  healthIntervalMs?: number;
}

export interface ResilienceContext extends Pick<BackendContext, "clock" | "emit"> {
  /** 0 to 1; for tests. */
  random?: () => number;
  /** The store for people, without secrets. */
  target?: string;
  /** What the backend will turn out to be; for one that is opened later. */
  expected?: Pick<Backend, "name" | "capabilities">;
}

export type BreakerSettings = Required<BreakerOptions>;

export interface ResilienceSettings extends Required<Omit<ResilienceOptions, "breaker">> {
  breaker: BreakerSettings | undefined;
}

const DEFAULTS: ResilienceSettings & { breaker: BreakerSettings } = {
  timeoutMs: 5000,
  retries: 3,
  retryBaseMs: 100,
  retryCapMs: 60_000,
  breaker: { failures: 5, failureRate: 0.5, minimumCalls: 20, windowMs: 10_000, openMs: 5000, maxOpenMs: 60_000 },
  healthIntervalMs: 30_000,
};

/** @throws CacheError `invalid-resilience` */
export function resolveOptions({ breaker = {}, ...options }: ResilienceOptions): ResilienceSettings {
  const settings: ResilienceSettings = { ...DEFAULTS, ...options, breaker: undefined };
  for (const name of ["timeoutMs", "retryBaseMs", "retryCapMs", "healthIntervalMs"] as const) {
    check(name, settings[name], 0, LONGEST_TIMER_MS);
  }
  check("retries", settings.retries, 0, 1000);
  if (breaker === false) return settings;
  const resolved: BreakerSettings = { ...DEFAULTS.breaker, ...breaker };
  for (const name of ["windowMs", "openMs", "maxOpenMs"] as const)
    check(`breaker.${name}`, resolved[name], 1, LONGEST_TIMER_MS);
  for (const name of ["failures", "minimumCalls"] as const) check(`breaker.${name}`, resolved[name], 1, 1e9);
  if (!(resolved.failureRate > 0 && resolved.failureRate <= 1)) {
    throw invalid("breaker.failureRate", resolved.failureRate, "above 0 and at most 1");
  }
  return { ...settings, breaker: resolved };
}

function check(name: string, value: number, least: number, most: number): void {
  if (Number.isFinite(value) && value >= least && value <= most) return;
  throw invalid(name, value, `from ${least} to ${most}`);
}

function invalid(name: string, value: number, range: string): CacheError {
  return new CacheError("usage", "invalid-resilience", `${name} can't be ${value}`, {
    hint: `Give ${name} as a number ${range}.`,
  });
}

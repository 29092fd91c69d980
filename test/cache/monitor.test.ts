import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { openMemory } from "../../src/backends/memory/index.js";
import { Cache } from "../../src/cache/cache.js";
import { type Alert, Monitor, type MonitorOptions, type Sample } from "../../src/cache/monitor.js";
import { CacheError } from "../../src/errors.js";
import type { CacheEvent } from "../../src/events.js";
import { FakeClock } from "../support/fake-clock.js";
import { bundled } from "../support/store-writers.js";
import { until } from "../support/until.js";

function setUp(options: MonitorOptions = {}) {
  const clock = new FakeClock();
  const events: CacheEvent[] = [];
  const samples: Sample[] = [];
  const alerts: Alert[] = [];
  const backend = openMemory({ namespace: "", clock, emit: () => {}, sweepMs: 0 });
  const cache = new Cache(backend, { clock, countInterval: 0 });
  const monitor = new Monitor(
    () => cache.stats(),
    clock,
    (event) => events.push(event),
    {
      onSample: (sample) => samples.push(sample),
      onAlert: (alert) => alerts.push(alert),
      ...options,
    },
  );
  /** Lets the interval pass, and waits for the look that follows. */
  const next = async () => {
    await until(() => clock.sleepers === 1);
    const before = monitor.samples.at(-1);
    clock.advance(options.interval ?? 10_000);
    await until(() => monitor.samples.at(-1) !== before);
  };
  const read = async (hits: number, misses: number) => {
    await cache.set("there", 1);
    for (let i = 0; i < hits; i++) await cache.get("there");
    for (let i = 0; i < misses; i++) await cache.get("not there");
  };
  return { clock, events, samples, alerts, cache, backend, monitor, next, read };
}

describe("the monitor", () => {
  test("samples at its interval what was counted since the sample before", async () => {
    const { monitor, next, read, samples } = setUp();
    await until(() => samples.length === 1);
    await read(3, 1);
    await next();
    await read(0, 2);
    await next();
    await next();
    expect(samples.map(({ counters }) => [counters.hits, counters.misses, counters.sets])).toEqual([
      [0, 0, 0],
      [3, 1, 1],
      [0, 2, 1],
      [0, 0, 0],
    ]);
    expect(samples.map(({ hitRate }) => hitRate)).toEqual([undefined, 0.75, 0, undefined]);
    expect(samples.at(-1)).toMatchObject({ entries: 1, bytes: 1 });
    await monitor.stop();
  });

  test("starts anew after the counters were set back", async () => {
    const { cache, monitor, next, read, samples } = setUp();
    await read(5, 0);
    await next();
    await cache.resetStats();
    await read(2, 0);
    await next();
    expect(samples.at(-1)?.counters.hits).toBe(2);
    await monitor.stop();
  });

  test("keeps as many samples as it was told", async () => {
    const { monitor, next } = setUp({ history: 2 });
    for (let i = 0; i < 4; i++) await next();
    expect(monitor.samples).toHaveLength(2);
    await monitor.stop();
  });

  test("tells once that the hit rate fell, and once that it is over; nothing before enough lookups", async () => {
    const { alerts, monitor, next, read } = setUp({ history: 3 });
    await read(0, 99);
    await next();
    expect(alerts).toEqual([]);
    await read(0, 1);
    await next();
    await next();
    expect(alerts.map(({ name, raised }) => [name, raised])).toEqual([["hit-rate", true]]);
    expect([alerts[0]?.message, monitor.alerts]).toEqual(["the hit rate is 0.0%, below 70.0%", ["hit-rate"]]);
    await read(1000, 0);
    await next();
    expect(alerts.map(({ name, raised }) => [name, raised])).toEqual([
      ["hit-rate", true],
      ["hit-rate", false],
    ]);
    await monitor.stop();
  });

  test("tells of errors, by number and by share", async () => {
    const { alerts, cache, monitor, next, read } = setUp({ thresholds: { minLookups: 0 } });
    await read(200, 0);
    cache.count("errors", 10);
    await next();
    expect(alerts).toEqual([]);
    cache.count("errors", 1);
    await next();
    expect(alerts.map(({ name, message }) => [name, message])).toEqual([
      ["errors", "11 errors, more than 10"],
      ["error-rate", "the error rate is 5.5%, above 5.0%"],
    ]);
    await monitor.stop();
  });

  test("tells that the breaker opened, and that the store can't be read", async () => {
    const clock = new FakeClock();
    const alerts: Alert[] = [];
    let trips = 0;
    let away = false;
    const cache = new Cache(openMemory({ namespace: "", clock, emit: () => {}, sweepMs: 0 }), { clock });
    const look = async () => {
      if (away) throw new CacheError("connection", "refused", "nobody is there");
      const stats = await cache.stats();
      const resilience = { breaker: "closed", trips, failures: 0, retries: 0, timeouts: 0, connected: true } as const;
      return { ...stats, info: { ...stats.info, resilience } };
    };
    const monitor = new Monitor(look, clock, () => {}, { onAlert: (alert) => alerts.push(alert) });
    const next = async () => {
      await until(() => clock.sleepers === 1);
      const before = monitor.samples.at(-1);
      clock.advance(10_000);
      await until(() => monitor.samples.at(-1) !== before);
    };
    await next();
    trips = 1;
    await next();
    await next();
    away = true;
    await next();
    expect(monitor.samples.at(-1)?.error?.code).toBe("refused");
    away = false;
    await next();
    expect(alerts.map(({ name, raised }) => [name, raised])).toEqual([
      ["breaker", true],
      ["breaker", false],
      ["unreachable", true],
      ["unreachable", false],
    ]);
    await monitor.stop();
    await cache.close();
  });

  test("goes on when a callback throws, and says so", async () => {
    const { events, monitor, next } = setUp({
      onSample: () => {
        throw new Error("mine");
      },
    });
    await next();
    expect(events).toMatchObject([
      { type: "warning", code: "callback-failed", message: "a callback of the monitor failed: mine" },
      { code: "callback-failed" },
    ]);
    await monitor.stop();
  });

  test("ends with its signal, and at once", async () => {
    const end = new AbortController();
    const { clock, monitor } = setUp({ signal: end.signal });
    await until(() => clock.sleepers === 1);
    end.abort();
    await monitor.stop();
    expect([clock.sleepers, monitor.samples.length]).toEqual([0, 1]);
  });

  test.each([{ interval: 0 }, { history: 0 }, { thresholds: { hitRateBelow: -1 } }, { interval: Number.NaN }])(
    "refuses %j",
    (options) => {
      expect(() => setUp(options)).toThrow(expect.objectContaining({ kind: "usage", code: "invalid-monitor" }));
    },
  );

  test("keeps no process alive", async () => {
    const program = await bundled("monitored");
    const { stdout } = await promisify(execFile)(process.execPath, [program], { timeout: 10_000 });
    expect(stdout).toBe("sample ");
  });
});

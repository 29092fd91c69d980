import { describe, expect, test } from "vitest";
import { BOUNDS_MS } from "../../../src/serve/watching/buckets.js";
import type { Seen } from "../../../src/serve/watching/family.js";
import { joined, pointOf, quantile, spanBetween, totalsOf } from "../../../src/serve/watching/points.js";
import { Recorder } from "../../../src/serve/watching/recorder.js";
import { Traffic } from "../../../src/serve/watching/traffic.js";
import { FakeClock } from "../../support/fake-clock.js";
import { until } from "../../support/until.js";

const none = () => new Array<number>(BOUNDS_MS.length + 1).fill(0);

/** Counts with so many in some buckets. */
function buckets(counts: Readonly<Record<number, number>>): number[] {
  return none().map((_, i) => counts[i] ?? 0);
}

describe("quantile", () => {
  test.each([
    ["nothing", {}, 0.5, null],
    ["all in the first bucket", { 0: 10 }, 0.5, 0.25],
    ["all in one bucket", { 4: 100 }, 0.99, 9.95],
    ["the end of a bucket", { 0: 50, 4: 50 }, 0.5, 0.5],
    ["the next one", { 0: 50, 4: 50 }, 0.75, 7.5],
    ["one that was slow among many", { 0: 999, 10: 1 }, 0.99, 0.495],
    ["longer than all bounds", { 15: 3 }, 0.5, 30_000],
    ["the top", { 4: 10 }, 1, 10],
  ])("of %s", (_, counts, share, expected) => {
    const seen = quantile(buckets(counts), share);
    if (expected === null) expect(seen).toBeNull();
    else expect(seen).toBeCloseTo(expected, 2);
  });
});

/** A server that can be told what it has counted. */
class Server {
  readonly traffic = new Traffic([]);
  hits = 0;
  evictions = 0;
  entries = 0;
  isAway = false;
  /** Counters of what stands in while it is away. */
  others: { hits?: number; misses?: number } = {};

  /** Requests that took about so long. */
  answered(outcome: "HIT" | "MISS", count: number, ms: number): void {
    const { answers, durations } = this.traffic.requests[outcome];
    answers["2xx"] += count;
    for (let i = 0; i < count; i += 1) durations.observe(ms);
  }

  see(): Seen {
    const { hits, evictions, entries, isAway } = this;
    const info = { kind: "memory" as const, target: "memory:", entries, bytes: entries * 10, facts: {}, warnings: [] };
    const tier = isAway
      ? { name: "memory", connected: false, latency: null, counters: this.others, info: undefined }
      : { name: "memory", connected: true, latency: 1, counters: { hits, misses: 0, evictions, errors: 0 }, info };
    return {
      ...{ traffic: this.traffic, store: { all: undefined, tiers: [tier] }, breakers: new Map(), alerts: [] },
      ...{ listeners: 0, linesLost: undefined, version: "1" },
    };
  }
}

describe("a point", () => {
  test("is what came between two looks, and what is held at the second", () => {
    const server = new Server();
    server.answered("HIT", 5, 1);
    server.hits = 5;
    const before = totalsOf(server.see());
    server.answered("HIT", 99, 0.4);
    server.answered("MISS", 1, 80);
    Object.assign(server, { hits: 104, evictions: 2, entries: 7 });
    const seen = server.see();
    const point = pointOf(spanBetween([before, totalsOf(seen)], seen, 10_000, 2000));
    expect(point).toMatchObject({
      ...{ at: 10_000, ms: 2000, requests: { HIT: 99, MISS: 1 }, running: 0, p99: 0.5 },
      tiers: [{ name: "memory", hits: 99, evictions: 2, errors: 0, entries: 7, bytes: 70, latency: 1 }],
    });
    expect(point.p50).toBeCloseTo(0.25, 1);
  });

  test("of a store that comes back counts nothing twice, and one that was set back what it shows", () => {
    const server = new Server();
    const step = (change: Partial<Server>) => {
      const before = totalsOf(server.see());
      Object.assign(server, change);
      const seen = server.see();
      return spanBetween([before, totalsOf(seen)], seen, 0, 1000).point.tiers[0];
    };
    expect(step({ hits: 1000 })).toMatchObject({ hits: 1000, entries: 0 });
    expect(step({ isAway: true })).toEqual({
      name: "memory",
      hits: 0,
      misses: 0,
      evictions: 0,
      errors: 0,
      latency: null,
    });
    expect(step({ isAway: false })).toMatchObject({ hits: 0 });
    expect(step({ hits: 3 })).toMatchObject({ hits: 3 });
    expect(step({ isAway: true, others: { hits: 500, misses: 0 } })).toMatchObject({ hits: 0 });
    expect(step({ others: { hits: 510, misses: 0 } })).toMatchObject({ hits: 10 });
    expect(step({ isAway: false, hits: 900 })).toMatchObject({ hits: 0 });
  });

  test("of two is their sum, and the end of the second", () => {
    const server = new Server();
    const spans = [3, 4].map((count, i) => {
      const before = totalsOf(server.see());
      server.answered("HIT", count, i === 0 ? 1 : 8);
      server.hits += count;
      server.entries = count;
      const seen = server.see();
      return spanBetween([before, totalsOf(seen)], seen, i * 1000, 1000);
    });
    const [first, second] = spans;
    if (!first || !second) throw new Error("there are two");
    expect(pointOf(joined(first, second))).toMatchObject({
      ...{ at: 1000, ms: 2000, requests: { HIT: 7 } },
      p50: expect.closeTo(5.6, 0),
      tiers: [{ hits: 7, entries: 4 }],
    });
  });
});

describe("a recorder", () => {
  /** Goes on by steps, and lets looks end in between. */
  async function pass(clock: FakeClock, ms: number, step = 2000): Promise<void> {
    for (let passed = 0; passed < ms; passed += step) {
      await until(() => clock.sleepers > 0, { everyMs: 0 });
      clock.advance(step);
    }
    await until(() => clock.sleepers > 0, { everyMs: 0 });
  }

  function record(options: { idleMs: number; isHeard?: () => boolean; see?: () => Promise<Seen> }) {
    const clock = new FakeClock();
    const server = new Server();
    const failures: unknown[] = [];
    let looks = 0;
    const recorder = new Recorder(clock, {
      see: async () => server.see(),
      isHeard: () => false,
      onLook: () => {
        looks += 1;
      },
      onFailure: (error) => failures.push(error),
      ...options,
    });
    return { clock, server, recorder, failures, looks: () => looks };
  }

  test("looks seldom while nobody listens, often while somebody does, and at once when he comes", async () => {
    let isHeard = false;
    const { clock, recorder, looks } = record({ idleMs: 10_000, isHeard: () => isHeard });
    await pass(clock, 60_000);
    expect(looks()).toBe(7);
    isHeard = true;
    recorder.wake();
    await until(() => looks() === 8);
    await pass(clock, 20_000);
    expect(looks()).toBe(18);
    expect(recorder.points.map(({ ms }) => ms)).toEqual([...Array(6).fill(10_000), ...Array(10).fill(2000)]);
    await recorder.stop();
  });

  test("does not look at all while nobody listens, where that is not wanted", async () => {
    let isHeard = false;
    const { clock, recorder, looks } = record({ idleMs: 0, isHeard: () => isHeard });
    await pass(clock, 60_000);
    expect(looks()).toBe(0);
    isHeard = true;
    recorder.wake();
    await until(() => looks() === 1);
    await recorder.stop();
  });

  test("keeps an hour, the older of it in longer points, and loses nothing of what was counted", async () => {
    const { clock, recorder, server } = record({ idleMs: 10_000, isHeard: () => true });
    await pass(clock, 2000);
    for (let i = 0; i < 1000; i += 1) {
      server.answered("HIT", 1, 1);
      await pass(clock, 2000);
    }
    const { points } = recorder;
    expect(points.length).toBeLessThan(451);
    expect(points.reduce((sum, { requests }) => sum + (requests.HIT ?? 0), 0)).toBe(1000);
    expect(Math.max(...points.map(({ ms }) => ms))).toBe(10_000);
    for (const [i, point] of points.entries()) if (i > 0) expect(point.at - point.ms).toBe(points[i - 1]?.at);
    expect(Buffer.byteLength(JSON.stringify(points))).toBeLessThan(256 * 1024);
    await recorder.stop();
  });

  test("looks the more seldom the longer that takes, and goes on after a look that failed", async () => {
    let [looked, isBroken] = [0, true];
    const slow = new Server();
    const { clock, recorder, failures } = record({
      idleMs: 10_000,
      isHeard: () => true,
      see: async () => {
        looked += 1;
        clock.advance(2000);
        if (isBroken) throw new Error("broken");
        return slow.see();
      },
    });
    await until(() => failures.length === 1);
    isBroken = false;
    await pass(clock, 200_000);
    expect(failures).toHaveLength(1);
    // One that was away or broken is looked at again soon, and then one each 102 seconds.
    expect(looked).toBe(3);
    slow.isAway = true;
    await pass(clock, 100_000);
    expect(looked).toBeGreaterThan(10);
    await recorder.stop();
  });
});

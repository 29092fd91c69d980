import { describe, expect, it } from "vitest";
import type { Round } from "../../src/bench/measure.js";
import type { Cell } from "../../src/bench/plan.js";
import { median, resultOf } from "../../src/bench/report.js";

const CELL: Cell = { workload: "batch-get", valueSize: 1000, concurrency: 4, keys: 10, batch: 5 };

function round(ops: number, ms: number, p50: number, more: Partial<Round> = {}): Round {
  const latency = { p50, p90: 2 * p50, p99: 3 * p50, p999: 4 * p50, mean: p50, max: 5 * p50 };
  return { ops, ms, cpuUs: ops * 10, latency, missed: 0, rejected: 0, errors: {}, ...more };
}

describe("median", () => {
  it.each([
    [[3], 3],
    [[9, 1, 2], 2],
    [[10, 1, 2, 4], 3],
  ])("of %j is %d", (values, expected) => {
    expect(median(values)).toBe(expected);
  });
});

describe("the result of a cell", () => {
  it("is the median of its rounds, with the slowest and the fastest", () => {
    const rounds = [round(100, 1000, 7), round(300, 1000, 5), round(10, 1000, 900)];
    expect(resultOf(CELL, "memory", rounds)).toEqual({
      ...CELL,
      store: "memory",
      rounds: 3,
      ops: 410,
      opsPerSecond: 100,
      opsPerSecondRange: [10, 300],
      bytesPerSecond: 100 * 5 * 1000,
      latencyUs: { p50: 7, p90: 14, p99: 21, p999: 28, mean: 7, max: 4500 },
      cpuUsPerOp: 10,
      missed: 0,
      rejected: 0,
      errors: {},
    });
  });

  it("sums what went wrong, also in rounds in which nothing was answered", () => {
    const none = { latency: undefined, errors: { "call-timeout": 3 } };
    const rounds = [round(10, 100, 5, { missed: 2, errors: { "call-timeout": 1 } }), round(0, 100, 0, none)];
    expect(resultOf(CELL, "redis", rounds)).toMatchObject({
      rounds: 2,
      missed: 2,
      errors: { "call-timeout": 4 },
      opsPerSecond: 100,
    });
  });

  it("has no slowest in a thousand where a round had too few operations", () => {
    const { p999: _, ...latency } = round(1, 1, 5).latency ?? { p999: 0 };
    const few = { ...round(10, 100, 5), latency: latency as Round["latency"] };
    expect(resultOf(CELL, "m", [round(5000, 100, 5), few])?.latencyUs.p999).toBeUndefined();
  });

  it("is none where nothing was answered at all", () => {
    expect(resultOf(CELL, "redis", [])).toBeUndefined();
    expect(resultOf(CELL, "redis", [round(0, 100, 0, { latency: undefined })])).toBeUndefined();
  });
});

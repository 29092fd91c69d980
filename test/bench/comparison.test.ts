import { describe, expect, it } from "vitest";
import { Comparison } from "../../src/bench/comparison.js";
import type { BenchResult } from "../../src/bench/report.js";

function result(store: string, range: [number, number], more: Partial<BenchResult> = {}): BenchResult {
  return {
    workload: "get",
    valueSize: 100,
    concurrency: 1,
    keys: 10,
    batch: 1,
    store,
    rounds: 3,
    ops: 100,
    opsPerSecond: (range[0] + range[1]) / 2,
    opsPerSecondRange: range,
    bytesPerSecond: 1,
    latencyUs: { p50: 1, p90: 1, p99: 1, mean: 1, max: 1 },
    cpuUsPerOp: 1,
    missed: 0,
    rejected: 0,
    errors: {},
    ...more,
  };
}

const machine = { cpu: "one", cores: 2, platform: "linux", node: "v20", load: [1, 2] };
const report = (results: unknown, more: object = {}) =>
  JSON.stringify({ schema: "cache.bench/1", results, machine, ...more });

describe("an earlier report", () => {
  const earlier = new Comparison(report([result("memory", [90, 110]), result("redis", [10, 30])]), "f");

  it("says how much faster or slower a store is now", () => {
    expect(earlier.with(result("memory", [180, 220])).before).toEqual({ opsPerSecond: 100, ratio: 2, differs: true });
    expect(earlier.with(result("redis", [2, 8])).before).toEqual({ opsPerSecond: 20, ratio: 0.25, differs: true });
  });

  it("tells nothing from rounds that overlap", () => {
    expect(earlier.with(result("memory", [100, 180])).before).toMatchObject({ ratio: 1.4, differs: false });
  });

  it("is compared with the same alone", () => {
    for (const other of [
      result("sqlite", [1, 2]),
      result("memory", [1, 2], { workload: "set" }),
      result("memory", [1, 2], { valueSize: 1000 }),
      result("memory", [1, 2], { concurrency: 64 }),
      result("memory", [1, 2], { keys: 11 }),
    ])
      expect(earlier.with(other)).toEqual(other);
  });

  it("may be of another machine", () => {
    expect(earlier.isElsewhere({ ...machine, load: [0, 0] })).toBe(false);
    expect(earlier.isElsewhere({ ...machine, node: "v22" })).toBe(true);
    expect(new Comparison(report([], { machine: undefined }), "f").isElsewhere(machine)).toBe(false);
  });

  it.each([
    "",
    "not JSON",
    "null",
    "[]",
    '{"schema":"cache.stats/1","results":[]}',
    '{"schema":"cache.bench/1","results":{}}',
  ])("is no report: %s", (text) => {
    expect(() => new Comparison(text, "f")).toThrow(expect.objectContaining({ kind: "usage", code: "not-a-report" }));
  });

  it("may hold what is no result", () => {
    const odd = [null, 5, {}, { store: 1 }, { ...result("memory", [1, 2]), opsPerSecondRange: ["a"] }];
    const found = new Comparison(report([...odd, { ...result("memory", [0, 0]), opsPerSecond: 0 }]), "f");
    expect(found.with(result("memory", [1, 2])).before).toBeUndefined();
  });
});

import { describe, expect, it } from "vitest";
import { type BenchSettings, cellsOf, interleaved, lengthOfRound, needOf } from "../../src/bench/plan.js";
import { CacheError } from "../../src/errors.js";

const SETTINGS: BenchSettings = {
  workloads: ["set", "get", "mixed", "batch"],
  valueSizes: [100, 100_000],
  concurrency: [1, 64],
  length: { ms: 10 },
  rounds: 3,
  warmUpMs: 0,
  readShare: 0.9,
  distribution: "zipf",
  seed: 1,
};

describe("what is measured", () => {
  it("is every workload at every size and concurrency, sizes together", () => {
    const cells = cellsOf(SETTINGS);
    expect(cells).toHaveLength(5 * 2 * 2);
    expect(cells.map(({ valueSize }) => valueSize)).toEqual([...Array(10).fill(100), ...Array(10).fill(100_000)]);
    expect(new Set(cells.map((cell) => JSON.stringify(cell))).size).toBe(20);
  });

  it("uses fewer keys of large values, unless it is told how many", () => {
    expect(cellsOf(SETTINGS).map(({ keys }) => keys)).toEqual([...Array(10).fill(1000), ...Array(10).fill(320)]);
    expect(cellsOf({ ...SETTINGS, keys: 7 }).every(({ keys }) => keys === 7)).toBe(true);
    expect(needOf(cellsOf(SETTINGS))).toEqual({ entries: 1000, bytes: 32_000_000 });
  });

  it("has batches of 100, smaller ones where there are fewer keys or much would be under way", () => {
    const batches = (settings: Partial<BenchSettings>) => [
      ...new Set(cellsOf({ ...SETTINGS, workloads: ["batch"], ...settings }).map(({ batch }) => batch)),
    ];
    expect(batches({ valueSizes: [100] })).toEqual([100]);
    expect(batches({ valueSizes: [100], keys: 8 })).toEqual([8]);
    expect(batches({ valueSizes: [100_000] })).toEqual([10]);
    expect(batches({ valueSizes: [10_000_000], concurrency: [1] })).toEqual([3]);
  });

  it.each([
    [{ valueSizes: [1000], keys: 1_000_000 + 1 }, "fewer --keys"],
    [{ valueSizes: [64 * 1024 * 1024] }, "a lower --concurrency"],
  ])("is refused where it would take too much: %j", (settings, hint) => {
    expect(() => cellsOf({ ...SETTINGS, ...settings })).toThrow(CacheError);
    expect(() => cellsOf({ ...SETTINGS, ...settings })).toThrow(
      expect.objectContaining({ code: "bench-too-large", hint: expect.stringContaining(hint) }),
    );
  });
});

describe("a round", () => {
  it("has its part of the time, or of the operations, none of which is lost", () => {
    expect(lengthOfRound({ ...SETTINGS, length: { ms: 600 } }, 2)).toEqual({ ms: 200 });
    const parts = (ops: number) => [0, 1, 2].map((round) => lengthOfRound({ ...SETTINGS, length: { ops } }, round));
    expect(parts(50)).toEqual([{ ops: 17 }, { ops: 17 }, { ops: 16 }]);
    expect(parts(2)).toEqual([{ ops: 1 }, { ops: 1 }, { ops: 0 }]);
  });
});

describe("the order of stores", () => {
  it("has each in every round, and each at every place as often as the others", () => {
    const rounds = interleaved(4, 8);
    expect(rounds).toHaveLength(8);
    for (const round of rounds) expect([...round].sort()).toEqual([0, 1, 2, 3]);
    for (const place of [0, 1, 2, 3]) {
      const there = rounds.map((round) => round[place]);
      for (const store of [0, 1, 2, 3]) expect(there.filter((one) => one === store)).toHaveLength(2);
    }
  });
});

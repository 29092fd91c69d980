import { describe, expect, it } from "vitest";
import { drawKeys, randomOf, randomText } from "../../src/bench/random.js";

const DRAWS = 200_000;

/** How often each key was drawn, the most frequent first. */
function frequencies(distribution: "zipf" | "uniform", keys: number): number[] {
  const counts = new Array<number>(keys).fill(0);
  for (const key of drawKeys(distribution, keys, DRAWS, randomOf(7, "test")))
    counts[key] = (counts[key] ?? Number.NaN) + 1;
  return counts.sort((a, b) => b - a);
}

describe("zipf", () => {
  it("uses the key of rank r in proportion to r to the power of -0.99", () => {
    const keys = 1000;
    const found = frequencies("zipf", keys);
    const weights = Array.from({ length: keys }, (_, i) => (i + 1) ** -0.99);
    const sum = weights.reduce((total, weight) => total + weight, 0);
    for (const rank of [0, 1, 2, 4, 9, 19]) {
      const expected = (DRAWS * (weights[rank] ?? 0)) / sum;
      expect(Math.abs((found[rank] ?? 0) - expected) / expected).toBeLessThan(0.08);
    }
    const hottest = found.slice(0, 100).reduce((total, count) => total + count, 0) / DRAWS;
    const share = weights.slice(0, 100).reduce((total, weight) => total + weight, 0) / sum;
    expect(hottest).toBeCloseTo(share, 1);
  });

  it("does not lay the keys in most use side by side", () => {
    const counts = new Map<number, number>();
    for (const key of drawKeys("zipf", 1000, DRAWS, randomOf(7, "test"))) counts.set(key, (counts.get(key) ?? 0) + 1);
    const hottest = [...counts].sort((a, b) => b[1] - a[1]).slice(0, 10);
    const keys = hottest.map(([key]) => key);
    expect(Math.max(...keys) - Math.min(...keys)).toBeGreaterThan(100);
  });

  it("has one key to draw from where there is one", () => {
    expect(new Set(drawKeys("zipf", 1, 100, randomOf(1, "x")))).toEqual(new Set([0]));
  });
});

describe("uniform", () => {
  it("uses all alike", () => {
    const found = frequencies("uniform", 100);
    expect(found).toHaveLength(100);
    expect((found[0] ?? 0) / (found[99] ?? 1)).toBeLessThan(1.3);
  });
});

describe("a seed", () => {
  it("gives the same again, another one gives others", () => {
    const of = (seed: number, stream = "keys") => [...drawKeys("zipf", 50, 40, randomOf(seed, stream))].join();
    expect(of(1)).toBe(of(1));
    expect(of(1)).not.toBe(of(2));
    expect(of(1)).not.toBe(of(1, "mix"));
  });

  it("gives numbers from 0 up to 1 that do not lean to a side", () => {
    const random = randomOf(3, "x");
    const numbers = Array.from({ length: 50_000 }, random);
    expect(Math.min(...numbers)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...numbers)).toBeLessThan(1);
    expect(numbers.reduce((total, number) => total + number, 0) / numbers.length).toBeCloseTo(0.5, 1);
  });

  it("gives text that is as long as asked for and can be read", () => {
    expect(Buffer.from(randomText(1000, randomOf(1, "values"))).toString()).toMatch(/^[\w-]{1000}$/);
  });
});

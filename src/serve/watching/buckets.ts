/** Upper bounds in milliseconds: from a hit in memory to an origin that is given up. */
export const BOUNDS_MS = [0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000] as const;

export interface BucketFigures {
  readonly counts: readonly number[];
  readonly sumMs: number;
}

/** Durations, counted by size: an observation is a few comparisons and two additions. */
export class Buckets implements BucketFigures {
  /** How many were at most as long as the bound of the same index, and longer than the one before; the last: longer than all. */
  readonly counts: number[] = new Array<number>(BOUNDS_MS.length + 1).fill(0);
  /** Milliseconds of all together. */
  sumMs = 0;

  observe(ms: number): void {
    let i = 0;
    while (i < BOUNDS_MS.length && ms > (BOUNDS_MS[i] ?? 0)) i += 1;
    this.counts[i] = (this.counts[i] ?? 0) + 1;
    this.sumMs += ms;
  }
}

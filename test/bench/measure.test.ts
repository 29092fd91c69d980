import { describe, expect, it } from "vitest";
import { measureRound, type RoundOptions } from "../../src/bench/measure.js";
import { systemClock } from "../../src/clock.js";
import { CacheError } from "../../src/errors.js";
import { FakeClock } from "../support/fake-clock.js";

const options = (more: Partial<RoundOptions> = {}): RoundOptions => ({
  clock: systemClock,
  concurrency: 1,
  until: { ops: 10 },
  from: 0,
  ...more,
});

const failing = (kind: "connection" | "timeout", code: string) => new CacheError(kind, code, "no");

describe("a round", () => {
  it("tells percentiles to three digits", async () => {
    const clock = new FakeClock();
    // 1 ms, 2 ms, … 1,000 ms, in an order that goes through all of them.
    const run = async (turn: number) => clock.advance(1 + ((turn * 7) % 1000));
    const { latency, ops } = await measureRound({ run }, options({ clock, until: { ops: 1000 } }));
    expect(ops).toBe(1000);
    for (const [found, ms] of [
      [latency?.p50, 500],
      [latency?.p90, 900],
      [latency?.p99, 990],
      [latency?.p999, 999],
      [latency?.max, 1000],
    ])
      expect(Math.abs((found ?? 0) / 1000 / (ms ?? 1) - 1)).toBeLessThan(0.002);
  });

  it("makes so many operations, each turn once, so many at once", async () => {
    const turns: number[] = [];
    let [now, most] = [0, 0];
    const run = async (turn: number) => {
      turns.push(turn);
      now += 1;
      most = Math.max(most, now);
      await new Promise((resolve) => setImmediate(resolve));
      now -= 1;
    };
    const { ops } = await measureRound({ run }, options({ concurrency: 8, until: { ops: 100 }, from: 50 }));
    expect([ops, most]).toEqual([100, 8]);
    expect(turns.sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => 50 + i));
  });

  it("lets signals come through where the store answers at once", async () => {
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 20);
    const run = () => Promise.resolve();
    const { ms } = await measureRound({ run }, options({ until: { ms: 60_000 }, signal: stop.signal, concurrency: 4 }));
    expect(ms).toBeLessThan(30_000);
  });

  it("counts what was not there and what was not taken", async () => {
    const lacks = (result: unknown, into: { missed: number; rejected: number }) => {
      if (result === "missed") into.missed += 1;
      else into.rejected += 2;
    };
    const run = async (turn: number) => (turn % 5 === 0 ? "missed" : "rejected");
    expect(await measureRound({ run, lacks }, options())).toMatchObject({ missed: 2, rejected: 16, ops: 10 });
  });

  it("goes on after an error, and gives the store up after three in a row", async () => {
    const sometimes = async (turn: number) => {
      if (turn % 3 !== 0) throw failing("timeout", "call-timeout");
    };
    const { errors, ops, failure } = await measureRound({ run: sometimes }, options({ until: { ops: 30 } }));
    expect([errors, ops, failure]).toEqual([{ "call-timeout": 20 }, 10, undefined]);
    const never = async () => {
      throw failing("timeout", "call-timeout");
    };
    expect(await measureRound({ run: never }, options())).toMatchObject({
      ops: 0,
      latency: undefined,
      errors: { "call-timeout": 3 },
      failure: { code: "call-timeout" },
    });
  });

  it("gives a store up at once that can't be reached, and waits for what is under way", async () => {
    let ended = 0;
    const run = async (turn: number) => {
      if (turn === 2) throw failing("connection", "unreachable");
      await new Promise((resolve) => setTimeout(resolve, 10));
      ended += 1;
    };
    const { errors, ops } = await measureRound({ run }, options({ concurrency: 4, until: { ops: 1000 } }));
    expect([errors, ops, ended]).toEqual([{ unreachable: 1 }, 3, 3]);
  });
});

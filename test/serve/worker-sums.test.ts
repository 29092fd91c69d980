import { describe, expect, test } from "vitest";
import type { Figures } from "../../src/serve/admin/tier-figures.js";
import { Traffic } from "../../src/serve/watching/traffic.js";
import { ownTiers, sumTraffic, withOwnTiers, withPast } from "../../src/serve/workers/sums.js";

const figuresOf = (hits: number): Figures => ({
  all: undefined,
  tiers: [
    {
      ...{ name: "memory", connected: true, latency: 0, counters: { hits, misses: 1 } },
      info: { kind: "memory", target: "", entries: hits, bytes: 10, facts: { usedBytes: 20 }, warnings: [] },
    },
    { name: "sqlite", connected: true, latency: 1, counters: { hits: 3, misses: 2 }, info: undefined },
  ],
});

describe("figures of several processes", () => {
  test("of traffic are added number by number; changes, which all hear of, are counted once", () => {
    const traffic = (running: number) => {
      const one = new Traffic(["http://a.example", "http://b.example"]);
      one.running = running;
      one.changes.write = 7;
      one.requests.HIT.answers["2xx"] = running * 10;
      one.requests.HIT.durations.observe(3);
      return { traffic: one.figures, tiers: [] };
    };
    const sum = sumTraffic(traffic(1).traffic, [traffic(2), JSON.parse(JSON.stringify(traffic(3)))]);
    expect([sum.running, sum.changes.write, sum.requests.HIT.answers["2xx"]]).toEqual([6, 7, 60]);
    expect(sum.requests.HIT.durations.counts.reduce((total, count) => total + count, 0)).toBe(3);
    expect(sum.requests.HIT.durations.sumMs).toBe(9);
    expect(sum.origins.map(({ name }) => name)).toEqual(["http://a.example", "http://b.example"]);
  });

  test("of those that have ended stay counted, and what they held is gone", () => {
    const traffic = new Traffic([]);
    traffic.running = 3;
    traffic.requests.MISS.answers["2xx"] = 5;
    const worker = { traffic: traffic.figures, tiers: ownTiers(figuresOf(4)) };
    const past = withPast(withPast(undefined, worker), worker);
    expect([past.traffic.running, past.traffic.requests.MISS.answers["2xx"]]).toEqual([0, 10]);
    expect(past.tiers).toEqual([
      { name: "memory", counters: { hits: 8, misses: 2 }, entries: 0, bytes: 0, usedBytes: 0 },
    ]);
  });

  test("of the memory that each has are added; those of the store that they share are not", () => {
    const workers = [4, 5].map((hits) => ({ traffic: new Traffic([]).figures, tiers: ownTiers(figuresOf(hits)) }));
    expect(workers[0]?.tiers).toEqual([
      { name: "memory", counters: { hits: 4, misses: 1 }, entries: 4, bytes: 10, usedBytes: 20 },
    ]);
    const { tiers } = withOwnTiers(figuresOf(0), workers);
    expect(tiers[0]).toMatchObject({
      counters: { hits: 9, misses: 3 },
      info: { entries: 9, bytes: 20, facts: { usedBytes: 40 } },
    });
    expect(tiers[1]?.counters).toEqual({ hits: 3, misses: 2 });
  });
});

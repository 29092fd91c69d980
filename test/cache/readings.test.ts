import { describe, expect, test } from "vitest";
import type { BackendInfo, Counters } from "../../src/backends/backend.js";
import { type Look, Readings } from "../../src/cache/readings.js";
import { CacheError } from "../../src/errors.js";
import { FakeClock } from "../support/fake-clock.js";

const INFO: BackendInfo = { kind: "sqlite", target: "x", entries: 7, bytes: 70, facts: {}, warnings: [] };

/** Readings of a store whose counters and cost are set by hand. */
function watched() {
  const clock = new FakeClock();
  const store = {
    counters: {} as Partial<Counters>,
    tiers: undefined as Look["tiers"],
    info: INFO,
    describes: 0,
    describeMs: 0,
    failure: undefined as unknown,
  };
  const counters = async (): Promise<Look> => {
    if (store.failure !== undefined) throw store.failure;
    const { tiers } = store;
    return { store: "sqlite", counters: store.counters, source: "cache", ...(tiers && { tiers }) };
  };
  const stats = async () => {
    store.describes += 1;
    clock.advance(store.describeMs);
    return { ...(await counters()), info: store.info };
  };
  const readings = new Readings(counters, stats, clock);
  const take = async () => {
    const reading = await readings.take();
    if ("error" in reading) throw reading.error;
    return reading;
  };
  return { clock, store, readings, take };
}

describe("readings", () => {
  test("say what came between two looks, and how much that is a second", async () => {
    const { clock, store, take } = watched();
    store.counters = { hits: 100, misses: 50, sets: 9 };
    const first = await take();
    expect(first).toMatchObject({ elapsed: 0, hitRate: undefined, counters: { hits: 0 }, totals: { hits: 100 } });
    expect(first.rates.lookups).toBe(0);
    clock.advance(2000);
    store.counters = { hits: 103, misses: 51, sets: 9 };
    expect(await take()).toMatchObject({
      at: clock.now(),
      elapsed: 2000,
      hitRate: 0.75,
      counters: { hits: 3, misses: 1, sets: 0 },
      rates: { lookups: 2, hits: 1.5, misses: 0.5, sets: 0 },
      tiers: [{ name: "sqlite", counters: { hits: 3 }, entries: 7, bytes: 70, connected: true }],
    });
  });

  test("take counters that were set back for what they show", async () => {
    const { clock, store, take } = watched();
    store.counters = { hits: 100 };
    await take();
    clock.advance(1000);
    store.counters = { hits: 4 };
    expect((await take()).counters.hits).toBe(4);
  });

  test("tell each tier by its name", async () => {
    const { clock, store, take } = watched();
    const tier = (name: string, hits: number) => ({ name, counters: { hits }, source: "cache" as const });
    const resilience = { breaker: "open", connected: false, trips: 1, failures: 1, retries: 0, timeouts: 0 } as const;
    store.info = { ...INFO, tiers: [{ ...INFO, name: "redis", inUse: true, entries: 3, resilience }] };
    store.tiers = [tier("memory", 5), tier("redis", 1)];
    await take();
    clock.advance(1000);
    store.tiers = [tier("memory", 9), tier("redis", 1)];
    const { tiers } = await take();
    expect(tiers).toMatchObject([
      { name: "memory", rates: { hits: 4 }, connected: true },
      { name: "redis", rates: { hits: 0 }, connected: false, breaker: "open", entries: 3 },
    ]);
    expect(tiers[0]).not.toHaveProperty("entries");
  });

  test("are about all the time since the last one that succeeded", async () => {
    const { clock, store, readings, take } = watched();
    store.counters = { hits: 1 };
    await take();
    clock.advance(1000);
    store.failure = new CacheError("connection", "store-unreachable", "away");
    expect(await readings.take()).toEqual({ at: clock.now(), error: store.failure });
    store.failure = new TypeError("odd");
    expect(await readings.take()).toMatchObject({ error: { code: "unknown", message: "odd" } });
    clock.advance(3000);
    store.failure = undefined;
    store.counters = { hits: 9 };
    expect(await take()).toMatchObject({ elapsed: 4000, rates: { hits: 2 } });
    expect(store.describes).toBe(4);
  });

  test("describe a store the more seldom the longer that takes it", async () => {
    const { clock, store, take } = watched();
    store.describeMs = 400;
    await take();
    store.info = { ...INFO, entries: 8 };
    for (let i = 0; i < 7; i++) {
      clock.advance(1000);
      expect((await take()).entries).toBe(7);
    }
    expect(store.describes).toBe(1);
    clock.advance(1000);
    expect((await take()).entries).toBe(8);
    expect(store.describes).toBe(2);
  });
});

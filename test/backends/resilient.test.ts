import { setImmediate as turn } from "node:timers/promises";
import { afterEach, describe, expect, onTestFinished, test } from "vitest";
import {
  type Backend,
  type ChangePage,
  type Lease,
  type NewEntry,
  readsDecoded,
  type ScanOptions,
  type ScanPage,
} from "../../src/backends/backend.js";
import { openMemory } from "../../src/backends/memory/index.js";
import { type ResilienceOptions, type Resilient, resilient } from "../../src/backends/resilient/index.js";
import { type Clock, systemClock } from "../../src/clock.js";
import { CacheError } from "../../src/errors.js";
import type { CacheEvent } from "../../src/events.js";
import { entry, keysOf, listed, put, textOf, texts } from "../contract/harness.js";
import { FakeClock } from "../support/fake-clock.js";
import { until } from "../support/until.js";
import { type Faulty, faulty, never, unreachable } from "./resilient-faulty.js";

interface Wrapped extends Faulty {
  outer: Resilient;
  events: CacheEvent[];
  codes: () => string[];
}

/** Memory whose calls go wrong as the test says, wrapped; retries don't wait. */
function wrapped(options: ResilienceOptions = {}, clock: Clock = systemClock): Wrapped {
  const events: CacheEvent[] = [];
  const inner = faulty(openMemory({ namespace: "", clock, emit: () => {}, maxEntries: 100_000 }));
  const context = { clock, emit: (event: CacheEvent) => void events.push(event), random: () => 0, target: "it" };
  const outer = resilient(inner.backend, options, context);
  onTestFinished(() => outer.close());
  return Object.assign(inner, { outer, events, codes: () => events.map(({ code }) => code) });
}

const unhandled: unknown[] = [];
process.on("unhandledRejection", (reason) => unhandled.push(reason));
afterEach(async () => {
  await turn();
  expect(unhandled.splice(0)).toEqual([]);
});

async function failing(work: () => unknown): Promise<{ error: CacheError; took: number }> {
  const began = performance.now();
  try {
    await work();
  } catch (error) {
    if (error instanceof CacheError) return { error, took: performance.now() - began };
    throw error;
  }
  throw new Error("it did not fail");
}

const LEASE: Lease = { key: "k", token: "t", since: "0" };
const drain = async (pages: AsyncIterable<unknown>) => {
  for await (const _ of pages);
};

/** Every call, with the method of the wrapped store that it comes to. */
const CALLS: Record<string, { call: (backend: Backend) => unknown; retried: boolean; on?: string }> = {
  getMany: { call: (b) => b.getMany(["k"]), retried: true },
  "getMany with its head": { call: (b) => b.getMany(["k"], { want: "all" }), on: "getMany", retried: true },
  setMany: { call: (b) => b.setMany([entry("k")]), retried: true },
  "setMany if-absent": { call: (b) => b.setMany([entry("k")], { mode: "if-absent" }), on: "setMany", retried: false },
  "setMany if-present": { call: (b) => b.setMany([entry("k")], { mode: "if-present" }), on: "setMany", retried: false },
  "setMany since": { call: (b) => b.setMany([entry("k")], { since: "0" }), on: "setMany", retried: false },
  touchMany: { call: (b) => b.touchMany([{ key: "k", expiresAt: null }]), retried: true },
  "touchMany by version": {
    call: (b) => b.touchMany([{ key: "k", meta: new Uint8Array(1), ifVersion: "1" }]),
    on: "touchMany",
    retried: false,
  },
  deleteMany: { call: (b) => b.deleteMany(["k"]), retried: true },
  deleteWhere: { call: (b) => b.deleteWhere({ prefix: "k" }), retried: true },
  "deleteWhere with a limit": {
    call: (b) => b.deleteWhere({ all: true }, { limit: 1 }),
    on: "deleteWhere",
    retried: false,
  },
  "deleteWhere soft": { call: (b) => b.deleteWhere({ all: true }, { soft: true }), on: "deleteWhere", retried: false },
  scan: { call: (b) => drain(b.scan({ all: true })), retried: true },
  count: { call: (b) => b.count({ hits: 1 }), retried: false },
  counters: { call: (b) => b.counters(), retried: true },
  resetCounters: { call: (b) => b.resetCounters(), retried: true },
  describe: { call: (b) => b.describe(), retried: true },
  ping: { call: (b) => b.ping(), retried: true },
  prune: { call: (b) => b.prune(), retried: false },
  announce: { call: (b) => b.announce("delete", { all: true }), retried: true },
  position: { call: (b) => b.position(), retried: true },
  lease: { call: (b) => b.lease("k", 1000), retried: false },
  renew: { call: (b) => b.renew(LEASE, 1000), retried: false },
  release: { call: (b) => b.release(LEASE), retried: false },
  commit: { call: (b) => b.commit(entry("k"), LEASE), retried: false },
  openRead: { call: (b) => b.openRead("k"), retried: true },
  openWrite: { call: (b) => b.openWrite({ key: "k" }), retried: false },
  atomic: { call: (b) => b.atomic([{ delete: "k" }]), retried: false },
  hottest: { call: (b) => b.hottest(10), retried: true },
};
const NAMES = Object.keys(CALLS);
const callOf = (name: string) => {
  const found = CALLS[name];
  if (!found) throw new Error(`there is no call ${name}`);
  return { on: name, ...found };
};

describe("deadlines", () => {
  test.each(NAMES.filter((name) => name !== "prune"))("%s ends in time, whatever the store does", async (name) => {
    const { call } = callOf(name);
    const it = wrapped({ timeoutMs: 60, healthIntervalMs: 0 });
    it.fault = () => never;
    const { error, took } = await failing(() => call(it.outer));
    expect(error).toMatchObject({ kind: "timeout", code: "store-timeout", retryable: true });
    expect(took).toBeGreaterThan(55);
    expect(took).toBeLessThan(200);
    expect(it.outer.state()).toMatchObject({ timeouts: 1, failures: 1, connected: false });
  });

  test.each(NAMES)("%s that fails after its end is heard of by nobody", async (name) => {
    const { call } = callOf(name);
    if (name === "prune") return;
    const it = wrapped({ timeoutMs: 20, healthIntervalMs: 0 });
    const late: ((error: Error) => void)[] = [];
    it.fault = () => () => new Promise((_, reject) => late.push(reject));
    await failing(() => call(it.outer));
    for (const reject of late) reject(unreachable());
    await turn();
    await turn();
  });

  test("are over all attempts together", async () => {
    const it = wrapped({ timeoutMs: 100, retries: 1000, breaker: false });
    it.fault = () => async () => {
      await systemClock.sleep(30);
      throw unreachable();
    };
    const { took } = await failing(() => it.outer.getMany(["k"]));
    expect(took).toBeLessThan(180);
    expect(it.calls.getMany).toBeLessThan(6);
  });

  test("tell the store to stop what nobody waits for", async () => {
    const it = wrapped({ timeoutMs: 30 });
    const signals: (AbortSignal | undefined)[] = [];
    it.fault = (method, args) => {
      const options = args.at(-1);
      if (
        typeof options === "object" &&
        options !== null &&
        "signal" in options &&
        options.signal instanceof AbortSignal
      ) {
        signals.push(options.signal);
      }
      return method === "ping" ? undefined : () => never();
    };
    await it.outer.ping();
    await failing(() => it.outer.deleteMany(["k"]));
    await failing(() => it.outer.deleteWhere({ all: true }));
    await failing(() => drain(it.outer.scan({ all: true })));
    expect(signals.map((signal) => signal?.aborted)).toEqual([true, true, true]);
  });

  test("a deletion goes on as long as it advances, and ends when it does not", async () => {
    const it = wrapped({ timeoutMs: 80 });
    const steps = async (count: number, then: () => Promise<unknown>, args: readonly unknown[]) => {
      const options = args[1];
      for (let done = 1; done <= count; done++) {
        await systemClock.sleep(30);
        if (typeof options === "object" && options !== null && "onProgress" in options)
          (options.onProgress as (n: number) => void)(done);
      }
      return then();
    };
    it.fault = (_, args) => () => steps(10, async () => ({ deleted: 10, softened: 0, complete: true }), args);
    const told: number[] = [];
    expect(await it.outer.deleteWhere({ all: true }, { onProgress: (n) => told.push(n) })).toMatchObject({
      deleted: 10,
    });
    expect(told).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    it.fault = (_, args) => () => steps(3, never, args);
    const { error, took } = await failing(() => it.outer.deleteWhere({ all: true }));
    expect(error.kind).toBe("timeout");
    expect(took).toBeLessThan(3 * 30 + 80 + 120);
  });

  test("what a deletion that was given up does after that is told to nobody", async () => {
    const it = wrapped({ timeoutMs: 30, retries: 0 });
    let late = (_: number) => {};
    it.fault = (_, args) => () => {
      late = (args[1] as { onProgress: (n: number) => void }).onProgress;
      return never();
    };
    const told: number[] = [];
    await failing(() => it.outer.deleteWhere({ all: true }, { onProgress: (n) => told.push(n) }));
    late(7);
    expect(told).toEqual([]);
    it.fault = () => undefined;
  });

  test.each(["deleteWhere", "scan"])("%s goes on as long as it takes where nothing matches", async (name) => {
    const it = wrapped({ timeoutMs: 250 });
    await put(it.outer, ...Array.from({ length: 20_000 }, (_, i) => `k${i}`));
    let steps = 0;
    // Each of the few steps of the store takes 100 ms.
    it.fault = (method, args) => {
      if (method !== name) return undefined;
      const options = args[1] as { onStep?: () => void; onProgress?: (n: number) => void };
      const told = options.onStep ?? options.onProgress;
      const slowly = (done: number) => {
        const until = performance.now() + 100;
        while (performance.now() < until) steps += 1;
        told?.(done);
      };
      it.fault = () => undefined;
      const slow = name === "scan" ? { ...options, onStep: () => slowly(0) } : { ...options, onProgress: slowly };
      return () =>
        name === "scan" ? it.backend.scan({ prefix: "x" }, slow) : it.backend.deleteWhere({ prefix: "x" }, slow);
    };
    const call =
      name === "scan" ? () => listed(it.outer, { prefix: "x" }) : () => it.outer.deleteWhere({ prefix: "x" });
    const began = performance.now();
    await call();
    expect(performance.now() - began).toBeGreaterThan(300);
    expect(steps).toBeGreaterThan(0);
  });

  test("a stream has one for each piece", async () => {
    const it = wrapped({ timeoutMs: 60 });
    let closed = 0;
    const body = async function* () {
      for (let i = 0; i < 4; i++) {
        await systemClock.sleep(30);
        yield new Uint8Array(1);
      }
      await never();
    };
    it.fault = () => async () => ({ head: { size: 5 }, body: body(), close: () => (closed += 1) });
    const reader = await it.outer.openRead("k");
    let pieces = 0;
    const { error } = await failing(async () => {
      for await (const _ of reader?.body ?? []) pieces += 1;
    });
    expect([pieces, error.code]).toEqual([4, "store-timeout"]);
    reader?.close();
    expect(closed).toBe(1);
    it.fault = () => async () => ({ write: never, commit: never, abort: async () => {} });
    const writer = await it.outer.openWrite({ key: "k" });
    for (const call of [() => writer.write(new Uint8Array(1)), () => writer.commit()]) {
      expect((await failing(call)).error.code).toBe("store-timeout");
    }
    await writer.abort();
  });

  test("an open stream goes on while the breaker is open", async () => {
    const it = wrapped({ healthIntervalMs: 0 });
    const body = async function* () {
      for (let i = 0; i < 3; i++) yield new Uint8Array(1);
    };
    it.fault = (method) =>
      method === "openRead" ? async () => ({ head: { size: 3 }, body: body(), close: () => {} }) : unreachable();
    const reader = await it.outer.openRead("k");
    for (let i = 0; i < 2; i++) await failing(() => it.outer.getMany(["k"]));
    expect(it.outer.state().breaker).toBe("open");
    let pieces = 0;
    for await (const _ of reader?.body ?? []) pieces += 1;
    expect(pieces).toBe(3);
  });

  test("the caller's signal ends a call of a store that does not look at it, and blames nobody", async () => {
    const it = wrapped({ breaker: { failures: 1 } });
    it.fault = () => never;
    const stop = new AbortController();
    const calls = [
      () => it.outer.getMany(["k"], { signal: stop.signal }),
      () => it.outer.setMany([entry("k")], { signal: stop.signal }),
    ].map((call) => failing(call));
    await turn();
    stop.abort();
    for (const { error } of await Promise.all(calls))
      expect(error).toMatchObject({ code: "aborted", retryable: false });
    expect(it.outer.state()).toMatchObject({ breaker: "closed", failures: 0 });
  });

  test("closing a store that hangs is given up, and told", async () => {
    const it = wrapped({ timeoutMs: 40 });
    it.fault = () => never;
    const began = performance.now();
    await it.outer.close();
    expect(performance.now() - began).toBeLessThan(200);
    expect(it.codes()).toEqual(["not-closed"]);
  });

  test("keep nothing alive and hold up nothing when there is none", async () => {
    const it = wrapped({ timeoutMs: 0, retries: 0, breaker: false, healthIntervalMs: 0 });
    it.fault = (method) => (method === "getMany" ? () => systemClock.sleep(50).then(() => [undefined]) : undefined);
    expect(await it.outer.getMany(["k"])).toEqual([undefined]);
    expect(it.outer.state().breaker).toBe("off");
  });
});

describe("retries", () => {
  test.each(NAMES)("%s", async (name) => {
    const { call, on, retried } = callOf(name);
    const it = wrapped({ breaker: false });
    it.fault = (method) => (method === on ? unreachable() : undefined);
    const { error } = await failing(() => call(it.outer));
    expect(error.code).toBe("store-unreachable");
    expect(it.calls[on]).toBe(retried ? 4 : 1);
    expect(it.outer.state()).toMatchObject({ retries: retried ? 3 : 0, failures: retried ? 4 : 1 });
  });

  test("go on until it works", async () => {
    const it = wrapped();
    await put(it.outer, entry("k", "v"));
    let left = 2;
    it.fault = () => (left-- > 0 ? async () => Promise.reject(unreachable()) : undefined);
    expect(await texts(it.outer, ["k"])).toEqual(["v"]);
    expect(it.outer.state()).toMatchObject({ retries: 2, connected: true, lastError: { code: "store-unreachable" } });
  });

  test.each([
    new CacheError("store", "wrong-type", "a list"),
    new CacheError("authentication", "not-permitted", "no"),
    new CacheError("usage", "invalid-key", "no key"),
    new CacheError("refused", "read-only", "no"),
    new CacheError("serialization", "bad-entry", "broken"),
    new CacheError("connection", "not-redis", "a web server", { retryable: false }),
  ])("none after %o", async (fault) => {
    const it = wrapped();
    it.fault = () => fault;
    expect((await failing(() => it.outer.getMany(["k"]))).error).toBe(fault);
    expect(it.calls.getMany).toBe(1);
  });

  test("what the store answers is no failure of the store", async () => {
    const it = wrapped();
    it.fault = () => new CacheError("store", "wrong-type", "a list");
    for (let i = 0; i < 20; i++) await failing(() => it.outer.getMany(["k"]));
    expect(it.outer.state()).toMatchObject({ breaker: "closed", failures: 0 });
  });

  test("wait as they should, with full jitter", async () => {
    const clock = new FakeClock();
    const inner = faulty(openMemory({ namespace: "", clock, emit: () => {} }));
    inner.fault = () => unreachable();
    const outer = resilient(inner.backend, { breaker: false }, { clock, emit: () => {}, random: () => 0.5 });
    const call = failing(() => outer.getMany(["k"]));
    for (const [calls, ms] of [
      [1, 50],
      [2, 100],
      [3, 200],
    ] as const) {
      await until(() => clock.sleepers === 1);
      expect(inner.calls.getMany).toBe(calls);
      clock.advance(ms - 1);
      await turn();
      expect(inner.calls.getMany).toBe(calls);
      clock.advance(1);
    }
    await call;
    expect(inner.calls.getMany).toBe(4);
    inner.fault = () => undefined;
    await outer.close();
  });

  test.each([3500, 2300])("a listing goes on from the page after the last that came, %i entries", async (limit) => {
    const it = wrapped();
    const keys = Array.from({ length: 3500 }, (_, i) => `k${i}`);
    await put(it.outer, ...keys);
    const begun: unknown[] = [];
    let pages = 0;
    const broken = async function* (listing: AsyncIterable<ScanPage>) {
      for await (const page of listing) {
        pages += 1;
        if (pages === 2 || pages === 4) throw unreachable();
        yield page;
      }
    };
    let inside = false;
    it.fault = (method, [, options]) => {
      if (method !== "scan" || inside) return undefined;
      begun.push(options);
      return () => {
        inside = true;
        const listing = it.backend.scan({ all: true }, options as ScanOptions);
        inside = false;
        return broken(listing);
      };
    };
    expect(await listed(it.outer, { all: true }, limit < 3500 ? { limit } : {})).toEqual(keys.slice(0, limit));
    expect(begun).toHaveLength(3);
    if (limit < 3500) expect(begun).toMatchObject([{ limit: 2300 }, { limit: 1300 }, { limit: 300 }]);
  });

  test("a deletion adds up what its attempts did", async () => {
    const it = wrapped();
    const keys = Array.from({ length: 30 }, (_, i) => `k${i}`);
    await put(it.outer, ...keys);
    let first = true;
    it.fault = (method, args) => {
      if (method !== "deleteWhere" || !first) return undefined;
      first = false;
      return async () => {
        await it.backend.deleteMany(keys.slice(0, 10));
        (args[1] as { onProgress: (n: number) => void }).onProgress(10);
        throw unreachable();
      };
    };
    const told: number[] = [];
    const report = await it.outer.deleteWhere({ prefix: "k" }, { onProgress: (n) => told.push(n) });
    expect(report).toEqual({ deleted: 30, softened: 0, complete: true });
    expect(told).toEqual([10, 30]);
    expect(await keysOf(it.outer)).toEqual([]);
  });

  test("are few where everything fails", async () => {
    const it = wrapped({ breaker: false });
    it.fault = () => unreachable();
    for (let i = 0; i < 500; i++) await failing(() => it.outer.getMany(["k"]));
    expect(it.outer.state().retries).toBeLessThan(60 + 3 * 3);
  });
});

describe("the breaker", () => {
  test("keeps callers away, tries one, and lets all through again", async () => {
    const clock = new FakeClock();
    const it = wrapped({ retries: 0, healthIntervalMs: 0 }, clock);
    await put(it.outer, entry("k", "v"));
    it.fault = () => unreachable();
    for (let i = 0; i < 5; i++) await failing(() => it.outer.getMany(["k"]));
    const calls = it.calls.getMany;
    for (const name of NAMES) {
      const { error } = await failing(() => callOf(name).call(it.outer));
      expect({ name, kind: error.kind, code: error.code }).toEqual({ name, kind: "connection", code: "breaker-open" });
      expect(error.hint).toContain("used again");
    }
    const stop = new AbortController();
    expect((await failing(() => drain(it.outer.changes("0", stop.signal)))).error.code).toBe("breaker-open");
    expect(it.calls.getMany).toBe(calls);
    clock.advance(5000);
    await failing(() => it.outer.getMany(["k"]));
    expect(it.outer.state()).toMatchObject({ breaker: "open", trips: 1, connected: false });
    it.fault = () => undefined;
    clock.advance(10_000);
    expect(await texts(it.outer, ["k"])).toEqual(["v"]);
    expect(it.outer.state()).toMatchObject({ breaker: "closed", trips: 1, connected: true, failures: 6 });
    expect(it.codes()).toEqual([
      "breaker-open",
      "breaker-half-open",
      "breaker-open",
      "breaker-half-open",
      "breaker-closed",
    ]);
    expect((await it.outer.describe()).resilience).toEqual(it.outer.state());
  });

  test("lets one of many be the probe", async () => {
    const clock = new FakeClock();
    const it = wrapped({ retries: 0, healthIntervalMs: 0 }, clock);
    it.fault = () => unreachable();
    for (let i = 0; i < 5; i++) await failing(() => it.outer.getMany(["k"]));
    clock.advance(5000);
    it.calls = {};
    let answer = (_: unknown) => {};
    it.fault = () => () =>
      new Promise((resolve) => {
        answer = resolve;
      });
    const asked = Array.from({ length: 10 }, async () => it.outer.getMany(["k"]));
    const results = Promise.allSettled(asked);
    await turn();
    answer([undefined]);
    it.fault = () => undefined;
    expect((await results).filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  });

  test("stops the retries of a call, which fails with what the store said", async () => {
    const it = wrapped({ breaker: { failures: 2 } });
    it.fault = () => unreachable();
    const { error } = await failing(() => it.outer.getMany(["k"]));
    expect(error.code).toBe("store-unreachable");
    expect(it.outer.state().breaker).toBe("open");
  });
});

describe("health", () => {
  test("a store that failed is known to be back before anyone asks", async () => {
    const it = wrapped({ retries: 0, breaker: { failures: 1, openMs: 30 }, healthIntervalMs: 1000 });
    it.fault = () => unreachable();
    await failing(() => it.outer.getMany(["k"]));
    await until(() => it.codes().filter((code) => code === "breaker-open").length === 2);
    it.fault = () => undefined;
    await until(() => it.outer.state().breaker === "closed");
    expect(it.calls.getMany).toBe(1);
  });

  test("a store that nobody asks is asked", async () => {
    const it = wrapped({ retries: 0, breaker: { failures: 2 }, healthIntervalMs: 20 });
    it.fault = () => unreachable();
    await until(() => it.outer.state().breaker === "open");
    expect(it.calls.getMany).toBeUndefined();
  });
});

describe("a store that is opened later", () => {
  function late(options: ResilienceOptions = {}) {
    const memory = openMemory({ namespace: "", clock: systemClock, emit: () => {} });
    const seen = { opens: 0, fault: undefined as undefined | (() => Promise<never>) };
    const open = async () => {
      seen.opens += 1;
      await seen.fault?.();
      return memory as Backend;
    };
    const outer = resilient(open, options, { clock: systemClock, emit: () => {}, random: () => 0 });
    onTestFinished(() => outer.close());
    return { outer, seen };
  }

  test("is opened once, at the first call", async () => {
    const { outer, seen } = late();
    expect(seen.opens).toBe(0);
    await Promise.all([put(outer, "a"), put(outer, "b"), outer.count({ hits: 1 })]);
    expect(seen.opens).toBe(1);
    expect(outer.name).toBe("memory");
    expect(outer.capabilities.counts).toBe(true);
  });

  test("may be away at the start; opening is tried again also for what is not repeated itself", async () => {
    const { outer, seen } = late();
    let left = 2;
    seen.fault = async () => {
      if (left-- > 0) throw unreachable();
      return undefined as never;
    };
    await outer.count({ hits: 3 });
    expect([seen.opens, (await outer.counters()).counters.hits]).toEqual([3, 3]);
  });

  test("has a deadline too, and is closed when it comes after all", async () => {
    const { outer, seen } = late({ timeoutMs: 30, retries: 0 });
    seen.fault = never;
    expect((await failing(() => outer.getMany(["k"]))).error.code).toBe("store-timeout");
    const { outer: second, seen: later } = late();
    later.fault = () => systemClock.sleep(40) as Promise<never>;
    const call = failing(() => second.getMany(["k"]));
    await second.close();
    expect((await call).error.code).toBe("closed");
    expect((await failing(() => second.getMany(["k"]))).error.code).toBe("closed");
  });
});

describe("what goes through", () => {
  test("answers at once where the store does", () => {
    const it = wrapped();
    expect(it.outer.setMany([entry("k", "v")])).toEqual(["stored"]);
    const found = it.outer.getMany(["k"]);
    expect(Array.isArray(found) && textOf(found[0])).toBe("v");
    expect(it.outer.touchMany([{ key: "k", expiresAt: null }])).toEqual([true]);
    expect(it.outer.deleteMany(["k"])).toEqual([true]);
    expect(it.outer.count({ hits: 1 })).toBeUndefined();
  });

  test("decoded values, where the store keeps them", async () => {
    const it = wrapped();
    await put(it.outer, entry("k", "[1]"));
    const decode = (bytes: Uint8Array): unknown => JSON.parse(Buffer.from(bytes).toString());
    expect(readsDecoded(it.outer) && it.outer.getDecoded("k", decode)).toEqual([1]);
    const later = resilient(async () => it.backend, {}, { clock: systemClock, emit: () => {} });
    expect(readsDecoded(later)).toBe(false);
    await later.close();
  });

  test("the log, page by page, until the follower ends it", async () => {
    const it = wrapped({ timeoutMs: 50 });
    const page = (position: string): ChangePage => ({ changes: [], position, gap: false });
    it.fault = () =>
      async function* () {
        for (let i = 0; i < 3; i++) {
          await systemClock.sleep(30);
          yield page(`${i}`);
        }
        await never();
      };
    const stop = new AbortController();
    const seen: string[] = [];
    const { error } = await failing(async () => {
      for await (const { position } of it.outer.changes("x", stop.signal)) seen.push(position);
    });
    expect([seen, error.code]).toEqual([["0", "1", "2"], "store-timeout"]);
    expect(it.outer.state().breaker).toBe("closed");
    const following = drain(it.outer.changes("x", stop.signal));
    stop.abort();
    await following;
  });

  test("entries as they are", async () => {
    const it = wrapped();
    const given: NewEntry = entry("k", "v", { tags: ["t"], meta: Buffer.from("m"), expiresAt: Date.now() + 60_000 });
    await put(it.outer, given);
    const [found] = await it.outer.getMany(["k"], { want: "all" });
    expect(found).toMatchObject({ tags: ["t"], size: 1, expiresAt: given.expiresAt });
  });
});

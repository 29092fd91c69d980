import { setImmediate as nextTurn } from "node:timers/promises";
import { afterEach, describe, expect, test } from "vitest";
import type { Backend, LeaseAnswer } from "../../src/backends/backend.js";
import { openMemory } from "../../src/backends/memory/index.js";
import { Cache } from "../../src/cache/cache.js";
import { CacheError } from "../../src/errors.js";
import type { CacheEvent } from "../../src/events.js";
import { FakeClock } from "../support/fake-clock.js";
import { Gate } from "../support/gate.js";
import { until } from "../support/until.js";

const opened: Cache[] = [];
afterEach(async () => {
  for (const cache of opened.splice(0)) await cache.close();
});

type Fault = (name: string) => Promise<void> | undefined;

/** A real store behind a line on which single calls can be lost or held up. */
function openCache(persistent = true) {
  const clock = new FakeClock();
  const events: CacheEvent[] = [];
  const backend = openMemory({ namespace: "", clock, emit: () => undefined, sweepMs: 0 });
  const calls: string[] = [];
  let fault: Fault = () => undefined;
  let lease: (() => LeaseAnswer) | undefined;
  const line: Backend = new Proxy(backend, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (name === "capabilities") return { ...target.capabilities, persistent };
      if (typeof value !== "function") return value;
      return async (...args: unknown[]) => {
        calls.push(String(name));
        await fault(String(name));
        if (name === "lease" && lease !== undefined) return lease();
        return value.apply(target, args);
      };
    },
  });
  const emit = (event: CacheEvent) => void events.push(event);
  const cache = new Cache(line, { clock, emit, countInterval: 0 });
  opened.push(cache);
  const setFault = (next: Fault) => {
    fault = next;
  };
  const setLease = (answer: () => LeaseAnswer) => {
    lease = answer;
  };
  return { cache, clock, events, calls, backend, setFault, setLease };
}

const away = () => Promise.reject(new CacheError("connection", "away", "the store is away"));

describe("a store that fails", () => {
  test.each(["getMany", "lease", "commit", "release", "renew"])(
    "in %s costs nobody the loader's value",
    async (name) => {
      const { cache, events, setFault } = openCache();
      let loads = 0;
      setFault((called) => (called === name ? away() : undefined));
      const load = (context: { dontStore(): void }) => {
        if (name === "release") context.dontStore();
        return ++loads;
      };
      expect(await Promise.all([cache.getOrSet("k", load), cache.getOrSet("k", load)])).toEqual([1, 1]);
      setFault(() => undefined);
      const { loading, counters } = await cache.stats();
      expect(loads).toBe(1);
      expect(loading.storeFailures).toBe(name === "renew" ? 0 : 1);
      expect(counters.errors ?? 0).toBe(loading.storeFailures);
      if (name !== "renew") expect(events).toMatchObject([{ code: "cache-bypassed" }]);
      expect(await cache.has("k")).toBe(name === "renew");
    },
  );

  test("while a lease is renewed, does not hinder the load", async () => {
    const { cache, clock, calls, setFault } = openCache();
    setFault((called) => (called === "renew" ? away() : undefined));
    const gate = new Gate();
    const load = cache.getOrSet("k", async () => {
      await gate.opened;
      return 1;
    });
    await until(() => clock.sleepers >= 3);
    clock.advance(1700);
    await until(() => calls.includes("renew"));
    gate.open();
    expect(await load).toBe(1);
    expect(await cache.get("k")).toBe(1);
  });

  test("is no failure of a call that was refused before", async () => {
    const { cache, setFault } = openCache();
    setFault(away);
    const lost: unknown[] = [];
    const note = (error: unknown) => void lost.push(error);
    process.on("unhandledRejection", note);
    try {
      const invalid = { code: "invalid-key" };
      await expect(cache.getOrSet("", () => 1)).rejects.toMatchObject(invalid);
      await expect(cache.getOrSet("k".repeat(2000), () => 1)).rejects.toMatchObject(invalid);
      await expect(cache.getOrSet("k", () => 1, { ttl: -1 })).rejects.toMatchObject({ code: "invalid-ttl" });
      await expect(cache.getOrSetMany(["a", "", "b"], (keys) => [...keys])).rejects.toMatchObject(invalid);
      await nextTurn();
    } finally {
      process.off("unhandledRejection", note);
    }
    expect(lost).toEqual([]);
    setFault(() => undefined);
  });

  test("does not turn a loader's error into its own", async () => {
    const { cache, setFault } = openCache();
    setFault(away);
    await expect(cache.getOrSet("k", () => Promise.reject(new Error("source")))).rejects.toThrow("source");
    setFault(() => undefined);
  });

  test("gives the stale value that it gave before, when the load fails too", async () => {
    const { cache, clock, setFault } = openCache();
    const options = { ttl: 100, staleIfError: 1000 };
    await cache.getOrSet("k", () => "old", options);
    clock.advance(100);
    const failing = cache.getOrSet(
      "k",
      () => {
        setFault(away);
        return Promise.reject(new Error("source"));
      },
      options,
    );
    expect(await failing).toBe("old");
    setFault(() => undefined);
  });

  test("is still an error for who reads and writes it directly", async () => {
    const { cache, setFault } = openCache();
    setFault(away);
    await expect(cache.get("k")).rejects.toMatchObject({ code: "away" });
    await expect(cache.set("k", 1)).rejects.toMatchObject({ code: "away" });
    await expect(cache.delete("k")).rejects.toMatchObject({ code: "away" });
    setFault(() => undefined);
  });
});

describe("a lease", () => {
  test("is renewed as long as the load takes, and given back", async () => {
    const { cache, clock, calls, backend } = openCache();
    const gate = new Gate();
    const load = cache.getOrSet("k", async (context) => {
      context.dontStore();
      await gate.opened;
      return 1;
    });
    await until(() => clock.sleepers >= 3);
    for (let i = 1; i <= 6; i++) {
      clock.advance(1700);
      await until(() => calls.filter((name) => name === "renew").length === i && clock.sleepers >= 3);
    }
    expect(await backend.lease("k", 1000)).toMatchObject({ outcome: "held" });
    gate.open();
    expect(await load).toBe(1);
    expect(await backend.lease("k", 1000)).toMatchObject({ outcome: "taken" });
  });

  test("of somebody else is waited for, until the value is there", async () => {
    const { cache, clock, backend } = openCache();
    const answer = await backend.lease("k", 60_000);
    if (answer.outcome !== "taken") throw new Error("the lease is not free");
    const waiting = cache.getOrSet("k", () => "own");
    await until(() => clock.sleepers === 1);
    await backend.commit({ key: "k", value: Buffer.from('"theirs"') }, answer.lease);
    clock.advance(10);
    expect(await waiting).toBe("theirs");
  });

  test("of somebody else is waited for no longer than lockWait: then the value is loaded and not kept", async () => {
    const { cache, clock, backend } = openCache();
    await backend.lease("k", 60_000);
    let done = false;
    const waiting = cache
      .getOrSet("k", () => "own", { lockWait: 1000 })
      .finally(() => {
        done = true;
      });
    await until(() => {
      clock.advance(50);
      return done;
    });
    expect(await waiting).toBe("own");
    expect(await cache.has("k")).toBe(false);
    expect((await cache.stats()).loading).toMatchObject({ waitedOut: 1, loads: 1 });
  });

  test("of an entry that never shows itself is not asked for without end", async () => {
    const { cache, clock, setLease, calls } = openCache();
    setLease(() => ({ outcome: "changed" }));
    const work = cache.getOrSet("k", () => 1);
    await until(() => clock.sleepers > 0);
    clock.advance(5);
    expect(await work).toBe(1);
    expect(calls.filter((name) => name === "lease")).toHaveLength(2);
    expect((await cache.stats()).loading).toMatchObject({ waitedOut: 1, loads: 1 });
  });

  test("of an entry that changes all the time leaves others their turn, and ends with its caller", async () => {
    const { cache, clock, backend, setLease, calls } = openCache();
    const write = (staleAt: number) => backend.setMany([{ key: "k", value: Buffer.from("1"), staleAt }]);
    write(clock.now());
    setLease(() => {
      write(clock.now());
      return { outcome: "changed" };
    });
    let loads = 0;
    const work = cache.getOrSet("k", () => ++loads, { timeout: 1000 });
    await until(() => clock.sleepers > 1);
    expect(calls.filter((name) => name === "lease")).toHaveLength(2);
    clock.advance(1000);
    await expect(work).rejects.toMatchObject({ code: "call-timeout" });
    expect(loads).toBe(0);
  });

  test("of somebody else lets the rest of many keys go on", async () => {
    const { cache, clock, backend } = openCache();
    const answer = await backend.lease("b", 60_000);
    if (answer.outcome !== "taken") throw new Error("the lease is not free");
    const asked: (readonly string[])[] = [];
    const many = cache.getOrSetMany(["a", "b", "c"], (keys) => {
      asked.push(keys);
      return keys.map((key) => key.toUpperCase());
    });
    await until(() => asked.length === 1);
    expect(asked).toEqual([["a", "c"]]);
    await backend.release(answer.lease);
    await until(() => {
      clock.advance(5);
      return asked.length === 2;
    });
    expect(await many).toEqual(["A", "B", "C"]);
    expect(await cache.getMany(["a", "b", "c"])).toEqual(["A", "B", "C"]);
  });

  test("is not taken where the store ends with the process and answers at once", async () => {
    const clock = new FakeClock();
    const backend = openMemory({ namespace: "", clock, emit: () => undefined, sweepMs: 0 });
    const cache = new Cache(backend, { clock, countInterval: 0 });
    opened.push(cache);
    await backend.lease("k", 60_000);
    expect(await cache.getOrSet("k", () => 1)).toBe(1);
  });
});

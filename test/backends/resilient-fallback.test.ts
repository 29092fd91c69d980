import { existsSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import fc from "fast-check";
import { afterEach, describe, expect, onTestFinished, test } from "vitest";
import type { Backend } from "../../src/backends/backend.js";
import { openMemory } from "../../src/backends/memory/index.js";
import { openRedis } from "../../src/backends/redis/index.js";
import {
  type FallbackOptions,
  resilient,
  type WithFallback,
  withFallback,
} from "../../src/backends/resilient/index.js";
import { JournalFile } from "../../src/backends/resilient/journal-file.js";
import { lineOf, readLines } from "../../src/backends/resilient/journal-lines.js";
import { systemClock } from "../../src/clock.js";
import { CacheError } from "../../src/errors.js";
import type { CacheEvent } from "../../src/events.js";
import type { Selector } from "../../src/selector.js";
import { bytes, entry, keysOf, listed, put, texts } from "../contract/harness.js";
import { startRedis } from "../support/redis-server.js";
import { tempDir } from "../support/temp-dir.js";
import { until } from "../support/until.js";
import { type Faulty, faulty, never, unreachable } from "./resilient-faulty.js";

const unhandled: unknown[] = [];
process.on("unhandledRejection", (reason) => unhandled.push(reason));
afterEach(async () => {
  await turn();
  expect(unhandled.splice(0)).toEqual([]);
});

const clock = systemClock;
const memory = () => openMemory({ namespace: "", clock, emit: () => {}, maxEntries: 100_000 });

interface Cache {
  outer: WithFallback;
  /** The store without anything around it: what is really in it. */
  store: Backend;
  link: Faulty;
  fallback: Faulty;
  events: CacheEvent[];
  codes: () => string[];
  away(): void;
  back(): Promise<void>;
}

interface More extends FallbackOptions {
  namespace?: string;
  readOnly?: boolean;
  store?: Backend;
}

function cache({ namespace = "n:", readOnly = false, store = memory(), ...options }: More = {}): Cache {
  const link = faulty(store);
  const fallback = faulty(memory());
  const events: CacheEvent[] = [];
  const context = {
    clock,
    emit: (event: CacheEvent) => void events.push(event),
    random: () => 0,
    target: "it",
    namespace,
    readOnly,
  };
  const breaker = { openMs: 1, maxOpenMs: 1, failures: 1 };
  // What is closed here is not the store: it may belong to another cache too.
  const guarded = resilient(link.backend, { timeoutMs: 200, retries: 0, breaker, healthIntervalMs: 0 }, context);
  const outer = withFallback(guarded, fallback.backend, { recheckMs: 5, ...options }, context);
  onTestFinished(async () => {
    link.fault = (method) => (method === "close" ? async () => {} : undefined);
    await outer.close();
  });
  return {
    outer,
    store,
    link,
    fallback,
    events,
    codes: () =>
      events.filter(({ type, code }) => type === "warning" || code.startsWith("fallback")).map(({ code }) => code),
    away: () => {
      link.fault = () => unreachable();
    },
    back: async () => {
      link.fault = () => undefined;
      await until(() => !outer.degraded);
    },
  };
}

async function failing(work: () => unknown): Promise<CacheError> {
  try {
    await work();
  } catch (error) {
    if (error instanceof CacheError) return error;
    throw error;
  }
  throw new Error("it did not fail");
}

const journalIn = (dir: string) => join(dir, "journal");
const filesOf = (path: string) => readdirSync(dirname(path));

describe("while the store is away", () => {
  test("reading and filling go on, and who is served is told", async () => {
    const it = cache();
    await put(it.outer, entry("old", "v"));
    expect(it.outer.degraded).toBe(false);
    it.away();
    expect(await texts(it.outer, ["old", "k"])).toEqual([undefined, undefined]);
    expect(it.outer.degraded).toBe(true);
    let pending = 0;
    expect(await it.outer.setMany([entry("k", "new")], { onPending: () => (pending += 1) })).toEqual(["stored"]);
    expect(await texts(it.outer, ["k"])).toEqual(["new"]);
    expect(pending).toBe(1);
    expect(it.outer.state()).toMatchObject({
      breaker: expect.stringMatching(/open/),
      fallback: { active: true, hits: 1, misses: 2, writes: 1, pending: 1, overflowed: false },
    });
    const info = await it.outer.describe();
    expect(info.warnings[0]).toContain("away");
    expect(info.resilience?.fallback?.active).toBe(true);
    expect(await listed(it.outer, { all: true })).toEqual(["k"]);
    await it.back();
    expect(it.codes()).toEqual(["fallback-on", "fallback-off"]);
    expect((await it.outer.describe()).resilience).toMatchObject({
      breaker: "closed",
      fallback: { active: false, pending: 0 },
    });
  });

  test("an invalidation is pending, and is made before the store is used again", async () => {
    const it = cache();
    await put(
      it.outer,
      entry("a:1", "v"),
      entry("a:2", "v"),
      entry("b", "v", { tags: ["t"] }),
      entry("c", "v"),
      entry("d", "v"),
    );
    it.away();
    expect(await it.outer.deleteWhere({ prefix: "a:" })).toEqual({
      deleted: 0,
      softened: 0,
      complete: false,
      pending: true,
    });
    expect(await it.outer.deleteWhere({ tags: ["t"] })).toMatchObject({ pending: true });
    let pending = 0;
    expect(await it.outer.deleteMany(["c"], { onPending: () => (pending += 1) })).toEqual([false]);
    expect(pending).toBe(1);
    expect(await keysOf(it.store)).toEqual(["a:1", "a:2", "b", "c", "d"]);
    await it.back();
    expect(await keysOf(it.outer)).toEqual(["d"]);
    expect(await keysOf(it.store)).toEqual(["d"]);
  });

  test("what was written, and how: the store's old value never comes back, nor the fallback's", async () => {
    const it = cache();
    const keys = ["set", "touch", "atomic-set", "atomic-delete", "committed", "streamed", "delete", "other"];
    await put(it.outer, ...keys.map((key) => entry(key, "old")));
    it.away();
    await it.outer.setMany([entry("set", "new")]);
    await it.outer.touchMany([{ key: "touch", expiresAt: clock.now() + 10 }]);
    await it.outer.atomic([{ set: entry("atomic-set", "new") }, { delete: "atomic-delete" }]);
    const answer = await it.outer.lease("committed", 5000);
    if (answer.outcome !== "taken") throw new Error(answer.outcome);
    expect(await it.outer.renew(answer.lease, 5000)).toBe(true);
    expect(await it.outer.commit(entry("committed", "new"), answer.lease)).toBe(true);
    const writer = await it.outer.openWrite({ key: "streamed" });
    await writer.write(bytes("new"));
    expect(await writer.commit()).toBe("stored");
    await it.outer.deleteMany(["delete"]);
    const seen = await texts(it.outer, keys);
    expect(seen).toEqual(["new", undefined, "new", undefined, "new", "new", undefined, undefined]);
    await it.back();
    expect(await keysOf(it.store)).toEqual(["other"]);
    it.away();
    expect(await texts(it.outer, keys)).toEqual(keys.map(() => undefined));
    expect(await keysOf(it.fallback.backend)).toEqual([]);
  });

  test("a touch by version changes nothing in what stands in, whose versions are its own", async () => {
    const it = cache();
    await put(it.outer, entry("k", "of the store"));
    const [stored] = await it.outer.getMany(["k"], { want: "all" });
    it.away();
    await put(it.outer, entry("k", "of the fallback"), "other");
    const change = { key: "k", meta: bytes("of the store"), ifVersion: stored?.version ?? "" };
    const done = await it.outer.touchMany([
      change,
      { key: "other", meta: bytes("m") },
      { key: "none", meta: bytes("m") },
    ]);
    expect(done).toEqual([false, true, false]);
    const found = await it.outer.getMany(["k", "other"], { want: "all" });
    expect(found.map((entry) => entry?.meta && Buffer.from(entry.meta).toString())).toEqual([undefined, "m"]);
  });

  test("it is filled since a position of its own, which is no longer one when the store is back", async () => {
    const it = cache();
    const ofStore = await it.outer.position();
    it.away();
    const since = await it.outer.position();
    const stream = async (key: string, position: string) => {
      const writer = await it.outer.openWrite({ key, tags: ["t"] }, { since: position });
      await writer.write(bytes("v"));
      return writer;
    };
    const tagged = (key: string) => entry(key, "v", { tags: ["t"] });
    expect(await it.outer.setMany([tagged("a")], { since })).toEqual(["stored"]);
    expect(await (await stream("b", since)).commit()).toBe("stored");
    expect(await it.outer.setMany([tagged("c")], { since: ofStore })).toEqual(["condition"]);
    expect(await (await stream("c", ofStore)).commit()).toBe("condition");
    expect(await texts(it.outer, ["a", "b", "c"])).toEqual(["v", "v", undefined]);
    const late = await stream("b", since);
    await it.outer.deleteWhere({ tags: ["t"] });
    expect(await it.outer.setMany([tagged("a")], { since })).toEqual(["condition"]);
    expect(await late.commit()).toBe("condition");
    expect(await texts(it.outer, ["a", "b"])).toEqual([undefined, undefined]);
    const before = await it.outer.position();
    const crossing = await stream("d", before);
    await it.back();
    for (let again = 0; again < 2; again++) {
      expect(await it.outer.setMany([tagged("d")], { since: before })).toEqual(["condition"]);
      expect(await (await stream("d", before)).commit()).toBe("condition");
      // Another absence is not the one that it was of.
      it.away();
    }
    expect(await crossing.commit()).toBe("condition");
    expect(await texts(it.outer, ["d"])).toEqual([undefined]);
  });

  test("who follows from a position of its log hears nothing while the store is away, and of a gap when it is back", async () => {
    const it = cache();
    it.away();
    const from = await it.outer.position();
    const next = () => it.outer.changes(from, new AbortController().signal)[Symbol.asyncIterator]().next();
    expect(await failing(next)).toMatchObject({ kind: "connection" });
    await it.back();
    const { value } = await next();
    expect(value).toMatchObject({ gap: true, changes: [] });
    expect(value?.position).not.toBe(from);
  });

  test("followers of the log hear of what they missed, under a name that is none of theirs", async () => {
    const it = cache();
    const from = await it.store.position();
    it.away();
    await it.outer.announce("write", { keys: ["elsewhere"] }, { origin: "me" });
    await it.outer.deleteMany(["k"], { origin: "me" });
    await it.back();
    const stop = new AbortController();
    const heard: string[] = [];
    for await (const { changes } of it.store.changes(from, stop.signal)) {
      for (const { op, selector, origin } of changes) {
        expect(origin).toMatch(/^replay:/);
        heard.push(`${op} ${"keys" in selector ? selector.keys.join() : ""}`);
      }
      if (heard.some((text) => text.includes("elsewhere"))) break;
    }
    stop.abort();
    expect(heard).toContain("write elsewhere");
    expect(heard).toContain("delete k");
  });

  test("what can't be checked or undone is not pretended", async () => {
    const it = cache();
    const lease = await it.outer.lease("k", 5000);
    it.away();
    expect(await it.outer.setMany([entry("k")], { since: "0" })).toEqual(["condition"]);
    expect((await failing(() => it.outer.deleteWhere({ all: true }, { limit: 1 }))).kind).toBe("connection");
    for (const call of [() => it.outer.ping(), () => it.outer.resetCounters()]) {
      expect((await failing(call)).kind).toBe("connection");
    }
    if (lease.outcome !== "taken") throw new Error(lease.outcome);
    expect(await it.outer.renew(lease.lease, 1000)).toBe(false);
    expect(await it.outer.commit(entry("k", "late"), lease.lease)).toBe(false);
    await it.outer.release(lease.lease);
    const standIn = await it.outer.lease("k", 5000);
    if (standIn.outcome !== "taken") throw new Error(standIn.outcome);
    await it.back();
    expect(await it.outer.commit(entry("k", "late"), standIn.lease)).toBe(false);
    await it.outer.release(standIn.lease);
    expect(await texts(it.outer, ["k"])).toEqual([undefined]);
  });

  test("what the store answers is no reason to leave it", async () => {
    const it = cache();
    it.link.fault = () => new CacheError("store", "wrong-type", "a list");
    expect((await failing(() => it.outer.getMany(["k"]))).code).toBe("wrong-type");
    expect(it.outer.degraded).toBe(false);
  });

  test("a listing of the fallback goes on there, and is over when the store is back", async () => {
    const it = cache();
    it.away();
    await put(it.outer, ...Array.from({ length: 2500 }, (_, i) => `k${i}`));
    const pages = it.outer.scan({ all: true })[Symbol.asyncIterator]();
    const first = await pages.next();
    const cursor: string = first.value?.cursor;
    await pages.return?.();
    expect(cursor).toMatch(/^~/);
    expect(await listed(it.outer, { all: true }, { cursor })).toHaveLength(1500);
    await it.back();
    expect((await failing(() => listed(it.outer, { all: true }, { cursor }))).code).toBe("invalid-cursor");
  });

  test("a journal in memory that ends with its process says what is lost", async () => {
    const it = cache();
    it.away();
    await it.outer.deleteMany(["a", "b", "a"]);
    it.link.fault = (method) => (method === "close" ? async () => {} : unreachable());
    await it.outer.close();
    expect(it.events.at(-1)).toMatchObject({ code: "pending-lost", message: expect.stringContaining("2 changes") });
  });
});

describe("coming back", () => {
  test("a fallback that fails meanwhile is no obstacle, and forgets before it is used again", async () => {
    const it = cache();
    it.away();
    await it.outer.setMany([entry("k", "new")]);
    it.fallback.fault = () => unreachable("fallback-away");
    await it.back();
    expect(await texts(it.outer, ["k"])).toEqual([undefined]);
    await it.outer.setMany([entry("k", "newest")]);
    it.away();
    expect((await failing(() => it.outer.getMany(["k"]))).code).toBe("fallback-away");
    it.fallback.fault = () => undefined;
    expect(await texts(it.outer, ["k"])).toEqual([undefined]);
  });

  test("a write that the fallback makes only after that is never seen", async () => {
    const it = cache();
    it.away();
    await it.outer.getMany(["k"]);
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    it.fallback.fault = (method, args) => {
      if (method !== "setMany") return undefined;
      it.fallback.fault = () => undefined;
      return async () => {
        await held;
        return it.fallback.backend.setMany(args[0] as never);
      };
    };
    const writing = it.outer.setMany([entry("k", "late")]);
    await it.back();
    await it.outer.setMany([entry("k", "newest")]);
    release();
    expect(await writing).toEqual(["stored"]);
    expect(await texts(it.outer, ["k"])).toEqual(["newest"]);
    it.away();
    expect(await texts(it.outer, ["k"])).toEqual([undefined]);
  });

  test("a store that answers and can't be told is not trusted, and that is said once", async () => {
    const it = cache();
    await put(it.outer, entry("k", "old"));
    it.away();
    await it.outer.deleteMany(["k"]);
    it.link.fault = (method) =>
      method === "deleteWhere" ? new CacheError("authentication", "not-permitted", "no") : undefined;
    await until(() => it.codes().includes("store-not-back"));
    const { deleteWhere = 0 } = it.link.calls;
    await until(() => (it.link.calls.deleteWhere ?? 0) > deleteWhere + 3);
    expect(await texts(it.outer, ["k"])).toEqual([undefined]);
    expect(it.codes()).toEqual(["fallback-on", "store-not-back"]);
    await it.back();
    expect(await keysOf(it.store)).toEqual([]);
  });

  test("what is changed while the store is told of the rest, it is told of too", async () => {
    const it = cache();
    await put(it.outer, entry("a", "old"), entry("b", "old"));
    it.away();
    await it.outer.deleteMany(["a"]);
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    let told = 0;
    it.link.fault = (method, [selector]) => {
      if (method !== "deleteWhere") return undefined;
      told += 1;
      return async () => {
        if (told === 1) await held;
        return it.store.deleteWhere(selector as Selector);
      };
    };
    await until(() => told === 1);
    await it.outer.setMany([entry("b", "new")]);
    release();
    await until(() => !it.outer.degraded);
    expect(told).toBe(2);
    expect(await keysOf(it.store)).toEqual([]);
  });

  test("under writes that never cease", async () => {
    const it = cache({ journalPath: journalIn(tempDir()) });
    let working = true;
    const wrong: string[] = [];
    const worker = async (number: number) => {
      for (let i = 0; working; i++) {
        const key = `w${number}:${i % 7}`;
        await it.outer.setMany([entry(key, `${i}`)]);
        const [found] = await texts(it.outer, [key]);
        if (found !== undefined && found !== `${i}`) wrong.push(`${key}: ${found} instead of ${i}`);
        if (i % 20 === 0) await turn();
      }
    };
    const load = Promise.all([0, 1, 2, 3, 4, 5, 6, 7].map(worker));
    for (let round = 0; round < 5; round++) {
      it.away();
      await until(() => it.outer.degraded);
      await systemClock.sleep(20);
      await it.back();
    }
    working = false;
    await load;
    expect(wrong).toEqual([]);
  });

  test("whatever happens in whatever order, a read gives the last value or none", async () => {
    const key = fc.constantFrom("a", "ab", "b");
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.record({ do: fc.constant("set" as const), key }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant("delete" as const), key }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant("prefix" as const), key }) },
      { weight: 4, arbitrary: fc.record({ do: fc.constant("read" as const), key }) },
      {
        weight: 3,
        arbitrary: fc.record({ do: fc.constantFrom("away" as const, "back" as const, "flaky" as const), key }),
      },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.boolean(), async (steps, onDisk) => {
        const it = cache(onDisk ? { journalPath: journalIn(tempDir()) } : {});
        const model = new Map<string, string>();
        let version = 0;
        for (const one of steps) {
          if (one.do === "away") it.away();
          else if (one.do === "back") await it.back();
          else if (one.do === "flaky") {
            let n = 0;
            it.link.fault = () => (n++ % 2 === 0 ? unreachable() : undefined);
          } else if (one.do === "set") {
            version += 1;
            await it.outer.setMany([entry(one.key, `${version}`)]);
            model.set(one.key, `${version}`);
          } else if (one.do === "delete") {
            await it.outer.deleteMany([one.key]);
            model.delete(one.key);
          } else if (one.do === "prefix") {
            await it.outer.deleteWhere({ prefix: one.key });
            for (const key of model.keys()) if (key.startsWith(one.key)) model.delete(key);
          } else {
            const [found] = await texts(it.outer, [one.key]);
            if (found !== undefined) expect(found).toBe(model.get(one.key));
          }
        }
        await it.back();
        for (const key of ["a", "ab", "b"]) {
          const [found] = await texts(it.store, [key]);
          if (found !== undefined) expect(found).toBe(model.get(key));
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe("the journal on disk", () => {
  test("is replayed by the next process before the first read", async () => {
    const path = journalIn(tempDir());
    const store = memory();
    const first = cache({ journalPath: path, store });
    await put(first.outer, entry("k", "old"), entry("other", "v"));
    first.away();
    await first.outer.deleteMany(["k"]);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const second = cache({ journalPath: path, store });
    expect(await texts(second.outer, ["k", "other"])).toEqual([undefined, "v"]);
    expect(second.outer.degraded).toBe(false);
    expect(second.codes()).toEqual([]);
    expect(filesOf(path)).toEqual([]);
  });

  test("that takes long is waited for by a process that is soon over, as long as the store answers", async () => {
    const path = journalIn(tempDir());
    const prefixes = Array.from({ length: 10 }, (_, i) => `p${i}`);
    const open = (patient: boolean, answers: number) => {
      writeFileSync(path, prefixes.map((prefix) => lineOf({ selector: { prefix } })).join(""));
      const it = cache({ journalPath: path, patient });
      let told = 0;
      it.link.fault = (method) => {
        if (method !== "deleteWhere") return undefined;
        if (told++ >= answers) return () => never();
        return () => clock.sleep(150).then(() => ({ deleted: 0, softened: 0, complete: true }));
      };
      return it;
    };
    const patient = open(true, prefixes.length);
    await put(patient.store, entry("k", "v"));
    expect(await texts(patient.outer, ["k"])).toEqual(["v"]);
    expect([patient.outer.degraded, patient.codes(), filesOf(path)]).toEqual([false, [], []]);
    for (const [isPatient, answers] of [
      [true, 8],
      [false, prefixes.length],
    ] as const) {
      const it = open(isPatient, answers);
      await put(it.store, entry("k", "v"));
      expect(await texts(it.outer, ["k"])).toEqual([undefined]);
      expect([it.outer.degraded, it.codes()]).toEqual([true, ["fallback-on"]]);
      await it.back();
    }
  });

  test("of a store that is still away keeps it from being trusted", async () => {
    const path = journalIn(tempDir());
    writeFileSync(path, lineOf({ selector: { keys: ["k"] } }));
    const it = cache({ journalPath: path });
    await it.store.setMany([entry("k", "old")]);
    it.away();
    expect(await texts(it.outer, ["k"])).toEqual([undefined]);
    expect(it.outer.degraded).toBe(true);
    expect(it.codes()).toEqual(["fallback-on"]);
    await it.back();
    expect(await keysOf(it.store)).toEqual([]);
  });

  test("whose writer was killed in the middle of a line says all that was acknowledged", async () => {
    const path = journalIn(tempDir());
    const whole = lineOf({ selector: { keys: ["a"] } }) + lineOf({ selector: { prefix: "b" } });
    const cut = lineOf({ selector: { keys: ["c"] } });
    for (let at = 1; at < cut.length - 1; at += 7) {
      writeFileSync(path, whole + cut.slice(0, at));
      const it = cache({ journalPath: path });
      await it.store.setMany([entry("a"), entry("b1"), entry("c")]);
      expect(await keysOf(it.outer)).toEqual(["c"]);
      // And the next writer's lines are whole.
      writeFileSync(path, whole + cut.slice(0, at));
      it.away();
      await it.outer.deleteMany(["c"]);
      await it.back();
      expect(await keysOf(it.store)).toEqual([]);
    }
  });

  test("that is damaged empties the namespace, and says so", async () => {
    const path = journalIn(tempDir());
    writeFileSync(
      path,
      lineOf({ selector: { keys: ["a"] } }).replace('"a"', '"x"') + lineOf({ selector: { keys: ["b"] } }),
    );
    const it = cache({ journalPath: path });
    await it.store.setMany([entry("a"), entry("c")]);
    expect(await keysOf(it.outer)).toEqual([]);
    expect(it.codes()).toEqual(["journal-damaged"]);
  });

  test.each([{ maxJournalKeys: 10 }, { maxJournalBytes: 300 }])(
    "is bounded: with more, the namespace is emptied %j",
    async (bounds) => {
      const path = journalIn(tempDir());
      for (const more of [{}, { journalPath: path }]) {
        const it = cache({ ...bounds, ...more });
        await put(it.outer, entry("never named"), entry("k1"));
        it.away();
        for (let i = 0; i < 40; i++) await it.outer.deleteMany([`k${i}`]);
        await it.outer.setMany([entry("x", "new")]);
        if ("journalPath" in more) expect(statSync(path).size).toBeLessThan(2000);
        expect(it.outer.state().fallback).toMatchObject({ overflowed: true });
        await it.back();
        expect(await keysOf(it.store)).toEqual([]);
        expect(await keysOf(it.fallback.backend)).toEqual([]);
        expect(it.outer.state().fallback).toMatchObject({ overflowed: false, pending: 0 });
      }
    },
  );

  test("that is full for a store without a namespace refuses, and empties nothing that was not named", async () => {
    for (const more of [{}, { journalPath: journalIn(tempDir()) }]) {
      const it = cache({ namespace: "", maxJournalKeys: 3, ...more });
      await put(it.outer, entry("others'"), entry("k1"));
      it.away();
      for (let i = 0; i < 3; i++) await it.outer.deleteMany([`k${i}`]);
      expect(await failing(() => it.outer.deleteMany(["k3"]))).toMatchObject({
        kind: "connection",
        code: "journal-full",
      });
      await it.outer.deleteMany(["k1"]);
      await it.back();
      expect(await keysOf(it.store)).toEqual(["others'"]);
    }
  });

  test("that can't be written is a failure of the write", async () => {
    const dir = tempDir();
    const it = cache({ journalPath: join(dir, "folder", "journal") });
    writeFileSync(join(dir, "folder"), "");
    await put(it.outer, entry("k", "old"));
    it.away();
    expect(await failing(() => it.outer.deleteMany(["k"]))).toMatchObject({
      kind: "connection",
      code: "journal-not-written",
    });
    expect(it.outer.state().fallback?.pending).toBe(0);
  });

  test("of several processes is one: each is told of all, and none falls between two", async () => {
    const path = journalIn(tempDir());
    const store = memory();
    const caches = Array.from({ length: 4 }, () => cache({ journalPath: path, store }));
    const keys = Array.from({ length: 200 }, (_, i) => `k${i}`);
    for (let round = 0; round < 5; round++) {
      await store.setMany(keys.map((key) => entry(key, "old")));
      for (const one of caches) one.away();
      // The first is back while the others still write down what they miss.
      const returning = until(() => existsSync(path)).then(() => caches[0]?.back());
      await Promise.all(keys.map((key, i) => caches[i % 4]?.outer.deleteMany([key])));
      await returning;
      for (const one of caches) await one.back();
      expect(await keysOf(store)).toEqual([]);
    }
    expect(filesOf(path)).toEqual([]);
  });

  test("loses nothing that was acknowledged while others take it away", async () => {
    const bounds = { maxKeys: 100_000, maxBytes: 1_000_000, whole: true };
    const path = journalIn(tempDir());
    const open = () => new JournalFile(path, bounds, () => {});
    const taken = new Set<string>();
    // In one go, as the fastest of other processes would.
    const take = () => {
      if (!existsSync(path)) return;
      renameSync(path, `${path}.aside`);
      for (const { selector } of readLines(readFileSync(`${path}.aside`)).changes) {
        if ("keys" in selector) for (const key of selector.keys) taken.add(key);
      }
    };
    let writing = true;
    const taking = (async () => {
      while (writing) {
        await systemClock.sleep(8);
        take();
      }
    })();
    const keys = Array.from({ length: 600 }, (_, i) => `k${i}`);
    const write = async (number: number) => {
      const writer = open();
      for (let i = number; i < keys.length; i += 12) await writer.add({ selector: { keys: [`k${i}`] } });
    };
    await Promise.all(Array.from({ length: 12 }, (_, number) => write(number)));
    writing = false;
    await taking;
    take();
    expect(keys.filter((key) => !taken.has(key))).toEqual([]);
  });

  test("what is not in a batch that was taken meanwhile stays pending", async () => {
    const bounds = { maxKeys: 100_000, maxBytes: 1_000_000, whole: true };
    for (let round = 0; round < 60; round++) {
      const journal = new JournalFile(journalIn(tempDir()), bounds, () => {});
      const add = (key: string) => journal.add({ selector: { keys: [key] } });
      const first = add("a");
      for (let i = 0; i < round % 12; i++) await turn();
      const taking = journal.take();
      const second = add("b");
      for (let i = 0; i < round / 12; i++) await turn();
      const third = add("c");
      const batch = await taking;
      await batch.forget();
      await Promise.all([first, second, third]);
      const taken = batch.changes.flatMap(({ selector }) => ("keys" in selector ? selector.keys : []));
      if (["a", "b", "c"].some((key) => !taken.includes(key))) expect(journal.pending).toBeGreaterThan(0);
      const rest = await journal.take();
      await rest.forget();
      expect(journal.pending).toBe(0);
    }
  });

  test("that another process has left half replayed is replayed", async () => {
    const dir = tempDir();
    writeFileSync(join(dir, "journal.replay-1"), lineOf({ selector: { keys: ["a"] } }));
    writeFileSync(join(dir, "journal.replay-2"), lineOf({ selector: { keys: ["b"] } }));
    const it = cache({ journalPath: journalIn(dir) });
    await it.store.setMany([entry("a"), entry("b"), entry("c")]);
    expect(await keysOf(it.outer)).toEqual(["c"]);
    expect(readdirSync(dir)).toEqual([]);
  });

  test("is left to others by who may only read", async () => {
    const path = journalIn(tempDir());
    writeFileSync(path, lineOf({ selector: { keys: ["a"] } }));
    const it = cache({ journalPath: path, readOnly: true });
    await it.store.setMany([entry("a", "v")]);
    expect(await texts(it.outer, ["a"])).toEqual(["v"]);
    expect(existsSync(path)).toBe(true);
  });

  test("names a key once, whatever is done to it", async () => {
    const path = journalIn(tempDir());
    const it = cache({ journalPath: path });
    it.away();
    for (let i = 0; i < 20; i++) await it.outer.deleteMany(["k", "k"]);
    await it.outer.setMany([entry("k", "v")]);
    expect(readFileSync(path, "utf8").match(/"k"/g)).toHaveLength(1);
    expect(it.outer.state().fallback?.pending).toBe(1);
  });
});

describe("a Redis that dies", () => {
  test("what was written and deleted meanwhile is true when it is back with all it had", async () => {
    const server = await startRedis({ config: { appendonly: "yes", appendfsync: "always" } });
    onTestFinished(() => server.stop());
    const context = { clock, emit: () => {}, namespace: "n:" };
    const limits = { connectTimeoutMs: 500, commandTimeoutMs: 500 };
    const guarded = resilient(
      () => openRedis({ url: server.url, ...context, ...limits }),
      { timeoutMs: 500, breaker: { openMs: 50 }, healthIntervalMs: 0 },
      context,
    );
    const outer = withFallback(guarded, memory(), { journalPath: journalIn(tempDir()), recheckMs: 20 }, context);
    onTestFinished(() => outer.close());
    await put(
      outer,
      entry("set", "old"),
      entry("deleted", "old"),
      entry("p:1", "old"),
      entry("t", "old", { tags: ["t"] }),
      entry("kept", "old"),
    );
    await server.kill();
    await outer.setMany([entry("set", "new")]);
    await outer.deleteMany(["deleted"]);
    await outer.deleteWhere({ prefix: "p:" });
    await outer.deleteWhere({ tags: ["t"] });
    expect(await texts(outer, ["set", "deleted", "kept"])).toEqual(["new", undefined, undefined]);
    await server.restart();
    await until(() => !outer.degraded);
    expect(await keysOf(outer)).toEqual(["kept"]);
  });
});

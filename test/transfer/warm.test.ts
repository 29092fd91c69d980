import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { WriteEntry } from "../../src/cache/cache.js";
import { CacheError } from "../../src/errors.js";
import type { Reject } from "../../src/transfer/batch.js";
import type { WarmTarget } from "../../src/transfer/batch-writer.js";
import { type WarmOptions, type WarmProgress, warm } from "../../src/transfer/warm.js";
import { WarmError } from "../../src/transfer/warm-report.js";
import { FakeClock } from "../support/fake-clock.js";
import { type RedisServer, redisCli, startRedis } from "../support/redis-server.js";
import { tempDir } from "../support/temp-dir.js";
import { until } from "../support/until.js";
import { contents, memoryCache, redisCache } from "./caches.js";
import { pieces } from "./reading.js";

function fileOf(text: string | Buffer, name = "in.ndjson"): string {
  const path = join(tempDir(), name);
  writeFileSync(path, text);
  return path;
}

const line = (key: string, value: unknown, more: object = {}) => `${JSON.stringify({ key, value, ...more })}\n`;
const lines = (count: number, from = 0) =>
  Array.from({ length: count }, (_, i) => line(`k${from + i}`, from + i)).join("");

/** The failure of a warm, with its report. */
async function failureOf(run: Promise<unknown>): Promise<WarmError> {
  const error: unknown = await run.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof WarmError) return error;
  throw error ?? new Error("it did not fail");
}

describe("what is written", () => {
  it("writes every record of several sources and counts", async () => {
    const cache = memoryCache();
    const progress: WarmProgress[] = [];
    const sources = [fileOf(lines(1200)), fileOf('{"a":1.0,"b":"x"}', "o.json"), "-"];
    const stdin = pieces('[{"key":"c","value":null}]');
    const report = await warm(cache, sources, { stdin, onProgress: (now) => progress.push(now) });
    expect(report).toMatchObject({
      read: 1203,
      stored: 1203,
      rejected: 0,
      duplicates: 0,
      interrupted: false,
      dryRun: false,
    });
    const held = await contents(cache);
    expect(Object.keys(held)).toHaveLength(1203);
    expect(held).toMatchObject({ k0: "0", k1199: "1199", a: "1.0", b: "x", c: "null" });
    expect(report.bytes).toBe(Object.values(held).join("").length);
    const last = progress.findLast(({ source }) => source === sources[0]);
    expect(last).toMatchObject({
      records: 1200,
      stored: 1200,
      bytes: statSync(sources[0] ?? "").size,
      totalBytes: last?.bytes,
    });
  });

  it("applies prefix, tags and TTL where the record has none of its own", async () => {
    const clock = new FakeClock();
    const cache = memoryCache(clock);
    const now = clock.now();
    const text = [
      line("plain", 1),
      line("own", 1, { ttl: 5, tags: ["own", "all"] }),
      line("never", 1, { expiresAt: null }),
      line("at", 1, { expiresAt: now + 777 }),
      line("forever", 1, { ttl: "none" }),
    ].join("");
    await warm(cache, [fileOf(text)], { ttl: 60_000, prefix: "p:", tags: ["all"] });
    const keys = ["plain", "own", "never", "at", "forever"].map((key) => `p:${key}`);
    const found = await cache.readMany(keys, { want: "all", peek: true });
    expect(found.map((entry) => entry?.expiresAt)).toEqual([now + 60_000, now + 5000, undefined, now + 777, undefined]);
    expect(found.map((entry) => [...(entry?.tags ?? [])].sort())).toEqual([
      ["all"],
      ["all", "own"],
      ["all"],
      ["all"],
      ["all"],
    ]);
  });

  it("gives new keys the cache's default TTL and lets existing ones keep theirs", async () => {
    const clock = new FakeClock();
    const cache = memoryCache(clock);
    await cache.set("old", 1, { ttl: 5000 });
    await warm(cache, [fileOf(line("old", 2) + line("new", 2))]);
    const found = await cache.readMany(["old", "new"], { want: "all" });
    expect(found.map((entry) => entry?.expiresAt)).toEqual([clock.now() + 5000, clock.now() + 3_600_000]);
    expect(await contents(cache)).toEqual({ old: "2", new: "2" });
  });

  it("only takes off from a TTL for jitter, and leaves deadlines alone", async () => {
    const clock = new FakeClock();
    const at = clock.now() + 100_000;
    const text =
      line("a", 1) +
      line("b", 1) +
      line("c", 1, { ttl: 50 }) +
      line("d", 1, { expiresAt: at }) +
      line("e", 1, { ttl: "none" });
    const draws = [0, 0.999, 0.5];
    const cache = memoryCache(clock);
    await warm(cache, [fileOf(text)], { ttl: 100_000, ttlJitterPercent: 20, random: () => draws.shift() ?? 0 });
    const found = await cache.readMany(["a", "b", "c", "d", "e"], { want: "all" });
    const left = found.map((entry) => entry?.expiresAt && entry.expiresAt - clock.now());
    expect(left).toEqual([100_000, 80_020, 45_000, 100_000, undefined]);
  });

  it("counts what has expired, and does not write it", async () => {
    const clock = new FakeClock();
    const cache = memoryCache(clock);
    const text =
      line("past", 1, { expiresAt: clock.now() - 1 }) + line("now", 1, { expiresAt: clock.now() }) + line("ok", 1);
    expect(await warm(cache, [fileOf(text)])).toMatchObject({ read: 3, stored: 1, expired: 2 });
    expect(await contents(cache)).toEqual({ ok: "1" });
  });

  it("leaves keys alone that are there with ifAbsent, and the first of a batch wins then", async () => {
    const cache = memoryCache();
    await cache.setBytes("a", Buffer.from("old"));
    const report = await warm(cache, [fileOf(line("a", "new") + line("b", 1) + line("b", 2))], { ifAbsent: true });
    expect(report).toMatchObject({ read: 3, stored: 1, skipped: 1, duplicates: 1 });
    expect(await contents(cache)).toEqual({ a: "old", b: "1" });
  });

  it("writes nothing in a dry run and says what would be written", async () => {
    const cache = memoryCache();
    await cache.setBytes("k0", Buffer.from("old"));
    const path = fileOf(`${lines(10)}bad\n`);
    expect(await warm(cache, [path], { dryRun: true })).toMatchObject({
      dryRun: true,
      read: 11,
      stored: 10,
      rejected: 1,
    });
    expect(await warm(cache, [path], { dryRun: true, ifAbsent: true })).toMatchObject({ stored: 9, skipped: 1 });
    expect(await contents(cache)).toEqual({ k0: "old" });
  });

  it("counts what is too large for the store", async () => {
    const cache = memoryCache(new FakeClock(), { maxBytes: 10_000 });
    const report = await warm(cache, [fileOf(line("small", 1) + line("large", "x".repeat(20_000)))]);
    expect(report).toMatchObject({ stored: 1, tooLarge: 1, tooLargeKeys: ["large"] });
  });

  it("reads back what it wrote, and counts what is not the same", async () => {
    const cache = memoryCache();
    expect(await warm(cache, [fileOf(lines(700))], { verify: true })).toMatchObject({ verified: 700, mismatched: 0 });
    const lossy: WarmTarget = {
      clock: cache.clock,
      readMany: (keys, options) => cache.readMany(keys, options),
      writeMany: (entries, options) =>
        cache.writeMany(
          entries.map((entry) => (entry.key === "k5" ? { ...entry, value: Buffer.from("other") } : entry)),
          options,
        ),
    };
    const report = await warm(lossy, [fileOf(lines(700))], { verify: true });
    expect(report).toMatchObject({ stored: 700, verified: 699, mismatched: 1, mismatchedKeys: ["k5"] });
  });
});

describe("bad records", () => {
  it("hands them over whole and in order, and writes the good ones", async () => {
    const cache = memoryCache();
    const rejects: Reject[] = [];
    const path = fileOf(`${lines(3)}{"key":"bad","value":}\n${lines(3, 3)}{"key":"","value":1}\n`);
    const report = await warm(cache, [path], {
      onReject: async (reject) => {
        await Promise.resolve();
        rejects.push(reject);
      },
    });
    expect(report).toMatchObject({ read: 8, stored: 6, rejected: 2 });
    expect(rejects.map((reject) => [reject.source, reject.line, reject.text.toString()])).toEqual([
      [path, 4, '{"key":"bad","value":}'],
      [path, 8, '{"key":"","value":1}'],
    ]);
    expect(Object.keys(await contents(cache))).toHaveLength(6);
  });

  it("stops at more of them than allowed, and says what was written", async () => {
    const bad = "bad\n";
    const path = fileOf(`${lines(2)}${bad}${lines(2, 2)}${bad}${lines(2, 4)}${bad}${lines(2, 6)}`);
    const cache = memoryCache();
    expect(await warm(cache, [path], { maxErrors: 3, batchSize: 1 })).toMatchObject({ stored: 8, rejected: 3 });
    const failure = await failureOf(warm(memoryCache(), [path], { maxErrors: 1, batchSize: 1 }));
    expect(failure).toMatchObject({ kind: "usage", code: "too-many-rejects", report: { rejected: 2, stored: 4 } });
    expect((await failureOf(warm(memoryCache(), [path], { maxErrors: 0, batchSize: 1 }))).report).toMatchObject({
      rejected: 1,
      stored: 2,
    });
  });

  it("writes what comes before a syntax error of a document, then says where it is", async () => {
    const cache = memoryCache();
    const failure = await failureOf(warm(cache, [fileOf('{"a":1,\n"b":2,\n"c" 3}', "in.json")]));
    expect(failure).toMatchObject({ kind: "usage", code: "invalid-json", report: { stored: 2, read: 2 } });
    expect(failure.message).toMatch(/in\.json: .*line 3, column 5, byte 19/);
    expect(await contents(cache)).toEqual({ a: "1", b: "2" });
  });

  it("looks at every file before it writes anything", async () => {
    const cache = memoryCache();
    await expect(warm(cache, [fileOf(lines(2)), "/nowhere/x.json"])).rejects.toMatchObject({
      code: "source-not-found",
    });
    expect(await contents(cache)).toEqual({});
  });
});

describe("order", () => {
  it("lets the last of several records with one key win, within a batch and across batches under way", async () => {
    const keys = 7;
    const text = Array.from({ length: 2000 }, (_, i) => line(`k${(i * i) % keys}`, i)).join("");
    const expected = new Map<string, string>();
    for (let i = 0; i < 2000; i++) expected.set(`k${(i * i) % keys}`, String(i));
    for (const batchSize of [1, 3, 500]) {
      const cache = memoryCache();
      const report = await warm(slow(cache), [fileOf(text)], { batchSize, concurrency: 8 });
      expect(await contents(cache)).toEqual(Object.fromEntries([...expected].sort()));
      expect(report.stored + report.duplicates).toBe(2000);
    }
  });

  it("holds a batch back that shares a key with one under way, and no other", async () => {
    const cache = memoryCache();
    const started: string[][] = [];
    const release: (() => void)[] = [];
    const target: WarmTarget = {
      clock: cache.clock,
      readMany: (keys, options) => cache.readMany(keys, options),
      writeMany: async (entries, options) => {
        started.push(entries.map((entry) => entry.key));
        await new Promise<void>((resolve) => release.push(resolve));
        return cache.writeMany(entries, options);
      },
    };
    const text = ["a", "b", "c", "b", "d"].map((key, i) => line(key, i)).join("");
    const run = warm(target, [fileOf(text)], { batchSize: 1, concurrency: 4 });
    await until(() => started.length === 3);
    await new Promise((resolve) => setImmediate(resolve));
    expect(started).toEqual([["a"], ["b"], ["c"]]);
    release[1]?.();
    release[0]?.();
    await until(() => started.length === 5);
    for (const go of release) go();
    await run;
    expect(await contents(cache)).toEqual({ a: "0", b: "3", c: "2", d: "4" });
  });

  it("never has more batches under way than asked for", async () => {
    const cache = memoryCache();
    let now = 0;
    let most = 0;
    const target: WarmTarget = {
      clock: cache.clock,
      readMany: (keys, options) => cache.readMany(keys, options),
      writeMany: async (entries, options) => {
        most = Math.max(most, ++now);
        await new Promise((resolve) => setImmediate(resolve));
        now -= 1;
        return cache.writeMany(entries, options);
      },
    };
    await warm(target, [fileOf(lines(300))], { batchSize: 10, concurrency: 3 });
    expect(most).toBe(3);
  });
});

/** Writes land after a turn or more, in another order than they were sent. */
function slow(cache: ReturnType<typeof memoryCache>): WarmTarget {
  let turn = 0;
  return {
    clock: cache.clock,
    readMany: (keys, options) => cache.readMany(keys, options),
    writeMany: async (entries: readonly WriteEntry[], options) => {
      for (let i = (turn++ * 7) % 5; i > 0; i--) await new Promise((resolve) => setImmediate(resolve));
      return cache.writeMany(entries, options);
    },
  };
}

describe("stopping", () => {
  it("finishes what is under way when it is aborted, and says that it was", async () => {
    const cache = memoryCache();
    const controller = new AbortController();
    const report = await warm(slow(cache), [fileOf(lines(5000))], {
      batchSize: 10,
      signal: controller.signal,
      onProgress: ({ records }) => records >= 100 && controller.abort(),
    });
    expect(report.interrupted).toBe(true);
    expect(report.stored).toBeGreaterThanOrEqual(100);
    expect(report.stored).toBeLessThan(300);
    expect(Object.keys(await contents(cache))).toHaveLength(report.stored);
  });

  it("keeps the kind of a store's failure, with what was written and what may have been", async () => {
    const cache = memoryCache();
    let writes = 0;
    const failing: WarmTarget = {
      clock: cache.clock,
      readMany: (keys, options) => cache.readMany(keys, options),
      writeMany: async (entries, options) => {
        if (++writes >= 6)
          throw new CacheError("connection", "gone", "the store went away", { hint: "Start it again." });
        return cache.writeMany(entries, options);
      },
    };
    const failure = await failureOf(warm(failing, [fileOf(lines(1000))], { batchSize: 10 }));
    expect(failure).toMatchObject({ kind: "connection", code: "gone", hint: "Start it again.", retryable: true });
    expect(failure.report.stored).toBe(50);
    expect(failure.report.unacknowledged).toBeGreaterThanOrEqual(10);
    expect(failure.report.unacknowledged).toBeLessThanOrEqual(40);
    expect(Object.keys(await contents(cache))).toHaveLength(50);
  });

  it.each<[string, string[], WarmOptions]>([
    ["no source", [], {}],
    ["standard input twice", ["-", "-"], { stdin: pieces("") }],
    ["a batch size of 0", ["-"], { batchSize: 0 }],
    ["a concurrency of 0", ["-"], { concurrency: 0 }],
    ["a jitter above 100", ["-"], { ttlJitterPercent: 101 }],
    ["a TTL of 0", ["-"], { ttl: 0 }],
    ["a checkpoint on standard input", ["-"], { checkpoint: { path: "x", target: "y" } }],
    ["a checkpoint of a dry run", ["a.json"], { dryRun: true, checkpoint: { path: "x", target: "y" } }],
  ])("refuses %s", async (_, sources, options) => {
    await expect(warm(memoryCache(), sources, options)).rejects.toMatchObject({
      kind: "usage",
      code: "invalid-warm-option",
    });
  });
});

describe("on a real Redis", () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server.stop());

  it("leaves what other programs can read", async () => {
    const cache = await redisCache(server);
    await warm(cache, [fileOf(line("plain", { n: 1 }) + line("text", "é"))]);
    expect((await redisCli(server, "GET", "plain")).trim()).toBe('{"n":1}');
    expect(Number(await redisCli(server, "PTTL", "text"))).toBeGreaterThan(3_500_000);
    await cache.close();
  });

  it("says what was written when the server dies in the middle", async () => {
    const own = await startRedis();
    const cache = await redisCache(own);
    let killed: Promise<void> | undefined;
    const failure = await failureOf(
      warm(cache, [fileOf(lines(200_000))], {
        onProgress: ({ stored }) => {
          if (stored >= 20_000) killed ??= own.kill();
        },
      }),
    );
    await killed;
    expect(["connection", "timeout"]).toContain(failure.kind);
    expect(failure.report.stored).toBeGreaterThanOrEqual(20_000);
    expect(failure.report.stored).toBeLessThan(200_000);
    expect(failure.report.unacknowledged).toBeGreaterThan(0);
    await own.restart();
    await until(async () => (await cache.health()).ok, { what: "the server is back" });
    await cache.close();
    await own.stop();
  });
});

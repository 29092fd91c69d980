import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Cache, WriteEntry } from "../../src/cache/cache.js";
import { backupEntries } from "../../src/transfer/backup.js";
import { type ExportOptions, exportEntries } from "../../src/transfer/export.js";
import { exportToFile } from "../../src/transfer/export-file.js";
import { warm } from "../../src/transfer/warm.js";
import { FakeClock } from "../support/fake-clock.js";
import { type RedisServer, redisCli, redisCliBytes, startRedis } from "../support/redis-server.js";
import { tempDir } from "../support/temp-dir.js";
import { memoryCache, redisCache } from "./caches.js";
import { pieces, readAll } from "./reading.js";

async function exported(cache: Cache, options?: ExportOptions) {
  const lines: Buffer[] = [];
  const report = await exportEntries(cache, { all: true }, async (piece) => void lines.push(piece), options);
  return { report, text: Buffer.concat(lines).toString("utf8") };
}

/** Everything that a cache knows of its entries but their age. */
async function known(
  cache: Cache,
): Promise<Map<string, { value: string; expiresAt: number | undefined; tags: string[] }>> {
  const all = new Map<string, { value: string; expiresAt: number | undefined; tags: string[] }>();
  for await (const page of cache.scan({ all: true })) {
    const keys = page.entries.map(({ key }) => key);
    const found = await cache.readMany(keys, { want: "all", peek: true });
    keys.forEach((key, i) => {
      const { value, expiresAt, tags = [] } = found[i] ?? { value: Buffer.from("gone") };
      all.set(key, { value: Buffer.from(value).toString("hex"), expiresAt, tags: [...tags].sort() });
    });
  }
  return all;
}

const key = fc
  .string({ unit: "grapheme", minLength: 1, maxLength: 20 })
  .filter((text) => !text.includes("\0") && text.isWellFormed());
const tag = fc.string({ unit: "binary-ascii", minLength: 1, maxLength: 8 }).filter((text) => !text.includes("\0"));
const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array)),
  fc.string({ unit: "binary", maxLength: 20 }).map((text) => Buffer.from(text)),
  fc.json().map((text) => Buffer.from(text)),
  fc
    .constantFrom("1.0", "12345678901234567890", '"quoted"', "", "\ufeffbom", "null", "\0", "a\u2028b", "\ufffd")
    .map((text) => Buffer.from(text)),
);

describe("export, then warm", () => {
  it("gives the same bytes, tags and deadlines", async () => {
    const entries = fc.uniqueArray(
      fc.record({
        key,
        value: bytes,
        left: fc.option(fc.integer({ min: 1, max: 1e12 })),
        tags: fc.array(tag, { maxLength: 3 }),
      }),
      {
        selector: (entry) => entry.key,
        maxLength: 12,
      },
    );
    await fc.assert(
      fc.asyncProperty(entries, async (all) => {
        const clock = new FakeClock();
        const from = memoryCache(clock);
        const list: WriteEntry[] = all.map(({ left, ...entry }) => ({
          ...entry,
          expiresAt: left === null ? null : clock.now() + left,
        }));
        await from.writeMany(list);
        const { report, text } = await exported(from);
        expect(report).toMatchObject({ exported: all.length, unfit: 0, otherTypes: 0, vanished: 0, exact: true });
        const to = memoryCache(clock);
        const warmed = await warm(to, ["-"], { stdin: pieces(text), format: "ndjson", ttl: 5 });
        expect(warmed).toMatchObject({ stored: all.length, rejected: 0, bytes: report.bytes });
        expect(await known(to)).toEqual(await known(from));
      }),
      { numRuns: 200 },
    );
  });

  it("writes text as a string, other bytes as base64, and never as JSON of its own", async () => {
    const cache = memoryCache();
    await cache.writeMany([
      { key: "n", value: Buffer.from("1.0"), expiresAt: null },
      {
        key: "m",
        value: Buffer.from("x"),
        expiresAt: 1_800_000_000_000,
        staleAt: 1_700_000_000_000,
        meta: Buffer.from([255]),
      },
      { key: "b", value: Buffer.from([0xff, 0x00]), expiresAt: 1_800_000_000_000, tags: ["t"] },
    ]);
    const { text } = await exported(cache);
    expect(text.split("\n").sort()).toEqual([
      "",
      '{"key":"b","value":"/wA=","encoding":"base64","tags":["t"],"expiresAt":1800000000000}',
      '{"key":"m","value":"x","expiresAt":1800000000000,"staleAt":1700000000000,"meta":"/w=="}',
      '{"key":"n","value":"1.0","expiresAt":null}',
    ]);
  });
});

describe("the run", () => {
  it("reads in steps that fit the values' size, and waits for the sink", async () => {
    const cache = memoryCache();
    const value = Buffer.alloc(500_000, 1);
    await cache.writeMany(Array.from({ length: 200 }, (_, i) => ({ key: `k${i}`, value })));
    let waiting = 0;
    let largest = 0;
    const report = await exportEntries(cache, { all: true }, async (lines) => {
      expect(waiting).toBe(0);
      waiting += 1;
      largest = Math.max(largest, lines.length);
      await new Promise((resolve) => setImmediate(resolve));
      waiting -= 1;
    });
    expect(report).toMatchObject({ exported: 200, bytes: 100_000_000 });
    expect(largest).toBeLessThan(1_000_000);
  });

  it("is fine with entries that go meanwhile, and stops at the signal", async () => {
    const cache = memoryCache();
    await cache.setMany(Array.from({ length: 3000 }, (_, i) => [`k${i}`, i] as const));
    let first = true;
    const report = await exportEntries(cache, { all: true }, async () => {
      if (first) await cache.invalidate({ prefix: "k1" });
      first = false;
    });
    expect(report.vanished).toBeGreaterThan(0);
    expect(report.exported).toBeGreaterThan(1000);
    const controller = new AbortController();
    const cut = await exportEntries(cache, { all: true }, async () => controller.abort(), {
      signal: controller.signal,
    });
    expect(cut).toMatchObject({ interrupted: true, exported: 16 });
  });

  it("passes on what the sink throws", async () => {
    const cache = memoryCache();
    await cache.set("k", 1);
    const broken = new Error("EPIPE");
    await expect(exportEntries(cache, { all: true }, () => Promise.reject(broken))).rejects.toBe(broken);
  });

  it("leaves recency and counters alone", async () => {
    const cache = memoryCache();
    await cache.set("k", 1);
    await exported(cache);
    expect((await cache.stats()).counters).toMatchObject({ hits: 0, misses: 0 });
  });
});

describe("files", () => {
  it("writes a whole file of mode 0600 that warm takes, compressed by its name", async () => {
    const cache = memoryCache();
    await cache.setMany([
      ["a", 1],
      ["b", { c: 2 }],
    ]);
    const dir = tempDir();
    for (const name of ["e.ndjson", "e.ndjson.gz", "e.ndjson.br"]) {
      const path = join(dir, name);
      expect(await exportToFile(cache, { all: true }, path)).toMatchObject({ exported: 2 });
      expect(statSync(path).mode & 0o777).toBe(0o600);
      const to = memoryCache();
      expect(await warm(to, [path])).toMatchObject({ stored: 2 });
      expect([...(await known(to)).keys()].sort()).toEqual(["a", "b"]);
    }
    expect(gunzipSync(readFileSync(join(dir, "e.ndjson.gz"))).length).toBeGreaterThan(50);
    expect(readdirSync(dir)).toHaveLength(3);
  });

  it("leaves a file as it was when it is interrupted or fails", async () => {
    const cache = memoryCache();
    await cache.setMany(Array.from({ length: 200 }, (_, i) => [`k${i}`, i] as const));
    const path = join(tempDir(), "e.ndjson");
    writeFileSync(path, "before");
    const controller = new AbortController();
    const report = await exportToFile(cache, { all: true }, path, {
      signal: controller.signal,
      onProgress: () => controller.abort(),
    });
    expect(report.interrupted).toBe(true);
    const failing = { ...options(cache), readMany: () => Promise.reject(new Error("store")) };
    await expect(exportToFile(failing, { all: true }, path)).rejects.toThrow("store");
    expect(readFileSync(path, "utf8")).toBe("before");
    expect(readdirSync(dirname(path))).toEqual(["e.ndjson"]);
  });

  it("says clearly what can't be written, and writes to devices in place", async () => {
    const cache = memoryCache();
    await cache.set("k", 1);
    const dir = tempDir();
    for (const path of [dir, join(dir, "missing", "e.ndjson")]) {
      await expect(exportToFile(cache, { all: true }, path)).rejects.toMatchObject({
        code: "export-file-not-written",
        kind: "usage",
      });
    }
    await expect(exportToFile(cache, { all: true }, join(dir, "e.zst"))).rejects.toMatchObject({
      code: "zstd-unavailable",
    });
    expect(await exportToFile(cache, { all: true }, "/dev/null")).toMatchObject({ exported: 1 });
    if (existsSync("/dev/full")) {
      await expect(exportToFile(cache, { all: true }, "/dev/full")).rejects.toMatchObject({
        code: "export-file-not-written",
        kind: "store",
      });
    }
  });

  it("backs up into a new file only", async () => {
    const cache = memoryCache();
    await cache.setMany([
      ["a", 1],
      ["b", 2],
    ]);
    const cwd = tempDir();
    expect(await backupEntries(cache, { prefix: "a" }, "b.ndjson", { cwd })).toBe(1);
    expect(
      (await readAll(readFileSync(join(cwd, "b.ndjson")), { format: "ndjson" })).entries.map((entry) => entry.key),
    ).toEqual(["a"]);
    await expect(backupEntries(cache, { all: true }, "b.ndjson", { cwd })).rejects.toMatchObject({
      code: "export-file-exists",
    });
    const aborted = AbortSignal.abort();
    await expect(backupEntries(cache, { all: true }, "c.ndjson", { cwd, signal: aborted })).rejects.toMatchObject({
      code: "backup-interrupted",
    });
    expect(readdirSync(cwd)).toEqual(["b.ndjson"]);
  });
});

function options(cache: Cache) {
  return {
    backend: cache.backend,
    clock: cache.clock,
    scan: cache.scan.bind(cache),
    readMany: cache.readMany.bind(cache),
  };
}

describe("a Redis that others use", () => {
  let server: RedisServer;
  let cache: Cache;
  beforeAll(async () => {
    server = await startRedis();
    cache = await redisCache(server);
  });
  beforeEach(() => redisCli(server, "FLUSHALL"));
  afterAll(async () => {
    await cache.close();
    await server.stop();
  });

  it("counts what it leaves out: other types, and keys that could not be written back", async () => {
    await redisCli(server, "SET", "s", "1.0");
    await redisCli(server, "HSET", "h", "f", "v");
    await redisCli(server, "RPUSH", "l", "v");
    await redisCliBytes(server, ["-x", "SET", "fine"], Buffer.from([0xff, 0xfe]));
    await redisCliBytes(server, ["EVAL", "return redis.call('SET', '\\255\\254', 'v')", "0"]);
    await redisCli(server, "SET", "x".repeat(1025), "v");
    const { report, text } = await exported(cache);
    expect(report).toMatchObject({ exported: 2, otherTypes: 2, unfit: 2, vanished: 0 });
    expect(text).toContain('{"key":"s","value":"1.0","expiresAt":null}');
    expect(text).toContain('"value":"//4=","encoding":"base64"');
    const named = await exportEntries(cache, { keys: ["s", "h", "nothing"] }, async () => {});
    expect(named).toMatchObject({ exported: 1, otherTypes: 1 });
    await expect(backupEntries(cache, { all: true }, "b", { cwd: tempDir() })).rejects.toMatchObject({
      code: "backup-incomplete",
    });
  });

  it("exports each key once, though SCAN repeats some while the table grows", async () => {
    await warm(cache, ["-"], {
      stdin: pieces(Array.from({ length: 5000 }, (_, i) => `{"key":"k${i}","value":${i}}\n`).join("")),
      format: "ndjson",
    });
    let grown = 0;
    const keys: string[] = [];
    const report = await exportEntries(cache, { prefix: "k" }, async (lines) => {
      for (const line of lines.toString().trim().split("\n")) keys.push(String(JSON.parse(line).key));
      if (grown++ < 5) await cache.setMany(Array.from({ length: 4000 }, (_, i) => [`new${grown}:${i}`, i] as const));
    });
    expect(new Set(keys).size).toBe(keys.length);
    expect(keys.length).toBe(5000);
    expect(report).toMatchObject({ exported: 5000, exact: true });
    expect((await exportEntries(cache, { prefix: "k" }, async () => {}, { tellApart: 10 })).exact).toBe(false);
  });

  it("keeps tags and deadlines on the way to another store", async () => {
    const at = Date.now() + 1_000_000;
    await cache.writeMany([{ key: "a", value: Buffer.from("v"), expiresAt: at, tags: ["x", "y"] }]);
    const { text } = await exported(cache);
    const to = memoryCache();
    await warm(to, ["-"], { stdin: pieces(text), format: "ndjson" });
    const [entry] = await to.readMany(["a"], { want: "all" });
    expect([...(entry?.tags ?? [])].sort()).toEqual(["x", "y"]);
    expect(Math.abs((entry?.expiresAt ?? 0) - at)).toBeLessThan(1000);
  });
});

import { statSync } from "node:fs";
import { join } from "node:path";
import Sqlite from "better-sqlite3";
import { afterEach, describe, expect, test } from "vitest";
import type { Backend } from "../../src/backends/backend.js";
import { openSqlite, type SqliteOptions } from "../../src/backends/sqlite/index.js";
import { systemClock } from "../../src/clock.js";
import { entry, keysOf, put, texts } from "../contract/harness.js";
import { tempDir } from "../support/temp-dir.js";
import { until } from "../support/until.js";

const opened: Backend[] = [];
afterEach(async () => {
  for (const backend of opened.splice(0)) await backend.close();
});

async function open(path: string, more: Partial<SqliteOptions> = {}): Promise<Backend> {
  const backend = await openSqlite({ path, namespace: "", clock: systemClock, emit: () => {}, ...more });
  opened.push(backend);
  return backend;
}

const newPath = () => join(tempDir("patience"), "cache.db");

/** Holds the write lock for so long, by a connection of its own. */
function lock(path: string, ms: number): Promise<void> {
  const other = new Sqlite(path);
  other.exec("BEGIN IMMEDIATE");
  return new Promise((resolve) => {
    setTimeout(() => {
      other.exec("ROLLBACK");
      other.close();
      resolve();
    }, ms);
  });
}

describe("waiting for another process's lock", () => {
  test.each(["sync", "async"] as const)("%s: where nobody is in the way, the answer is there at once", async (wait) => {
    const backend = await open(newPath(), { wait });
    expect(backend.setMany([entry("k", "v")])).toEqual(["stored"]);
    expect(backend.getMany(["k"])).toMatchObject([{ size: 1 }]);
    expect(backend.lease("l", 1000)).toMatchObject({ outcome: "taken" });
    expect(backend.atomic([{ delete: "k" }])).toBeUndefined();
  });

  test("async: the event loop goes on meanwhile, and everything is done in the end", async () => {
    const path = newPath();
    const backend = await open(path, { wait: "async" });
    await put(backend, "gone", "touched");
    const version = (await backend.getMany(["gone"], { want: "all" }))[0]?.version ?? "";
    const released = lock(path, 300);
    let turns = 0;
    const ticking = setInterval(() => {
      turns += 1;
    }, 5);
    const start = performance.now();
    const [stored, deleted, touched, lease, report] = await Promise.all([
      backend.setMany([entry("k", "v")]),
      backend.deleteMany(["gone"], { versions: [version] }),
      backend.touchMany([{ key: "touched", expiresAt: null }]),
      backend.lease("l", 1000),
      backend.deleteWhere({ prefix: "nothing" }),
      backend.count({ hits: 1 }),
    ]);
    clearInterval(ticking);
    await released;
    expect(performance.now() - start).toBeGreaterThan(250);
    // With a synchronous wait it would be one or two.
    expect(turns).toBeGreaterThan(4);
    expect([stored, deleted, touched, lease.outcome, report.complete]).toEqual([
      ["stored"],
      [true],
      [true],
      "taken",
      true,
    ]);
    expect(await keysOf(backend)).toEqual(["k", "touched"]);
    expect((await backend.counters()).counters.hits).toBe(1);
  });

  test("async: after the time for it, it is an error to try again, and nothing is written", async () => {
    const path = newPath();
    const backend = await open(path, { wait: "async", busyTimeoutMs: 80 });
    await put(backend, entry("k", "before"));
    const released = lock(path, 400);
    const start = performance.now();
    await expect((async () => backend.setMany([entry("k", "after")]))()).rejects.toMatchObject({
      code: "store-busy",
      retryable: true,
    });
    expect(performance.now() - start).toBeGreaterThanOrEqual(75);
    await released;
    expect(await texts(backend, ["k"])).toEqual(["before"]);
  });

  test("async: a signal ends it", async () => {
    const path = newPath();
    const backend = await open(path, { wait: "async" });
    const released = lock(path, 300);
    const stop = new AbortController();
    const failure = expect(
      (async () => backend.setMany([entry("k")], { signal: stop.signal }))(),
    ).rejects.toMatchObject({ code: "aborted" });
    stop.abort();
    await failure;
    await released;
    expect(await keysOf(backend)).toEqual([]);
  });

  test("async: the log stays small, also while a reader keeps it from being begun anew", {
    timeout: 30_000,
  }, async () => {
    const path = newPath();
    const backend = await open(path, { wait: "async" });
    const value = Buffer.alloc(100_000, 1);
    const fill = async () => {
      for (let i = 0; i < 400; i++) await backend.setMany([{ key: `k${i % 10}`, value }]);
    };
    await fill();
    const size = () => statSync(`${path}-wal`).size;
    const isSmall = async () => {
      await backend.setMany([{ key: "k", value }]);
      return size() < 16_000_000;
    };
    await until(isSmall);
    const reader = new Sqlite(path, { readonly: true });
    reader.exec("BEGIN");
    reader.prepare("SELECT count(*) FROM entries").get();
    await fill();
    expect(size()).toBeGreaterThan(16_000_000);
    reader.close();
    await until(isSmall);
  });
});

import { chmodSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import Sqlite from "better-sqlite3";
import { afterEach, describe, expect, test } from "vitest";
import type { Backend } from "../../src/backends/backend.js";
import { openFile } from "../../src/backends/file/index.js";
import { explain } from "../../src/backends/sqlite/failures.js";
import { openSqlite, type SqliteOptions } from "../../src/backends/sqlite/index.js";
import { checkLocal, networkFilesystem } from "../../src/backends/sqlite/network-filesystem.js";
import { systemClock } from "../../src/clock.js";
import { CacheError } from "../../src/errors.js";
import { entry, keysOf, put, texts } from "../contract/harness.js";
import { tempDir } from "../support/temp-dir.js";
import { unprivileged } from "../support/unprivileged.js";

const opened: Backend[] = [];
afterEach(async () => {
  for (const backend of opened.splice(0)) await backend.close();
});

const newPath = () => join(tempDir("refusals"), "cache.db");

async function open(path: string, more: Partial<SqliteOptions> = {}): Promise<Backend> {
  const backend = await openSqlite({ path, namespace: "", clock: systemClock, emit: () => {}, ...more });
  opened.push(backend);
  return backend;
}

async function failureOf(work: () => unknown): Promise<CacheError> {
  try {
    await work();
  } catch (error) {
    if (error instanceof CacheError) return error;
    throw error;
  }
  throw new Error("it did not fail");
}

describe("a locked store", () => {
  test("is waited for as long as it was said, then an error to try again; nothing is lost", async () => {
    const path = newPath();
    const backend = await open(path, { busyTimeoutMs: 80 });
    await put(backend, entry("k", "before"));
    const other = new Sqlite(path);
    other.exec("BEGIN IMMEDIATE");
    const start = performance.now();
    const failure = await failureOf(() => backend.setMany([entry("k", "after")]));
    expect(performance.now() - start).toBeGreaterThanOrEqual(75);
    expect(failure).toMatchObject({ kind: "timeout", code: "store-busy", retryable: true });
    expect(failure.hint).toBeTruthy();
    expect(await texts(backend, ["k"])).toEqual(["before"]);
    other.exec("ROLLBACK");
    other.close();
    await put(backend, entry("k", "after"));
    expect(await texts(backend, ["k"])).toEqual(["after"]);
  });

  test("can't be made while another connection holds it, and is an error after the time", async () => {
    const path = newPath();
    const other = new Sqlite(path);
    other.exec("BEGIN EXCLUSIVE; CREATE TABLE t (a)");
    expect(await failureOf(() => open(path, { busyTimeoutMs: 60 }))).toMatchObject({ code: "store-busy" });
    other.exec("ROLLBACK");
    other.close();
    await put(await open(path), "k");
  });

  test("closing does not wait for it", async () => {
    const path = newPath();
    const backend = await open(path, { busyTimeoutMs: 20_000 });
    await put(backend, "a", "b");
    await backend.deleteMany(["a"]);
    const other = new Sqlite(path);
    other.exec("BEGIN IMMEDIATE");
    const start = performance.now();
    await backend.close();
    expect(performance.now() - start).toBeLessThan(10_000);
    other.exec("ROLLBACK");
    other.close();
  });
});

describe("no permission", () => {
  test("a folder that may not be written: said, nothing made", async () => {
    const path = newPath();
    await unprivileged(dirname(path), async () => {
      chmodSync(dirname(path), 0o500);
      const failures = [await failureOf(() => open(path)), await failureOf(() => open(join(path, "deeper", "c.db")))];
      for (const failure of failures) {
        expect(failure).toMatchObject({ kind: "usage", code: "store-permission" });
        expect(failure.message).toContain(path);
        expect(failure.hint).toBeTruthy();
      }
      expect(readdirSync(dirname(path))).toEqual([]);
      const folder = () =>
        openFile({ path: join(dirname(path), "f"), namespace: "", clock: systemClock, emit: () => {} });
      expect(await failureOf(folder)).toMatchObject({ code: "store-permission" });
      chmodSync(dirname(path), 0o700);
    });
  });

  test("a file that may only be read: reads go on, a write is refused", async () => {
    const path = newPath();
    await unprivileged(dirname(path), async () => {
      const first = await open(path);
      await put(first, entry("k", "v"));
      await first.close();
      chmodSync(path, 0o400);
      const backend = await open(path);
      expect(await texts(backend, ["k"])).toEqual(["v"]);
      expect(await failureOf(() => backend.setMany([entry("k")]))).toMatchObject({ code: "store-permission" });
      await backend.close();
    });
  });

  test("a file that may not even be read", async () => {
    const path = newPath();
    await unprivileged(dirname(path), async () => {
      await (await open(path)).close();
      chmodSync(path, 0);
      expect(await failureOf(() => open(path))).toMatchObject({ kind: "usage", code: "store-cannot-open" });
      expect(await failureOf(() => open(path, { readOnly: true }))).toMatchObject({ code: "store-cannot-open" });
    });
  });

  test("read-only too, the folder must be one that SQLite can keep its log in; the error says so", async () => {
    const path = newPath();
    await unprivileged(dirname(path), async () => {
      await (await open(path)).close();
      chmodSync(dirname(path), 0o500);
      const failure = await failureOf(() => open(path, { readOnly: true }));
      expect(failure).toMatchObject({ kind: "usage", code: "store-cannot-open" });
      expect(failure.hint).toContain("log");
      chmodSync(dirname(path), 0o700);
      expect(await keysOf(await open(path, { readOnly: true }))).toEqual([]);
    });
  });
});

describe("no space", () => {
  test("a full database is said to be full", () => {
    const db = new Sqlite(newPath());
    db.exec("CREATE TABLE t (a)");
    db.pragma("max_page_count = 10");
    const fill = () => db.prepare("INSERT INTO t VALUES (zeroblob(100000))").run();
    let failure: unknown;
    try {
      fill();
    } catch (error) {
      failure = explain(error, "/some/path");
    }
    db.close();
    expect(failure).toMatchObject({ kind: "store", code: "disk-full", retryable: false });
    expect(failure).toHaveProperty("message", expect.stringContaining("/some/path"));
  });

  test.each(["ENOSPC", "EDQUOT"])("so is a disk that says %s", (code) => {
    const failure = explain(Object.assign(new Error("write failed"), { code }), "/some/path");
    expect(failure).toMatchObject({ kind: "store", code: "disk-full" });
  });
});

describe("sizes", () => {
  const stores = { sqlite: (path: string) => open(path), file: openFolder };
  async function openFolder(path: string): Promise<Backend> {
    const backend = await openFile({ path: dirname(path), namespace: "", clock: systemClock, emit: () => {} });
    opened.push(backend);
    return backend;
  }

  test.each(Object.entries(stores))("%s holds a value of 100 MB", { timeout: 120_000 }, async (_, openStore) => {
    const backend = await openStore(newPath());
    const value = Buffer.alloc(100_000_000, "0123456789abcdef!");
    await put(backend, { key: "big", value });
    const [stored] = await backend.getMany(["big"]);
    expect(value.equals(stored?.value ?? new Uint8Array())).toBe(true);
    expect((await backend.deleteWhere({ minSize: 1_000_000 })).deleted).toBe(1);
  });

  test.each(Object.entries(stores))(
    "%s refuses more than SQLite's gigabyte, and keeps the rest",
    async (_, openStore) => {
      const backend = await openStore(newPath());
      await put(backend, "k");
      const value = Buffer.alloc(1_000_000_000);
      const failure = await failureOf(() => backend.setMany([entry("other"), { key: "k", value }]));
      expect(failure).toMatchObject({ kind: "usage", code: "value-too-large", key: "k" });
      expect(await keysOf(backend)).toEqual(["k"]);
    },
  );

  test("keys that are no UTF-8 and meta above 64 KiB are refused", async () => {
    const backend = await open(newPath());
    expect(await failureOf(() => backend.setMany([entry("a\udc80")]))).toMatchObject({ code: "invalid-key" });
    const meta = Buffer.alloc(65_537);
    expect(await failureOf(() => backend.setMany([entry("k", "v", { meta })]))).toMatchObject({
      code: "meta-too-large",
    });
    expect(await keysOf(backend)).toEqual([]);
  });
});

describe("network file systems", () => {
  test.each([
    [0x6969, "NFS"],
    [0x517b, "SMB"],
    [0xff534d42, "CIFS"],
    [-11317950, "CIFS"],
    [0xfe534d42, "SMB"],
  ])("%d is refused as %s", (type, name) => {
    expect(networkFilesystem(type)).toBe(name);
    const check = () => checkLocal("/folder", () => type);
    expect(check).toThrow(expect.objectContaining({ kind: "usage", code: "network-filesystem" }));
  });

  test("ext4, tmpfs and the folder of the tests are not", () => {
    expect([0xef53, 0x01021994].map(networkFilesystem)).toEqual([undefined, undefined]);
    expect(() => checkLocal(tempDir("local"))).not.toThrow();
  });
});

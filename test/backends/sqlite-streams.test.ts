import { readdirSync, readlinkSync, rmSync, truncateSync } from "node:fs";
import { join } from "node:path";
import Sqlite from "better-sqlite3";
import { afterEach, describe, expect, test } from "vitest";
import type { Backend, EntryWriter } from "../../src/backends/backend.js";
import { openFile } from "../../src/backends/file/index.js";
import { openSqlite, type SqliteOptions } from "../../src/backends/sqlite/index.js";
import { drain, pattern } from "../contract/full.js";
import { keysOf, put, texts } from "../contract/harness.js";
import { FakeClock } from "../support/fake-clock.js";
import { expectSound } from "../support/sqlite-invariants.js";
import { tempDir } from "../support/temp-dir.js";
import { until } from "../support/until.js";

const HOUR = 3_600_000;
const opened: Backend[] = [];
afterEach(async () => {
  for (const backend of opened.splice(0)) await backend.close();
});

describe.each(["sqlite", "file"])("%s, large values", (kind) => {
  function setUp() {
    const clock = new FakeClock(Date.now());
    const folder = tempDir("streams");
    const path = kind === "file" ? folder : join(folder, "c.db");
    const db = kind === "file" ? join(folder, "index.db") : path;
    const open = async (more: Partial<SqliteOptions> = {}) => {
      const options = { path, namespace: "", clock, emit: () => {}, ...more };
      const backend = kind === "file" ? await openFile(options) : await openSqlite(options);
      opened.push(backend);
      return backend;
    };
    const files = () =>
      readdirSync(join(path, "values"), { recursive: true, withFileTypes: true })
        .filter((found) => found.isFile())
        .map((found) => join(found.parentPath, found.name));
    /** Bytes of pieces that lie in the store. */
    const bytes = () => {
      const reader = new Sqlite(kind === "file" ? db : path, { readonly: true });
      const sum = "SELECT coalesce(sum(length(piece)), 0) FROM chunks";
      const inRows = Number(reader.prepare(sum).pluck().get());
      reader.close();
      return inRows;
    };
    /** Nothing of a large value is left. */
    const isEmpty = () => (kind === "file" ? files().length === 0 : bytes() === 0);
    const spoil = () => {
      if (kind === "file") return truncateSync(files()[0] ?? "", 100_000);
      const writer = new Sqlite(path);
      writer.exec("DELETE FROM chunks WHERE n = 1");
      writer.close();
    };
    return { clock, db, open, isEmpty, spoil };
  }

  const write = async (backend: Backend, key: string, size: number): Promise<EntryWriter> => {
    const writer = await backend.openWrite({ key });
    for (let at = 0; at < size; at += 100_000) await writer.write(pattern(Math.min(100_000, size - at)));
    return writer;
  };

  test("what was overwritten, deleted, given up or left open at the end takes no space", async () => {
    const { db, open, isEmpty } = setUp();
    const backend = await open();
    await (await write(backend, "k", 900_000)).commit();
    await (await write(backend, "k", 900_000)).commit();
    await (await write(backend, "other", 900_000)).abort();
    await backend.deleteMany(["k"]);
    await until(isEmpty);
    expectSound(db);
    const second = await open();
    const unfinished = await write(second, "k", 900_000);
    await second.close();
    await expect(unfinished.write(Buffer.alloc(1))).rejects.toMatchObject({ code: "writer-closed" });
    const third = await open();
    await put(third, "x");
    await third.deleteMany(["x"]);
    await until(isEmpty);
  });

  test("a reader reads on whatever becomes of the entry, and closes once", async () => {
    const { open, isEmpty } = setUp();
    const backend = await open();
    await (await write(backend, "k", 2_000_000)).commit();
    const reader = await backend.openRead("k", { start: 5 });
    const pieces = reader?.body[Symbol.asyncIterator]();
    const parts = [(await pieces?.next())?.value];
    await backend.deleteMany(["k"]);
    expect(await backend.openRead("k")).toBeUndefined();
    await until(isEmpty);
    await backend.prune();
    for (let next = await pieces?.next(); next?.done === false; next = await pieces?.next()) parts.push(next.value);
    const whole = Buffer.concat(Array.from({ length: 20 }, () => pattern(100_000)));
    expect(Buffer.concat(parts).equals(whole.subarray(5))).toBe(true);
    reader?.close();
    reader?.close();
  });

  test("a reader that is closed says so instead of giving a part", async () => {
    const { open } = setUp();
    const backend = await open();
    await (await write(backend, "k", 2_000_000)).commit();
    const reader = await backend.openRead("k");
    reader?.close();
    await expect(drain(reader)).rejects.toMatchObject({ code: "reader-closed" });
    for (const range of [{ start: -1 }, { end: 0.5 }, { start: Number.NaN }]) {
      await expect(backend.openRead("k", range)).rejects.toMatchObject({ code: "invalid-range" });
    }
    expect((await drain(await backend.openRead("k", { start: 3_000_000 }))).length).toBe(0);
  });

  test("a damaged one is a miss, counted, and removed", async () => {
    const { db, open, spoil } = setUp();
    const backend = await open();
    await (await write(backend, "k", 900_000)).commit();
    spoil();
    // Values in files are looked at when they are opened.
    const reader = await backend.openRead("k");
    if (kind === "sqlite") await expect(drain(reader)).rejects.toMatchObject({ code: "value-cut" });
    expect(await texts(backend, ["k"])).toEqual([undefined]);
    expect((await backend.counters()).counters.errors).toBe(1);
    expect(await keysOf(backend)).toEqual([]);
    expectSound(db);
  });

  test("bounds count its bytes, evict it whole, and refuse what is larger without keeping it", async () => {
    const { db, open, isEmpty } = setUp();
    const backend = await open({ maxBytes: 2_000_000 });
    await (await write(backend, "a", 900_000)).commit();
    await (await write(backend, "b", 900_000)).commit();
    expect((await backend.describe()).bytes).toBe(1_800_000);
    await (await write(backend, "c", 900_000)).commit();
    expect(await keysOf(backend)).toEqual(["b", "c"]);
    expect((await backend.counters()).counters.evictions).toBe(1);
    expect(await (await write(backend, "c", 2_000_001)).commit()).toBe("rejected");
    expect(await keysOf(backend)).toEqual(["b"]);
    await expect(
      (async () => backend.atomic([{ delete: "b" }, { set: { key: "d", value: Buffer.alloc(2_000_001) } }]))(),
    ).rejects.toMatchObject({ code: "value-too-large" });
    expect(await keysOf(backend)).toEqual(["b"]);
    await backend.deleteMany(["b"]);
    await until(isEmpty);
    expectSound(db);
  });

  test("atomic batches in a bounded store keep its sums", async () => {
    const { db, open } = setUp();
    const backend = await open({ maxEntries: 3, policy: "lru" });
    await put(backend, "a", "b", "c");
    await backend.atomic([{ delete: "a" }, { set: { key: "d", value: Buffer.from("d") } }, { delete: "absent" }]);
    expect(await keysOf(backend)).toEqual(["b", "c", "d"]);
    expectSound(db);
  });

  test("a writer who gave no sign for too long is told that its value is gone", async () => {
    const { clock, open, isEmpty } = setUp();
    const [one, two] = [await open(), await open()];
    const writer = await write(one, "k", 900_000);
    expect(isEmpty()).toBe(false);
    clock.advance(2 * HOUR);
    await two.prune();
    await expect(
      (async () => {
        await writer.write(pattern(600_000));
        await writer.commit();
      })(),
    ).rejects.toMatchObject({ code: "stream-lost" });
    await writer.abort();
    expect(await keysOf(two)).toEqual([]);
    clock.advance(2 * HOUR);
    await two.prune();
    expect(isEmpty()).toBe(true);
  });

  test("a writer whose pieces fail commits nothing", async () => {
    const { open } = setUp();
    const backend = await open();
    const stop = new AbortController();
    const writer = await backend.openWrite({ key: "k" }, { signal: stop.signal });
    await writer.write(pattern(600_000));
    stop.abort();
    await expect(writer.write(pattern(10))).rejects.toMatchObject({ code: "aborted" });
    await expect(writer.commit()).rejects.toMatchObject({ code: "writer-failed" });
    await writer.abort();
    await writer.abort();
    await expect(writer.commit()).rejects.toMatchObject({ code: "writer-closed" });
    expect(await keysOf(backend)).toEqual([]);
  });
});

test("a store whose file is gone meanwhile is an error, no miss", async () => {
  const path = join(tempDir("streams"), "c.db");
  const backend = await openSqlite({ path, namespace: "", clock: new FakeClock(), emit: () => {} });
  opened.push(backend);
  const writer = await backend.openWrite({ key: "k" });
  await writer.write(pattern(900_000));
  await writer.commit();
  for (const end of ["", "-wal", "-shm"]) rmSync(path + end, { force: true });
  await expect(backend.openRead("k")).rejects.toMatchObject({ name: "CacheError" });
});

test("the connections of readers are used again, for what is there by then, and end with the store", async () => {
  const path = join(tempDir("streams"), "c.db");
  const open = () => openSqlite({ path, namespace: "", clock: new FakeClock(), emit: () => {} });
  const backend = await open();
  opened.push(backend);
  const fill = async (store: Backend, byte: string) => {
    const writer = await store.openWrite({ key: "k" });
    await writer.write(Buffer.alloc(600_000, byte));
    await writer.commit();
  };
  const read = async () => (await drain(await backend.openRead("k"))).toString("latin1");
  const descriptors = () =>
    readdirSync("/proc/self/fd").filter((fd) => linkOf(fd) === path || linkOf(fd) === `${path} (deleted)`).length;
  await fill(backend, "a");
  const readers = await Promise.all(Array.from({ length: 6 }, () => backend.openRead("k")));
  const most = descriptors();
  await fill(backend, "b");
  for (const reader of readers) expect((await drain(reader)).toString("latin1")).toBe("a".repeat(600_000));
  for (let i = 0; i < 8; i++) expect(await read()).toBe("b".repeat(600_000));
  expect(descriptors()).toBeLessThanOrEqual(most);
  for (const end of ["", "-wal", "-shm"]) rmSync(path + end, { force: true });
  const another = await open();
  await fill(another, "c");
  await another.close();
  expect(await read()).toBe("c".repeat(600_000));
  await backend.close();
  expect(descriptors()).toBe(0);
});

function linkOf(fd: string): string | undefined {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return undefined;
  }
}

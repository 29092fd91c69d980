import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import Sqlite from "better-sqlite3";
import { afterEach, describe, expect, test } from "vitest";
import type { Backend } from "../../src/backends/backend.js";
import { openFile } from "../../src/backends/file/index.js";
import { openSqlite, type SqliteOptions } from "../../src/backends/sqlite/index.js";
import type { CacheEvent } from "../../src/events.js";
import { entry, keysOf, put, texts } from "../contract/harness.js";
import { FakeClock } from "../support/fake-clock.js";
import { expectSound } from "../support/sqlite-invariants.js";
import { tempDir } from "../support/temp-dir.js";

const opened: Backend[] = [];
afterEach(async () => {
  for (const backend of opened.splice(0)) await backend.close();
});

function setUp() {
  const clock = new FakeClock();
  const path = join(tempDir("damage"), "cache.db");
  const events: CacheEvent[] = [];
  const open = async (more: Partial<SqliteOptions> = {}) => {
    const backend = await openSqlite({ path, namespace: "", clock, emit: (event) => events.push(event), ...more });
    opened.push(backend);
    return backend;
  };
  const aside = () => readdirSync(dirname(path)).filter((name) => /\.corrupt-[^-]*(-\d+)?$/.test(name));
  return { clock, path, events, open, aside };
}

/** A closed store with many entries. */
async function filled(open: () => Promise<Backend>): Promise<void> {
  const backend = await open();
  await put(backend, ...Array.from({ length: 2000 }, (_, i) => entry(`key:${i}`, "x".repeat(200))));
  await backend.close();
}

/** Overwrites all but the beginning and the size of a file. */
function spoil(path: string, from: number): void {
  const size = statSync(path).size;
  const file = openSync(path, "r+");
  writeSync(file, Buffer.alloc(size - from, 0xa5), 0, size - from, from);
  closeSync(file);
}

const DAMAGES: Record<string, (path: string) => void> = {
  "text instead of a database": (path) => writeFileSync(path, "not a database, but somebody's notes\n".repeat(100)),
  "two bytes": (path) => writeFileSync(path, "xy"),
  "a file cut in the middle": (path) => {
    const file = openSync(path, "r+");
    ftruncateSync(file, Math.floor(statSync(path).size / 2 / 4096) * 4096);
    closeSync(file);
  },
  "garbage after the header": (path) => spoil(path, 100),
};

describe("a damaged store", () => {
  test.each(Object.entries(DAMAGES))("%s is moved aside whole, said, and a new store begun", async (_, damage) => {
    const { path, events, open, aside } = setUp();
    await filled(open);
    damage(path);
    const damaged = readFileSync(path);
    const backend = await open();
    await put(backend, "fresh");
    expect(await keysOf(backend)).toEqual(["fresh"]);
    expect(aside().length).toBe(1);
    const place = join(dirname(path), aside()[0] ?? "");
    expect(readFileSync(place).equals(damaged)).toBe(true);
    expect(basename(place)).toMatch(/^cache\.db\.corrupt-20231114T\d+Z$/);
    expect(events).toMatchObject([{ type: "warning", code: "store-quarantined" }]);
    expect(events[0]?.message).toContain(place);
    await backend.close();
    expectSound(path);
  });

  test("somebody's file that was named by mistake is refused, whoever opens it, and left as it is", async () => {
    const { path, events } = setUp();
    const dir = dirname(path);
    const away = tempDir("other");
    const other = new Sqlite(join(away, "other.db"));
    other.exec("PRAGMA application_id = 7; CREATE TABLE t (x); INSERT INTO t VALUES (1)");
    other.close();
    spoil(join(away, "other.db"), 100);
    const foreign: [name: string, content: string | Buffer, code: string][] = [
      ["notes.txt", "bread, milk, a cache\n", "not-a-database"],
      ["long.md", "# notes\n".repeat(10_000), "not-a-database"],
      ["photo", Buffer.alloc(5000, 0xff), "not-a-database"],
      ["history.db", readFileSync(join(away, "other.db")), "foreign-database"],
    ];
    for (const [name, content, code] of foreign) {
      writeFileSync(join(dir, name), content);
      for (const readOnly of [false, true]) {
        const opening = openSqlite({
          path: join(dir, name),
          namespace: "",
          clock: new FakeClock(),
          emit: (event) => events.push(event),
          readOnly,
        });
        await expect(opening, name).rejects.toMatchObject({
          kind: "usage",
          code,
          hint: expect.stringContaining("left"),
        });
      }
      expect(readFileSync(join(dir, name)).equals(Buffer.from(content)), name).toBe(true);
    }
    expect(readdirSync(dir).sort()).toEqual(foreign.map(([name]) => name).sort());
    expect(events).toEqual([]);
  });

  test("an empty file is a new store, whatever it is called; one with SQLite's own files beside it was one", async () => {
    const { path, events, open } = setUp();
    const named = (name: string) => join(dirname(path), name);
    writeFileSync(named("empty.txt"), "");
    await put(await open({ path: named("empty.txt") }), "k");
    writeFileSync(named("store"), Buffer.alloc(4096));
    writeFileSync(named("store-wal"), "");
    await put(await open({ path: named("store") }), "k");
    expect(events.map(({ code }) => code)).toEqual(["store-quarantined"]);
  });

  test("its log goes with it, and no earlier one is overwritten", async () => {
    const { path, open, aside } = setUp();
    for (let round = 0; round < 3; round++) {
      writeFileSync(path, `damaged ${round}`);
      writeFileSync(`${path}-wal`, `log ${round}`);
      await (await open()).close();
    }
    const files = aside();
    const logs = files.map((name) => `${name}-wal`);
    const contents = (names: string[]) => names.map((name) => readFileSync(join(dirname(path), name), "utf8")).sort();
    expect(contents(files)).toEqual(["damaged 0", "damaged 1", "damaged 2"]);
    expect(contents(logs)).toEqual(["log 0", "log 1", "log 2"]);
  });

  test.each<[string, (backend: Backend) => unknown]>([
    ["getMany", (backend) => backend.getMany(["key:1"])],
    ["getMany of many", (backend) => backend.getMany(["key:1", "key:2"], { want: "all" })],
    ["setMany", (backend) => backend.setMany([entry("key:5")])],
    ["deleteWhere", (backend) => backend.deleteWhere({ prefix: "key:" })],
    ["describe", (backend) => backend.describe()],
  ])("damage while it is open, found by %s: the call is done on a new store", async (_, call) => {
    const { path, events, open, aside } = setUp();
    await filled(open);
    const backend = await open();
    spoil(path, 4096 * 2);
    await call(backend);
    await put(backend, entry("fresh", "v"));
    expect(await texts(backend, ["fresh", "key:1999"])).toEqual(["v", undefined]);
    expect(events.map((event) => event.code)).toEqual(["store-quarantined"]);
    expect(aside().length).toBe(1);
    await backend.close();
    expectSound(path);
  });

  test("a second connection to the damaged file takes the new store and moves nothing", async () => {
    const { path, events, open, aside } = setUp();
    await filled(open);
    const [one, two] = [await open(), await open()];
    spoil(path, 4096 * 2);
    await put(one, entry("one", "v"));
    await two.getMany(["key:1"]);
    await put(two, entry("two", "v"));
    expect(await texts(one, ["one", "two"])).toEqual(["v", "v"]);
    expect(events.length).toBe(1);
    expect(aside().length).toBe(1);
  });

  test("read-only it is an error and stays where it is", async () => {
    const { path, open, aside } = setUp();
    writeFileSync(path, "not a database");
    await expect(open({ readOnly: true })).rejects.toMatchObject({ kind: "store", code: "store-corrupt" });
    expect(aside()).toEqual([]);
    expect(readFileSync(path, "utf8")).toBe("not a database");
  });
});

describe("somebody else's database", () => {
  test.each([
    ["with an application id", (db: Sqlite.Database) => db.pragma("application_id = 42")],
    ["without one, but with tables", () => {}],
  ])("%s is refused and left as it is", async (_, mark) => {
    const { path, open, aside } = setUp();
    const db = new Sqlite(path);
    db.exec("CREATE TABLE theirs (a)");
    mark(db);
    db.close();
    const before = readFileSync(path);
    await expect(open()).rejects.toMatchObject({ kind: "usage", code: "foreign-database" });
    expect(readFileSync(path).equals(before)).toBe(true);
    expect(aside()).toEqual([]);
  });

  test("a later layout is refused", async () => {
    const { path, open } = setUp();
    await (await open()).close();
    const db = new Sqlite(path);
    db.pragma("user_version = 99");
    db.close();
    await expect(open()).rejects.toMatchObject({ kind: "usage", code: "newer-database" });
  });

  test("the index of a file store is no SQLite store", async () => {
    const { clock, path, open } = setUp();
    const folder = dirname(path);
    await (await openFile({ path: folder, namespace: "", clock, emit: () => {} })).close();
    await expect(open({ path: join(folder, "index.db") })).rejects.toMatchObject({ code: "foreign-database" });
  });

  test("an empty file is a store to be", async () => {
    const { path, open } = setUp();
    writeFileSync(path, "");
    await put(await open(), "k");
    expect((await open({ readOnly: true })).getMany(["k"])).toMatchObject([{ size: 10 }]);
  });
});

describe("read-only", () => {
  test("a store that is not there is empty and is not made", async () => {
    const { path, open } = setUp();
    const missing = join(dirname(path), "sub", "cache.db");
    const backend = await open({ path: missing, readOnly: true });
    expect(await keysOf(backend)).toEqual([]);
    expect(await texts(backend, ["k"])).toEqual([undefined]);
    expect((await backend.describe()).entries).toBe(0);
    expect(existsSync(dirname(missing))).toBe(false);
  });

  test("a file store that is not there is not made either", async () => {
    const folder = join(tempDir("damage"), "none");
    const backend = await openFile({
      path: folder,
      namespace: "",
      clock: new FakeClock(),
      emit: () => {},
      readOnly: true,
    });
    opened.push(backend);
    expect(await keysOf(backend)).toEqual([]);
    expect(existsSync(folder)).toBe(false);
  });
});

describe("files and folders", () => {
  test("are this user's alone", async () => {
    const { path, open } = setUp();
    const place = join(dirname(path), "new", "folder", "cache.db");
    await put(await open({ path: place }), "k");
    const mode = (name: string) => (statSync(name).mode & 0o777).toString(8);
    expect([dirname(place), dirname(dirname(place))].map(mode)).toEqual(["700", "700"]);
    expect([place, `${place}-wal`, `${place}-shm`].map(mode)).toEqual(["600", "600", "600"]);
  });

  test("a folder is no file, and a file no folder", async () => {
    const { clock, path, open } = setUp();
    mkdirSync(path);
    await expect(open()).rejects.toMatchObject({ kind: "usage", code: "store-is-directory" });
    const file = join(dirname(path), "file");
    writeFileSync(file, "text");
    await expect(open({ path: join(file, "cache.db") })).rejects.toMatchObject({ code: "store-not-directory" });
    const folder = openFile({ path: file, namespace: "", clock, emit: () => {} });
    await expect(folder).rejects.toMatchObject({ code: "store-not-directory" });
    expect(readFileSync(file, "utf8")).toBe("text");
  });
});

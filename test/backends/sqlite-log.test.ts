import { renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Sqlite from "better-sqlite3";
import { afterEach, describe, expect, test } from "vitest";
import { type Backend, type ChangePage, LISTEN_MS } from "../../src/backends/backend.js";
import { openSqlite, type SqliteOptions } from "../../src/backends/sqlite/index.js";
import type { Selector } from "../../src/selector.js";
import { coversOne, inTime } from "../contract/full.js";
import { entry, put, texts } from "../contract/harness.js";
import { FakeClock } from "../support/fake-clock.js";
import { tempDir } from "../support/temp-dir.js";

const opened: Backend[] = [];
afterEach(async () => {
  for (const backend of opened.splice(0)) await backend.close();
});

function setUp() {
  const clock = new FakeClock();
  const path = join(tempDir("log"), "cache.db");
  const open = async (namespace = "", more: Partial<SqliteOptions> = {}) => {
    const backend = await openSqlite({ path, namespace, clock, emit: () => {}, ...more });
    opened.push(backend);
    return backend;
  };
  /** What one connection of its own sees in the file. */
  const ask = (sql: string): unknown => {
    const db = new Sqlite(path, { readonly: true });
    try {
      return db.prepare(sql).pluck().get();
    } finally {
      db.close();
    }
  };
  /** The first page after a position, or the first with a change or a gap. */
  const look = async (backend: Backend, after: string, wanted = 1): Promise<ChangePage> => {
    const stop = new AbortController();
    const pages = backend.changes(after, stop.signal)[Symbol.asyncIterator]();
    const advance = (ms: number) => clock.advance(ms);
    let page: ChangePage = { changes: [], position: after, gap: false };
    for (let looks = 0; looks < wanted && page.changes.length === 0 && !page.gap; looks++) {
      const next = await inTime(
        { clock, advance, open, shortTtl: 1000, deadlineTolerance: 0, dispose: async () => {} },
        pages.next(),
      );
      if (next.done !== true) page = next.value;
    }
    stop.abort();
    await pages.return?.();
    return page;
  };
  return { clock, path, open, ask, look };
}

describe("the log of a file", () => {
  test("is not written while nobody listens", async () => {
    const { clock, open, ask } = setUp();
    const backend = await open();
    await put(backend, "a");
    await backend.deleteMany(["a"]);
    await backend.deleteWhere({ all: true });
    expect(ask("SELECT count(*) FROM log")).toBe(0);
    await backend.position();
    await put(backend, "a");
    expect(ask("SELECT count(*) FROM log")).toBe(1);
    clock.advance(LISTEN_MS);
    await put(backend, "b");
    expect(ask("SELECT count(*) FROM log")).toBe(1);
    await backend.prune();
    expect(ask("SELECT count(*) FROM log")).toBe(0);
  });

  test("is kept for as long as a lease lasts", async () => {
    const { clock, open } = setUp();
    const backend = await open();
    const answer = await backend.lease("k", 10 * LISTEN_MS);
    if (answer.outcome !== "taken") throw new Error("not taken");
    clock.advance(5 * LISTEN_MS);
    await put(backend, "other");
    expect(await backend.commit(entry("k", "loaded"), answer.lease)).toBe(true);
  });

  test("holds some ten thousand changes of a namespace; who was before them hears of a gap, who was after them does not", async () => {
    const { open, ask, look } = setUp();
    const backend = await open("n:");
    const other = await open("other:");
    const start = await backend.position();
    const elsewhere = await other.position();
    await other.announce("delete", { keys: ["kept"] });
    let late = "";
    for (let i = 0; i < 10_600; i++) {
      if (i === 10_000) late = await backend.position();
      await backend.announce("write", { keys: [`k${i}`] });
    }
    const rows = Number(ask("SELECT count(*) FROM log WHERE namespace = 'n:'"));
    expect(rows).toBeGreaterThanOrEqual(10_000);
    expect(rows).toBeLessThanOrEqual(10_500);
    expect(await look(backend, start)).toMatchObject({ changes: [], gap: true });
    const page = await look(backend, late);
    expect(page.gap).toBe(false);
    expect(page.changes.length).toBe(500);
    expect(page.changes[0]?.selector).toEqual({ keys: ["k10000"] });
    // The rows of another namespace are not trimmed with them.
    expect((await look(other, elsewhere)).changes).toMatchObject([{ selector: { keys: ["kept"] } }]);
    expect(await backend.setMany([entry("x")], { since: start })).toEqual(["condition"]);
    expect(await backend.setMany([entry("x")], { since: late })).toEqual(["stored"]);
  });

  test("a place in it that is none, or one of a file that lay here before, is a gap", async () => {
    const { path, open, look } = setUp();
    const first = await open();
    const position = await first.position();
    await put(first, "a");
    await first.close();
    for (const end of ["", "-wal", "-shm"]) rmSync(path + end, { force: true });
    const second = await open();
    const own = await second.position();
    expect((await look(second, own)).gap).toBe(false);
    for (const strange of [position, "", "none", own.replace(/\d+$/, "999999"), own.replace(/\.\d+$/, "")]) {
      expect(await look(second, strange)).toMatchObject({ gap: true, changes: [] });
      expect(await second.setMany([entry("a", "copy")], { since: strange })).toEqual(["condition"]);
    }
  });

  test("a follower goes over to the new file that another process has put in the place of a damaged one", async () => {
    const { path, open, look } = setUp();
    const follower = await open();
    await put(follower, entry("k", "old"));
    const position = await follower.position();
    const aside = `${path}.aside`;
    for (const end of ["", "-wal", "-shm"]) renameSync(path + end, aside + end);
    writeFileSync(path, "");
    const other = await open();
    await put(other, entry("k", "new"));
    expect((await look(follower, position)).gap).toBe(true);
    expect(await texts(follower, ["k"])).toEqual(["new"]);
  });

  test("a gap is told once, and what comes after it is heard", async () => {
    const { open, look } = setUp();
    const backend = await open();
    await backend.position();
    const { position, gap } = await look(backend, "none");
    expect(gap).toBe(true);
    await put(backend, "k");
    expect(await look(backend, position)).toMatchObject({ gap: false, changes: [{ selector: { keys: ["k"] } }] });
  });

  test("a file that somebody else has written to says everything rather than nothing", async () => {
    const { path, open, look } = setUp();
    const backend = await open();
    const position = await backend.position();
    const db = new Sqlite(path);
    db.exec("INSERT INTO log (namespace, op, selector, origin) VALUES ('', 'write', 'no JSON', 'x')");
    db.close();
    expect((await look(backend, position)).changes).toEqual([{ op: "write", selector: { all: true }, origin: "x" }]);
  });

  test("a selector too long for it is everything", async () => {
    const { open, look } = setUp();
    const backend = await open();
    const position = await backend.position();
    await backend.announce("delete", { tags: Array.from({ length: 1000 }, (_, i) => `${i}`.padStart(100, "t")) });
    expect((await look(backend, position)).changes).toMatchObject([{ op: "delete", selector: { all: true } }]);
  });

  const HEARD: [writer: string, selector: Selector, listener: string, heard: Selector | undefined][] = [
    ["a:", { keys: ["k", "l"] }, "", { keys: ["a:k", "a:l"] }],
    ["a:", { all: true }, "", { prefix: "a:" }],
    ["a*:", { match: "k?" }, "", { prefix: "a*:", match: "a\\*:k?" }],
    ["", { keys: ["a:k", "b:k", "a"] }, "a:", { keys: ["k"] }],
    ["", { keys: ["b:k"] }, "a:", undefined],
    ["", { all: true }, "a:", { all: true }],
    ["", { prefix: "a" }, "a:", { all: true }],
    ["", { prefix: "a:x" }, "a:", { prefix: "x" }],
    ["", { prefix: "b" }, "a:", undefined],
    ["", { match: "*:k" }, "a:", { all: true }],
    ["", { match: "b*" }, "a:", undefined],
    ["", { tags: ["t"] }, "a:", { tags: ["t"] }],
    ["a:", { all: true }, "b:", undefined],
    ["a:b:", { prefix: "k" }, "a:", { prefix: "b:k" }],
    ["😀:", { keys: ["k"] }, "😀:x:", undefined],
    ["😀:", { keys: ["x:k"] }, "😀:x:", { keys: ["k"] }],
  ];
  test.each(HEARD)("what happens in %j to %j is heard in %j as %j", async (writer, selector, listener, heard) => {
    const { open, look } = setUp();
    const [from, to] = [await open(writer), await open(listener)];
    const position = await to.position();
    await from.announce("delete", selector);
    const { changes, gap } = await look(to, position, 2);
    expect(gap).toBe(false);
    expect(changes.map((change) => change.selector)).toEqual(heard === undefined ? [] : [heard]);
  });

  test("a listener who has nothing to do with it costs a writer nothing", async () => {
    const { open, ask } = setUp();
    await (await open("a:")).position();
    await put(await open("b:"), "k");
    expect(ask("SELECT count(*) FROM log")).toBe(0);
  });

  test("who may only read hears that something changed, not what", async () => {
    const { open, look, ask } = setUp();
    const writer = await open();
    await put(writer, "a");
    const reader = await open("", { readOnly: true });
    const position = await reader.position();
    expect(await look(reader, position)).toMatchObject({ gap: false, changes: [] });
    await put(writer, "b");
    const page = await look(reader, position);
    expect(page.gap).toBe(true);
    expect((await look(reader, page.position)).gap).toBe(false);
    expect(ask("SELECT count(*) FROM listeners")).toBe(0);
  });

  test("a follower of a store that is closed fails, so that nobody trusts what he has", async () => {
    const { clock, open } = setUp();
    const backend = await open();
    const pages = backend.changes(await backend.position(), new AbortController().signal)[Symbol.asyncIterator]();
    expect((await pages.next()).done).toBe(false);
    await backend.close();
    const next = pages.next();
    clock.advance(100);
    await expect(next).rejects.toMatchObject({ code: "closed" });
  });

  test("a stream that was given up is not in it", async () => {
    const { open, look } = setUp();
    const backend = await open();
    const position = await backend.position();
    const writer = await backend.openWrite({ key: "k" });
    await writer.write(Buffer.alloc(600_000));
    await writer.abort();
    const { changes } = await look(backend, position, 2);
    expect(coversOne(changes, { key: "k", tags: [] })).toBe(false);
  });

  test("of a call that writes in several transactions none is overtaken by another", async () => {
    const { open } = setUp();
    const backend = await open();
    const since = await backend.position();
    await backend.deleteMany(["k700"]);
    const outcomes = await backend.setMany(
      Array.from({ length: 1200 }, (_, i) => entry(`k${i}`)),
      { since },
    );
    expect(outcomes.map((outcome, i) => (outcome === "stored" ? -1 : i)).filter((i) => i >= 0)).toEqual([700]);
  });
});

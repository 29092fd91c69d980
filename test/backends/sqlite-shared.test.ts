import { readdirSync } from "node:fs";
import { join } from "node:path";
import Sqlite from "better-sqlite3";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Backend } from "../../src/backends/backend.js";
import { openFile } from "../../src/backends/file/index.js";
import { openSqlite } from "../../src/backends/sqlite/index.js";
import { type Clock, systemClock } from "../../src/clock.js";
import { drain } from "../contract/full.js";
import { keysOf, texts } from "../contract/harness.js";
import { expectSound } from "../support/sqlite-invariants.js";
import { bundled, StoreActor } from "../support/store-writers.js";
import { tempDir } from "../support/temp-dir.js";
import { until } from "../support/until.js";

const HOUR = 3_600_000;
let program = "";
const ends: (() => Promise<void>)[] = [];

beforeAll(async () => {
  program = await bundled("store-actor");
});

afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

describe.each(["sqlite", "file"])("%s, shared by processes", (kind) => {
  function setUp() {
    const folder = tempDir("shared");
    const path = kind === "file" ? folder : join(folder, "c.db");
    const db = kind === "file" ? join(folder, "index.db") : path;
    const open = async (clock: Clock = systemClock): Promise<Backend> => {
      const options = { path, namespace: "w:", clock, emit: () => {} };
      const backend = kind === "file" ? await openFile(options) : await openSqlite(options);
      ends.push(() => backend.close());
      return backend;
    };
    const start = async (role: "set" | "lease" | "stream") => {
      const actor = await StoreActor.start(program, kind, path, role);
      ends.push(() => actor.kill());
      return actor;
    };
    /** Pieces of streamed values that lie in the store: rows, or files. */
    const pieces = () => {
      if (kind === "file") {
        return readdirSync(join(path, "values"), { recursive: true, withFileTypes: true }).filter((f) => f.isFile())
          .length;
      }
      const reader = new Sqlite(db, { readonly: true });
      const count = Number(reader.prepare("SELECT count(*) FROM chunks").pluck().get());
      reader.close();
      return count;
    };
    return { open, start, pieces, db };
  }

  test("a change is heard within 100 ms of its answer", async () => {
    const { open, start } = setUp();
    const backend = await open();
    const actor = await start("set");
    const stop = new AbortController();
    let heard = 0;
    const following = (async () => {
      for await (const page of backend.changes(await backend.position(), stop.signal)) {
        expect(page.gap).toBe(false);
        if (page.changes.some(({ selector }) => "keys" in selector && selector.keys.includes("k")))
          heard = performance.now();
      }
    })();
    await until(async () => (await backend.position()) !== "");
    const took: number[] = [];
    for (let i = 0; i < 9; i++) {
      heard = 0;
      expect(await actor.act(`value ${i}`)).toBe("done");
      const answered = performance.now();
      await until(() => heard > 0, { everyMs: 1 });
      took.push(heard - answered);
      expect(await texts(backend, ["k"])).toEqual([`value ${i}`]);
    }
    stop.abort();
    await following;
    // What the machine does besides may delay one of them.
    expect(took.toSorted((a, b) => a - b)[4]).toBeLessThan(100);
  });

  test("a lease outlives its holder by no more than its time", async () => {
    const { open, start } = setUp();
    const backend = await open();
    const actor = await start("lease");
    expect(await actor.act("700")).toBe("taken");
    const taken = performance.now();
    const held = await backend.lease("k", 1000);
    expect(held).toEqual({ outcome: "held", waitMs: expect.any(Number) });
    await actor.kill();
    expect((await backend.lease("k", 1000)).outcome).toBe("held");
    const answer = await until(async () => {
      const next = await backend.lease("k", 60_000);
      return next.outcome === "taken" && next;
    });
    expect(performance.now() - taken).toBeGreaterThan(600);
    expect(await backend.commit({ key: "k", value: Buffer.from("loaded") }, answer.lease)).toBe(true);
    expect(await texts(backend, ["k"])).toEqual(["loaded"]);
  });

  test("what a killed writer left of a stream is removed, what a living one writes is not", async () => {
    const { open, start, pieces, db } = setUp();
    const backend = await open();
    const [killed, living] = [await start("stream"), await start("stream")];
    for (const actor of [killed, living]) for (let i = 0; i < 6; i++) expect(await actor.act(`${i}`)).toBe("done");
    await killed.kill();
    expect(await keysOf(backend)).toEqual([]);
    const before = pieces();
    expect(await backend.prune()).toBe(0);
    expect(pieces()).toBe(before);
    expect(await living.act("commit")).toBe("stored");
    const reader = await backend.openRead("k");
    expect(reader?.head).toMatchObject({ size: 1_200_000, tags: ["t"] });
    expect((await drain(reader)).subarray(-200_000).equals(Buffer.alloc(200_000, "5"))).toBe(true);
    const later = await open({ ...systemClock, now: () => Date.now() + 2 * HOUR });
    await later.prune();
    expect(pieces()).toBe(kind === "file" ? 1 : 19);
    expect((await drain(await backend.openRead("k"))).length).toBe(1_200_000);
    expectSound(db);
  });
});

import { cpSync } from "node:fs";
import { join } from "node:path";
import Sqlite from "better-sqlite3";
import { afterEach, describe, expect, test } from "vitest";
import type { Backend } from "../../src/backends/backend.js";
import { openFile } from "../../src/backends/file/index.js";
import { openSqlite } from "../../src/backends/sqlite/index.js";
import { drain, pattern } from "../contract/full.js";
import { entry, keysOf, put, texts } from "../contract/harness.js";
import { FakeClock } from "../support/fake-clock.js";
import { expectSound } from "../support/sqlite-invariants.js";
import { tempDir } from "../support/temp-dir.js";

const opened: Backend[] = [];
afterEach(async () => {
  for (const backend of opened.splice(0)) await backend.close();
});

/** Stores as the version before the log wrote them: `plain`, `tagged` (tags, meta, deadlines), `old` (one second), and `gone`, which was deleted. */
describe.each(["sqlite", "file"])("a %s store of layout 1", (kind) => {
  function setUp() {
    const clock = new FakeClock();
    const path = join(tempDir("layout"), "store");
    cpSync(join(import.meta.dirname, `../fixtures/layout-1${kind === "file" ? "" : ".db"}`), path, { recursive: true });
    const db = kind === "file" ? join(path, "index.db") : path;
    const open = async (readOnly = false) => {
      const options = { path, namespace: "a:", clock, emit: () => {}, readOnly };
      const backend = kind === "file" ? await openFile(options) : await openSqlite(options);
      opened.push(backend);
      return backend;
    };
    const layout = () => {
      const reader = new Sqlite(db, { readonly: true });
      const version = reader.pragma("user_version", { simple: true });
      reader.close();
      return version;
    };
    return { clock, db, open, layout };
  }

  const expectOld = async (backend: Backend) => {
    expect(await texts(backend, ["plain", "tagged", "gone"])).toEqual(["value", "{}", undefined]);
    const [tagged] = await backend.getMany(["tagged"], { want: "all" });
    expect(tagged).toMatchObject({ tags: ["t", "u"], expiresAt: 4_000_000_000_000, staleAt: 3_000_000_000_000 });
    expect(Buffer.from(tagged?.meta ?? []).toString()).toBe("meta");
    expect(await keysOf(backend, { tags: ["t"] })).toEqual(["tagged"]);
    expect((await backend.counters()).counters).toMatchObject({ hits: 3, misses: 1 });
    expect((await drain(await backend.openRead("plain"))).toString()).toBe("value");
    expect(await backend.hottest(1)).toEqual(["old"]);
  };

  test("is read as it is where nothing may be changed", async () => {
    const { open, layout } = setUp();
    await expectOld(await open(true));
    expect(layout()).toBe(1);
  });

  test("gets what it lacks when it is opened for writing, also by several at once", async () => {
    const { clock, db, open, layout } = setUp();
    const backends = await Promise.all([open(), open(), open()]);
    expect(layout()).toBe(2);
    const [one, two, three] = backends;
    for (const backend of backends) await expectOld(backend);
    const since = await one.position();
    await put(two, entry("plain", "new"));
    expect(await one.setMany([entry("plain", "copy")], { since })).toEqual(["condition"]);
    expect((await three.lease("loaded", 1000)).outcome).toBe("taken");
    const writer = await two.openWrite({ key: "large" });
    await writer.write(pattern(600_000));
    expect(await writer.commit()).toBe("stored");
    expect((await drain(await one.openRead("large"))).equals(pattern(600_000))).toBe(true);
    clock.advance(1000);
    expect(await one.prune()).toBe(1);
    expect(await keysOf(three)).toEqual(["large", "plain", "tagged"]);
    expectSound(db);
    await expectTwice(open, layout);
  });

  async function expectTwice(open: () => Promise<Backend>, layout: () => unknown) {
    expect(await texts(await open(), ["plain"])).toEqual(["new"]);
    expect(layout()).toBe(2);
  }
});

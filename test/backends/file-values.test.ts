import {
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import type { Backend } from "../../src/backends/backend.js";
import { type FileOptions, openFile } from "../../src/backends/file/index.js";
import { entry, keysOf, put, texts } from "../contract/harness.js";
import { FakeClock } from "../support/fake-clock.js";
import { tempDir } from "../support/temp-dir.js";
import { until } from "../support/until.js";

const HOUR = 3_600_000;
const opened: Backend[] = [];
afterEach(async () => {
  for (const backend of opened.splice(0)) await backend.close();
});

function setUp() {
  const clock = new FakeClock(Date.now());
  const path = tempDir("file");
  const open = async (more: Partial<FileOptions> = {}) => {
    const backend = await openFile({ path, namespace: "", clock, emit: () => {}, ...more });
    opened.push(backend);
    return backend;
  };
  const files = () =>
    readdirSync(path, { recursive: true, withFileTypes: true })
      .filter((found) => found.isFile() && !found.name.startsWith("index.db"))
      .map((found) => join(found.parentPath, found.name));
  const only = () => {
    const [file, ...others] = files();
    if (file === undefined || others.length > 0) throw new Error(`not one file: ${others.length + 1}`);
    return file;
  };
  return { clock, path, open, files, only };
}

describe("value files", () => {
  test("hold the bytes, this user's alone, under a name that says nothing of the key", async () => {
    const { path, open, only } = setUp();
    await put(await open(), entry("../secret/key", "the value"));
    expect(only()).toMatch(new RegExp(`^${path}/values/([0-9a-f]{2})/\\1[0-9a-f]{62}-[0-9a-f]{16}$`));
    expect(readFileSync(only(), "utf8")).toBe("the value");
    expect(statSync(only()).mode & 0o777).toBe(0o600);
    expect(statSync(join(path, "values")).mode & 0o777).toBe(0o700);
  });

  test("an overwrite, a deletion and a write that comes to nothing leave no file behind", async () => {
    const { open, files, only } = setUp();
    const backend = await open({ maxBytes: 1000 });
    await put(backend, entry("k", "old"), entry("k", "new"));
    expect(readFileSync(only(), "utf8")).toBe("new");
    expect(await backend.setMany([entry("k", "denied")], { mode: "if-absent" })).toEqual(["condition"]);
    expect(await backend.setMany([entry("big", "x".repeat(1001))])).toEqual(["rejected"]);
    expect(files().length).toBe(1);
    await put(backend, entry("other", "y".repeat(998)));
    expect(readFileSync(only(), "utf8")).toBe("y".repeat(998));
    await backend.deleteMany(["other"]);
    await until(() => files().length === 0);
  });

  test.each<[string, (file: string) => void]>([
    ["missing", (file) => rmSync(file)],
    ["cut short", (file) => truncateSync(file, 3)],
    ["longer", (file) => writeFileSync(file, "the value and more")],
  ])("one that is %s is a miss, counted, and its entry removed", async (_, spoil) => {
    const { open, only } = setUp();
    const backend = await open();
    await put(backend, entry("k", "the value"));
    spoil(only());
    const reader = await open({ readOnly: true });
    expect(await texts(reader, ["k"])).toEqual([undefined]);
    expect(await keysOf(reader)).toEqual(["k"]);
    expect(await texts(backend, ["k", "k"])).toEqual([undefined, undefined]);
    expect((await backend.counters()).counters.errors).toBe(1);
    expect(await keysOf(backend)).toEqual([]);
    await put(backend, entry("k", "again"));
    expect(await texts(backend, ["k"])).toEqual(["again"]);
  });

  test("a reader meets the old value or the new one, whatever is written meanwhile", async () => {
    const { open } = setUp();
    const [reader, writer] = [await open(), await open()];
    const value = (n: number) => `${n}`.repeat(100_000);
    await put(writer, entry("k", value(0)));
    for (let n = 1; n < 40; n++) {
      const [found] = await Promise.all([texts(reader, ["k"]), put(writer, entry("k", value(n)))]);
      expect([value(n - 1), value(n)]).toContain(found[0]);
    }
    expect((await reader.counters()).counters.errors).toBe(0);
  });

  test("prune removes files without an entry when they are old, and nothing else", async () => {
    const { clock, path, open, files, only } = setUp();
    const backend = await open();
    await put(backend, entry("k", "kept"));
    const kept = only();
    const shard = dirname(kept);
    const names = ["0", "1"].map((digit) => {
      const folder = join(path, "values", digit.repeat(2));
      mkdirSync(folder, { recursive: true });
      return join(folder, `${digit.repeat(64)}-${"0".repeat(16)}`);
    });
    for (const name of names) writeFileSync(name, "orphan");
    const foreign = join(shard, "notes.txt");
    writeFileSync(foreign, "not ours");
    const [old = "", young = ""] = names;
    const at = (ms: number) => new Date(clock.now() - ms);
    for (const name of [old, kept, foreign]) utimesSync(name, at(2 * HOUR), at(2 * HOUR));
    utimesSync(young, at(HOUR / 2), at(HOUR / 2));
    await backend.prune();
    expect(files().sort()).toEqual([foreign, kept, young].sort());
    expect(await texts(backend, ["k"])).toEqual(["kept"]);
  });

  test("after the index was damaged the values are orphans, which prune removes in time", async () => {
    const { clock, path, open, files } = setUp();
    const first = await open();
    await put(first, "a", "b");
    await first.close();
    writeFileSync(join(path, "index.db"), "damaged");
    const codes: string[] = [];
    const backend = await open({ emit: (event) => codes.push(event.code) });
    expect(codes).toEqual(["store-quarantined"]);
    expect(await keysOf(backend)).toEqual([]);
    const values = () => files().filter((file) => file.includes("/values/"));
    await backend.prune();
    expect(values().length).toBe(2);
    clock.advance(2 * HOUR);
    await backend.prune();
    expect(values()).toEqual([]);
  });

  test("folders that somebody removed are made again", async () => {
    const { path, open } = setUp();
    const backend = await open();
    await put(backend, entry("k", "v"));
    rmSync(join(path, "values"), { recursive: true });
    await put(backend, entry("k", "again"), "other");
    expect(await texts(backend, ["k"])).toEqual(["again"]);
  });
});

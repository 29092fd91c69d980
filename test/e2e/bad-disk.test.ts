import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { recordValue, writeRecords } from "../support/kill-rounds.js";
import { LIMITED } from "../support/limited.js";
import { runBinary, runShell } from "../support/run-binary.js";
import { sqliteClient } from "../support/store-clients.js";
import { tempDir } from "../support/temp-dir.js";

let cwd: string;
const store = ["--store", "sqlite:store.db"];
const records = join(tempDir("disk"), "records.ndjson");
const RECORDS = 20_000;
beforeAll(() => writeRecords(records, RECORDS, 1000));
beforeEach(() => {
  cwd = tempDir("bad-disk");
});

const cache = (...args: string[]) => runBinary([...args, ...store], { cwd });
const path = () => join(cwd, "store.db");
const aside = () =>
  readdirSync(cwd).filter((name) => name.startsWith("store.db.corrupt-") && !/-(wal|shm)$/.test(name));

describe("a store file that is no database, or a damaged one", () => {
  test("is moved aside whole, said, and a new store begun", async () => {
    const content = "this was somebody's only copy of a letter\n".repeat(500);
    writeFileSync(path(), content);
    const run = await cache("set", "a", "1");
    expect(run).toMatchObject({ code: 0, stderr: expect.stringMatching(/^warning: .*store\.db\.corrupt-\S+/) });
    const [moved, ...more] = aside();
    expect(more).toEqual([]);
    expect(readFileSync(join(cwd, moved ?? ""), "utf8")).toBe(content);
    expect((await cache("get", "a")).stdout.toString()).toBe("1");
  });

  test("that is somebody's notes is refused by every command, and left as it is", async () => {
    const content = "- buy bread\n".repeat(500);
    writeFileSync(join(cwd, "notes.txt"), content);
    for (const args of [
      ["get", "a"],
      ["keys"],
      ["stats"],
      ["set", "a", "1"],
      ["export"],
      ["exists", "a"],
      ["invalidate", "a"],
    ]) {
      const run = await runBinary([...args, "--store", "sqlite:./notes.txt"], { cwd });
      expect([args, run.code, run.stderr]).toEqual([
        args,
        2,
        expect.stringMatching(/^error: .*notes\.txt is no SQLite database\n {2}Name another file/),
      ]);
    }
    expect(readdirSync(cwd)).toEqual(["notes.txt"]);
    expect(readFileSync(join(cwd, "notes.txt"), "utf8")).toBe(content);
  });

  test("damaged in the middle: a read or a write finds it, nothing is thrown away", async () => {
    expect((await cache("warm", records)).code).toBe(0);
    const bytes = readFileSync(path());
    bytes.fill(0xa5, 8192, bytes.length - 8192);
    writeFileSync(path(), bytes);
    const run = await cache("keys", "--count");
    expect(run.stderr).toMatch(/damaged|no database|corrupt/);
    expect(run.stderr).not.toMatch(/\n\s+at /);
    const set = await cache("set", "a", "1");
    expect([run.code, set.code]).toEqual([expect.any(Number), 0]);
    expect(aside()).toHaveLength(1);
    expect(readFileSync(join(cwd, aside()[0] ?? "")).length).toBe(bytes.length);
  });

  test("--read-only refuses it, and leaves it where it is", async () => {
    writeFileSync(path(), "x".repeat(10_000));
    const run = await cache("get", "a", "--read-only");
    expect(run).toMatchObject({ code: 1, stderr: expect.stringMatching(/^error: .*(damaged|no database)/) });
    expect(readdirSync(cwd)).toEqual(["store.db"]);
  });

  test("a database of another application is refused and not touched", async () => {
    const other = new Database(path());
    other.exec("CREATE TABLE invoices (id); INSERT INTO invoices VALUES (1)");
    other.close();
    const before = readFileSync(path());
    for (const args of [
      ["set", "a", "1"],
      ["get", "a"],
      ["invalidate", "a"],
    ]) {
      const run = await cache(...args);
      expect(run).toMatchObject({ code: 2, stderr: expect.stringContaining("another application") });
    }
    expect(readFileSync(path()).equals(before)).toBe(true);
    expect(aside()).toEqual([]);
  });

  test("a file where the folder of a file store should be, and a folder where a file should be", async () => {
    writeFileSync(join(cwd, "plain"), "x");
    mkdirSync(join(cwd, "folder"));
    const runs = await Promise.all(
      ["file:plain", "sqlite:folder", "sqlite:plain/in.db"].map((url) =>
        runBinary(["set", "a", "1", "--store", url], { cwd }),
      ),
    );
    for (const run of runs) expect(run).toMatchObject({ code: 2, stderr: expect.stringMatching(/^error: .+\n {2}\S/) });
    expect(readFileSync(join(cwd, "plain"), "utf8")).toBe("x");
  });
});

test("locked by another process: 5 within the timeout, and it says so; reading goes on", async () => {
  expect((await cache("set", "a", "1")).code).toBe(0);
  const other = new Database(path());
  other.exec("BEGIN EXCLUSIVE");
  try {
    const began = performance.now();
    const run = await cache("set", "a", "2", "--timeout", "600ms");
    const took = performance.now() - began;
    expect(run).toMatchObject({ code: 5, stderr: expect.stringMatching(/locked by another process[\s\S]*\n {2}\S/) });
    expect(took).toBeGreaterThan(600);
    expect(took).toBeLessThan(4000);
    expect((await cache("get", "a")).stdout.toString()).toBe("1");
  } finally {
    other.exec("ROLLBACK");
    other.close();
  }
  expect((await cache("set", "a", "3")).code).toBe(0);
});

// A file system of its own where that is permitted; else a limit on the size of a file, which fails in the same places.
const onFullDisk = (script: string, largestKiB = 3000) => `
  if unshare -m true 2>/dev/null && mkdir -p disk && unshare -m sh -c 'mount -t tmpfs -o size=12m none disk' 2>/dev/null; then
    export CACHE JOINED="\${CACHE[*]}"; exec unshare -m sh -c 'mount -t tmpfs -o size=12m none disk && cd disk && CACHE="$JOINED" && ${script}; cp -r . ../kept'
  else mkdir -p disk && cd disk && ulimit -f ${largestKiB} && CACHE="\${CACHE[*]}" && ${script}; cp -r . ../kept; fi`;

describe.each(["sqlite", "file"] as const)("%s: a disk that takes no more", (kind) => {
  const name = kind === "sqlite" ? "store.db" : "store";

  test("a warm ends with 1, says what was written, and what was written is whole", async () => {
    const run = await runShell(
      onFullDisk(
        `$CACHE warm ${records} --json --ttl none --store ${kind}:${name}; echo $? >../code`,
        kind === "file" ? 300 : 3000,
      ),
      { cwd },
    );
    expect(readFileSync(join(cwd, "code"), "utf8")).toBe("1\n");
    const { error } = JSON.parse(run.stdout.toString());
    expect(error).toMatchObject({
      code: expect.stringMatching(/disk-full|store-io|store-failed/),
      hint: expect.any(String),
    });
    expect(error.report.stored).toBeGreaterThan(0);
    const client = sqliteClient(kind, join(cwd, "kept", name));
    try {
      const there = await client.count();
      expect(there).toBeGreaterThanOrEqual(error.report.stored);
      expect(there).toBeLessThanOrEqual(error.report.stored + error.report.unacknowledged);
      let whole = 0;
      for (let i = 0; i < RECORDS; i++)
        if ((await client.get(`k:${i}`))?.toString() === recordValue(i, 1000)) whole += 1;
      expect(whole).toBe(there);
    } finally {
      client.close();
    }
  }, 60_000);
});

test("a limit on the size of files: 1, and what can be done about it", async () => {
  writeFileSync(join(cwd, "large"), Buffer.alloc(400_000, "large and not to be stored "));
  const said = (path: string, reason: string) => `^error: the store \\S*${path} ${reason}.*\\n {2}.*ulimit -f.*\\n$`;
  for (const [url, path, reason] of [
    ["sqlite:store.db", "store.db", "could not be written: the disk is full or failing"],
    ["file:store", "store", "needs a larger file than may be written here"],
  ] as const) {
    expect((await runBinary(["set", "a", "1", "--store", url], { cwd })).code).toBe(0);
    const run = await runShell(`ulimit -f 100; trap '' XFSZ; cache set b --file large --store ${url}`, { cwd });
    expect([run.code, run.stderr]).toEqual([1, expect.stringMatching(said(path, reason))]);
    expect((await runBinary(["get", "a", "--store", url], { cwd })).stdout.toString()).toBe("1");
  }
  expect((await cache("set", "b", "--file", "large")).code).toBe(0);
  const out = await runShell(`ulimit -f 100; trap '' XFSZ; cache get b --output copy ${store.join(" ")}`, { cwd });
  expect([out.code, out.stderr]).toEqual([
    1,
    expect.stringMatching(/copy can't be written: .* may be here\n {2}.*ulimit/),
  ]);
});

test("an export to a full disk fails with 1, leaves no half file, and the old one stays", async () => {
  const full = `sqlite:${join(cwd, "source.db")}`;
  expect((await runBinary(["warm", records, "--store", full], { cwd })).code).toBe(0);
  const run = await runShell(
    onFullDisk(`echo old >out.ndjson; $CACHE export out.ndjson --store ${full}; echo $? >../code`),
    { cwd },
  );
  expect(readFileSync(join(cwd, "code"), "utf8")).toBe("1\n");
  expect(run.stderr).toMatch(/^error: .*out\.ndjson can't be written/m);
  expect(readFileSync(join(cwd, "kept", "out.ndjson"), "utf8")).toBe("old\n");
  expect(readdirSync(join(cwd, "kept"))).toEqual(["out.ndjson"]);
}, 60_000);

describe("permissions", () => {
  test("a store of another user's: 2 and nothing is moved aside", async () => {
    expect((await cache("set", "a", "1")).code).toBe(0);
    const run = await runShell(
      `chmod 000 store.db; for c in "get a" "set a 2"; do ${LIMITED} "\${CACHE[@]}" $c ${store.join(" ")}; echo $?; done`,
      { cwd },
    );
    expect(run.stdout.toString()).toBe("2\n2\n");
    expect(run.stderr).toMatch(/^error: .+\n {2}\S/);
    expect(aside()).toEqual([]);
  });

  test("a file that may only be read: get works, set says what is wrong", async () => {
    expect((await cache("set", "a", "1")).code).toBe(0);
    const run = await runShell(
      `chmod 400 store.db
      ${LIMITED} "\${CACHE[@]}" get a --read-only ${store.join(" ")}; echo " $?"
      ${LIMITED} "\${CACHE[@]}" set a 2 ${store.join(" ")}; echo "$?"`,
      { cwd },
    );
    expect(run.stdout.toString()).toBe("1 0\n2\n");
  });

  test("what we write is for nobody else", async () => {
    const run = await runShell(
      `umask 000; for k in sqlite:s.db file:f; do cache set a 1 --tag t --store $k >/dev/null; done
      cache export out.ndjson --store sqlite:s.db >/dev/null; cache get a --output got --store sqlite:s.db
      cache config init >/dev/null; find . -type f -perm /077; find . -mindepth 1 -type d -perm /077`,
      { cwd },
    );
    expect(run.stdout.toString()).toBe("");
  });
});

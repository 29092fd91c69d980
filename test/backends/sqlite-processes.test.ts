import { readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Backend } from "../../src/backends/backend.js";
import { openFile } from "../../src/backends/file/index.js";
import { openSqlite } from "../../src/backends/sqlite/index.js";
import { systemClock } from "../../src/clock.js";
import { expectSound } from "../support/sqlite-invariants.js";
import { bytesOf } from "../support/store-writer-values.js";
import { bundled, StoreWriter } from "../support/store-writers.js";
import { tempDir } from "../support/temp-dir.js";
import { until } from "../support/until.js";

let program = "";
const running: StoreWriter[] = [];

beforeAll(async () => {
  program = await bundled("store-writer");
});

afterEach(async () => {
  for (const writer of running.splice(0)) {
    writer.kill();
    await writer.end();
  }
});

function start(kind: string, path: string, name: string, count = 0): StoreWriter {
  const writer = new StoreWriter(program, kind, path, name, count);
  running.push(writer);
  return writer;
}

const open = (kind: string, path: string): Promise<Backend> => {
  const options = { path, namespace: "w:", clock: systemClock, emit: () => {} };
  return kind === "file" ? openFile(options) : openSqlite(options);
};

/** What the lines of a writer say must be there, and what must not. */
function acknowledged(lines: readonly string[]): { there: string[]; gone: string[] } {
  const there = new Set<string>();
  const gone = new Set<string>();
  for (const line of lines) {
    const key = line.slice(1);
    if (line.startsWith("+")) there.add(key);
    if (line.startsWith("-")) {
      there.delete(key);
      gone.add(key);
    }
  }
  return { there: [...there], gone: [...gone] };
}

async function expectAcknowledged(backend: Backend, lines: readonly string[]): Promise<void> {
  const { there, gone } = acknowledged(lines);
  const stored = await backend.getMany(there);
  const wrong = there.filter((key, i) => !bytesOf(key).equals(stored[i]?.value ?? new Uint8Array()));
  expect(wrong).toEqual([]);
  // A deletion is under way when its key was written; after a kill one that was not acknowledged may have been done.
  expect((await backend.getMany(gone)).filter((entry) => entry !== undefined)).toEqual([]);
}

describe.each(["sqlite", "file"])("%s, several processes", (kind) => {
  const places = () => {
    const folder = tempDir("processes");
    return kind === "file"
      ? { path: folder, db: join(folder, "index.db") }
      : { path: join(folder, "c.db"), db: join(folder, "c.db") };
  };

  test("what was acknowledged survives SIGKILL at any moment", { timeout: 120_000 }, async () => {
    const { path, db } = places();
    const lines: string[] = [];
    for (let round = 0; round < 4; round++) {
      const writers = [start(kind, path, `${round}a`), start(kind, path, `${round}b`)];
      const enough = 20 + Math.floor(Math.random() * 300);
      await until(() => writers.every((writer) => writer.lines.length >= enough), { timeoutMs: 30_000 });
      for (const writer of writers) writer.kill();
      for (const writer of writers) expect(await writer.end()).toBeNull();
      const told = writers.flatMap((writer) => writer.lines);
      expect(told.filter((line) => line.startsWith("!"))).toEqual([]);
      lines.push(...withoutPending(told));
      const backend = await open(kind, path);
      await expectAcknowledged(backend, lines);
      await backend.close();
      expectSound(db);
    }
    expect(lines.length).toBeGreaterThan(4 * 2 * 20 - 8);
  });

  test("four processes write at once without an error, also when they make the store together", {
    timeout: 120_000,
  }, async () => {
    const { path, db } = places();
    const writers = ["a", "b", "c", "d"].map((name) => start(kind, path, name, 150));
    expect(await Promise.all(writers.map((writer) => writer.end()))).toEqual([0, 0, 0, 0]);
    const lines = writers.flatMap((writer) => writer.lines);
    expect(lines.filter((line) => line.startsWith("!"))).toEqual([]);
    const backend = await open(kind, path);
    await expectAcknowledged(backend, lines);
    expect((await backend.describe()).entries).toBe(acknowledged(lines).there.length);
    await backend.close();
    expectSound(db);
  });

  test("of four processes that find a damaged store one moves it aside, and all go on", {
    timeout: 120_000,
  }, async () => {
    const { path, db } = places();
    writeFileSync(db, "this is no database\n".repeat(1000));
    const writers = ["a", "b", "c", "d"].map((name) => start(kind, path, name, 60));
    expect(await Promise.all(writers.map((writer) => writer.end()))).toEqual([0, 0, 0, 0]);
    const lines = writers.flatMap((writer) => writer.lines);
    expect(lines.filter((line) => line.startsWith("!"))).toEqual(["!store-quarantined"]);
    const aside = readdirSync(dirname(db)).filter((name) => /\.corrupt-[^-]*$/.test(name));
    expect(aside.length).toBe(1);
    const backend = await open(kind, path);
    await expectAcknowledged(backend, lines);
    await backend.close();
  });
});

/** The lines without the key that the next deletion names, which may be done and not told. */
function withoutPending(lines: readonly string[]): string[] {
  const gone = new Set(lines.filter((line) => line.startsWith("-")).map((line) => line.slice(1)));
  return lines.filter((line) => {
    const n = Number(line.split(":")[1]);
    const single = line.startsWith("+") && line.endsWith(":0") && n % 5 === 2;
    return !single || gone.has(line.slice(1));
  });
}

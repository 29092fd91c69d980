import { describe, expect, test } from "vitest";
import { judge } from "../support/history/checker.js";
import { commandRounds } from "../support/history/command-rounds.js";
import type { Drop, History, Read, Write } from "../support/history/records.js";
import { runHistory } from "../support/history/run.js";
import { startRedis } from "../support/redis-server.js";
import { tempDir } from "../support/temp-dir.js";

const SHORT_MS = 1500;

describe("what several processes see of one cache, while workers, the server and the network fail", () => {
  test.concurrent.each(["sqlite", "memory > redis"] as const)("%s", async (topology) => {
    const seed = Math.floor(Math.random() * 2 ** 31);
    const { values, ...found } = await runHistory({ topology, seed, ms: SHORT_MS, workers: 2, faults: true });
    expect(found).toMatchObject({ violations: [], lost: [], late: [], hanging: [], unhandled: [] });
    expect(values).toBeGreaterThan(100);
  });
});

test.each(["sqlite", "redis"])(
  "what the command line changes in %s is obeyed by a process that serves from memory",
  async (kind) => {
    const server = kind === "redis" ? await startRedis() : undefined;
    const { worstDelay } = await commandRounds(server?.url ?? `sqlite:${tempDir("served")}/c.db`, 3);
    await server?.stop();
    expect(worstDelay).toBeLessThan(100);
  },
);

describe("the checker", () => {
  const write = (value: string, start: number, end: number, more: Partial<Write> = {}): Write => ({
    space: "main",
    key: "a/0",
    value,
    tags: [],
    start,
    end,
    ok: true,
    ...more,
  });
  const drop = (selector: Drop["selector"], start: number, end: number, ok = true): Drop => ({
    space: "main",
    selector,
    start,
    end,
    ok,
  });
  const read = (value: string | undefined, start: number, end: number, key = "a/0"): Read => ({
    space: "main",
    key,
    value,
    start,
    end,
    how: "get",
    by: 1,
  });
  const check = (history: Partial<History>, bound = 100) =>
    judge({ writes: [], drops: [], sources: [], reads: [], ...history }, { boundOf: () => bound, isQuiet: () => true });

  test("finds nothing in a history in which all is well", () => {
    const writes = [write("1.1", 0, 10), write("1.2", 50, 60, { tags: ["t0"] })];
    const reads = [
      read("1.1", 5, 8),
      read("1.2", 55, 58),
      read("1.1", 56, 57),
      read("1.1", 150, 151),
      read(undefined, 300, 301),
    ];
    const drops = [drop({ tags: ["t0"] }, 200, 210)];
    expect(check({ writes, reads, drops })).toMatchObject({
      values: 4,
      misses: 1,
      violations: [],
      lost: [],
      worstDelay: 90,
    });
  });

  test("finds a stale read, one millisecond after its bound", () => {
    const writes = [write("1.1", 0, 10), write("1.2", 50, 60)];
    expect(check({ writes, reads: [read("1.1", 160, 170)] }).violations).toEqual([]);
    expect(check({ writes, reads: [read("1.1", 161, 170)] }).violations).toHaveLength(1);
    expect(check({ writes, reads: [read("1.1", 61, 62)] }, 0).violations).toHaveLength(1);
  });

  test.each([{ keys: ["a/0"] }, { tags: ["t0"] }, { prefix: "a/" }, { match: "a/*" }, { all: true }] as const)(
    "finds what came back after %j was deleted",
    (selector) => {
      const writes = [write("1.1", 0, 10, { tags: ["t0"] })];
      const reads = [read("1.1", 161, 170)];
      expect(check({ writes, reads, drops: [drop(selector, 50, 60)] }).violations).toHaveLength(1);
      expect(check({ writes, reads, drops: [drop(selector, 50, 60, false)] }).violations).toEqual([]);
      expect(check({ writes, reads, drops: [drop(selector, 5, 60)] }).violations).toEqual([]);
    },
  );

  test("holds a deletion of another tag, prefix or key against nobody", () => {
    const writes = [write("1.1", 0, 10, { tags: ["t0"] })];
    const drops = [{ keys: ["a/1"] }, { tags: ["t1"] }, { prefix: "b/" }].map((selector) => drop(selector, 50, 60));
    expect(check({ writes, drops, reads: [read("1.1", 500, 501)] }).violations).toEqual([]);
    expect(check({ writes, drops, reads: [read(undefined, 500, 501)] }).lost).toHaveLength(1);
  });

  test("finds a lost write, unless something may have taken it", () => {
    const writes = [write("1.1", 0, 10)];
    const reads = [read(undefined, 20, 21)];
    expect(check({ writes, reads }).lost).toHaveLength(1);
    expect(check({ writes, reads, drops: [drop({ all: true }, 5, 6)] }).lost).toEqual([]);
    expect(check({ writes: [write("1.1", 0, 10, { ok: false })], reads }).lost).toEqual([]);
    // Written over by what a tag then took.
    const over = [...writes, write("1.2", 11, 12, { tags: ["t0"] })];
    expect(check({ writes: over, reads, drops: [drop({ tags: ["t0"] }, 13, 14)] }).lost).toEqual([]);
  });

  test("takes a write without an answer for one that may have happened, but not again and again", () => {
    const writes = [write("1.1", 0, 10, { ok: false }), write("1.2", 20, 30)];
    expect(check({ writes, reads: [read("1.1", 2000, 2001)] }).violations).toEqual([]);
    const later = [...writes, write("1.3", 4000, 4010)];
    expect(check({ writes: later, reads: [read("1.1", 5000, 5001)] }).violations).toHaveLength(1);
  });

  test("finds a value that comes back after another was seen, whoever wrote that and when", () => {
    const writes = [write("1.1", 0, 10), write("1.2", 5, Number.POSITIVE_INFINITY, { ok: false })];
    const reads = [read("1.1", 20, 21), read("1.2", 200, 201), read("1.1", 400, 401)];
    expect(check({ writes, reads: reads.slice(0, 2) }).violations).toEqual([]);
    expect(check({ writes, reads }).violations).toHaveLength(1);
  });

  test("finds what nobody wrote, what was written later, and what was damaged", () => {
    const writes = [write("1.1", 100, 110)];
    const reads = [read("1.1", 10, 20), read("7.7", 200, 201), read("damaged: x", 200, 201)];
    expect(check({ writes, reads }).violations).toHaveLength(3);
  });

  test("finds what a source had replaced before an invalidation", () => {
    const key = "q/0";
    const source = (n: number, start: number, end: number) => ({ key, n, start, end, ok: true });
    const sources = [source(1, 0, 10), source(2, 100, 110)];
    const drops = [drop({ tags: ["source-q/0"] }, 120, 130)];
    const reads = [read("q/0.0", 5, 6, key), read("q/0.1", 229, 231, key), read("q/0.2", 500, 501, key)];
    expect(check({ sources, drops, reads }).violations).toEqual([]);
    expect(check({ sources, drops, reads: [read("q/0.1", 231, 232, key)] }).violations).toHaveLength(1);
    // Begun before the source had changed, an invalidation says nothing.
    expect(
      check({ sources, drops: [drop({ all: true }, 105, 130)], reads: [read("q/0.1", 999, 1000, key)] }).violations,
    ).toEqual([]);
  });
});

import { describe, expect, test } from "vitest";
import { NOTHING } from "../../../src/cache/counter-steps.js";
import type { Outage, Reading, TierReading } from "../../../src/cache/readings.js";
import { type Size, textOfLine } from "../../../src/cli/screen/line.js";
import { widthOf } from "../../../src/cli/screen/text-width.js";
import { figureOf, watchScreen } from "../../../src/cli/screen/watch-screen.js";
import { pressedInWatch, WATCH_START, type WatchState, withReading } from "../../../src/cli/screen/watch-state.js";
import { CacheError } from "../../../src/errors.js";

const START = 1_700_000_000_000;
const TITLE = { from: "redis://127.0.0.1:6379/0, namespace app:", interval: 1000 };

function tier(name: string, hits: number, misses: number): TierReading {
  const counters = { ...NOTHING, hits, misses };
  return {
    name,
    counters,
    rates: { ...counters, lookups: hits + misses },
    hitRate: hits + misses === 0 ? undefined : hits / (hits + misses),
    totals: { ...counters, hits: hits * 10, evictions: 4 },
    connected: true,
    entries: 1234,
    bytes: 45_200_000,
  };
}

function reading(second: number, hits = 0, misses = 0, tiers = [tier("redis", hits, misses)]): Reading {
  const { name: _, ...whole } = tier("redis", hits, misses);
  const elapsed = second === 0 ? 0 : 1000;
  return { at: START + second * 1000, elapsed, latency: 1.26, source: "cache", ...whole, tiers, fallback: false };
}

const outage = (second: number): Outage => ({
  at: START + second * 1000,
  error: new CacheError("connection", "store-unreachable", "nothing listens\u001b[2J there"),
});

const stateOf = (readings: readonly (Reading | Outage)[], more: Partial<WatchState> = {}): WatchState => ({
  ...readings.reduce(withReading, WATCH_START),
  ...more,
});

function drawn(state: WatchState, size: Size = { columns: 80, rows: 24 }, asking?: number): string[] {
  const now = (state.readings.at(-1)?.at ?? START) + 400;
  return watchScreen(state, TITLE, { now, ...(asking !== undefined && { asking }) }, size).map(textOfLine);
}

const survey = {
  groups: [
    { prefix: "a\u001b[31m:", entries: 1, bytes: 900 },
    { prefix: "日本:", entries: 10, bytes: 100 },
  ],
  seen: 1000,
  complete: false,
  sized: true,
  at: START,
};

const key = (name: string, more: { ctrl?: boolean; text?: string } = {}) => ({
  name,
  ctrl: more.ctrl ?? false,
  text: more.text ?? name,
});

/** What a key leads to, where it is no end. */
function pressing(state: WatchState, ...names: string[]): WatchState {
  return names.reduce((now, name) => {
    const next = pressedInWatch(now, key(name));
    if (typeof next === "string") throw new Error(`${name} ends it`);
    return next;
  }, state);
}

describe("the screen of figures", () => {
  test("has a title, graphs of what came between, totals, tiers, prefixes and keys", () => {
    const screen = drawn(stateOf([reading(0), reading(1, 1, 3), reading(2, 6, 2)], { survey }));
    expect(screen).toHaveLength(24);
    expect(screen[0]).toMatch(/^cache stats {2}redis:\/\/127\.0\.0\.1:6379\/0, namespace app: +every 1s$/);
    expect(screen[1]).toBe("● answered in 1.3 ms, watched for 2s");
    expect(screen[2]).toMatch(/^hit rate +58\.3% +▂▅ avg +58\.3%$/);
    expect(screen[3]).toMatch(/^lookups\/s +6 +▆█ avg +6 max +6$/);
    expect(screen[6]).toBe("hits 60  misses 2 (96.8%)  evicted 4");
    expect(screen[9]).toMatch(/^redis +up +█{7} +58\.3% +6 +0 +1,234 +45\.2 MB$/);
    expect(screen[11]).toBe("TOP PREFIXES by bytes  of the first 1,000 entries, 2s ago");
    expect(screen[12]).toMatch(/^█{18} +1 +900 B {2}a\\x1b\[31m:$/);
    expect(screen[23]).toContain("q quit");
  });

  test("has a gap where the store was away, and says since when and why", () => {
    const screen = drawn(stateOf([reading(0), reading(1, 1, 1), outage(2), outage(5)]));
    expect(screen[1]).toBe("✗ away for 3s: nothing listens\\x1b[2J there");
    expect(screen[3]).toMatch(/^lookups\/s +- +█ {2} avg/);
    expect(screen[9]).toMatch(/^redis +away/);
    expect(drawn(stateOf([outage(0)]))[1]).toMatch(/^✗ away for 400ms/);
    expect(drawn(stateOf([reading(0), outage(1), reading(2, 1)]))[3]).toMatch(/ █ avg/);
  });

  test("leaves bytes of prefixes out where they are not known", () => {
    const screen = drawn(stateOf([reading(0)], { survey: { ...survey, sized: false } }));
    expect(screen[11]).toContain("TOP PREFIXES by entries");
    expect(screen[12]).toMatch(/ 10 {2}日本:$/);
  });

  test("says what it waits for", () => {
    expect(drawn(WATCH_START)[1]).toBe("asking for the first figures");
    expect(drawn(stateOf([reading(0)]), undefined, 3000)[1]).toBe("… no answer for 3s");
    expect(drawn(stateOf([reading(0)])).join("\n")).toContain("TOP PREFIXES  looking through the keys");
    expect(drawn(stateOf([reading(0)], { surveyFailure: "no\u001b way" })).join("\n")).toContain("  no\\x1b way");
  });

  test("shows each tier, with its breaker where one is watched", () => {
    const tiers = [tier("memory", 3, 1), { ...tier("redis", 0, 1), breaker: "open", connected: false }];
    const screen = drawn(stateOf([reading(0), reading(1, 3, 1, tiers)]), { columns: 100, rows: 24 });
    expect(screen[8]).toMatch(/BREAKER$/);
    expect(screen[9]).toMatch(/^memory +up .* -$/);
    expect(screen[10]).toMatch(/^redis +away .* open$/);
  });

  test.each([
    [40, 10],
    [40, 12],
    [80, 24],
    [120, 40],
    [20, 5],
    [1, 1],
  ])("fits %i × %i, whatever keys and messages hold", (columns, rows) => {
    const tiers = [tier("日本語の名前がとても長い層", 3, 1), tier("redis", 3, 1)];
    for (const last of [reading(1, 3, 1, tiers), outage(1)]) {
      const lines = watchScreen(
        stateOf([reading(0), last], { survey, help: rows === 12 }),
        TITLE,
        { now: START },
        { columns, rows },
      );
      for (const line of lines) expect(textOfLine(line)).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
      expect(lines.length).toBeLessThanOrEqual(Math.max(rows, 8));
      if (rows >= 10) {
        expect(textOfLine(lines.at(-1) ?? [])).toContain("q quit");
        expect(widthOf(textOfLine(lines[0] ?? []))).toBe(columns);
      }
    }
  });
});

describe("keys", () => {
  const running = stateOf([reading(0), reading(1, 1, 1)], { survey });

  test("s sorts by bytes, entries and name", () => {
    const order = (state: WatchState) =>
      drawn(state)
        .slice(12, 14)
        .map((line) => line.trim().split(/\s+/).at(-1));
    expect(order(running)).toEqual(["a\\x1b[31m:", "日本:"]);
    expect(order(pressing(running, "s"))).toEqual(["日本:", "a\\x1b[31m:"]);
    expect(order(pressing(running, "s", "s"))).toEqual(["a\\x1b[31m:", "日本:"]);
    expect(pressing(running, "s", "s", "s").sort).toBe("bytes");
  });

  test("p stops the picture while figures go on; r begins anew", () => {
    const stopped = withReading(pressing(running, "p"), reading(2, 9));
    expect(drawn(stopped)[0]).toMatch(/PAUSED$/);
    expect(drawn(stopped)[3]).toMatch(/^lookups\/s +2 /);
    expect(drawn(pressing(stopped, "space"))[3]).toMatch(/^lookups\/s +5\.5 /);
    expect(pressing(stopped, "r")).toMatchObject({ readings: [{ at: START + 2000 }] });
    expect(pressing(stopped, "r").paused).toBeUndefined();
  });

  test("q and Esc quit, or leave the help; Ctrl-C is an interruption; others do nothing", () => {
    expect(pressedInWatch(running, key("q"))).toBe("quit");
    expect(pressedInWatch(running, key("escape"))).toBe("quit");
    expect(pressedInWatch(running, key("c", { ctrl: true }))).toBe("interrupt");
    const help = pressedInWatch(running, key("", { text: "?" }));
    if (typeof help === "string") throw new Error("it ended");
    expect(drawn(help).join("\n")).toContain("sort prefixes");
    expect(pressing(help, "q").help).toBe(false);
    for (const name of ["x", "c", "up"]) expect(pressedInWatch(running, key(name))).toBe(running);
  });
});

test("figures are means over 10 s, unless they are the server's own", () => {
  const handedOver = Array.from({ length: 31 }, (_, second) =>
    reading(second, second > 0 && second % 5 === 0 ? 50 : 0),
  );
  expect(drawn(stateOf(handedOver))[3]).toMatch(/^lookups\/s +10 .*█{17} avg +10 max +10$/);
  const own = handedOver.map((one) => ({ ...one, source: "server" as const }));
  expect(drawn(stateOf(own))[3]).toMatch(/^lookups\/s +50 .*█▁▁▁▁█ avg +10 max +50$/);
  expect(drawn(stateOf(own))[6]).toMatch(/^server: hits 500/);
});

test("a history is bounded", () => {
  const readings = Array.from({ length: 700 }, (_, second) => reading(second));
  expect(stateOf(readings).readings).toHaveLength(600);
});

describe("a figure", () => {
  test.each([
    [0, "0"],
    [0.04, "0.0"],
    [0.42, "0.4"],
    [9.96, "10"],
    [8210, "8,210"],
    [9999.6, "10.0k"],
    [12_345, "12.3k"],
    [123_456, "123k"],
    [999_600, "1.0M"],
    [4.5e6, "4.5M"],
    [7.1e9, "7.1G"],
    [1e15, "1e+15"],
  ])("of %d is %s", (value, text) => {
    expect(figureOf(value)).toBe(text);
    expect(text.length).toBeLessThanOrEqual(6);
  });
});

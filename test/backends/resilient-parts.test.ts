import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Breaker } from "../../src/backends/resilient/breaker.js";
import { backoffMs, RetryBudget } from "../../src/backends/resilient/budget.js";
import { lineOf, readLines } from "../../src/backends/resilient/journal-lines.js";
import { resolveOptions } from "../../src/backends/resilient/options.js";
import { OutcomeWindow } from "../../src/backends/resilient/outcome-window.js";
import { CacheError } from "../../src/errors.js";
import { FakeClock } from "../support/fake-clock.js";
import { unreachable } from "./resilient-faulty.js";

describe("back-off", () => {
  test("is anything from nothing to a limit that doubles up to the cap", () => {
    fc.assert(
      fc.property(
        fc.nat(60),
        fc.integer({ min: 1, max: 1000 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (n, base, r) => {
          const ms = backoffMs(n, base, 60_000, () => r);
          expect(ms).toBeCloseTo(r * Math.min(60_000, base * 2 ** n), 6);
        },
      ),
    );
    expect([0, 1, 2, 3].map((n) => backoffMs(n, 100, 60_000, () => 1))).toEqual([100, 200, 400, 800]);
  });
});

describe("the retry budget", () => {
  test("lets a call that is alone have three", () => {
    const budget = new RetryBudget(new FakeClock());
    budget.earn(1);
    expect([1, 2, 3, 4].map(() => budget.take())).toEqual([true, true, true, false]);
  });

  test("is 10% of the traffic, and three a second", () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ calls: fc.nat(50), wants: fc.nat(50), ms: fc.nat(400) }), { maxLength: 60 }),
        (steps) => {
          const clock = new FakeClock();
          const budget = new RetryBudget(clock);
          let calls = 0;
          let retries = 0;
          let passed = 0;
          for (const step of steps) {
            budget.earn(step.calls);
            calls += step.calls;
            for (let i = 0; i < step.wants; i++) if (budget.take()) retries += 1;
            clock.advance(step.ms);
            passed += step.ms;
          }
          expect(retries).toBeLessThanOrEqual(calls * 0.1 + 3 * (1 + Math.floor(passed / 1000)) + 1e-6);
        },
      ),
    );
  });

  test("what was saved up is bounded", () => {
    const budget = new RetryBudget(new FakeClock());
    budget.earn(1_000_000);
    let taken = 0;
    while (budget.take()) taken += 1;
    expect(taken).toBe(103);
  });
});

describe("the window", () => {
  test("forgets after its time", () => {
    const clock = new FakeClock();
    const window = new OutcomeWindow(10_000, clock);
    for (let i = 0; i < 5; i++) window.add(false);
    clock.advance(5000);
    for (let i = 0; i < 5; i++) window.add(true);
    expect(window.sums()).toEqual({ all: 10, bad: 5 });
    clock.advance(5500);
    expect(window.sums()).toEqual({ all: 5, bad: 0 });
    clock.advance(10_000);
    expect(window.sums()).toEqual({ all: 0, bad: 0 });
  });

  test("takes what has no time as spread over the time since the last look", () => {
    const clock = new FakeClock();
    const window = new OutcomeWindow(10_000, clock);
    clock.advance(100_000);
    window.untimed = 1000;
    expect(window.sums()).toEqual({ all: 100, bad: 0 });
    clock.advance(1000);
    window.untimed = 1000;
    expect(window.sums()).toEqual({ all: 1100, bad: 0 });
  });
});

describe("the breaker", () => {
  function breaker(more = {}) {
    const clock = new FakeClock();
    const told: string[] = [];
    const settings = resolveOptions({ breaker: more }).breaker;
    const one = new Breaker(
      settings,
      clock,
      () => "it",
      (code) => told.push(code),
    );
    return { clock, told, breaker: one };
  }
  const opened = (one: Breaker) => {
    for (let i = 0; i < 5; i++) one.failed(one.admit(), unreachable());
  };
  const refusal = (one: Breaker) => {
    try {
      one.admit();
      return undefined;
    } catch (error) {
      return error;
    }
  };

  test("opens at five failures in a row, and not at four and a success again and again", () => {
    const { breaker: one, told } = breaker();
    for (let i = 0; i < 4; i++) one.failed(one.admit(), unreachable());
    one.succeeded(one.admit());
    for (let i = 0; i < 4; i++) one.failed(one.admit(), unreachable());
    one.pass();
    for (let i = 0; i < 4; i++) one.failed(one.admit(), unreachable());
    expect(one.state).toBe("closed");
    one.failed(one.admit(), unreachable());
    expect(one.state).toBe("open");
    expect(one.closed).toBe(false);
    expect(told).toEqual(["breaker-open"]);
    expect(refusal(one)).toMatchObject({ kind: "connection", code: "breaker-open", retryable: true });
    expect(refusal(one)).toBeInstanceOf(CacheError);
  });

  test("opens when half of twenty in ten seconds failed", () => {
    const { breaker: one } = breaker();
    for (let i = 0; i < 9; i++) {
      one.failed(one.admit(), unreachable());
      one.succeeded(one.admit());
    }
    one.failed(one.admit(), unreachable());
    expect(one.state).toBe("closed");
    one.failed(one.admit(), unreachable());
    expect(one.state).toBe("open");
  });

  test("stays closed when they are spread over a longer time", () => {
    const { breaker: one, clock } = breaker();
    for (let i = 0; i < 40; i++) {
      one.failed(one.admit(), unreachable());
      one.succeeded(one.admit());
      clock.advance(1200);
    }
    expect(one.state).toBe("closed");
  });

  test("lets one probe through after its time, which doubles up to a minute, and begins anew", () => {
    const { breaker: one, clock, told } = breaker();
    opened(one);
    for (const ms of [5000, 10_000, 20_000, 40_000, 60_000, 60_000]) {
      clock.advance(ms - 1);
      expect(refusal(one)).toMatchObject({ code: "breaker-open" });
      clock.advance(1);
      const probe = one.admit();
      expect(one.state).toBe("half-open");
      expect(refusal(one)).toMatchObject({ code: "breaker-open" });
      one.failed(probe, unreachable());
      expect(one.state).toBe("open");
    }
    clock.advance(60_000);
    one.succeeded(one.admit());
    expect(one.state).toBe("closed");
    expect(one.trips).toBe(1);
    expect(told.slice(-2)).toEqual(["breaker-half-open", "breaker-closed"]);
    opened(one);
    clock.advance(5000);
    one.admit();
    expect(one.trips).toBe(2);
  });

  test("is told nothing by what was let through in another state", () => {
    const { breaker: one, clock } = breaker();
    const early = one.admit();
    opened(one);
    one.succeeded(early);
    expect(one.state).toBe("open");
    clock.advance(5000);
    const probe = one.admit();
    one.failed(early, unreachable());
    expect(one.state).toBe("half-open");
    one.succeeded(probe);
    expect(one.state).toBe("closed");
    for (let i = 0; i < 9; i++) one.failed(early, unreachable());
    expect(one.state).toBe("closed");
  });

  test("tries again at once after a probe that its caller ended, and after one that never ended", () => {
    const { breaker: one, clock } = breaker();
    opened(one);
    clock.advance(5000);
    one.undecided(one.admit());
    expect(one.state).toBe("open");
    one.admit();
    expect(one.state).toBe("half-open");
    clock.advance(5000);
    one.succeeded(one.admit());
    expect(one.state).toBe("closed");
  });

  test("whatever happens: never more than one probe at a time, and open is refused until its time", () => {
    const step = fc.record({
      ms: fc.constantFrom(0, 10, 900, 5000, 60_000),
      outcome: fc.constantFrom("good", "bad", "none"),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const { breaker: one, clock } = breaker();
        let openedAt = 0;
        for (const { ms, outcome } of steps) {
          clock.advance(ms);
          const before = one.state;
          if (before === "open" && clock.monotonic() - openedAt < 5000) {
            expect(refusal(one)).toBeInstanceOf(CacheError);
            continue;
          }
          const refused = refusal(one);
          if (refused !== undefined) {
            expect(before).not.toBe("closed");
            continue;
          }
          const permit = one.permit;
          if (before !== "closed") expect(refusal(one)).toBeInstanceOf(CacheError);
          if (outcome === "good") one.succeeded(permit);
          if (outcome === "bad") one.failed(permit, unreachable());
          if (one.state === "open") openedAt = clock.monotonic();
          if (outcome === "good") expect(one.state).toBe("closed");
        }
      }),
    );
  });

  test("can be switched off", () => {
    const one = new Breaker(
      undefined,
      new FakeClock(),
      () => "it",
      () => {},
    );
    for (let i = 0; i < 100; i++) one.failed(one.admit(), unreachable());
    expect([one.state, one.closed]).toEqual(["off", true]);
  });
});

describe("lines of the journal", () => {
  const change = fc.oneof(
    fc.record({ selector: fc.record({ keys: fc.array(fc.string({ unit: "grapheme" }), { maxLength: 4 }) }) }),
    fc.record({ selector: fc.record({ prefix: fc.string({ minLength: 1 }) }), soft: fc.constant(true) }),
    fc.record({ selector: fc.record({ tags: fc.array(fc.string(), { minLength: 1, maxLength: 3 }) }) }),
  );

  test("come back as they were", () => {
    fc.assert(
      fc.property(fc.array(change), (changes) => {
        const bytes = Buffer.from(changes.map(lineOf).join(""));
        expect(readLines(bytes)).toEqual({ changes, overflowed: false, damaged: 0 });
      }),
    );
  });

  test("a writer that ended anywhere loses its last line at most, and harms no later one", () => {
    fc.assert(
      fc.property(
        fc.array(change, { maxLength: 5 }),
        change,
        fc.array(change, { maxLength: 3 }),
        fc.nat(),
        (before, cut, after, at) => {
          const line = Buffer.from(lineOf(cut));
          // All but the last line feed is the whole line.
          const part = line.subarray(0, at % (line.length - 1));
          const bytes = Buffer.concat([
            Buffer.from(before.map(lineOf).join("")),
            part,
            Buffer.from(after.map(lineOf).join("")),
          ]);
          expect(readLines(bytes)).toEqual({ changes: [...before, ...after], overflowed: false, damaged: 0 });
        },
      ),
    );
  });

  test.each([{}, { selector: 5 }, { selector: {} }, { selector: { prefix: "" } }, { selector: { match: "[" } }])(
    "what no store takes is damage: %j",
    (change) => {
      const bytes = Buffer.from(`${lineOf(change as never)}${lineOf({ selector: { keys: ["a"] } })}`);
      expect(readLines(bytes)).toEqual({ changes: [{ selector: { keys: ["a"] } }], overflowed: false, damaged: 1 });
    },
  );

  test("zeros at the end are no damage, a flipped bit is", () => {
    const lines = [lineOf({ selector: { keys: ["a"] } }), lineOf({ selector: { keys: ["b"] } })].join("");
    expect(readLines(Buffer.concat([Buffer.from(lines), Buffer.alloc(100)]))).toMatchObject({
      damaged: 0,
      changes: { length: 2 },
    });
    const flipped = Buffer.from(lines);
    const at = flipped.indexOf('"a"') + 1;
    flipped[at] = "x".charCodeAt(0);
    expect(readLines(flipped)).toEqual({ changes: [{ selector: { keys: ["b"] } }], overflowed: false, damaged: 1 });
    expect(readLines(Buffer.from(`${"x".repeat(60)}\n${lines}`)).damaged).toBe(1);
  });
});

describe("options", () => {
  test.each([
    { timeoutMs: -1 },
    { timeoutMs: Number.NaN },
    { retries: 1e9 },
    { retryBaseMs: Number.POSITIVE_INFINITY },
    { healthIntervalMs: 2 ** 31 },
    { breaker: { failures: 0 } },
    { breaker: { failureRate: 0 } },
    { breaker: { failureRate: 1.1 } },
    { breaker: { openMs: 0 } },
  ])("%j is refused", (options) => {
    expect(() => resolveOptions(options)).toThrow(
      expect.objectContaining({ kind: "usage", code: "invalid-resilience" }),
    );
  });
});

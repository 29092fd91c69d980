import { afterEach, describe, expect, test, vi } from "vitest";
import { openMemory } from "../src/backends/memory/index.js";
import { LONGEST_TIMER_MS, systemClock } from "../src/clock.js";

// Days pass in no time; all else is as it is.
afterEach(() => void vi.useRealTimers());
const fakeTimers = () => vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval"] });

describe("the system's clock", () => {
  test.each([1, 1000, LONGEST_TIMER_MS, LONGEST_TIMER_MS + 1, LONGEST_TIMER_MS * 3 + 5])(
    "sleeps %i ms, and no less",
    async (ms) => {
      fakeTimers();
      let over = false;
      const asleep = systemClock.sleep(ms).then(() => {
        over = true;
      });
      await vi.advanceTimersByTimeAsync(ms - 1);
      expect(over).toBe(false);
      await vi.advanceTimersByTimeAsync(1);
      await asleep;
      expect(vi.getTimerCount()).toBe(0);
    },
  );

  test("sleeps for ever, until it is woken", async () => {
    fakeTimers();
    const end = new AbortController();
    let over = false;
    const asleep = systemClock.sleep(Number.POSITIVE_INFINITY, end.signal).then(() => {
      over = true;
    });
    await vi.advanceTimersByTimeAsync(LONGEST_TIMER_MS * 2.5);
    expect(over).toBe(false);
    end.abort();
    await asleep;
    expect(vi.getTimerCount()).toBe(0);
  });
});

test("a store in memory that is to be swept after a longer time than a timer can be set to is not swept all the time", async () => {
  const timer = vi.spyOn(globalThis, "setInterval");
  const backend = openMemory({ namespace: "", clock: systemClock, emit: () => {}, sweepMs: LONGEST_TIMER_MS + 1 });
  expect(timer.mock.calls.map(([, ms]) => ms)).toEqual([LONGEST_TIMER_MS]);
  timer.mockRestore();
  await backend.close();
});

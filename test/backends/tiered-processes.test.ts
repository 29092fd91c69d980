import { describe, expect, test } from "vitest";
import { systemClock } from "../../src/clock.js";
import { latenesses } from "../support/tier-watch.js";
import { cutOff, prepareProcesses, STORES, twoProcesses } from "../support/two-processes.js";

prepareProcesses();

// 240 rounds a store, and the other ways in which a log is out of reach: test/deep/tiered-processes.test.ts.
describe.each(Object.keys(STORES))("two processes over %s", (kind) => {
  test("what one changes the other does not read from its memory for longer than 100 ms", async () => {
    const { writer, reader } = await twoProcesses(kind);
    const late = await latenesses(writer, reader, 18);
    expect(Math.max(...late)).toBeLessThanOrEqual(100);
    expect(await reader.end()).toBeGreaterThan(18);
  });
});

test("a process that was stopped reads nothing old when it goes on", async () => {
  const { writer, reader } = await twoProcesses("sqlite");
  await writer.setMany([{ key: "k", value: Buffer.from("old") }]);
  await reader.until("old");
  await systemClock.sleep(20);
  reader.pause();
  await writer.setMany([{ key: "k", value: Buffer.from("new") }]);
  const answered = systemClock.monotonic();
  await systemClock.sleep(2100);
  reader.resume();
  const { answer, before } = await reader.next();
  expect(answer).toBe("new");
  expect(before - answered).toBeLessThanOrEqual(100);
});

test("with the log out of reach memory is read for 2 s at most, and again when it is back", () => cutOff("stall"));

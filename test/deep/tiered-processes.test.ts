import { describe, expect, test } from "vitest";
import { latenesses } from "../support/tier-watch.js";
import { cutOff, prepareProcesses, STORES, twoProcesses } from "../support/two-processes.js";

const ROUNDS = 240;

prepareProcesses();

describe.each(Object.keys(STORES))("two processes over %s", (kind) => {
  test(`${ROUNDS} changes are obeyed within 100 ms of their answer`, async () => {
    const { writer, reader } = await twoProcesses(kind);
    const late = (await latenesses(writer, reader, ROUNDS)).sort((a, b) => a - b);
    const at = (share: number) => `${(late[Math.floor((late.length - 1) * share)] ?? 0).toFixed(1)} ms`;
    console.log(
      `${kind}: ${ROUNDS} changes, old value read for ${at(0.5)} (median), ${at(0.99)} (99%), ${at(1)} (worst)`,
    );
    expect(late.at(-1)).toBeLessThanOrEqual(100);
    expect(await reader.end()).toBeGreaterThan(ROUNDS);
  });
});

test.each(["stall", "half-open", "cut"] as const)("with the log out of reach: %s", cutOff);

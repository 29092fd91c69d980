import { describe, expect, it } from "vitest";
import type { BackendInfo } from "../../src/backends/backend.js";
import { checkRoom } from "../../src/bench/room.js";

const info = (facts: BackendInfo["facts"], more: Partial<BackendInfo> = {}): BackendInfo => ({
  kind: "sqlite",
  target: "sqlite:x",
  facts,
  warnings: [],
  ...more,
});
const need = { entries: 10, bytes: 1000 };
const full = expect.objectContaining({ kind: "usage", code: "bench-no-room" });

describe("room in a store that others use", () => {
  it.each<[string, BackendInfo]>([
    ["entries", info({ max_entries: 109 }, { entries: 100, bytes: 0 })],
    ["bytes", info({ max_bytes: 1999 }, { entries: 1, bytes: 1000 })],
    ["entries in memory", info({ maxEntries: 109 }, { entries: 100 })],
    ["bytes in memory", info({ maxBytes: 1999, usedBytes: 1000 }, { bytes: 10 })],
    ["memory of a server", info({ maxmemory: 10_000, used_memory: 7000 })],
    ["entries of the last tier", info({}, { tiers: [tier({}), tier({ max_entries: 9 })] })],
  ])("is looked for: %s", (_, whole) => {
    expect(() => checkRoom("one", whole, need)).toThrow(full);
  });

  it.each<[string, BackendInfo]>([
    ["nothing is bounded", info({ maxmemory: 0, used_memory: 7000 }, { entries: 1e6, bytes: 1e9 })],
    ["there is enough", info({ max_entries: 110, max_bytes: 2000 }, { entries: 100, bytes: 1000 })],
    ["copies alone are dropped", info({}, { tiers: [tier({ maxEntries: 9 }), tier({})] })],
  ])("is there where %s", (_, whole) => {
    expect(() => checkRoom("one", whole, need)).not.toThrow();
  });
});

function tier(facts: BackendInfo["facts"]) {
  return { ...info(facts), name: "one", inUse: true };
}

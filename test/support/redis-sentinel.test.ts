import { expect, test } from "vitest";
import { startSentinels } from "./redis-sentinel.js";
import { redisCli, replicated } from "./redis-server.js";

test("replaces a primary", async () => {
  const set = await startSentinels();
  try {
    const before = await set.primary();
    await redisCli(before, "SET", "k", "v");
    await replicated(before);
    const after = await set.failover();
    expect(after).not.toBe(before);
    expect(await redisCli(after, "GET", "k")).toBe("v");
    expect(await redisCli(before, "ROLE")).toContain("slave");
  } finally {
    await set.stop();
  }
});

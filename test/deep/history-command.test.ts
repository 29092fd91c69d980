import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { commandRounds } from "../support/history/command-rounds.js";
import { type RedisServer, startRedis } from "../support/redis-server.js";
import { tempDir } from "../support/temp-dir.js";

const ROUNDS = 45;

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

describe("what the command line changes is obeyed by a process that serves from memory", () => {
  test.each([
    ["sqlite", () => `sqlite:${tempDir("served")}/c.db`],
    ["file", () => `file:${tempDir("served")}/c`],
    ["redis", () => server.url],
  ])("over %s", async (_kind, url) => {
    const { worstDelay } = await commandRounds(url(), ROUNDS);
    console.log(`worst of ${ROUNDS} rounds: ${worstDelay.toFixed(1)} ms after the command's end`);
    expect(worstDelay).toBeLessThan(100);
  });
});

import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { killRounds, recordValue, writeRecords } from "../support/kill-rounds.js";
import { type RedisServer, startRedis } from "../support/redis-server.js";
import { redisClient, type StoreClient, sqliteClient } from "../support/store-clients.js";
import { tempDir } from "../support/temp-dir.js";

const RECORDS = 1_000_000;
const ROUNDS = 20;
const cwd = tempDir("deep-kill");
const file = join(cwd, "records.ndjson");
let server: RedisServer;

beforeAll(async () => {
  server = await startRedis();
  await writeRecords(file, RECORDS);
});
afterAll(() => server.stop());

test.each<[string, () => StoreClient]>([
  ["sqlite", () => sqliteClient("sqlite", join(cwd, "store.db"))],
  ["file", () => sqliteClient("file", join(cwd, "store"))],
  ["redis", () => redisClient(server)],
])(
  "kill -9 of a warm of a million records into %s, twenty times: every record is there, few were written twice",
  async (kind, open) => {
    const client = open();
    try {
      const checkpoint = join(cwd, `${kind}.checkpoint`);
      const options = { file, checkpoint, records: RECORDS, batchSize: 500, concurrency: 4, cwd };
      const kills = await killRounds({ ...options, client, rounds: ROUNDS, random: Math.random });
      expect(kills).toBe(ROUNDS);
      for (let i = 0; i < RECORDS; i += 1) {
        if (kind !== "sqlite" && i % 50 !== 0) continue;
        const bytes = await client.get(`k:${i}`);
        if (bytes?.toString() !== recordValue(i)) expect([i, bytes?.toString()]).toEqual([i, recordValue(i)]);
      }
    } finally {
      client.close();
    }
  },
);

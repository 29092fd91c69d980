import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { killRounds, recordValue, writeRecords } from "../support/kill-rounds.js";
import { type RedisServer, redisCli, startRedis } from "../support/redis-server.js";
import { runBinary, startBinary } from "../support/run-binary.js";
import { redisClient, type StoreClient, sqliteClient } from "../support/store-clients.js";
import { tempDir } from "../support/temp-dir.js";
import { until } from "../support/until.js";

const RECORDS = 12_000;
const cwd = tempDir("kill");
const file = join(cwd, "records.ndjson");
let server: RedisServer;

beforeAll(async () => {
  server = await startRedis();
  await writeRecords(file, RECORDS);
});
afterAll(() => server.stop());

const clients: [string, () => StoreClient][] = [
  ["sqlite", () => sqliteClient("sqlite", join(tempDir("kill"), "store.db"))],
  ["file", () => sqliteClient("file", join(tempDir("kill"), "store"))],
  ["redis", () => redisClient(server)],
];

describe.each(clients)("kill -9 on %s", (kind, open) => {
  test("warm --checkpoint resumes: nothing is left out, few are written twice", async () => {
    const client = open();
    try {
      const checkpoint = join(cwd, `${kind}.checkpoint`);
      const [batchSize, concurrency] = [200, 3];
      const options = { file, checkpoint, records: RECORDS, batchSize, concurrency, cwd };
      const kills = await killRounds({ ...options, client, rounds: 3, random: Math.random });
      expect(kills).toBeGreaterThan(0);
      for (let i = 0; i < RECORDS; i += 97) {
        const bytes = await client.get(`k:${i}`);
        if (bytes?.toString() !== recordValue(i)) expect([i, bytes?.toString()]).toEqual([i, recordValue(i)]);
      }
      const tagged = await runBinary(["keys", "--tag", "t1", "--count", "--store", client.url], { cwd });
      expect(tagged.stdout.toString()).toBe(`${RECORDS / 3}\n`);
    } finally {
      client.close();
      await redisCli(server, "FLUSHALL");
    }
  }, 90_000);

  test("invalidate: what is left is whole, the same command takes it, and nothing else", async () => {
    const client = open();
    const store = ["--store", client.url];
    try {
      expect((await runBinary(["warm", file, ...store, "--ttl", "none"], { cwd })).code).toBe(0);
      const [started, total] = [performance.now(), await client.count()];
      expect(total).toBe(RECORDS);
      const run = startBinary(["invalidate", "--prefix", "k:1", "--yes", ...store], { cwd });
      await until(async () => (await client.count()) < total, { timeoutMs: 20_000, everyMs: 1 });
      run.kill("SIGKILL");
      await run.result;
      expect(performance.now() - started).toBeLessThan(20_000);
      expect((await runBinary(["get", "k:9999", ...store], { cwd })).stdout.toString()).toBe(recordValue(9999));
      const again = await runBinary(["invalidate", "--prefix", "k:1", "--yes", "--json", ...store], { cwd });
      expect(JSON.parse(again.stdout.toString())).toMatchObject({ complete: true });
      const gone = 1 + 10 + 100 + 1000 + 2000;
      expect(await client.count()).toBe(RECORDS - gone);
      const listed = await runBinary(["keys", "--count", ...store], { cwd });
      expect(listed.stdout.toString()).toBe(`${RECORDS - gone}\n`);
      for (const tag of ["t0", "t1", "t2"]) {
        const tagged = await runBinary(["invalidate", "--tag", tag, "--yes", ...store], { cwd });
        expect(tagged.code).toBe(0);
      }
      expect(await client.count()).toBe(0);
    } finally {
      client.close();
      await redisCli(server, "FLUSHALL");
    }
  }, 60_000);

  test("set: the key has the old value or the new one, whole", async () => {
    const client = open();
    const store = ["--store", client.url];
    const values = [randomBytes(3_000_000), randomBytes(3_000_000)];
    values.forEach((value, i) => {
      writeFileSync(join(cwd, `${kind}.${i}`), value);
    });
    try {
      const began = performance.now();
      expect((await runBinary(["set", "k:v", "--file", `${kind}.0`, ...store], { cwd })).code).toBe(0);
      const whole = performance.now() - began;
      let killed = 0;
      for (let round = 0; killed < 3 && round < 40; round++) {
        const run = startBinary(["set", "k:v", "--file", `${kind}.${round % 2}`, ...store], { cwd });
        const delay = (0.4 + Math.random() * 0.6) * whole;
        await new Promise((resolve) => setTimeout(resolve, delay));
        run.kill("SIGKILL");
        if ((await run.result).signal === "SIGKILL") killed += 1;
        const there = await client.get("k:v");
        expect(values.some((value) => there?.equals(value))).toBe(true);
      }
      expect(killed).toBe(3);
      expect(await client.count()).toBe(1);
    } finally {
      client.close();
      await redisCli(server, "FLUSHALL");
    }
  }, 60_000);
});

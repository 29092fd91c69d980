import { readFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RedisServer, redisCli, startRedis } from "../support/redis-server.js";
import { startBinary } from "../support/run-binary.js";
import { sqliteClient } from "../support/store-clients.js";
import { tempDir } from "../support/temp-dir.js";

const FORMS = ["object", "array", "ndjson"] as const;
const MOST_RESIDENT_KB = 200 * 1024;
const cwd = tempDir("million");
let server: RedisServer;

beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

/** Some 135 bytes a record. */
async function writeForm(path: string, form: (typeof FORMS)[number], count: number): Promise<void> {
  const file = await open(path, "w");
  const value = (i: number) =>
    `{"id":${i},"name":"product ${i}","price":${i % 1000}.50,"stock":${i % 7},"note":"${"n".repeat(40)}"}`;
  const record = (i: number) => {
    if (form === "object") return `"product:${i}":${value(i)}`;
    return `{"key":"product:${i}","value":${value(i)}}`;
  };
  const [begin, between, end] = {
    object: ["{\n", ",\n", "\n}\n"],
    array: ["[\n", ",\n", "\n]\n"],
    ndjson: ["", "\n", "\n"],
  }[form];
  await file.write(begin ?? "");
  for (let from = 0; from < count; from += 10_000) {
    const lines = Array.from({ length: Math.min(10_000, count - from) }, (_, i) => record(from + i));
    await file.write(`${from === 0 ? "" : between}${lines.join(between)}`);
  }
  await file.write(end ?? "");
  await file.close();
}

/** Warms to the end, and gives the most memory that the process had resident, in KiB. */
async function warmed(
  file: string,
  form: string,
  store: string,
): Promise<{ peak: number; report: { stored: number } }> {
  const run = startBinary(["warm", file, "--format", form, "--store", store, "--json"], { cwd, timeoutMs: 600_000 });
  let [peak, ended] = [0, false];
  const result = run.result.finally(() => {
    ended = true;
  });
  while (!ended) {
    const status = statusOf(run.pid);
    // The kernel keeps the highest mark itself, so that none is missed between two looks.
    peak = Math.max(peak, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0));
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const { code, stdout } = await result;
  expect(code).toBe(0);
  return { peak, report: JSON.parse(stdout.toString()) };
}

function statusOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, "utf8");
  } catch {
    // It has just ended.
    return "";
  }
}

describe.each([10_000, 100_000, 1_000_000])("%i records", (count) => {
  test.each(FORMS)("as %s into sqlite and redis: all are there, within 200 MB", async (form) => {
    const file = join(cwd, `${count}.${form}`);
    await writeForm(file, form, count);
    const path = join(cwd, `${count}-${form}.db`);
    const peaks: Record<string, number> = {};
    const sqlite = await warmed(file, form, `sqlite:${path}`);
    const client = sqliteClient("sqlite", path);
    expect(client.count()).toBe(count);
    client.close();
    peaks.sqlite = sqlite.peak;
    await redisCli(server, "FLUSHALL");
    const redis = await warmed(file, form, server.url);
    expect(await redisCli(server, "DBSIZE")).toBe(String(count));
    peaks.redis = redis.peak;
    expect([sqlite.report.stored, redis.report.stored]).toEqual([count, count]);
    console.log(
      `${count} as ${form}: sqlite ${Math.round(sqlite.peak / 1024)} MiB, redis ${Math.round(redis.peak / 1024)} MiB`,
    );
    for (const peak of Object.values(peaks)) {
      expect(peak).toBeGreaterThan(10_000);
      expect(peak).toBeLessThanOrEqual(MOST_RESIDENT_KB);
    }
  });
});

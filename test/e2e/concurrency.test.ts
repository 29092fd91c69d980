import { writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { describe, expect, test } from "vitest";
import { recordValue, writeRecords } from "../support/kill-rounds.js";
import { runBinary } from "../support/run-binary.js";
import { sqliteClient } from "../support/store-clients.js";
import { tempDir } from "../support/temp-dir.js";

const PROCESSES = 8;

describe.each(["sqlite", "file"] as const)("processes at once on one %s store", (kind) => {
  test("set, warm, get and invalidate by eight: no error, nothing lost", async () => {
    const cwd = tempDir("together");
    const path = join(cwd, kind === "sqlite" ? "store.db" : "store");
    const store = ["--store", `${kind}:${path}`, "--timeout", "20s", "--quiet"];
    await writeRecords(join(cwd, "same.ndjson"), 3000);
    for (let n = 0; n < PROCESSES; n++) {
      const lines = Array.from(
        { length: 500 },
        (_, i) => `{"key":"own:${n}:${i}","value":"${n}-${i}","tags":["by${n}"]}\n`,
      );
      writeFileSync(join(cwd, `own${n}.ndjson`), lines.join(""));
    }
    // The store is made by whoever comes first.
    const runs = await Promise.all(
      Array.from({ length: PROCESSES }, async (_, n) => {
        const cache = (...args: string[]) => runBinary([...args, ...store], { cwd, timeoutMs: 60_000 });
        const set = await cache("set", `single:${n}`, String(n), "--ttl", "none");
        const warm = await cache("warm", `own${n}.ndjson`, "same.ndjson");
        const get = await cache("get", `own:${n}:199`);
        const gone = await cache("invalidate", "--prefix", `own:${n}:1`, "--yes");
        expect(get.stdout.toString()).toBe(`${n}-199`);
        return [set, warm, get, gone];
      }),
    );
    for (const run of runs.flat()) expect({ code: run.code, stderr: run.stderr }).toEqual({ code: 0, stderr: "" });
    const client = sqliteClient(kind, path);
    try {
      // 1, 10 to 19 and 100 to 199 went.
      expect(client.count()).toBe(PROCESSES * (500 - 111 + 1) + 3000);
      for (let n = 0; n < PROCESSES; n++) {
        expect((await client.get(`single:${n}`))?.toString()).toBe(String(n));
        expect((await client.get(`own:${n}:499`))?.toString()).toBe(`${n}-499`);
        expect(await client.get(`own:${n}:199`)).toBeUndefined();
      }
      for (let i = 0; i < 3000; i += 13) expect((await client.get(`k:${i}`))?.toString()).toBe(recordValue(i));
    } finally {
      client.close();
    }
    const index = new Database(kind === "sqlite" ? path : join(path, "index.db"), { readonly: true });
    expect(index.pragma("integrity_check", { simple: true })).toBe("ok");
    index.close();
    const counted = await runBinary(["stats", "--json", ...store], { cwd });
    expect(JSON.parse(counted.stdout.toString())).toMatchObject({ hits: PROCESSES, sets: PROCESSES * 3501 });
  }, 120_000);
});

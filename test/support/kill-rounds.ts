import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { expect } from "vitest";
import { type BinaryResult, startBinary } from "./run-binary.js";
import type { StoreClient } from "./store-clients.js";

/** Records of a file made for kills: keys `k:0` … and values that tell their key. */
export async function writeRecords(path: string, count: number, bytes = 40): Promise<void> {
  const file = await open(path, "w");
  const step = 20_000;
  for (let from = 0; from < count; from += step) {
    const lines = Array.from({ length: Math.min(step, count - from) }, (_, i) => {
      return `{"key":"k:${from + i}","value":"${recordValue(from + i, bytes)}","tags":["t${(from + i) % 3}"]}\n`;
    });
    await file.write(lines.join(""));
  }
  await file.close();
}

export function recordValue(i: number, bytes = 40): string {
  return createHash("sha1")
    .update(`record ${i}`)
    .digest("hex")
    .repeat(Math.ceil(bytes / 40))
    .slice(0, bytes);
}

export interface KillRounds {
  file: string;
  checkpoint: string;
  records: number;
  /** Kills before it is let run to its end. */
  rounds: number;
  batchSize: number;
  concurrency: number;
  cwd: string;
  /** The store, asked otherwise than through this program. */
  client: StoreClient;
  random(): number;
}

/**
 * Warms with a checkpoint, killed (SIGKILL) again and again at random moments, then to its end. Checks that each run goes on at most
 * concurrency × batch records before where the store was, and that the last says that all are in.
 * @returns kills that hit a run under way
 */
export async function killRounds(options: KillRounds): Promise<number> {
  const { batchSize, concurrency, records, cwd } = options;
  const args = ["warm", options.file, "--store", options.client.url, "--checkpoint", options.checkpoint, "--json"];
  args.push("--batch-size", String(batchSize), "--concurrency", String(concurrency));
  const start = () => startBinary(args, { cwd, timeoutMs: 600_000 });
  let kills = 0;
  let there = 0;
  let last: BinaryResult | undefined;
  while (last === undefined && kills < options.rounds) {
    const before = await options.client.progress();
    there = await options.client.count();
    const run = start();
    const goal = before + Math.ceil(options.random() * ((records - before) / (options.rounds - kills + 1)));
    let ended = false;
    const result = run.result.finally(() => {
      ended = true;
    });
    while (!ended && (await options.client.progress()) < goal) await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setTimeout(resolve, options.random() * 20));
    run.kill("SIGKILL");
    const found = await result;
    // One that was faster than the kill is the last.
    if (found.signal === "SIGKILL") kills += 1;
    else last = found;
  }
  if (last === undefined) {
    there = await options.client.count();
    last = await start().result;
  }
  expect({ code: last.code, stderr: last.stderr }).toEqual({ code: 0, stderr: expect.any(String) });
  const report = JSON.parse(last.stdout.toString());
  // Everything before where it went on had been counted by the runs before; what is more than the store held was written twice.
  const skipped = report.resumedFrom === undefined ? 0 : report.resumedFrom.line - 1;
  expect(skipped).toBeLessThanOrEqual(there);
  expect(there - skipped).toBeLessThanOrEqual(batchSize * concurrency);
  expect(report).toMatchObject({ stored: records, read: records, rejected: 0, duplicates: 0 });
  expect(await options.client.count()).toBe(records);
  return kills;
}

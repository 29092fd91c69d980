import { join } from "node:path";
import { afterAll, beforeAll, expect, onTestFinished } from "vitest";
import type { Backend } from "../../src/backends/backend.js";
import { openFile } from "../../src/backends/file/index.js";
import { openRedis } from "../../src/backends/redis/index.js";
import { openSqlite } from "../../src/backends/sqlite/index.js";
import { systemClock } from "../../src/clock.js";
import { type RedisServer, startRedis } from "./redis-server.js";
import { bundled } from "./store-writers.js";
import { type ProxyFault, tcpProxy } from "./tcp-proxy.js";
import { tempDir } from "./temp-dir.js";
import { TierReader } from "./tier-watch.js";

let program: string;
let server: RedisServer;

/** Makes ready what the others of this file need; called once, outside of a test. */
export function prepareProcesses(): void {
  beforeAll(async () => {
    program = await bundled("tier-reader");
    server = await startRedis();
  });
  afterAll(() => server.stop());
}

const context = { namespace: "w:", clock: systemClock, emit: () => {} };

export const STORES: Record<string, () => Promise<{ target: string; writer: Backend }>> = {
  async sqlite() {
    const target = join(tempDir("tiers"), "cache.db");
    return { target, writer: await openSqlite({ ...context, path: target }) };
  },
  async file() {
    const target = tempDir("tiers");
    return { target, writer: await openFile({ ...context, path: target }) };
  },
  async redis() {
    return { target: server.url, writer: await openRedis({ ...context, url: server.url }) };
  },
};

/** A store, a process that writes to it (this one), and one that reads it through memory. */
export async function twoProcesses(kind: string, through?: (target: string) => string) {
  const opened = await STORES[kind]?.();
  if (!opened) throw new Error(`there is no ${kind}`);
  await opened.writer.deleteMany(["k"]);
  const reader = new TierReader(program, kind, through?.(opened.target) ?? opened.target);
  onTestFinished(async () => {
    reader.kill();
    await opened.writer.close();
  });
  await reader.until("-");
  return { writer: opened.writer, reader };
}

/** Cuts a reader off its Redis while the value is changed, and expects that its memory is read for 2 s at most, and again when the way is free. */
export async function cutOff(kind: Exclude<ProxyFault["kind"], "latency" | "drip" | "cut-reply">): Promise<void> {
  const proxy = await tcpProxy(server.port);
  onTestFinished(() => proxy.stop());
  const { writer, reader } = await twoProcesses("redis", () => `redis://127.0.0.1:${proxy.port}`);
  await writer.setMany([{ key: "k", value: Buffer.from("old") }]);
  await reader.until("old");
  await systemClock.sleep(20);
  proxy.set({ kind });
  await writer.setMany([{ key: "k", value: Buffer.from("new") }]);
  const answered = systemClock.monotonic();
  // The store can't be reached either: there is no answer at all, or a failure.
  const next = reader.next();
  await systemClock.sleep(2500);
  proxy.set({ kind: "none" });
  const { answer, before } = await next;
  expect(["!", "new"]).toContain(answer);
  expect(before - answered).toBeLessThanOrEqual(2000);
  if (answer !== "new") await reader.until("new");
  await writer.setMany([{ key: "k", value: Buffer.from("newer") }]);
  await reader.until("newer");
  expect(await reader.end()).toBeGreaterThan(0);
}

import { createHash } from "node:crypto";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Backend, NewEntry } from "../../src/backends/backend.js";
import { openRedis, type RedisOptions } from "../../src/backends/redis/index.js";
import { systemClock } from "../../src/clock.js";
import { bytes, keysOf, put, texts } from "../contract/harness.js";
import { type RedisCluster, startCluster } from "../support/redis-cluster.js";
import { type RedisServer, redisCli, replicated } from "../support/redis-server.js";
import { until } from "../support/until.js";

let cluster: RedisCluster;
const opened: Backend[] = [];

async function open(more: Partial<RedisOptions> = {}): Promise<Backend> {
  const backend = await openRedis({ url: cluster.url, namespace: "n:", clock: systemClock, emit: () => {}, ...more });
  opened.push(backend);
  return backend;
}

beforeAll(async () => {
  cluster = await startCluster();
});
beforeEach(async () => {
  await cluster.flush();
});
afterEach(async () => {
  for (const backend of opened.splice(0)) await backend.close();
});
afterAll(() => cluster.stop());

const entries = (from: number, to: number, more: Partial<NewEntry> = {}): NewEntry[] =>
  Array.from({ length: to - from }, (_, i) => ({ key: `k${from + i}`, value: bytes(`v${from + i}`), ...more }));
const keys = (from: number, to: number) => entries(from, to).map(({ key }) => key);
const values = (from: number, to: number) => entries(from, to).map((_, i) => `v${from + i}`);

async function otherThan(node: RedisServer): Promise<RedisServer> {
  const other = (await cluster.primaries()).find((one) => one !== node);
  if (!other) throw new Error("there is no other primary");
  return other;
}

interface Moves {
  /** Resolves when one more slot has moved. */
  another(): Promise<void>;
  stop(): Promise<void>;
}

/** The slots of some keys move to another primary, one after the other, until it is told to stop. */
function moving(names: readonly string[]): Moves {
  let stopped = false;
  let moved = 0;
  const work = (async () => {
    for (const name of names) {
      if (stopped) break;
      const slot = await cluster.slotOf(name);
      await cluster.moveSlot(slot, await otherThan(await cluster.ownerOf(slot)));
      moved += 1;
    }
  })();
  return {
    async another() {
      const before = moved;
      await until(() => moved > before, { timeoutMs: 10_000 });
    },
    stop: () => {
      stopped = true;
      return work;
    },
  };
}

describe("while slots move", () => {
  test("a slot whose keys are half here and half there: reads, writes, deadlines and deletions find each", async () => {
    const backend = await open({ commandTimeoutMs: 1000 });
    const all = ["1", "2", "3", "4", "5", "6"].map((n) => `{s}${n}`);
    const slot = await cluster.slotOf("n:{s}1");
    await put(backend, ...all);
    const from = await cluster.ownerOf(slot);
    const to = await otherThan(from);
    await cluster.beginMove(slot, to);
    await cluster.moveKeys(slot, from, to, 3);
    expect(await texts(backend, all)).toEqual(all.map((key) => `value of ${key}`));
    await put(backend, "{s}new", ...all);
    const touched = await backend.touchMany(all.map((key) => ({ key, expiresAt: Date.now() + 60_000 })));
    expect(touched).toEqual(all.map(() => true));
    const stored = await backend.getMany(all, { want: "all" });
    expect(stored.every((one) => (one?.expiresAt ?? 0) > Date.now())).toBe(true);
    expect(await keysOf(backend)).toEqual([...all, "{s}new"].sort());
    expect(await backend.deleteMany(["{s}1", "{s}6", "{s}none"])).toEqual([true, true, false]);
    expect(await backend.deleteWhere({ prefix: "{s}" })).toMatchObject({ deleted: 5, complete: true });
    expect(await keysOf(backend)).toEqual([]);
    await cluster.endMove(slot, to);
    await cluster.settled();
  });

  test("what a script needs all of waits until its slot is in one place", async () => {
    const backend = await open();
    await put(
      backend,
      { key: "{s}1", value: bytes("1"), tags: ["t"] },
      { key: "{s}2", value: bytes("2"), tags: ["t"] },
    );
    const slot = await cluster.slotOf("n:{s}1");
    const from = await cluster.ownerOf(slot);
    const to = await otherThan(from);
    await cluster.beginMove(slot, to);
    await cluster.moveKeys(slot, from, to, 1);
    const writing = backend.setMany([
      { key: "{s}1", value: bytes("new"), tags: ["u"] },
      { key: "{s}2", value: bytes("new"), tags: ["u"] },
    ]);
    while ((await cluster.moveKeys(slot, from, to, 1)) > 0);
    await cluster.endMove(slot, to);
    expect(await writing).toEqual(["stored", "stored"]);
    expect(await keysOf(backend, { tags: ["u"] })).toEqual(["{s}1", "{s}2"]);
    expect(await keysOf(backend, { tags: ["t"] })).toEqual([]);
    await cluster.settled();
  });

  test("a tag that is purged after its index was written and before the value was still reaches it", async () => {
    const backend = await open();
    await put(backend, ...["{s}1", "{s}2"].map((key) => ({ key, value: bytes("old"), tags: ["t"] })));
    const slot = await cluster.slotOf("n:{s}1");
    const from = await cluster.ownerOf(slot);
    const to = await otherThan(from);
    await cluster.beginMove(slot, to);
    await cluster.moveKeys(slot, from, to, 1);
    // The values wait for the slot, the index does not.
    const writing = put(backend, ...["{s}1", "{s}2"].map((key) => ({ key, value: bytes("new"), tags: ["u"] })));
    const digest = createHash("sha1").update("u").digest("hex");
    const indexes = await cluster.ownerOf(await cluster.slotOf(`{${digest}}`));
    // What a purge does that finds no such entry yet.
    const script = `local names=redis.call('KEYS','*t:{${digest}}') return #names>0 and redis.call('DEL',unpack(names))`;
    await until(async () => (await redisCli(indexes, "EVAL", script, "0")) === "1");
    while ((await cluster.moveKeys(slot, from, to, 1)) > 0);
    await cluster.endMove(slot, to);
    await writing;
    expect(await keysOf(backend, { tags: ["u"] })).toEqual(["{s}1", "{s}2"]);
    await cluster.settled();
  });

  test("nothing that is written is lost", async () => {
    const backend = await open();
    const moves = moving(keys(0, 40).map((key) => `n:${key}`));
    for (let i = 0; i < 2000; i += 100) {
      await put(backend, ...entries(i, i + 100));
      if (i % 500 === 0) await moves.another();
    }
    await moves.stop();
    expect(await texts(backend, keys(0, 2000))).toEqual(values(0, 2000));
    expect(await keysOf(backend)).toEqual(keys(0, 2000).sort());
    await cluster.settled();
  });

  test("a scan lists all that was there before, and a deletion leaves nothing of it", async () => {
    const backend = await open();
    await put(backend, ...entries(0, 3000));
    const moves = moving(keys(0, 200).map((key) => `n:${key}`));
    const seen = new Set<string>();
    let pages = 0;
    for await (const page of backend.scan({ all: true })) {
      for (const { key } of page.entries) seen.add(key);
      if (pages++ < 6) await moves.another();
    }
    expect([...seen].sort()).toEqual(keys(0, 3000).sort());
    await moves.another();
    const report = await backend.deleteWhere({ prefix: "k" }, { rate: 4000 });
    await moves.stop();
    expect(report).toMatchObject({ deleted: 3000, complete: true });
    expect(await keysOf(await open())).toEqual([]);
    await cluster.settled();
  });

  test("a scan of a slot that keeps moving for ever comes to its end, with the keys of both places", async () => {
    const backend = await open();
    const all = keys(0, 20).map((key) => `{s}${key}`);
    await put(backend, ...all);
    const slot = await cluster.slotOf("n:{s}1");
    const from = await cluster.ownerOf(slot);
    const to = await otherThan(from);
    await cluster.beginMove(slot, to);
    await cluster.moveKeys(slot, from, to, 10);
    expect(await keysOf(backend)).toEqual([...all].sort());
    await cluster.endMove(slot, to).catch(() => undefined);
    while ((await cluster.moveKeys(slot, from, to, 10)) > 0);
    await cluster.endMove(slot, to);
    await cluster.settled();
  });

  test("a cursor leads another process on, also when the slots have moved since", async () => {
    const backend = await open();
    await put(backend, ...entries(0, 1000));
    const seen = new Set<string>();
    let cursor: string | undefined;
    for (const n of [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]) {
      const next = await open();
      for await (const page of next.scan({ all: true }, { limit: 97, ...(cursor !== undefined && { cursor }) })) {
        for (const { key } of page.entries) seen.add(key);
        cursor = page.cursor;
      }
      if (cursor === undefined) break;
      if (n < 3) {
        const moves = moving([`n:k${n}`]);
        await moves.another();
        await moves.stop();
      }
    }
    for await (const page of backend.scan({ all: true }, { ...(cursor !== undefined && { cursor }) })) {
      for (const { key } of page.entries) seen.add(key);
    }
    expect([...seen].sort()).toEqual(keys(0, 1000).sort());
    await cluster.settled();
  });
});

describe("a failover", () => {
  /** Has the replica of the slot's primary take its place, without a loss. */
  async function handOver(key: string): Promise<void> {
    const replica = await cluster.replicaOf(await cluster.ownerOf(await cluster.slotOf(key)));
    expect(await redisCli(replica, "CLUSTER", "FAILOVER")).toBe("OK");
    await until(async () => (await redisCli(replica, "ROLE")).startsWith("master"), { timeoutMs: 10_000 });
    await cluster.settled();
  }

  test("as planned, during writes, a scan and a deletion: nothing is lost, nothing is left", async () => {
    const backend = await open();
    await put(backend, ...entries(0, 2000));
    const first = handOver("n:k0");
    for (let i = 2000; i < 4000; i += 100) await put(backend, ...entries(i, i + 100));
    await first;
    expect(await texts(backend, keys(0, 4000))).toEqual(values(0, 4000));
    const second = handOver("n:k1");
    const seen = new Set<string>();
    for await (const page of backend.scan({ all: true })) {
      for (const { key } of page.entries) seen.add(key);
      await systemClock.sleep(10);
    }
    await second;
    expect(seen.size).toBe(4000);
    const third = handOver("n:k2");
    expect(await backend.deleteWhere({ prefix: "k" }, { rate: 8000 })).toMatchObject({ complete: true });
    await third;
    expect(await keysOf(backend)).toEqual([]);
    await cluster.settled();
  });

  test("a primary that is killed: its slots fail at once, the others are served, and its replica has what it had", async () => {
    const backend = await open();
    await put(backend, ...entries(0, 300));
    const primary = await cluster.ownerOf(await cluster.slotOf("n:k0"));
    for (const one of await cluster.primaries()) await replicated(one);
    const elsewhere = (await cluster.primaries()).find((one) => one !== primary);
    const there = keys(0, 300);
    const owners = await Promise.all(
      there.slice(0, 30).map(async (key) => cluster.ownerOf(await cluster.slotOf(`n:${key}`))),
    );
    const served = there.find((_, i) => owners[i] === elsewhere) ?? "";
    await primary.kill();
    const began = performance.now();
    await expect(backend.getMany(["k0"])).rejects.toMatchObject({ kind: "connection", retryable: true });
    expect(performance.now() - began).toBeLessThan(1500);
    expect(await texts(backend, [served])).toEqual([`v${served.slice(1)}`]);
    await until(async () => (await texts(backend, ["k0"]))[0] === "v0", { timeoutMs: 20_000 });
    expect(await texts(backend, there)).toEqual(values(0, 300));
    await put(backend, "k0");
    expect(await keysOf(backend)).toEqual(there.sort());
    expect(await backend.deleteWhere({ all: true })).toMatchObject({ deleted: 300, complete: true });
    await primary.restart();
    await cluster.settled();
  });
});

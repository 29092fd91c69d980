import { afterAll, beforeAll, expect, test } from "vitest";
import { type RedisCluster, startCluster } from "./redis-cluster.js";
import { redisCli } from "./redis-server.js";

let cluster: RedisCluster;
beforeAll(async () => {
  cluster = await startCluster();
});
afterAll(() => cluster.stop());

test("has three primaries, each with a replica", async () => {
  const primaries = await cluster.primaries();
  expect(primaries).toHaveLength(3);
  const replicas = await Promise.all(primaries.map((primary) => cluster.replicaOf(primary)));
  expect(new Set([...primaries, ...replicas]).size).toBe(6);
});

test("moves a slot with its keys", async () => {
  const slot = await cluster.slotOf("k");
  const from = await cluster.ownerOf(slot);
  const to = (await cluster.primaries()).find((node) => node !== from);
  if (!to) throw new Error("there is no other primary");
  await redisCli(from, "SET", "k", "v");
  await cluster.moveSlot(slot, to);
  expect(await cluster.ownerOf(slot)).toBe(to);
  expect(await redisCli(to, "GET", "k")).toBe("v");
  expect(await redisCli(from, "GET", "k")).toContain(`MOVED ${slot} 127.0.0.1:${to.port}`);
});

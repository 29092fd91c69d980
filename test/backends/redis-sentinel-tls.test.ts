import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openRedis } from "../../src/backends/redis/index.js";
import { systemClock } from "../../src/clock.js";
import { put, texts } from "../contract/harness.js";
import { type SentinelSet, startSentinels } from "../support/redis-sentinel.js";

const [USER, PASSWORD, SENTINEL_PASSWORD] = ["worker", "of the worker", "of the Sentinels"];
let set: SentinelSet;

beforeAll(async () => {
  set = await startSentinels({
    replicas: 0,
    tls: true,
    sentinelPassword: SENTINEL_PASSWORD,
    users: [{ name: USER, password: PASSWORD }],
  });
});
afterAll(() => set.stop());

const options = () => ({
  url: set.url,
  namespace: "",
  clock: systemClock,
  emit: () => {},
  username: USER,
  password: PASSWORD,
  tls: { ca: readFileSync(set.servers[0]?.tls?.ca ?? "", "utf8") },
});

test("TLS and an ACL user of the servers, and a password that only the Sentinels ask for", async () => {
  const backend = await openRedis({ ...options(), sentinelPassword: SENTINEL_PASSWORD, connections: 2 });
  try {
    await put(backend, "k");
    expect(await texts(backend, ["k"])).toEqual(["value of k"]);
    const { target } = await backend.describe();
    expect(target).toBe(`${set.url}/0`);
  } finally {
    await backend.close();
  }
  const url = `${set.url}?sentinel-password=${encodeURIComponent(SENTINEL_PASSWORD)}`;
  const other = await openRedis({ ...options(), url });
  expect(await texts(other, ["k"])).toEqual(["value of k"]);
  await other.close();
});

test("a wrong password of either: authentication", async () => {
  await expect(openRedis(options())).rejects.toMatchObject({
    kind: "authentication",
    code: "authentication-required",
    message: expect.stringMatching(/^the Sentinel rediss:.* asks for a password$/),
    hint: expect.stringContaining("of their own"),
  });
  const wrong = { ...options(), sentinelPassword: SENTINEL_PASSWORD, password: "wrong" };
  await expect(openRedis(wrong)).rejects.toMatchObject({ kind: "authentication", code: "authentication-failed" });
});

test("a number of connections that can't be", async () => {
  for (const connections of [0, 21, 1.5]) {
    await expect(openRedis({ ...options(), connections })).rejects.toMatchObject({ code: "invalid-connections" });
  }
});

import { readFileSync } from "node:fs";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Backend } from "../../src/backends/backend.js";
import { openRedis, type RedisOptions } from "../../src/backends/redis/index.js";
import { LISTENERS, Names } from "../../src/backends/redis/names.js";
import { slotOf } from "../../src/backends/redis/slots.js";
import { systemClock } from "../../src/clock.js";
import { bytes, entry, HOSTILE_KEYS, keysOf, put, texts } from "../contract/harness.js";
import { type RedisCluster, startCluster } from "../support/redis-cluster.js";
import { redisCli, startRedis } from "../support/redis-server.js";
import { until } from "../support/until.js";

let cluster: RedisCluster;
const opened: Backend[] = [];

async function open(more: Partial<RedisOptions> = {}): Promise<Backend> {
  const backend = await openRedis({ url: cluster.url, namespace: "n:", clock: systemClock, emit: () => {}, ...more });
  opened.push(backend);
  return backend;
}

const [USER, PASSWORD] = ["worker", "word with ' and \" in it"];

beforeAll(async () => {
  cluster = await startCluster({ replicas: 0, tls: true, users: [{ name: USER, password: PASSWORD }] });
});
afterEach(async () => {
  for (const backend of opened.splice(0)) await backend.close();
  for (const node of cluster.nodes) await redisCli(node, "FLUSHALL");
});
afterAll(() => cluster.stop());

const tls = () => {
  const ca = readFileSync(cluster.nodes[0]?.tls?.ca ?? "", "utf8");
  return { tls: { ca }, username: USER, password: PASSWORD };
};

const internals = async () => {
  const script = "return redis.call('KEYS','*cachectl:*')";
  const lists = await Promise.all(cluster.nodes.map((node) => redisCli(node, "EVAL", script, "0")));
  return lists.flatMap((list) => list.split("\n")).filter((name) => name !== "");
};

describe("an address", () => {
  test("of one node leads to the cluster, over TLS and with an ACL user", async () => {
    const [node] = cluster.nodes;
    const backend = await open({ url: node?.url ?? "", ...tls() });
    await put(backend, ...Array.from({ length: 50 }, (_, i) => `k${i}`));
    expect(await keysOf(backend)).toHaveLength(50);
    const sizes = await Promise.all(cluster.nodes.map((one) => redisCli(one, "DBSIZE")));
    expect(sizes.every((size) => Number(size) > 5)).toBe(true);
  });

  test("of a cluster may name nodes that are away, one that answers is enough", async () => {
    const [, , node] = cluster.nodes;
    const url = `rediss+cluster://127.0.0.1:1,127.0.0.1:${node?.port}`;
    expect(await (await open({ url, ...tls() })).ping()).toBeGreaterThan(0);
  });

  test("with a wrong password, a database, no cluster behind it: each its own error", async () => {
    await expect(open({ ...tls(), password: "wrong" })).rejects.toMatchObject({ kind: "authentication" });
    await expect(open({ ...tls(), url: `${cluster.url}/1` })).rejects.toMatchObject({ code: "invalid-url" });
    await expect(open({ ...tls(), url: `${cluster.nodes[0]?.url}/1` })).rejects.toMatchObject({ kind: "usage" });
    await expect(open()).rejects.toMatchObject({ kind: "connection", code: "tls-failed" });
    await expect(open({ url: "redis+cluster://127.0.0.1:1" })).rejects.toMatchObject({ code: "store-unreachable" });
    for (const namespace of ["a{", "{}:", "a{b:"]) {
      await expect(open({ ...tls(), namespace })).rejects.toMatchObject({ kind: "usage", code: "invalid-namespace" });
    }
    const single = await startRedis();
    try {
      await expect(open({ url: `redis+cluster://127.0.0.1:${single.port}` })).rejects.toMatchObject({
        kind: "usage",
        code: "no-cluster",
      });
    } finally {
      await single.stop();
    }
  });
});

test("many connections to one cluster with one signal are no leak that Node would warn of", async () => {
  const warnings: Error[] = [];
  const heard = (warning: Error) => warnings.push(warning);
  process.on("warning", heard);
  try {
    const stop = new AbortController();
    const backends = await Promise.all(Array.from({ length: 6 }, () => open({ ...tls(), signal: stop.signal })));
    for (const backend of backends) await put(backend, "a", "b", "c", "d");
    await new Promise(setImmediate);
    expect(warnings).toEqual([]);
  } finally {
    process.off("warning", heard);
  }
});

test("a write of which nobody knows whether it has happened is told again while it may still", async () => {
  const [one, two] = [await open({ ...tls(), commandTimeoutMs: 200 }), await open(tls())];
  // Not of the log, nor of the set of those who listen to one.
  const others = await Promise.all([new Names("n:").log, LISTENERS].map((name) => cluster.ownerOf(slotOf(name))));
  const keys = Array.from({ length: 50 }, (_, i) => `k${i}`);
  const owners = await Promise.all(keys.map((key) => cluster.ownerOf(slotOf(`n:${key}`))));
  const elsewhere = owners.findIndex((owner) => !others.includes(owner));
  const [key = "", owner] = [keys[elsewhere], owners[elsewhere]];
  await put(one, ...keys);
  const told: string[] = [];
  const over = new AbortController();
  const position = await two.position();
  const following = (async () => {
    for await (const { changes } of two.changes(position, over.signal)) {
      for (const { selector } of changes) if ("keys" in selector) told.push(...selector.keys);
    }
  })();
  owner?.pause();
  try {
    await expect(put(one, entry(key, "late"))).rejects.toMatchObject({
      kind: expect.stringMatching("timeout|connection"),
    });
  } finally {
    owner?.resume();
  }
  // Before it, when it had failed, and twice again.
  await until(() => told.filter((one) => one === key).length >= 4, { what: `the change, told again: ${told}` });
  over.abort();
  await following;
});

describe("what lies beside an entry", () => {
  test("lies in its slot, also in a namespace of one slot", async () => {
    const backend = await open({ ...tls(), namespace: "{n}:" });
    await put(backend, entry("a}b", "v", { tags: ["t"] }), entry("k", "v", { tags: ["t"] }));
    expect(await keysOf(backend, { tags: ["t"] })).toEqual(["a}b", "k"]);
    expect(await backend.deleteWhere({ tags: ["t"] })).toMatchObject({ deleted: 2, complete: true });
  });

  test("lies in its slot, whatever braces the key has", () => {
    for (const namespace of ["", "n:", "{n}:", "a}b:"]) {
      const names = new Names(namespace);
      for (const key of [...HOSTILE_KEYS, "a}b", "a{}b", "{}{x}", "{a", "a{b}c}", "}{", "{{a}}"]) {
        const slot = slotOf(names.full(key));
        expect({ namespace, key, slot: slotOf(names.sidecar(key)) }).toEqual({ namespace, key, slot });
        expect({ namespace, key, slot: slotOf(names.lease(key)) }).toEqual({ namespace, key, slot });
      }
    }
  });

  test("slots are those of the server", async () => {
    for (const key of ["", "a", "{a}b", "a{}b", "a}b", "{a", "é{ü}x", "{{a}}", "x".repeat(300)]) {
      expect(slotOf(key)).toBe(await cluster.slotOf(key));
    }
  });

  test("no two keys share a sidecar", () => {
    const names = new Names("");
    const keys = [...HOSTILE_KEYS, "a}b", "{1}:a}b", "w:{a}", "s:a"];
    expect(new Set(keys.map((key) => `${names.sidecar(key)}`)).size).toBe(keys.length);
  });
});

describe("tags", () => {
  test("whose index lies elsewhere: found, purged, and nothing of them left behind", async () => {
    const backend = await open(tls());
    const keys = [...Array.from({ length: 40 }, (_, i) => `k${i}`), "a}b", "a{}b", "{t}x"];
    await put(backend, ...keys.map((key) => entry(key, key, { tags: ["t", `of ${key}`] })));
    expect(await keysOf(backend, { tags: ["t"] })).toEqual([...keys].sort());
    await put(backend, entry("k1", "plain"), entry("k2", "k2", { tags: ["u"] }));
    expect(await backend.deleteWhere({ tags: ["t"] })).toMatchObject({ deleted: keys.length - 2, complete: true });
    expect(await keysOf(backend)).toEqual(["k1", "k2"]);
    expect(await keysOf(backend, { tags: ["u"] })).toEqual(["k2"]);
    await backend.deleteMany(["k1", "k2"]);
    // The registry keeps its tags until they expire or are pruned.
    expect((await internals()).filter((name) => !name.endsWith(":tags"))).toEqual([]);
  });

  test("writes and purges at once: no live entry is out of reach", async () => {
    const [one, two] = [await open(tls()), await open(tls())];
    for (let round = 0; round < 15; round++) {
      const key = `k${round}`;
      const writing = Promise.all([put(one, entry(key, "v", { tags: ["t"] })), two.deleteWhere({ tags: ["t"] })]);
      await writing;
      const [live] = await texts(one, [key]);
      expect(await keysOf(one, { tags: ["t"] })).toEqual(live === undefined ? [] : [key]);
      await one.deleteWhere({ tags: ["t"] });
    }
  });

  test("a deadline that is put off is put off in the index", async () => {
    const backend = await open(tls());
    await put(backend, { key: "k", value: bytes("v"), tags: ["t"], expiresAt: Date.now() + 300 });
    await backend.touchMany([{ key: "k", expiresAt: null }]);
    await systemClock.sleep(350);
    await backend.prune();
    expect(await keysOf(backend, { tags: ["t"] })).toEqual(["k"]);
  });
});

describe("the whole cluster", () => {
  test("is described by sums, a line for each primary, and the warnings of any", async () => {
    const backend = await open({ ...tls(), namespace: "" });
    await put(backend, ...Array.from({ length: 30 }, (_, i) => `k${i}`));
    const [, node] = cluster.nodes;
    if (!node) throw new Error("there is no second node");
    await redisCli(node, "CONFIG", "SET", "maxmemory", "100mb", "maxmemory-policy", "allkeys-lru");
    const { facts, warnings, target } = await backend.describe();
    expect(facts).toMatchObject({
      mode: "cluster",
      keys: 30,
      primaries: 3,
      maxmemory_policy: "allkeys-lru, noeviction",
    });
    expect(Object.keys(facts).filter((name) => name.includes("127.0.0.1"))).toHaveLength(3);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain(`${node.port}`);
    expect(target).toMatch(/^rediss\+cluster:\/\/127\.0\.0\.1:\d+,/);
    expect(JSON.stringify({ facts, warnings, target })).not.toContain(PASSWORD);
    await redisCli(node, "CONFIG", "SET", "maxmemory", "0", "maxmemory-policy", "noeviction");
    await backend.getMany(["k1", "k2", "k3", "none"]);
    expect((await backend.counters()).counters.hits).toBeGreaterThanOrEqual(3);
  });

  test("counts in shards, and through several connections at once", async () => {
    const backend = await open({ ...tls(), connections: 3 });
    await put(backend, ...Array.from({ length: 30 }, (_, i) => `k${i}`));
    const reads = Array.from({ length: 30 }, (_, i) => texts(backend, [`k${i}`]));
    expect((await Promise.all(reads)).flat()).toHaveLength(30);
    await Promise.all([backend.count({ hits: 2 }), backend.count({ misses: 1 })]);
    expect((await backend.counters()).counters).toMatchObject({ hits: 2, misses: 1 });
    await backend.resetCounters();
    expect((await backend.counters()).counters).toMatchObject({ hits: 0, misses: 0 });
  });
});

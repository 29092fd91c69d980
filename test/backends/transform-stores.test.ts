import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { Backend } from "../../src/backends/backend.js";
import { MAGIC } from "../../src/backends/envelope.js";
import { openFile } from "../../src/backends/file/index.js";
import { openRedis } from "../../src/backends/redis/index.js";
import { openSqlite } from "../../src/backends/sqlite/index.js";
import { KeyRing, type TransformOptions, transformed } from "../../src/backends/transform/index.js";
import { systemClock } from "../../src/clock.js";
import type { CacheEvent } from "../../src/events.js";
import { drain, pattern, versionOf } from "../contract/full.js";
import { entry, put, textOf, texts } from "../contract/harness.js";
import { type RedisServer, redisCli, startRedis } from "../support/redis-server.js";
import { tempDir } from "../support/temp-dir.js";

const encryption = { keys: new KeyRing([{ id: "k1", key: randomBytes(32) }]) };
const compression = { algorithm: "gzip" } as const;
const SECRET = "a secret that no store may show";

let server: RedisServer;

beforeAll(async () => {
  server = await startRedis();
});

afterAll(() => server.stop());

interface Store {
  open(): Promise<Backend>;
  /** All that the store keeps, as an intruder finds it. */
  contents(): Promise<string>;
}

function filesBelow(folder: string): string {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile())
    .map((path) => readFileSync(path, "latin1"))
    .join("\n");
}

/** Everything in Redis, pieces of streams and sidecars too. */
const DUMP_ALL = `local out = {}
for _, key in ipairs(redis.call("KEYS", "*")) do out[#out + 1] = redis.call("DUMP", key) end
return out`;

const context = { namespace: "app:", clock: systemClock, emit: () => {} };

const STORES: Record<string, () => Store> = {
  sqlite: () => {
    const folder = tempDir("sqlite");
    return {
      open: () => openSqlite({ ...context, path: join(folder, "c.db") }),
      contents: async () => filesBelow(folder),
    };
  },
  file: () => {
    const folder = tempDir("file");
    return { open: () => openFile({ ...context, path: join(folder, "c") }), contents: async () => filesBelow(folder) };
  },
  redis: () => ({
    open: () => openRedis({ ...context, url: server.url }),
    contents: () => redisCli(server, "EVAL", DUMP_ALL, "0"),
  }),
};

/** Every call is a connection of its own. */
function opener(store: Store) {
  const events: CacheEvent[] = [];
  const open = async (options: Partial<TransformOptions>): Promise<Backend> => {
    const inner = await store.open();
    onTestFinished(() => inner.close());
    return transformed(inner, { namespace: "app:", ...options }, { emit: (event) => events.push(event) });
  };
  return { open, events };
}

describe.each(Object.entries(STORES))("%s", (_, makeStore) => {
  test("soft deadline, meta, tags and value come back, whatever is written", async () => {
    const store = makeStore();
    const { open } = opener(store);
    const now = systemClock.now();
    const head = { staleAt: now + 60_000, expiresAt: now + 120_000, meta: Buffer.from("meta"), tags: ["t"] };
    const values = [
      SECRET.repeat(100),
      "short",
      "",
      MAGIC.toString("latin1"),
      "\u00ff\u0063\u0061\u0063\u00fe\r\n\u00c1",
    ];
    const reader = await open({ encryption });
    for (const options of [{}, { compression }, { encryption }, { compression, encryption }]) {
      const writer = await open(options);
      for (const text of values) {
        await put(writer, { key: "k", value: Buffer.from(text, "latin1"), ...head });
        const [stored] = await reader.getMany(["k"], { want: "all" });
        expect(Buffer.from(stored?.value ?? []).toString("latin1")).toBe(text);
        expect(stored?.size).toBe(text.length);
        expect(stored).toMatchObject({ staleAt: head.staleAt, tags: ["t"] });
        expect(Buffer.from(stored?.meta ?? []).toString()).toBe("meta");
      }
      expect(await writer.deleteWhere({ tags: ["t"] }, { soft: true })).toMatchObject({ softened: 1 });
      const [soft] = await reader.getMany(["k"], { want: "all" });
      expect(soft?.staleAt).toBeLessThanOrEqual(systemClock.now());
      expect(Buffer.from(soft?.value ?? []).toString("latin1")).toBe(values.at(-1));
    }
  });

  test("nothing of an encrypted value is in the store", async () => {
    const store = makeStore();
    const { open } = opener(store);
    const plain = await open({});
    await put(plain, entry("k", SECRET));
    expect(await store.contents()).toContain(SECRET);
    await plain.deleteWhere({ all: true });
    const other = makeStore();
    const fresh = await opener(other).open({ encryption });
    await put(fresh, entry("k", SECRET.repeat(30)), entry("small", SECRET));
    const writer = await fresh.openWrite({ key: "stream" });
    for (let i = 0; i < 100; i++) await writer.write(Buffer.from(SECRET.repeat(200)));
    await writer.commit();
    expect(await other.contents()).not.toContain("secret");
    expect(await texts(fresh, ["small", "k"])).toEqual([SECRET, SECRET.repeat(30)]);
    expect((await drain(await fresh.openRead("stream"))).toString()).toBe(SECRET.repeat(20_000));
    await fresh.deleteWhere({ all: true });
  });

  test("what was changed is removed, and a fresh one is not", async () => {
    const store = makeStore();
    const { open, events } = opener(store);
    const backend = await open({ encryption });
    const raw = await store.open();
    onTestFinished(() => raw.close());
    await put(backend, entry("k", SECRET), entry("fresh", SECRET), { key: "large", value: pattern(400_000) });
    for (const key of ["k", "large", "fresh"]) {
      const [stored] = await raw.getMany([key]);
      const value = Buffer.from(stored?.value ?? []);
      value.writeUInt8(value.readUInt8(value.length - 1) ^ 1, value.length - 1);
      await put(raw, { key, value });
    }
    const version = await versionOf(raw, "fresh");
    expect(await backend.getMany(["k", "large", "none"])).toEqual([undefined, undefined, undefined]);
    expect(await backend.openRead("fresh", { start: 1, end: 3 })).toBeUndefined();
    expect(await texts(raw, ["k", "large", "fresh"])).toEqual([undefined, undefined, undefined]);
    expect(events.map((event) => event.code)).toEqual(["damaged-value", "damaged-value", "damaged-value"]);
    await put(backend, entry("fresh", "anew"));
    expect(await backend.deleteMany(["fresh"], { versions: [version] })).toEqual([false]);
    expect((await backend.counters()).counters.errors).toBe(3);
    const [stored] = await backend.getMany(["fresh"]);
    expect(textOf(stored)).toBe("anew");
    await backend.deleteWhere({ all: true });
    await backend.resetCounters();
  });

  test("what another key of the same id wrote is an error, and stays", async () => {
    const store = makeStore();
    const { open, events } = opener(store);
    const wrong = await open({ encryption: { keys: new KeyRing([{ id: "k1", key: randomBytes(32) }]) } });
    const right = await open({ encryption });
    await put(right, entry("k", SECRET), { key: "large", value: pattern(400_000) });
    for (const key of ["k", "large"]) {
      const missing = { kind: "serialization", code: "encryption-key-missing", key };
      await expect((async () => wrong.getMany([key]))()).rejects.toMatchObject(missing);
      await expect(wrong.openRead(key, { start: 1, end: 3 })).rejects.toMatchObject(missing);
    }
    expect(events).toEqual([]);
    expect(await texts(right, ["k"])).toEqual([SECRET]);
    expect((await right.getMany(["large"]))[0]?.size).toBe(400_000);
    await right.deleteWhere({ all: true });
  });
});

test("any client of Redis reads what is not transformed, and sees what is by its first bytes", async () => {
  const { open } = opener({ open: () => openRedis({ ...context, url: server.url }), contents: async () => "" });
  const backend = await open({ compression });
  await put(backend, entry("short", '{"a":1}'), entry("long", '{"a":1}'.repeat(200)));
  expect(await redisCli(server, "GET", "app:short")).toContain('{"a":1}');
  expect(await redisCli(server, "--no-raw", "GETRANGE", "app:long", "0", "7")).toContain("\\xffcac\\xfe\\r\\n\\xc1");
  await redisCli(server, "SET", "app:foreign", "plain");
  expect(await texts(backend, ["foreign", "long"])).toEqual(["plain", '{"a":1}'.repeat(200)]);
});

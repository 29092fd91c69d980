import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Backend, EntryReader, NewEntry } from "../../src/backends/backend.js";
import { openRedis } from "../../src/backends/redis/index.js";
import { systemClock } from "../../src/clock.js";
import { type RedisServer, redisCli, startRedis } from "../support/redis-server.js";

let server: RedisServer;
const opened: Backend[] = [];

beforeAll(async () => {
  server = await startRedis();
});
beforeEach(() => redisCli(server, "FLUSHALL"));
afterEach(async () => {
  for (const backend of opened.splice(0)) await backend.close();
});
afterAll(() => server.stop());

async function open(namespace = "app:", url = server.url): Promise<Backend> {
  const backend = await openRedis({ url, namespace, clock: systemClock, emit: () => {} });
  opened.push(backend);
  return backend;
}

const VALUE = Buffer.alloc(900_000, "x");
const MINUTES = 60_000;

async function stream(backend: Backend, head: Omit<NewEntry, "value">): Promise<void> {
  const writer = await backend.openWrite(head);
  await writer.write(VALUE);
  expect(await writer.commit()).toBe("stored");
}

/** Milliseconds that each piece has to live, -1 = for good. */
async function lives(): Promise<number[]> {
  const script = `local out={} for _,k in ipairs(redis.call('KEYS','*')) do
    if string.find(k,'%zcachectl:[xy]:') then out[#out+1]=tostring(redis.call('PTTL',k)) end end return table.concat(out,' ')`;
  const text = await redisCli(server, "EVAL", script, "0");
  return text === "" ? [] : text.split(" ").map(Number);
}

async function read(reader: EntryReader | undefined): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of reader?.body ?? []) pieces.push(piece);
  return Buffer.concat(pieces);
}

describe("pieces", () => {
  test("live as long as their entry, and a little longer", async () => {
    const backend = await open();
    await stream(backend, { key: "k", expiresAt: systemClock.now() + 60 * MINUTES });
    expect(await lives()).toHaveLength(4);
    for (const ms of await lives()) expect(ms).toBeGreaterThan(65 * MINUTES);
    await backend.touchMany([{ key: "k", expiresAt: systemClock.now() + 120 * MINUTES }]);
    for (const ms of await lives()) expect(ms).toBeGreaterThan(125 * MINUTES);
    await backend.touchMany([{ key: "k", expiresAt: null }]);
    expect(await lives()).toEqual([-1, -1, -1, -1]);
  });

  const GONE: Record<string, (backend: Backend) => unknown> = {
    "deleted by key": (b) => b.deleteMany(["k"]),
    "deleted by prefix": (b) => b.deleteWhere({ prefix: "k" }),
    "deleted with everything, from another namespace": async () => (await open("")).deleteWhere({ all: true }),
    "purged by tag": (b) => b.deleteWhere({ tags: ["t"] }),
    "deleted by prefix and tag": (b) => b.deleteWhere({ prefix: "k", tags: ["t"] }),
    overwritten: (b) => b.setMany([{ key: "k", value: Buffer.from("v") }]),
    "deleted in a batch": (b) => b.atomic([{ delete: "k" }]),
    expired: (b) => b.touchMany([{ key: "k", expiresAt: 1 }]),
  };
  test.each(Object.entries(GONE))("of an entry that is %s go soon", async (_, act) => {
    const backend = await open();
    await stream(backend, { key: "k", tags: ["t"] });
    expect(await lives()).toEqual([-1, -1, -1, -1]);
    await act(backend);
    const left = await lives();
    expect(left).toHaveLength(4);
    for (const ms of left) expect(ms > 0 && ms <= 10 * MINUTES).toBe(true);
  });

  test.each(["k", "{tag}k", "a}b", "*"])("of %s that another client has deleted go after a sweep", async (key) => {
    const backend = await open();
    await stream(backend, { key });
    await stream(backend, { key: `${key}stays` });
    await redisCli(server, "DEL", `app:${key}`);
    await backend.prune();
    const left = (await lives()).toSorted((a, b) => a - b);
    expect(left.slice(0, 4)).toEqual([-1, -1, -1, -1]);
    for (const ms of left.slice(4)) expect(ms > 0 && ms <= 10 * MINUTES).toBe(true);
    expect((await read(await backend.openRead(`${key}stays`))).equals(VALUE)).toBe(true);
  });

  test("that were not committed end by themselves, and at once when they are given up", async () => {
    const backend = await open();
    const writer = await backend.openWrite({ key: "k" });
    await writer.write(VALUE);
    const waiting = await lives();
    expect(waiting.length).toBeGreaterThan(0);
    for (const ms of waiting) expect(ms > 0 && ms <= 60 * MINUTES).toBe(true);
    await writer.abort();
    expect(await lives()).toEqual([]);
  });

  test("one of which is missing make no entry", async () => {
    const backend = await open();
    await stream(backend, { key: "k" });
    const reader = await backend.openRead("k");
    const script =
      "for _,k in ipairs(redis.call('KEYS','*')) do if string.find(k,'cachectl:x:.*:2$') then redis.call('DEL',k) end end";
    await redisCli(server, "EVAL", script, "0");
    expect(await backend.getMany(["k"])).toEqual([undefined]);
    await expect(read(reader)).rejects.toMatchObject({ code: "changed-while-reading" });
  });

  test("lost before the commit are told", async () => {
    const backend = await open();
    const writer = await backend.openWrite({ key: "k" });
    await writer.write(VALUE);
    await redisCli(server, "FLUSHALL");
    await expect(writer.commit()).rejects.toMatchObject({ code: "pieces-lost" });
    expect(await backend.getMany(["k"])).toEqual([undefined]);
  });
});

describe("a writer whose pieces fail commits nothing", () => {
  test("where the user may run no scripts", async () => {
    await redisCli(server, "ACL", "SETUSER", "plain", "on", ">secret", "~*", "&*", "+@all", "-@scripting");
    const backend = await open("app:", server.url.replace("//", "//plain:secret@"));
    // With that it is known.
    await backend.setMany([{ key: "other", value: Buffer.from("v") }]);
    const writer = await backend.openWrite({ key: "k" });
    await expect(writer.write(VALUE)).rejects.toMatchObject({ name: "CacheError" });
    await expect(writer.write(Buffer.from("more"))).rejects.toMatchObject({ code: "writer-failed" });
    await expect(writer.commit()).rejects.toMatchObject({ code: "writer-failed" });
    await writer.abort();
    await expect(writer.commit()).rejects.toMatchObject({ code: "writer-closed" });
    expect(await backend.getMany(["k"])).toEqual([undefined]);
  });

  test("where the server has no room for one, also when it has again", async () => {
    const backend = await open();
    const writer = await backend.openWrite({ key: "k" });
    await writer.write(VALUE.subarray(0, 300_000));
    await redisCli(server, "CONFIG", "SET", "maxmemory", "1");
    try {
      await expect(writer.write(VALUE)).rejects.toMatchObject({ name: "CacheError" });
    } finally {
      await redisCli(server, "CONFIG", "SET", "maxmemory", "0");
    }
    await expect(writer.commit()).rejects.toMatchObject({ code: "writer-failed" });
    await writer.abort();
    expect(await lives()).toEqual([]);
    expect(await backend.getMany(["k"])).toEqual([undefined]);
  });
});

describe("a large string of others", () => {
  test("is read by parts, and an error tells when it is replaced meanwhile", async () => {
    const backend = await open();
    await redisCli(server, "EVAL", "redis.call('SET',ARGV[1],string.rep('abcdefg',1000000))", "0", "app:k");
    const value = await read(await backend.openRead("k"));
    expect(value.length).toBe(7_000_000);
    expect(value.equals(Buffer.from("abcdefg".repeat(1_000_000)))).toBe(true);
    const part = await read(await backend.openRead("k", { start: 6_999_999 }));
    expect(part.toString()).toBe("g");
    const reader = await backend.openRead("k");
    const body = reader?.body[Symbol.asyncIterator]();
    await body?.next();
    await redisCli(server, "SET", "app:k", "new");
    await expect(body?.next()).rejects.toMatchObject({ code: "changed-while-reading", retryable: true });
  });
});

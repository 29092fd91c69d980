import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Backend, ChangePage, Position } from "../../src/backends/backend.js";
import { openRedis } from "../../src/backends/redis/index.js";
import { type Change, coverage } from "../../src/changes.js";
import { systemClock } from "../../src/clock.js";
import { CacheError } from "../../src/errors.js";
import { keyFromBytes } from "../../src/key.js";
import { type RedisServer, redisCli, redisCliBytes, startRedis } from "../support/redis-server.js";
import { until } from "../support/until.js";

const USERS = [
  { name: "plain", password: "p", rights: "~* &* +@all -@scripting" },
  { name: "streamless", password: "p", rights: "~* &* +@all -@stream" },
  { name: "guest", password: "p", rights: "~app:* &* +@all" },
];

let server: RedisServer;
const opened: Backend[] = [];

beforeAll(async () => {
  server = await startRedis({ users: USERS });
});
beforeEach(() => redisCli(server, "FLUSHALL"));
afterEach(async () => {
  for (const backend of opened.splice(0)) await backend.close();
});
afterAll(() => server.stop());

async function open(namespace = "", username?: string, url = server.url): Promise<Backend> {
  const user = username === undefined ? {} : { username, password: "p" };
  const backend = await openRedis({ url, namespace, ...user, clock: systemClock, emit: () => {} });
  opened.push(backend);
  return backend;
}

const entry = (key: string, more: object = {}) => ({ key, value: Buffer.from("v"), ...more });

/** A command on the log, whose name holds NUL and can't be an argument of a process. */
const onLog = async (namespace: string, call: string) =>
  (await redisCliBytes(server, ["EVAL", `return redis.call(${call})`, "0"], Buffer.from(`${namespace}\0cachectl:log`)))
    .toString()
    .trim();

/** What a follower has heard. */
class Heard {
  readonly changes: Change[] = [];
  readonly pages: ChangePage[] = [];
  failure: unknown;
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;

  constructor(backend: Backend, after: Position) {
    this.#done = this.#follow(backend, after);
  }

  async #follow(backend: Backend, after: Position) {
    try {
      for await (const page of backend.changes(after, this.#stop.signal)) {
        this.pages.push(page);
        this.changes.push(...page.changes);
      }
    } catch (error) {
      this.failure = error;
    }
  }

  covers(key: string, tags: readonly string[] = []): boolean {
    return this.changes.some(({ selector }) => coverage(selector)({ key, tags }));
  }

  get gaps(): number {
    return this.pages.filter(({ gap }) => gap).length;
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }
}

const hear = async (backend: Backend) => new Heard(backend, await backend.position());

describe("the log lives while somebody listens", () => {
  test("nobody listens: nothing is kept; somebody does: for a minute", async () => {
    const backend = await open("app:");
    await backend.setMany([entry("a")]);
    await backend.deleteWhere({ prefix: "b" });
    expect(await redisCli(server, "DBSIZE")).toBe("1");
    await backend.position();
    expect(Number(await onLog("app:", "'PTTL',ARGV[1]"))).toBeGreaterThan(50_000);
    const before = Number(await onLog("app:", "'XLEN',ARGV[1]"));
    await backend.setMany([entry("a")]);
    expect(Number(await onLog("app:", "'XLEN',ARGV[1]"))).toBe(before + 1);
  });

  test.each([
    ["was trimmed", "'XTRIM',ARGV[1],'MAXLEN',1"],
    ["has lost its last entries, as after a failover", "'XDEL',ARGV[1],redis.call('XREVRANGE',ARGV[1],'+','-')[1][1]"],
    ["is gone", "'DEL',ARGV[1]"],
  ])("a log that %s is a gap, and goes on from there", async (_, call) => {
    const [one, two] = [await open(), await open()];
    const position = await two.position();
    await one.setMany([entry("a")]);
    await one.setMany([entry("b")]);
    const last = new Heard(two, position);
    await until(() => last.covers("b"));
    await last.stop();
    const at = call.includes("XTRIM") ? position : (last.pages.at(-1)?.position ?? "");
    await onLog("", call);
    const heard = new Heard(two, at);
    await until(() => heard.gaps === 1);
    await one.setMany([entry("c")]);
    await until(() => heard.covers("c"));
    expect(heard.gaps).toBe(1);
    await heard.stop();
  });

  test("a position of another store is a gap", async () => {
    const heard = new Heard(await open(), "somewhere else");
    await until(() => heard.gaps === 1);
    await heard.stop();
  });
});

describe("a server that dies", () => {
  test("ends the listening with an error; after a restart there is a gap", async () => {
    const own = await startRedis();
    try {
      const [one, two] = [await open("", undefined, own.url), await open("", undefined, own.url)];
      const heard = await hear(two);
      await one.setMany([entry("a")]);
      await until(() => heard.covers("a"));
      const position = heard.pages.at(-1)?.position ?? "";
      await own.kill();
      await until(() => heard.failure !== undefined);
      expect(heard.failure).toMatchObject({ kind: "connection" });
      await own.restart();
      const again = new Heard(two, position);
      await until(() => again.gaps === 1);
      await one.setMany([entry("b")]);
      await until(() => again.covers("b"));
      await again.stop();
    } finally {
      await own.stop();
    }
  });

  test("one that says nothing any more ends it within two seconds", async () => {
    const own = await startRedis();
    try {
      const heard = await hear(await open("", undefined, own.url));
      await until(() => heard.pages.length > 0);
      own.pause();
      const began = performance.now();
      await until(() => heard.failure !== undefined);
      expect(performance.now() - began).toBeLessThan(2000);
      expect(heard.failure).toBeInstanceOf(CacheError);
    } finally {
      own.resume();
      await own.stop();
    }
  });
});

describe("namespaces that overlap", () => {
  test("what happens in one is heard in those around it and within it", async () => {
    const [all, a, ab, other] = [await open(), await open("a:"), await open("a:b:"), await open("c:")];
    const heard = await Promise.all([all, a, ab, other].map(hear));
    const [inAll, inA, inAb, inOther] = heard;
    await ab.setMany([entry("k")]);
    await until(() => inAll?.covers("a:b:k") && inA?.covers("b:k") && inAb?.covers("k"));
    await all.deleteMany(["a:b:x", "c:y"]);
    await until(() => inA?.covers("b:x") && inAb?.covers("x") && inOther?.covers("y"));
    expect(inAb?.covers("y")).toBe(false);
    await a.deleteWhere({ prefix: "b:p" });
    await until(() => inAll?.covers("a:b:pq") && inAb?.covers("pq"));
    expect(inAll?.covers("a:q")).toBe(false);
    // The tags of one are not those of another: whoever else holds these entries forgets all of them.
    await a.deleteWhere({ tags: ["t"] });
    await until(() => inAll?.covers("a:z") && inAb?.covers("z") && inA?.covers("z", ["t"]));
    expect(inA?.covers("z", ["u"])).toBe(false);
    expect(inOther?.changes.length).toBe(1);
    await Promise.all(heard.map((one) => one.stop()));
  });
});

describe("hostile keys", () => {
  test("bytes that are no text come through as they are", async () => {
    const [one, two] = [await open("n:"), await open("n:")];
    const heard = await hear(two);
    const key = keyFromBytes(Buffer.from([0xff, 0x00, 0x7b, 0xfe]));
    await one.deleteMany([key]);
    await one.deleteWhere({ prefix: key });
    await until(() => heard.covers(key) && heard.covers(`${key}more`));
    await heard.stop();
  });
});

describe("rights", () => {
  test("who may run no scripts is heard, and listens", async () => {
    const [plain, other] = [await open("app:", "plain"), await open("app:")];
    const heard = [await hear(plain), await hear(other)];
    await plain.setMany([entry("a")]);
    await plain.deleteMany(["b"]);
    await plain.touchMany([{ key: "a", expiresAt: null }]);
    await plain.deleteWhere({ prefix: "c" });
    for (const one of heard) await until(() => one.covers("a") && one.covers("b") && one.covers("cc"));
    const since = await plain.position();
    await other.deleteMany(["x"]);
    expect(await plain.setMany([entry("x"), entry("y")], { since })).toEqual(["condition", "stored"]);
    await expect(plain.lease("k", 1000)).rejects.toMatchObject({ code: "scripting-not-permitted" });
    await expect(plain.atomic([{ delete: "k" }])).rejects.toMatchObject({ code: "scripting-not-permitted" });
    await Promise.all(heard.map((one) => one.stop()));
  });

  test("who may write no log writes while nobody listens, and is refused with nothing done while somebody does", async () => {
    const [streamless, other] = [await open("app:", "streamless"), await open("app:")];
    await streamless.setMany([entry("a")]);
    await expect(streamless.position()).rejects.toMatchObject({ code: "not-permitted" });
    await other.position();
    await expect(streamless.setMany([entry("b")])).rejects.toMatchObject({ kind: "authentication" });
    await expect(streamless.deleteMany(["a"])).rejects.toMatchObject({ kind: "authentication" });
    expect((await other.getMany(["a", "b"])).map((stored) => stored !== undefined)).toEqual([true, false]);
  });

  test("who may use but the keys of a namespace has its log", async () => {
    const [guest, other] = [await open("app:", "guest"), await open("app:")];
    const heard = [await hear(guest), await hear(other)];
    await guest.setMany([entry("a")]);
    await other.setMany([entry("b")]);
    for (const one of heard) await until(() => one.covers("a") && one.covers("b"));
    const answer = await guest.lease("k", 5000);
    expect(answer.outcome).toBe("taken");
    if (answer.outcome === "taken") expect(await guest.commit(entry("k"), answer.lease)).toBe(true);
    expect((await guest.deleteWhere({ all: true })).deleted).toBe(3);
    await Promise.all(heard.map((one) => one.stop()));
  });
});

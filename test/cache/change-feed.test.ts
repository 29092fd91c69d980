import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { Backend } from "../../src/backends/backend.js";
import { openMemory } from "../../src/backends/memory/index.js";
import { openRedis } from "../../src/backends/redis/index.js";
import { openSqlite } from "../../src/backends/sqlite/index.js";
import { openTiered } from "../../src/backends/tiered/index.js";
import { Cache } from "../../src/cache/cache.js";
import type { Following, HeardChange } from "../../src/cache/change-feed.js";
import { coverage } from "../../src/changes.js";
import { systemClock as clock } from "../../src/clock.js";
import { CacheError } from "../../src/errors.js";
import { FakeClock } from "../support/fake-clock.js";
import { type RedisServer, startRedis } from "../support/redis-server.js";
import { tempDir } from "../support/temp-dir.js";
import { until } from "../support/until.js";

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

const context = { namespace: "f:", clock, emit: () => undefined };
const memory = () => openMemory(context);
const text = (value: string) => new TextEncoder().encode(value);

function cacheOf(backend: Backend): Cache {
  const cache = new Cache(backend, { clock });
  onTestFinished(() => cache.close());
  return cache;
}

interface Heard {
  following: Following;
  all: HeardChange[];
  gaps(): number;
  /** How many of what was told may be about a key. */
  about(key: string): number;
}

async function listen(cache: Cache): Promise<Heard> {
  const all: HeardChange[] = [];
  const following = cache.follow((change) => void all.push(change));
  await following.ready;
  return {
    following,
    all,
    gaps: () => all.filter((change) => "gap" in change).length,
    about: (key) =>
      all.filter((change) => "selector" in change && coverage(change.selector)({ key, tags: ["t"] })).length,
  };
}

const own: [string, () => Promise<Backend>][] = [
  ["memory", async () => memory()],
  ["SQLite", () => openSqlite({ ...context, path: join(tempDir("feed"), "c.db") })],
  ["Redis", () => openRedis({ ...context, url: redis.url })],
  [
    "memory over SQLite",
    async () => {
      const lowest = await openSqlite({ ...context, path: join(tempDir("feed"), "c.db") });
      const tiers = [
        { name: "memory", backend: memory() },
        { name: "sqlite", backend: lowest },
      ];
      return openTiered(tiers, context);
    },
  ],
];

const changes: Record<string, (cache: Cache) => Promise<unknown>> = {
  "a set": (cache) => cache.set("k", 1),
  "a write": (cache) => cache.writeMany([{ key: "k", value: text("v"), meta: text("m") }]),
  "a deletion": (cache) => cache.delete("k"),
  "a touch": (cache) => cache.touch("k", 1000),
  "a touch of meta": (cache) => cache.touchEach([{ key: "k", meta: text("m") }]),
  "an invalidation": (cache) => cache.invalidate({ tags: ["t"] }),
  "a batch": (cache) => cache.atomic([{ delete: "k" }]),
  "a stream": async (cache) => (await cache.openWrite("k")).commit(),
};

describe.each(own)("own changes in %s", (_, open) => {
  test.each(Object.entries(changes))(
    "%s is told before it is answered, and not once more by the log",
    async (__, make) => {
      const cache = cacheOf(await open());
      await cache.set("k", 0, { tags: ["t"] });
      const heard = await listen(cache);
      await make(cache);
      expect(heard.about("k")).toBe(2);
      // What comes later in the log is heard, so that what was before it was passed over.
      await cache.backend.announce("write", { keys: ["end"] });
      await until(() => heard.about("end") > 0);
      expect(heard.about("k")).toBe(2);
      expect(heard.gaps()).toBe(0);
    },
  );

  test("what reading through keeps is told", async () => {
    const cache = cacheOf(await open());
    const heard = await listen(cache);
    await cache.getOrSet("loaded", () => 1);
    await until(() => heard.about("loaded") > 0);
  });
});

const shared: [string, () => () => Promise<Backend>][] = [
  [
    "SQLite",
    () => {
      const path = join(tempDir("feed"), "c.db");
      return () => openSqlite({ ...context, path, wait: "async" });
    },
  ],
  ["Redis", () => () => openRedis({ ...context, url: redis.url })],
];

describe.each(shared)("changes of others in %s", (_, place) => {
  test("are heard soon after they were made", async () => {
    const open = place();
    const [one, two] = [cacheOf(await open()), cacheOf(await open())];
    const heard = await listen(one);
    await two.set("k", 1);
    const answered = performance.now();
    await until(() => heard.about("k") > 0);
    // 100 ms are promised; a busy machine gets some more.
    expect(performance.now() - answered).toBeLessThan(500);
    await two.invalidate({ tags: ["t"] });
    await until(() => heard.about("another") > 0);
    expect(heard.gaps()).toBe(0);
    expect(heard.following.position).toBeDefined();
    expect(heard.following.lagMs).toBeLessThan(2000);
  });
});

/** A store in this process whose log and changes can be made to fail. */
function breakable() {
  const inner = memory();
  const broken = { log: false, changes: false };
  const looks = { position: 0, changes: 0 };
  const fail = (): never => {
    throw new CacheError("connection", "cut", "the connection was cut");
  };
  const backend = new Proxy<Backend>(inner, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      return (...args: unknown[]) => {
        if (name === "position" || name === "changes") {
          looks[name] += 1;
          if (broken.log) fail();
        }
        const answer: unknown = Reflect.apply(value, target, args);
        if (name === "setMany" && broken.changes) fail();
        return name === "changes" ? untilBroken(answer as ReturnType<Backend["changes"]>) : answer;
      };
    },
  });
  async function* untilBroken(pages: ReturnType<Backend["changes"]>) {
    for await (const page of pages) {
      if (broken.log) fail();
      yield page;
    }
  }
  return { inner, backend, broken, looks };
}

describe("following", () => {
  test("a log that can't be read for 2 s is a gap, told once; and another when it can be read again", async () => {
    const { inner, backend, broken } = breakable();
    const cache = cacheOf(backend);
    const heard = await listen(cache);
    broken.log = true;
    const cut = performance.now();
    await until(() => heard.gaps() > 0);
    expect(performance.now() - cut).toBeLessThan(2600);
    expect(performance.now() - cut).toBeGreaterThan(1400);
    await clock.sleep(300);
    expect(heard.gaps()).toBe(1);
    inner.deleteMany(["k"]);
    broken.log = false;
    await until(() => heard.about("k") > 0);
    expect(heard.gaps()).toBe(2);
    expect("gap" in (heard.all[1] ?? {})).toBe(true);
  });

  test("a log that can't be read at first is a gap when it can", async () => {
    const { backend, broken } = breakable();
    broken.log = true;
    const heard = await listen(cacheOf(backend));
    expect(heard.following.position).toBeUndefined();
    expect(heard.gaps()).toBe(0);
    broken.log = false;
    await until(() => heard.gaps() === 1);
    expect(heard.following.position).toBeDefined();
  });

  test("a change that failed may have been made: it is told, and heard again from the log", async () => {
    const { backend, broken } = breakable();
    const cache = cacheOf(backend);
    const heard = await listen(cache);
    broken.changes = true;
    await expect(cache.set("k", 1)).rejects.toMatchObject({ code: "cut" });
    await until(() => heard.about("k") === 3);
  });

  test("nothing is read while nobody listens, and each listener ends by itself", async () => {
    const { backend, looks } = breakable();
    const cache = cacheOf(backend);
    await cache.set("k", 1);
    expect(looks).toEqual({ position: 0, changes: 0 });
    const [one, two] = [await listen(cache), await listen(cache)];
    expect(looks).toEqual({ position: 1, changes: 1 });
    one.following.stop();
    one.following.stop();
    await cache.set("k", 2);
    expect([one.about("k"), two.about("k")]).toEqual([0, 2]);
    two.following.stop();
    await cache.set("k", 3);
    expect([one.about("k"), two.about("k")]).toEqual([0, 2]);
    const again = await listen(cache);
    expect(looks.position).toBe(2);
    await cache.set("k", 4);
    expect([two.about("k"), again.about("k")]).toEqual([2, 2]);
  });

  test("closing the cache ends it", async () => {
    const cache = new Cache(openMemory({ ...context, clock: new FakeClock() }), { clock: new FakeClock() });
    const heard = await listen(cache);
    await cache.close();
    expect(heard.all).toEqual([]);
  });
});

import Database from "better-sqlite3";
import { afterEach, describe, expect, test } from "vitest";
import { openMemory } from "../../src/backends/memory/index.js";
import { Cache } from "../../src/cache/cache.js";
import { Invalidating } from "../../src/cache/invalidations.js";
import { CacheError } from "../../src/errors.js";
import type { CacheEvent } from "../../src/events.js";
import type { Selection } from "../../src/selector.js";
import { FakeClock } from "../support/fake-clock.js";
import { until } from "../support/until.js";

interface User {
  id: number;
  name: string;
  team: string;
}

/** A table of users in a real database, which counts what it is asked. */
function userTable() {
  const db = new Database(":memory:");
  db.exec("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL, team TEXT NOT NULL)");
  const asked: string[] = [];
  const one = db.prepare<[number], User>("SELECT id, name, team FROM users WHERE id = ?");
  const source = {
    async get(id: number) {
      asked.push(`get ${id}`);
      return one.get(id);
    },
    async getMany(ids: readonly number[]) {
      asked.push(`getMany ${ids.join(",")}`);
      return ids.map((id) => one.get(id));
    },
    async create(user: Omit<User, "id">) {
      const { lastInsertRowid } = db.prepare("INSERT INTO users (name, team) VALUES (?, ?)").run(user.name, user.team);
      return { ...user, id: Number(lastInsertRowid) };
    },
    async update(id: number, changes: Partial<User>) {
      const sets = Object.keys(changes).map((name) => `${name} = ?`);
      db.prepare(`UPDATE users SET ${sets.join(", ")} WHERE id = ?`).run(...Object.values(changes), id);
      return one.get(id);
    },
    async delete(id: number) {
      return db.prepare("DELETE FROM users WHERE id = ?").run(id).changes > 0;
    },
    async query({ team }: { team: string }) {
      asked.push(`query ${team}`);
      return db.prepare<[string], User>("SELECT id, name, team FROM users WHERE team = ? ORDER BY id").all(team);
    },
  };
  return { db, asked, source };
}

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

function setUp() {
  const clock = new FakeClock();
  const events: CacheEvent[] = [];
  const emit = (event: CacheEvent) => void events.push(event);
  const backend = openMemory({ namespace: "", clock, emit, sweepMs: 0 });
  let away = false;
  const failing = new Proxy(backend, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      return (...args: unknown[]) => {
        if (away && name !== "close" && name !== "position")
          throw new CacheError("connection", "away", "the store is away");
        return Reflect.apply(value, target, args);
      };
    },
  });
  const cache = new Cache(failing, { clock, emit, countInterval: 0 });
  const table = userTable();
  closers.push(async () => {
    away = false;
    await cache.close();
    table.db.close();
  });
  const users = cache.records<User, number, { team: string }>(table.source, { prefix: "users", ttl: 60_000 });
  const goAway = (is: boolean) => {
    away = is;
  };
  return { ...table, clock, events, backend, cache, users, goAway };
}

describe("records", () => {
  test("are read through by id, once, and by many ids", async () => {
    const { users, asked, backend } = setUp();
    const [ann, ben] = [await users.create({ name: "Ann", team: "a" }), await users.create({ name: "Ben", team: "a" })];
    expect([await users.get(ann.id), await users.get(ann.id)]).toEqual([ann, ann]);
    expect(asked).toEqual(["get 1"]);
    expect(await users.getMany([ben.id, ann.id, 99, ben.id])).toEqual([ben, ann, undefined, ben]);
    expect(asked).toEqual(["get 1", "getMany 2,99"]);
    expect(await users.getMany([ann.id, ben.id])).toEqual([ann, ben]);
    expect(asked).toHaveLength(2);
    const [stored] = await backend.getMany(["users:1"]);
    expect(JSON.parse(Buffer.from(stored?.value ?? "").toString())).toEqual(ann);
  });

  test("whose id is too long for a key are asked for where they come from", async () => {
    const id = "x".repeat(1100);
    const { cache } = setUp();
    const names = new Map([["short", "a"]]);
    const asked: string[] = [];
    const source = {
      get(key: string) {
        asked.push(key);
        const name = names.get(key);
        return name === undefined ? undefined : { id: key, name };
      },
      update(key: string, { name = "" }: { name?: string }) {
        names.set(key, name);
        return { id: key, name };
      },
    };
    const records = cache.records(source, { prefix: "r" });
    expect(await records.get(id)).toBeUndefined();
    expect(await records.update(id, { name: "b" })).toEqual({ id, name: "b" });
    expect([await records.get(id), await records.get(id)]).toEqual([
      { id, name: "b" },
      { id, name: "b" },
    ]);
    expect(asked).toEqual([id, id, id]);
    expect(await records.getMany(["short", id])).toEqual([
      { id: "short", name: "a" },
      { id, name: "b" },
    ]);
    await records.setRecord({ id, name: "c" });
    expect(await records.getRecord(id)).toBeUndefined();
    await records.deleteRecord(id);
  });

  test("that are not there are remembered where that is asked for", async () => {
    const { cache, source, asked } = setUp();
    const users = cache.records<User, number>(source, { prefix: "users", negativeTtl: 1000 });
    expect([await users.get(7), await users.get(7)]).toEqual([undefined, undefined]);
    expect(asked).toEqual(["get 7"]);
    await users.create({ name: "x", team: "t" });
    expect(await users.get(1)).toMatchObject({ name: "x" });
  });

  test("are read anew after an update and a deletion, and so are all queries", async () => {
    const { users, asked } = setUp();
    const ann = await users.create({ name: "Ann", team: "a" });
    await users.get(ann.id);
    expect(await users.query({ team: "a" })).toEqual([ann]);
    expect(await users.query({ team: "a" })).toEqual([ann]);
    expect(asked).toEqual(["get 1", "query a"]);
    await users.update(ann.id, { name: "Anna" });
    expect(await users.get(ann.id)).toMatchObject({ name: "Anna" });
    expect(await users.query({ team: "a" })).toMatchObject([{ name: "Anna" }]);
    const ben = await users.create({ name: "Ben", team: "a" });
    expect(await users.query({ team: "a" })).toHaveLength(2);
    await users.updateMany([
      [ann.id, { team: "b" }],
      [ben.id, { team: "b" }],
    ]);
    expect(await users.getMany([ann.id, ben.id])).toMatchObject([{ team: "b" }, { team: "b" }]);
    expect(await users.query({ team: "a" })).toEqual([]);
    expect(await users.delete(ann.id)).toBe(true);
    expect(await users.get(ann.id)).toBeUndefined();
    expect(await users.delete(ann.id)).toBe(false);
  });

  test("an update forgets what a load that is under way would keep", async () => {
    const { users, source, cache } = setUp();
    const ann = await users.create({ name: "Ann", team: "a" });
    let go = () => {};
    const slow = cache.records<User, number>(
      {
        ...source,
        async get(id) {
          const found = await source.get(id);
          await new Promise<void>((resolve) => {
            go = resolve;
          });
          return found;
        },
      },
      { prefix: "users" },
    );
    const reading = slow.get(ann.id);
    const start = go;
    await until(() => go !== start);
    await users.update(ann.id, { name: "Anna" });
    go();
    expect(await reading).toMatchObject({ name: "Ann" });
    expect(await users.get(ann.id)).toMatchObject({ name: "Anna" });
  });

  test("a write that fails invalidates all the same: it may have happened", async () => {
    const { users, cache, source, db } = setUp();
    const ann = await users.create({ name: "Ann", team: "a" });
    await users.get(ann.id);
    const broken = cache.records<User, number>(
      {
        ...source,
        async update() {
          db.prepare("UPDATE users SET name = 'Anna'").run();
          throw new Error("the answer was lost");
        },
      },
      { prefix: "users" },
    );
    await expect(broken.update(ann.id, { name: "Anna" })).rejects.toThrow("the answer was lost");
    expect(await users.get(ann.id)).toMatchObject({ name: "Anna" });
  });

  test("a store that is away fails nothing, and nobody is given what should have been invalidated", async () => {
    const { users, clock, events, goAway, backend, asked } = setUp();
    const ann = await users.create({ name: "Ann", team: "a" });
    await users.get(ann.id);
    await users.query({ team: "a" });
    goAway(true);
    expect(await users.get(ann.id)).toEqual(ann);
    expect(await users.update(ann.id, { name: "Anna" })).toMatchObject({ name: "Anna" });
    expect(events.map((event) => event.code)).toContain("invalidation-missed");
    expect(await users.getMany([ann.id])).toMatchObject([{ name: "Anna" }]);
    goAway(false);
    // The store still holds the old one, and it is not served.
    expect((await backend.getMany(["users:1"]))[0]).toBeDefined();
    asked.length = 0;
    expect(await users.get(ann.id)).toMatchObject({ name: "Anna" });
    expect(await users.query({ team: "a" })).toMatchObject([{ name: "Anna" }]);
    expect(asked).toEqual(["get 1", "query a"]);
    await until(() => clock.sleepers > 0);
    clock.advance(1000);
    await until(async () => (await backend.getMany(["users:1"]))[0] === undefined);
    expect(await users.getRecord(ann.id)).toBeUndefined();
    await users.get(ann.id);
    expect(await users.getRecord(ann.id)).toMatchObject({ name: "Anna" });
  });

  test("with cache: false nothing is kept", async () => {
    const { cache, source, asked, backend } = setUp();
    const users = cache.records<User, number>(source, { prefix: "users", cache: false });
    const ann = await users.create({ name: "Ann", team: "a" });
    await users.get(ann.id);
    await users.get(ann.id);
    await users.setRecord(ann);
    expect(asked).toEqual(["get 1", "get 1"]);
    expect((await backend.describe()).entries).toBe(0);
  });

  test("by hand: get, set, delete, and the queries", async () => {
    const { users, asked } = setUp();
    const ann = await users.create({ name: "Ann", team: "a" });
    expect(await users.getRecord(ann.id)).toBeUndefined();
    await users.setRecord(ann);
    expect([await users.getRecord(ann.id), await users.get(ann.id), asked]).toEqual([ann, ann, []]);
    await users.deleteRecord(ann.id);
    expect(await users.getRecord(ann.id)).toBeUndefined();
    await users.query({ team: "a" });
    await users.invalidateQueries();
    await users.query({ team: "a" });
    expect(asked).toEqual(["query a", "query a"]);
  });

  test("ids and prefixes with any characters are apart", async () => {
    const { cache } = setUp();
    const seen: string[] = [];
    const source = { get: async (id: string) => void seen.push(id) };
    const keys = [
      ["a", "b:c"],
      ["a:b", "c"],
      ["a", "b%3Ac"],
      ["a", "query:x"],
      ["{a}", "*"],
    ].map(([prefix = "", id = ""]) => cache.records<{ id: string }>(source, { prefix }).keyOf(id));
    expect(new Set(keys).size).toBe(keys.length);
    for (const key of keys) expect(key).toMatch(/^[^:*{}]+:[^:*{}]+$/);
  });

  test("say what a source can't do, and what has no id", async () => {
    const { cache } = setUp();
    const untyped = { prefix: "bare" } as { prefix: string; idOf: () => string };
    const bare = cache.records<{ name: string }, string, string>({ get: () => undefined }, untyped);
    await expect(bare.query("x")).rejects.toMatchObject({ kind: "usage", code: "not-supported" });
    await expect(bare.delete("x")).rejects.toMatchObject({ code: "not-supported" });
    await expect(bare.setRecord({ name: "x" })).rejects.toMatchObject({ code: "no-record-id" });
    expect(() => cache.records<{ id: string }>({ get: () => undefined }, { prefix: "" })).toThrow(
      "records need a prefix",
    );
  });
});

describe("a transaction", () => {
  test("invalidates when it is committed, and reads its own writes meanwhile", async () => {
    const { cache, users, db } = setUp();
    const ann = await users.create({ name: "Ann", team: "a" });
    await users.get(ann.id);
    await cache.set("report", "old");
    const result = await cache.transaction(async (tx) => {
      db.exec("BEGIN");
      const inside = users.within(tx);
      await inside.update(ann.id, { name: "Anna" });
      tx.delete("report");
      expect(await inside.get(ann.id)).toMatchObject({ name: "Anna" });
      expect([await users.getRecord(ann.id), await cache.get("report")]).toEqual([ann, "old"]);
      db.exec("COMMIT");
      return "done";
    });
    expect(result).toBe("done");
    expect([await users.getRecord(ann.id), await cache.get("report")]).toEqual([undefined, undefined]);
    expect(await users.get(ann.id)).toMatchObject({ name: "Anna" });
  });

  test("drops its invalidations when it is rolled back", async () => {
    const { cache, users, db, asked } = setUp();
    const ann = await users.create({ name: "Ann", team: "a" });
    await users.get(ann.id);
    const failed = cache.transaction(async (tx) => {
      db.exec("BEGIN");
      await users.within(tx).update(ann.id, { name: "Anna" });
      db.exec("ROLLBACK");
      throw new Error("no");
    });
    await expect(failed).rejects.toThrow("no");
    asked.length = 0;
    expect([await users.get(ann.id), asked]).toEqual([ann, []]);
  });

  test.each<[string, unknown, string]>([
    ["a glob that is none", { match: "[" }, "invalid-glob"],
    ["no condition", {}, "empty-selector"],
    ["a misspelt condition", { prefx: "a" }, "invalid-selector"],
    ["a key that is none", { keys: [5] }, "invalid-key"],
  ])("%s is refused where it is said, and the work and the other invalidations stand", async (_, selector, code) => {
    const { cache, users, asked, events } = setUp();
    const ann = await users.create({ name: "Ann", team: "a" });
    await users.get(ann.id);
    await cache.set("report", "old");
    let refusal: unknown;
    const result = await cache.transaction((tx) => {
      try {
        tx.invalidate(selector as Selection);
      } catch (error) {
        refusal = error;
      }
      tx.delete("report");
      return "done";
    });
    expect(refusal).toMatchObject({ kind: "usage", code });
    expect([result, await cache.get("report"), events]).toEqual(["done", undefined, []]);
    asked.length = 0;
    expect([await users.get(ann.id), asked]).toEqual([ann, []]);
    const uncaught = cache.transaction((tx) => tx.invalidate(selector as Selection));
    await expect(uncaught).rejects.toMatchObject({ kind: "usage", code });
  });

  test("what will never be taken is told once and owed to nobody; the rest is made", async () => {
    const clock = new FakeClock();
    const events: CacheEvent[] = [];
    const asked: unknown[] = [];
    const invalidating = new Invalidating({
      clock,
      emit: (event) => events.push(event),
      invalidate: async (selector) => {
        asked.push(selector);
        if ("tags" in selector) throw new CacheError("usage", "no-tags", "this store has no tags");
        return { deleted: 0, softened: 0, complete: true };
      },
    });
    await invalidating.make([{ tags: ["t"] }, { keys: ["a"] }]);
    expect(events).toMatchObject([{ code: "invalidation-refused" }]);
    expect(asked).toEqual([{ tags: ["t"] }, { keys: ["a"] }]);
    expect(invalidating.owes({ key: "any" })).toBe(false);
    expect(clock.sleepers).toBe(0);
    await invalidating.close();
  });
});

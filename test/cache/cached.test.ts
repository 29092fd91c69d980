import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { transform } from "esbuild";
import { afterEach, beforeEach, describe, expect, expectTypeOf, test } from "vitest";
import { openMemory } from "../../src/backends/memory/index.js";
import { Cache } from "../../src/cache/cache.js";
import { generateKey } from "../../src/cache/keys.js";
import type { makeUsers as MakeUsers } from "../support/decorated.js";
import { FakeClock } from "../support/fake-clock.js";
import { Gate } from "../support/gate.js";
import { tempDir } from "../support/temp-dir.js";

let cache: Cache;
let clock: FakeClock;
beforeEach(() => {
  clock = new FakeClock();
  cache = new Cache(openMemory({ namespace: "", clock, emit: () => undefined, sweepMs: 0 }), {
    clock,
    countInterval: 0,
  });
});
afterEach(() => cache.close());

const code = (value: string) => ({ code: value });

describe("a function that remembers", () => {
  test("asks once for the same arguments", async () => {
    const asked: unknown[] = [];
    const user = cache.cached(
      async (id: number, options: { full?: boolean } = {}) => {
        asked.push([id, options]);
        return { id, name: `user ${id}` };
      },
      { prefix: "user", ttl: 1000, tags: (found) => [`user:${found.id}`] },
    );
    expectTypeOf(user).toBeCallableWith(1, { full: true });
    expectTypeOf(user).returns.resolves.toEqualTypeOf<{ id: number; name: string }>();
    expect(await user(1)).toEqual({ id: 1, name: "user 1" });
    await user(1);
    await user(1, { full: true });
    await user(2);
    expect(asked).toEqual([
      [1, {}],
      [1, { full: true }],
      [2, {}],
    ]);
    expect(user.key(1)).toBe(generateKey("user", 1));
    expect(await cache.get(user.key(2))).toEqual({ id: 2, name: "user 2" });
    expect(await user.invalidate(1)).toBe(true);
    expect(await user.invalidate(1)).toBe(false);
    await user(1);
    expect(asked).toHaveLength(4);
    await cache.invalidate({ tags: ["user:1"] });
    await user(1);
    expect(asked).toHaveLength(5);
    clock.advance(1000);
    await user(2);
    expect(asked).toHaveLength(6);
  });

  test("takes a key of its own", async () => {
    const named = cache.cached((user: { id: string; at: Date }) => user.id, { prefix: "u", key: ({ id }) => id });
    expect(named.key({ id: "7", at: new Date(1) })).toBe("u:7");
    expect(await named({ id: "7", at: new Date(1) })).toBe("7");
    const hashed = cache.cached((a: number, _b: () => void) => a, { prefix: "h", key: (a) => [a] });
    expect(hashed.key(1, () => undefined)).toBe(generateKey("h", [1]));
    const empty = cache.cached((a: string) => a, { prefix: "e", key: (a) => a });
    await expect(empty("")).rejects.toMatchObject(code("invalid-key"));
  });

  test("refuses arguments that have no value, and to have no prefix", async () => {
    const odd = cache.cached((_: unknown) => 1, { prefix: "p" });
    const cycle: { self?: unknown } = {};
    cycle.self = cycle;
    await expect(odd(cycle)).rejects.toMatchObject(code("unhashable"));
    await expect(odd(() => 1)).rejects.toMatchObject(code("unhashable"));
    expect(() => cache.cached(() => 1, { prefix: "" })).toThrow(expect.objectContaining(code("invalid-prefix")));
  });

  test("shares one call among callers, and throws what it throws", async () => {
    const gate = new Gate();
    let calls = 0;
    const slow = cache.cached(
      async () => {
        calls += 1;
        await gate.opened;
        throw new Error("no");
      },
      { prefix: "slow" },
    );
    const results = Promise.allSettled([slow(), slow()]);
    gate.open();
    for (const result of await results) expect(result).toMatchObject({ reason: new Error("no") });
    expect(calls).toBe(1);
  });
});

describe("a function that invalidates", () => {
  test("does so after it has succeeded", async () => {
    const order: string[] = [];
    await cache.setMany([
      ["a", 1],
      ["b", 2],
      ["c", 3],
    ]);
    const fixed = cache.invalidates({ keys: ["a"] })(async (fail: boolean) => {
      order.push(`a is ${await cache.get("a")}`);
      if (fail) throw new Error("no");
      return "done";
    });
    await expect(fixed(true)).rejects.toThrow("no");
    expect(await cache.has("a")).toBe(true);
    expect(await fixed(false)).toBe("done");
    expect(await cache.has("a")).toBe(false);
    expect(order).toEqual(["a is 1", "a is 1"]);
    const told = cache.invalidates(([key]: [string], result: { also: string }) => ({ keys: [key, result.also] }))(
      (_key) => ({ also: "c" }),
    );
    expect(await told("b")).toEqual({ also: "c" });
    expect(await cache.getMany(["b", "c"])).toEqual([undefined, undefined]);
    const nothing = cache.invalidates((_: [], _result: number) => undefined)(() => 1);
    expect(await nothing()).toBe(1);
  });

  test("overtakes a load that began before it", async () => {
    const gate = new Gate();
    const load = cache.getOrSet("k", async () => {
      await gate.opened;
      return "old";
    });
    await cache.invalidates({ keys: ["k"] })(() => undefined)();
    gate.open();
    expect(await load).toBe("old");
    expect(await cache.has("k")).toBe(false);
  });
});

describe("decorators", () => {
  test("of methods, as the language has them", async () => {
    // Compiled as a user's program is: the transformer of the tests leaves decorators as they are.
    const source = readFileSync(join(import.meta.dirname, "../support/decorated.ts"), "utf8");
    const { code: text } = await transform(source, { loader: "ts", target: "es2022", format: "esm" });
    const path = join(tempDir("decorators"), "decorated.mjs");
    writeFileSync(path, text);
    const { makeUsers }: { makeUsers: typeof MakeUsers } = await import(/* @vite-ignore */ path);
    const Users = makeUsers(cache);
    const users = new Users();
    expect(await users.find(1)).toEqual({ id: 1, secret: "s" });
    expect(await users.find(1)).toEqual({ id: 1, secret: "s" });
    expect(users.calls).toBe(1);
    expect(await cache.has("users:1")).toBe(true);
    expect(await users.rename(1, "x")).toBe("x");
    await users.find(1);
    expect(users.calls).toBe(2);
    expect(await Users.drop()).toBe("dropped");
    await users.find(1);
    expect(users.calls).toBe(3);
  });

  test("have the types of what they decorate", () => {
    const find = cache.cached({ prefix: "f", key: (id: number) => id })(async (id: number) => ({ id }));
    expectTypeOf(find).parameters.toEqualTypeOf<[id: number]>();
    expectTypeOf(find).returns.resolves.toEqualTypeOf<{ id: number }>();
  });

  test("of anything else are refused", () => {
    const context = { kind: "field", name: "x" } as unknown as ClassMethodDecoratorContext;
    const method = async () => 1;
    expect(() => cache.cached({ prefix: "x" })(method, context)).toThrow(expect.objectContaining(code("not-a-method")));
  });
});

import type { Cache } from "../../src/cache/cache.js";

/** A class as a user writes it: what is checked by the types is compiled and run by test/cache/cached.test.ts. */
export function makeUsers(cache: Cache) {
  class Users {
    calls = 0;
    readonly #secret = "s";

    @cache.cached({ prefix: "users", ttl: 1000, key: (id: number) => String(id) })
    async find(id: number): Promise<{ id: number; secret: string }> {
      this.calls += 1;
      return { id, secret: this.#secret };
    }

    @cache.invalidates(([id]: [number, string], name: string) => ({ keys: [`users:${id}`, name] }))
    async rename(_id: number, name: string): Promise<string> {
      return name;
    }

    @cache.invalidates({ prefix: "users:" })
    static async drop(): Promise<string> {
      return "dropped";
    }
  }
  return Users;
}

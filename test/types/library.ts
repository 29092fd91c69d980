// What the types of the library must allow and refuse. Nothing here runs: it is compiled, also against the package as it is installed.
import {
  type BackendKind,
  type Cache,
  CacheError,
  type CacheEvent,
  type CacheStats,
  type DeleteReport,
  type EncryptionKey,
  type ErrorKind,
  KeyRing,
  type Listener,
  loadKeyRing,
  type OpenCacheOptions,
  openCache,
  type Selector,
  type SetOutcome,
  type Stored,
  type StoreOptions,
} from "../../src/index.js";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
/** Compiles only where its argument is `true`. */
const holds = <T extends true>(_: T): void => {};

interface User {
  name: string;
}

export async function opening(): Promise<void> {
  const cache = await openCache({ store: "memory:" });
  holds<Equal<typeof cache, Cache>>(true);
  const keys: EncryptionKey[] = [{ id: "k", key: new Uint8Array(32) }];
  const all: OpenCacheOptions = {
    store: { kind: "sqlite", path: "/tmp/c.db", policy: "lru", maxBytes: 1 },
    namespace: "a",
    ttl: null,
    timeout: 100,
    readOnly: true,
    compression: { algorithm: "gzip", threshold: 100, level: 9 },
    encryptionKeys: keys,
    signal: new AbortController().signal,
    onEvent: (event: CacheEvent) => void event.message,
  };
  await openCache(all);
  await openCache({ store: "memory:", compression: "brotli", encryptionKeys: await loadKeyRing("/keys") });
  await openCache({ store: "memory:", encryptionKeys: new KeyRing(keys) });
  await openCache({ store: "memory:", serializer: "msgpack" });

  await openCache({ store: ["memory:?ttl=1m", { kind: "redis", url: "redis://h" }], fallback: "file:/tmp/c" });
  await openCache({ store: "redis://h", resilience: { retries: 1, breaker: false } });
  await openCache({ store: "redis://h", resilience: false });

  // @ts-expect-error a store is needed
  await openCache({});
  // @ts-expect-error options are needed
  await openCache();
  // @ts-expect-error a misspelt option
  await openCache({ store: "memory:", namspace: "a" });
  // @ts-expect-error TTLs are milliseconds, not text
  await openCache({ store: "memory:", ttl: "1h" });
  // @ts-expect-error an unknown algorithm
  await openCache({ store: "memory:", compression: "lzma" });
  // @ts-expect-error resilience is options or false
  await openCache({ store: "redis://h", resilience: true });
  // @ts-expect-error an unknown serializer
  await openCache({ store: "memory:", serializer: "xml" });
  // @ts-expect-error a kind of store that there is not
  await openCache({ store: { kind: "mongo", path: "/" } });
  // @ts-expect-error an option that is not given is left out
  await openCache({ store: "memory:", namespace: undefined });
}

export async function reading(cache: Cache): Promise<void> {
  const anything = await cache.get("k");
  holds<Equal<typeof anything, unknown>>(true);
  const user = await cache.get<User>("k");
  holds<Equal<typeof user, User | undefined>>(true);
  // @ts-expect-error it may be a miss
  user.name;
  const users = await cache.getMany<User>(["a", "b"]);
  holds<Equal<typeof users, (User | undefined)[]>>(true);
  const bytes = await cache.getBytes("k", { peek: true });
  holds<Equal<typeof bytes, Uint8Array | undefined>>(true);
  const entries = await cache.readMany(["k"], { want: "all" });
  holds<Equal<typeof entries, (Stored | undefined)[]>>(true);
  const loaded = await cache.getOrSet("k", async ({ signal }) => ({ name: String(signal.aborted) }), { ttl: 1 });
  holds<Equal<typeof loaded, { name: string } | undefined>>(true);
  for await (const key of cache.keys({ prefix: "a" })) holds<Equal<typeof key, string>>(true);
  for await (const page of cache.scan({ all: true }, { fields: "all" })) void page.entries[0]?.size;
  const stats = await cache.stats();
  holds<Equal<typeof stats, CacheStats>>(true);

  // @ts-expect-error a key is a string
  await cache.get(1);
  // @ts-expect-error an unknown amount
  await cache.readMany(["k"], { want: "everything" });
  // @ts-expect-error a loader is a function
  await cache.getOrSet("k", 1);
}

export async function writing(cache: Cache): Promise<void> {
  const outcome = await cache.set("k", { any: "value" }, { ttl: null, tags: ["t"], mode: "if-absent" });
  holds<Equal<typeof outcome, SetOutcome>>(true);
  const deleted = await cache.delete("k");
  holds<Equal<typeof deleted, boolean>>(true);
  const selector: Selector = { prefix: "a", tags: ["t"], tagMode: "all" };
  const report = await cache.invalidate(selector, { limit: 10, soft: true });
  holds<Equal<typeof report, DeleteReport>>(true);

  // @ts-expect-error no such mode
  await cache.set("k", 1, { mode: "replace" });
  // @ts-expect-error tags are a list
  await cache.set("k", 1, { tags: "t" });
  // @ts-expect-error everything must be said as `all: true`
  await cache.invalidate({ all: false });
  // @ts-expect-error a selector without a condition is none
  await cache.invalidate({});
  // @ts-expect-error how tags count is no condition
  await cache.invalidate({ tagMode: "all" });
  // @ts-expect-error keys are all there is to say
  await cache.invalidate({ keys: ["a"], prefix: "b" });
  // @ts-expect-error everything is everything
  await cache.invalidate({ all: true, prefix: "b" });
  // @ts-expect-error a misspelt condition
  await cache.invalidate({ prefx: "b" });
  await cache.invalidate({ all: true, types: ["hash"] });
  await cache.invalidate({ keys: ["a"] });
  await cache.invalidate({ minSize: 1 });
  await cache.transaction((pending) => {
    pending.invalidate({ tags: ["t"] });
    // @ts-expect-error as with the cache itself
    pending.invalidate({});
  });
  // @ts-expect-error as with the cache itself
  cache.invalidates({});
  cache.invalidates((args: [number]) => ({ keys: [String(args[0])] }));
  // @ts-expect-error what is scanned is said in the same way
  cache.scan({});
  // @ts-expect-error bytes, not text
  await cache.setBytes("k", "text");
}

export function functions(cache: Cache): void {
  class Reports {
    @cache.cached({ prefix: "r" })
    async find(id: number): Promise<string> {
      return String(id);
    }

    @cache.cached({ prefix: "g", key: (id: number) => id })
    async generic<T extends number>(id: T): Promise<T> {
      return id;
    }

    @cache.invalidates({ tags: ["t"] })
    async change<T>(value: T): Promise<T> {
      return value;
    }

    @cache.invalidates((args: [number], result: string) => ({ keys: [`${args[0]}${result}`] }))
    async rename(id: number): Promise<string> {
      return String(id);
    }

    // @ts-expect-error what is cached is waited for
    @cache.cached({ prefix: "y" })
    now(id: number): number {
      return id;
    }

    // @ts-expect-error only methods can be decorated
    @cache.cached({ prefix: "z" })
    field = 1;
  }
  const found: Promise<5> = new Reports().generic(5);
  void found;
  const price = cache.cached({ prefix: "p" })(async (name: string) => name.length);
  price.key("a");
  // @ts-expect-error the arguments are those of the function
  void price(1);
}

export async function records(cache: Cache): Promise<void> {
  const users = cache.records({ get: (id: number) => ({ id, name: "a" }) }, { prefix: "users" });
  const user = await users.get(1);
  holds<Equal<typeof user, { id: number; name: string } | undefined>>(true);
  // @ts-expect-error an id is of its type
  await users.get("1");
  cache.records<{ code: string }>({ get: (code) => ({ code }) }, { prefix: "a", idOf: ({ code }) => code });
  // @ts-expect-error where records have no id it must be told
  cache.records<{ code: string }>({ get: (code) => ({ code }) }, { prefix: "a" });
  // @ts-expect-error nor is it an id where it is of another type
  cache.records<{ id: string }, number>({ get: (id) => ({ id: String(id) }) }, { prefix: "a" });
}

export function failing(error: unknown): ErrorKind | undefined {
  if (!(error instanceof CacheError)) return undefined;
  const code: string = error.code;
  // @ts-expect-error an error is not changed
  error.code = code;
  return error.kind;
}

const listener: Listener = (event) => {
  if (event.type === "warning") holds<Equal<typeof event.code, string>>(true);
};
const kind: BackendKind = "redis";
const redis: StoreOptions = { kind, url: "redis://h", password: "p", timeoutMs: 1 };
export const unused = [listener, redis];

export function ring(keys: KeyRing): void {
  // @ts-expect-error there is no way to a key
  keys.export();
}

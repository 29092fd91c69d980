import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { Redis } from "ioredis";
import type { RedisServer } from "./redis-server.js";

/** A store asked by its own client, not by this program. */
export interface StoreClient {
  /** The store's URL. */
  readonly url: string;
  count(): number | Promise<number>;
  /** About {@link count}, at little cost to the store. */
  progress(): number | Promise<number>;
  /** Bytes of an entry, undefined where there is none. */
  get(key: string): Promise<Buffer | undefined>;
  close(): void;
}

/** A SQLite store, or the file store with its index in SQLite. */
export function sqliteClient(kind: "sqlite" | "file", path: string): StoreClient {
  const index = kind === "file" ? join(path, "index.db") : path;
  let opened: Database.Database | undefined;
  const database = () => {
    if (opened === undefined && existsSync(index)) opened = new Database(index, { readonly: true, timeout: 5000 });
    return opened;
  };
  const ask = (query: string) => {
    const found = database();
    // A store that is just being made has no tables yet.
    const made = found?.prepare("SELECT 1 FROM sqlite_master WHERE name = 'entries'").get();
    return found === undefined || made === undefined ? 0 : Number(found.prepare(query).pluck().get() ?? 0);
  };
  return {
    url: `${kind}:${path}`,
    count: () => ask("SELECT count(*) FROM entries"),
    // Rows of keys that are replaced get new ids, so this can run ahead of the count.
    progress: () => ask("SELECT max(id) FROM entries"),
    async get(key) {
      const body = database()
        ?.prepare("SELECT body FROM bodies WHERE id = (SELECT id FROM entries WHERE k = ?)")
        .pluck()
        .get(key);
      if (body === undefined) return undefined;
      if (kind === "sqlite") return Buffer.isBuffer(body) ? body : Buffer.from(String(body));
      return readFileSync(join(path, "values", String(body).slice(0, 2), String(body)));
    },
    close() {
      opened?.close();
      opened = undefined;
    },
  };
}

/** One database of a server; counts the keys that begin with `prefix`, all without one. */
export function redisClient(server: RedisServer, db = 0): StoreClient {
  const redis = new Redis({ host: server.host, port: server.port, db, lazyConnect: false });
  redis.on("error", () => undefined);
  // Tags have sidecars and indexes, which are keys too.
  const script = "local n = 0 for _, k in ipairs(redis.call('KEYS', 'k:*')) do n = n + 1 end return n";
  return {
    url: `${server.url}/${db}`,
    count: async () => Number(await redis.eval(script, 0)),
    // Each entry with tags has a sidecar beside it.
    progress: async () => (await redis.dbsize()) / 2,
    get: async (key) => (await redis.getBuffer(key)) ?? undefined,
    close: () => redis.disconnect(),
  };
}

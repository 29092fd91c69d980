import { readFileSync } from "node:fs";
import { CacheError, codeOf } from "../errors.js";
import type { Backend, BackendContext, MemoryPolicy } from "./backend.js";

/** Which store, with what its backend needs; paths absolute, sizes in bytes, times in milliseconds. */
export type StoreOptions =
  | { kind: "memory"; maxEntries?: number; maxBytes?: number; policy?: MemoryPolicy; sweepMs?: number }
  | {
      kind: "sqlite" | "file";
      path: string;
      maxEntries?: number;
      maxBytes?: number;
      policy?: "fifo" | "lru";
      busyTimeoutMs?: number;
      /** How to wait for another process's lock: `sync` (default) for one command, `async` where an event loop must go on. */
      wait?: "sync" | "async";
    }
  | {
      kind: "redis";
      url: string;
      password?: string;
      username?: string;
      ca?: string;
      cert?: string;
      key?: string;
      /** 1 to 20; default 1, which all callers share. */
      connections?: number;
      /** Of the Sentinels themselves. */
      sentinelPassword?: string;
      timeoutMs?: number;
    }
  | {
      kind: "remote";
      url: string;
      token?: string;
      tier?: string;
      ca?: string;
      cert?: string;
      key?: string;
      timeoutMs?: number;
    };

/** Opens a store for a namespace. Each client library is loaded only when its kind of store is opened. */
export async function openBackend(store: StoreOptions, context: BackendContext): Promise<Backend> {
  switch (store.kind) {
    case "memory": {
      const { openMemory } = await import("./memory/index.js");
      const { maxEntries, maxBytes, policy, sweepMs } = store;
      return openMemory({ ...context, ...given({ maxEntries, maxBytes, policy, sweepMs }) });
    }
    case "sqlite": {
      const { openSqlite } = await import("./sqlite/index.js");
      return openSqlite({ ...context, path: store.path, ...boundsOf(store) });
    }
    case "file": {
      const { openFile } = await import("./file/index.js");
      return openFile({ ...context, path: store.path, ...boundsOf(store) });
    }
    case "remote": {
      const { openRemote } = await import("./remote/index.js");
      const { url, token, tier, timeoutMs, ca, cert, key } = store;
      const tls = given({ ca: pem(ca), cert: pem(cert), key: pem(key) });
      return openRemote({ ...context, url, tls, ...given({ token, tier, timeoutMs }) });
    }
    case "redis": {
      const { openRedis } = await import("./redis/index.js");
      const { url, username, password, connections, sentinelPassword, timeoutMs } = store;
      const tls = given({ ca: pem(store.ca), cert: pem(store.cert), key: pem(store.key) });
      return openRedis({
        ...context,
        url,
        ...given({ username, password, connections, sentinelPassword }),
        ...given({ connectTimeoutMs: timeoutMs, commandTimeoutMs: timeoutMs }),
        ...(Object.keys(tls).length > 0 && { tls }),
      });
    }
  }
}

function boundsOf({ maxEntries, maxBytes, busyTimeoutMs, wait, policy }: Extract<StoreOptions, { path: string }>) {
  return given({ maxEntries, maxBytes, busyTimeoutMs, wait, policy });
}

function pem(path: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new CacheError("usage", "tls-file", `the TLS file ${path} can't be read (${codeOf(error)})`, {
      cause: error,
    });
  }
}

/** The properties that have a value: with `exactOptionalPropertyTypes` an absent option and an undefined one differ. */
function given<T extends object>(options: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as ReturnType<
    typeof given<T>
  >;
}

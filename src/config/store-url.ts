import { isAbsolute, join, resolve } from "node:path";
import { CacheError } from "../errors.js";
import { parseSize, parseTtl } from "../units.js";
import { formatRedisUrl, isRedisUrl, parseRedisUrl } from "./redis-url.js";
import { located } from "./settings.js";

/** Bounds and TTL of one store, from its URL's query. */
interface TierOptions {
  maxEntries?: number;
  maxBytes?: number;
  /** Milliseconds, null = never. */
  ttl?: number | null;
}

/** What goes first when the bounds are reached. */
export const POLICIES = { memory: ["w-tinylfu", "lru", "lfu", "fifo", "ttl"], stored: ["fifo", "lru"] } as const;

export type StoreTarget =
  | ({ kind: "memory"; policy?: (typeof POLICIES.memory)[number] } & TierOptions)
  | ({ kind: "sqlite" | "file"; path: string; policy?: (typeof POLICIES.stored)[number] } & TierOptions)
  | ({ kind: "redis"; url: string; ca?: string; cert?: string; key?: string; connections?: number } & TierOptions)
  | RemoteTarget;

/** The cache that a `cache serve` holds, by the address of its admin API. */
export interface RemoteTarget extends Pick<TierOptions, "ttl"> {
  kind: "remote";
  /** `http://127.0.0.1:4001`: no user, no password, no query, no `/` at its end. */
  url: string;
  ca?: string;
  cert?: string;
  key?: string;
  /** One of the server's tiers alone. */
  tier?: string;
}

export type RedisTarget = Extract<StoreTarget, { kind: "redis" }>;

const HINT =
  "Use sqlite:PATH, file:DIR, redis://HOST:PORT/DB, redis+sentinel://HOST/NAME, redis+cluster://HOST (rediss for TLS), http://HOST:PORT of a cache serve, or memory:.";

/** Stores in one text, fastest first: each in a line of its own, or after a blank where a kind of store follows. */
const BETWEEN_STORES = /\s*\n\s*|\s+(?=(?:memory|sqlite|file|rediss?(?:\+sentinel|\+cluster)?|https?):)/i;

export function splitStores(text: string): string[] {
  return text.trim().split(BETWEEN_STORES);
}

/** The opposite of {@link splitStores}. */
export function joinStores(urls: readonly string[]): string {
  return urls.join("\n");
}

/**
 * What a store URL names.
 * @param where who gave it (`--store`, a config file), for messages
 * @param base folder that relative paths start at
 * @param home what `~` stands for
 * @throws CacheError `invalid-store`, without any password that the text may hold
 */
export function parseStoreUrl(text: string, where: string, base: string, home: string): StoreTarget {
  return located(where, () => parseUrl(text, base, home));
}

function parseUrl(text: string, base: string, home: string): StoreTarget {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(text)?.[1]?.toLowerCase();
  if (scheme === undefined) {
    throw invalid(`"${redactUrl(text)}" is not a store URL`, `${HINT} A file is sqlite:${redactUrl(text)}.`);
  }
  if (scheme === "http" || scheme === "https") {
    return parseRemote(text, base, home);
  }
  if (isRedisUrl(text)) return parseRedis(text, base, home);
  if (scheme !== "memory" && scheme !== "sqlite" && scheme !== "file") {
    throw invalid(`"${scheme}:" is not a kind of store`, HINT);
  }
  const [path = "", query = ""] = splitOnce(text.slice(scheme.length + 1), "?");
  const parameters = new URLSearchParams(query);
  if (scheme === "memory") {
    if (path !== "" && path !== "//") throw invalid("memory: takes no path", HINT);
    const policy = takePolicy(parameters, POLICIES.memory);
    return { kind: "memory", ...policy, ...parseOptions(scheme, parameters) };
  }
  const bare = path.startsWith("//") ? path.slice(2) : path;
  if (bare === "" || bare === ":memory:") throw invalid(`${scheme}: needs a path`, HINT);
  const policy = takePolicy(parameters, POLICIES.stored);
  return { kind: scheme, path: resolvePath(bare, base, home), ...policy, ...parseOptions(scheme, parameters) };
}

/** An absolute path; `~/` is the home folder, since a shell does not expand it inside a URL. */
export function resolvePath(path: string, base: string, home: string): string {
  if (path.startsWith("~/")) return join(home, path.slice(2));
  return isAbsolute(path) ? path : resolve(base, path);
}

function parseRemote(text: string, base: string, home: string): RemoteTarget {
  if (!URL.canParse(text)) throw invalid(`"${redactUrl(text)}" is no URL`, "Write it like http://127.0.0.1:4001.");
  const { origin, pathname, username, password, searchParams, hash } = new URL(text);
  if (username !== "" || password !== "") {
    throw invalid(`${redactUrl(text)} has a user in it`, "Give a token with CACHE_TOKEN or --token-file instead.");
  }
  if (hash !== "") throw invalid(`${redactUrl(text)} has a part after #`, "Write it like http://127.0.0.1:4001.");
  const files = takeFiles(searchParams, base, home);
  const options = parseOptions("remote", searchParams);
  return { kind: "remote", url: `${origin}${pathname.replace(/\/+$/, "")}`, ...files, ...options };
}

/** TLS files, taken out of the query. */
function takeFiles(query: URLSearchParams, base: string, home: string): { ca?: string; cert?: string; key?: string } {
  const files: { ca?: string; cert?: string; key?: string } = {};
  for (const name of ["ca", "cert", "key"] as const) {
    const value = query.get(name);
    if (value !== null) files[name] = resolvePath(value, base, home);
    query.delete(name);
  }
  return files;
}

function parseRedis(text: string, base: string, home: string): StoreTarget {
  const parts = parseRedisUrl(text, redactUrl(text));
  const files = takeFiles(parts.query, base, home);
  const connections = parts.query.get("connections");
  parts.query.delete("connections");
  if (connections !== null && !/^(?:[1-9]|1\d|20)$/.test(connections))
    throw invalid(`connections=${connections} is not a number from 1 to 20`, "Write it like connections=4.");
  const options = parseOptions("redis", parts.query);
  return {
    kind: "redis",
    url: formatRedisUrl(parts),
    ...files,
    ...(connections !== null && { connections: Number(connections) }),
    ...options,
  };
}

function parseOptions(kind: StoreTarget["kind"], query: URLSearchParams): TierOptions {
  const options: TierOptions = {};
  // It has bounds of its own.
  const far = kind === "redis" || kind === "remote";
  for (const [name, value] of query) {
    if (name === "ttl") options.ttl = parseTtl(value);
    else if (name === "maxBytes" && !far) {
      const bytes = parseSize(value);
      if (bytes === 0) throw invalid(`maxBytes=${value} leaves room for nothing`, "Write it like maxBytes=64MB.");
      options.maxBytes = bytes;
    } else if (name === "maxEntries" && !far) {
      if (!/^[1-9]\d{0,14}$/.test(value))
        throw invalid(`maxEntries=${value} is not a whole number above zero`, "Write it like maxEntries=1000.");
      options.maxEntries = Number(value);
    } else {
      const known = KNOWN[kind] ?? "ttl, maxEntries, maxBytes and policy";
      // With a ? in its password that was not escaped, a part of the password would be repeated here.
      const shown = /^[\w-]+$/.test(name) ? `"${name}"` : "like that in its URL";
      throw invalid(`a ${kind} store has no option ${shown}`, `Its options are ${known}.`);
    }
  }
  return options;
}

const KNOWN: { [Kind in StoreTarget["kind"]]?: string } = {
  redis: "ttl, ca, cert, key and connections",
  remote: "ttl, ca, cert and key",
};

function takePolicy<P extends string>(query: URLSearchParams, known: readonly P[]): { policy?: P } {
  const text = query.get("policy");
  if (text === null) return {};
  query.delete("policy");
  const policy = known.find((name) => name === text);
  if (policy === undefined) throw invalid(`"${text}" is no policy of this store`, `Use ${known.join(" or ")}.`);
  return { policy };
}

/**
 * The text with the password of a URL blotted out, also where the URL is malformed: what can't be parsed may hold a password with a
 * `/`, `?` or `#` that was not escaped, so that all before the last `@` is taken for user and password.
 */
export function redactUrl(text: string): string {
  const [, scheme = "", rest = ""] = /^([a-z][a-z0-9+.-]*:\/\/)?(.*)$/is.exec(text) ?? [];
  const query = URL.canParse(text) ? rest.search(/[?#]/) : -1;
  const at = (query < 0 ? rest : rest.slice(0, query)).lastIndexOf("@");
  const colon = rest.indexOf(":");
  if (at < 0 || colon < 0 || colon > at) return text;
  return `${scheme}${rest.slice(0, colon)}:***${rest.slice(at)}`;
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

function invalid(message: string, hint: string): CacheError {
  return new CacheError("usage", "invalid-store", message, { hint });
}

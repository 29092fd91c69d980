import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import { CacheError } from "../errors.js";
import { parseSize, parseTtl } from "../units.js";

/** Bounds and TTL of one store, from its URL's query. */
interface TierOptions {
  maxEntries?: number;
  maxBytes?: number;
  /** Milliseconds, null = never. */
  ttl?: number | null;
}

export type StoreTarget =
  | ({ kind: "memory"; policy?: "lru" } & TierOptions)
  | ({ kind: "sqlite" | "file"; path: string; policy?: "fifo" | "lru" } & TierOptions)
  | ({ kind: "redis"; url: string; ca?: string; cert?: string; key?: string } & TierOptions);

const HINT = "Use sqlite:PATH, file:DIR, redis://HOST:PORT/DB, rediss://HOST or memory:.";

const POLICIES = { memory: ["lru"], stored: ["fifo", "lru"] } as const;

/**
 * What a store URL names.
 * @param base folder that relative paths start at
 * @throws CacheError `invalid-store`, without any password that the text may hold
 */
export function parseStoreUrl(text: string, base: string): StoreTarget {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(text)?.[1]?.toLowerCase();
  if (scheme === undefined) {
    throw invalid(`"${redactUrl(text)}" is not a store URL`, `${HINT} A file is sqlite:${redactUrl(text)}.`);
  }
  if (scheme === "redis+sentinel" || scheme === "redis+cluster" || scheme === "http" || scheme === "https") {
    throw invalid(`${scheme}: stores are not supported by this version`, HINT);
  }
  if (scheme === "redis" || scheme === "rediss") return parseRedis(text, base);
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
  return { kind: scheme, path: resolvePath(bare, base), ...policy, ...parseOptions(scheme, parameters) };
}

/** An absolute path; `~/` is the home folder, since a shell does not expand it inside a URL. */
export function resolvePath(path: string, base: string): string {
  if (path.startsWith("~/")) return join(homedir(), path.slice(2));
  return isAbsolute(path) ? path : resolve(base, path);
}

function parseRedis(text: string, base: string): StoreTarget {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw invalid(`"${redactUrl(text)}" is not a Redis URL`, "Write it like redis://HOST:6379/0.");
  }
  if (url.hostname === "") throw invalid("the Redis URL names no host", "Write it like redis://HOST:6379/0.");
  if (!/^\/?\d{0,4}$/.test(url.pathname)) {
    throw invalid(`"${url.pathname}" is not the number of a Redis database`, "Write it like redis://HOST:6379/0.");
  }
  const files: { ca?: string; cert?: string; key?: string } = {};
  for (const name of ["ca", "cert", "key"] as const) {
    const value = url.searchParams.get(name);
    if (value !== null) files[name] = resolvePath(value, base);
    url.searchParams.delete(name);
  }
  const options = parseOptions("redis", url.searchParams);
  url.search = "";
  return { kind: "redis", url: url.href, ...files, ...options };
}

function parseOptions(kind: StoreTarget["kind"], query: URLSearchParams): TierOptions {
  const options: TierOptions = {};
  for (const [name, value] of query) {
    if (name === "ttl") options.ttl = parseTtl(value);
    else if (name === "maxBytes" && kind !== "redis") options.maxBytes = parseSize(value);
    else if (name === "maxEntries" && kind !== "redis") {
      if (!/^[1-9]\d{0,14}$/.test(value)) throw invalid(`maxEntries=${value} is not a whole number above zero`, HINT);
      options.maxEntries = Number(value);
    } else
      throw invalid(`a ${kind} store has no option "${name}"`, "Options are ttl, maxEntries, maxBytes and policy.");
  }
  return options;
}

function takePolicy<P extends string>(query: URLSearchParams, known: readonly P[]): { policy?: P } {
  const text = query.get("policy");
  if (text === null) return {};
  query.delete("policy");
  const policy = known.find((name) => name === text);
  if (policy === undefined) throw invalid(`"${text}" is no policy of this store`, `Use ${known.join(" or ")}.`);
  return { policy };
}

/** The text with the password of a URL blotted out, also where the URL is malformed. */
export function redactUrl(text: string): string {
  return text.replace(/^([a-z][a-z0-9+.-]*:\/\/)(.*)@/is, (_all, scheme: string, userinfo: string) => {
    const colon = userinfo.indexOf(":");
    return `${scheme}${colon < 0 ? userinfo : userinfo.slice(0, colon)}${colon < 0 ? "" : ":***"}@`;
  });
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

function invalid(message: string, hint: string): CacheError {
  return new CacheError("usage", "invalid-store", message, { hint });
}

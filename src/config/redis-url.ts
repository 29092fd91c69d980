import { CacheError } from "../errors.js";

type RedisTopology = "server" | "sentinel" | "cluster";

/** A Redis URL in its parts; still as written, escapes and all. */
export interface RedisUrl {
  secure: boolean;
  topology: RedisTopology;
  username: string;
  password: string;
  /** `host` or `host:port`. */
  hosts: readonly string[];
  /** The name of the Sentinel's primary. */
  name: string;
  /** The number of the database, "" where none is given. */
  database: string;
  query: URLSearchParams;
}

const SCHEME = /^redis(s?)(?:\+(sentinel|cluster))?:(?:\/\/)?/i;
const DEFAULT_PORTS: Readonly<Record<RedisTopology, number>> = { server: 6379, sentinel: 26_379, cluster: 6379 };

const FORMS: Readonly<Record<RedisTopology, string>> = {
  server: "redis://HOST:6379/0",
  sentinel: "redis+sentinel://HOST1:26379,HOST2:26379/NAME/0",
  cluster: "redis+cluster://HOST1:6379,HOST2:6379",
};

export function isRedisUrl(text: string): boolean {
  return SCHEME.test(text);
}

/**
 * @param shown the text without its password, for messages
 * @throws CacheError `invalid-store`
 */
export function parseRedisUrl(text: string, shown: string): RedisUrl {
  const scheme = SCHEME.exec(text);
  const topology: RedisTopology =
    scheme?.[2]?.toLowerCase() === "sentinel" ? "sentinel" : scheme?.[2] ? "cluster" : "server";
  const form = FORMS[topology];
  const refuse = (what: string, hint = `Write it like ${form}; escape / ? # @ in a password.`) =>
    new CacheError("usage", "invalid-store", what, { hint });
  const rest = text.slice(scheme?.[0].length ?? 0);
  const [, authority = "", path = "", query = ""] = /^([^/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/.exec(rest) ?? [];
  const at = authority.lastIndexOf("@");
  const names = authority.slice(at + 1).split(",");
  if (names.some((name) => name === "")) throw refuse("the Redis URL names no host", `Write it like ${form}.`);
  if (names.length > 1 && topology === "server") throw refuse(`"${shown}" names more than one host`, hintForSeveral());
  const hosts = names.map((name) => hostOf(name) ?? "");
  const credentials = `redis://${at < 0 ? "" : `${authority.slice(0, at)}@`}host`;
  if (hosts.includes("") || !URL.canParse(credentials)) throw refuse(`"${shown}" is not a Redis URL`);
  const { username, password } = new URL(credentials);
  const [name = "", database = ""] = topology === "sentinel" ? splitName(path) : ["", path];
  if (topology === "sentinel" && name === "")
    throw refuse("the URL names no primary of the Sentinels", `Write it like ${form}.`);
  if (!/^\d{0,4}$/.test(database)) {
    const hint = `Write it like ${form}; escape a / in a password as %2F.`;
    throw refuse(`"${shown}" does not end in the number of a Redis database`, hint);
  }
  if (topology === "cluster" && Number(database) !== 0)
    throw refuse("a Redis Cluster has no database but 0", "Leave out the number.");
  return {
    secure: scheme?.[1] !== "",
    topology,
    username,
    password,
    hosts,
    name,
    database,
    query: new URLSearchParams(query),
  };
}

const hintForSeveral = () => `Several are ${FORMS.sentinel} or ${FORMS.cluster}.`;

function splitName(path: string): [string, string] {
  const at = path.indexOf("/");
  return at < 0 ? [path, ""] : [path.slice(0, at), path.slice(at + 1)];
}

/** Undefined where it can be no host. */
function hostOf(text: string): string | undefined {
  if (!/^(?:\[[^\]]*\]|[^\s:]*)(?::\d+)?$/.test(text) || !URL.canParse(`redis://${text}`)) return undefined;
  const url = new URL(`redis://${text}`);
  if (url.hostname === "" || url.pathname !== "" || url.username !== "") return undefined;
  return url.host;
}

/** The URL without its query. */
export function formatRedisUrl({ secure, topology, username, password, hosts, name, database }: RedisUrl): string {
  const user = username === "" && password === "" ? "" : `${username}${password === "" ? "" : `:${password}`}@`;
  return `${schemeOf(secure, topology)}${user}${hosts.join(",")}${pathOf(name, database)}`;
}

/** The URL for people: no user, no password, no options. */
export function redisTarget({ secure, topology, hosts, name, database }: RedisUrl): string {
  const path = topology === "cluster" ? "" : pathOf(name, String(Number(database)));
  return `${schemeOf(secure, topology)}${hosts.map((host) => withPort(host, DEFAULT_PORTS[topology])).join(",")}${path}`;
}

/** Equal for two URLs of the same database of the same servers. */
export function redisIdentity(url: string): string {
  const parts = parseRedisUrl(url, url);
  return redisTarget({ ...parts, secure: false, hosts: parts.hosts.map(plainHost).sort() });
}

const withPort = (host: string, port: number) => (/:\d+$/.test(host) ? host : `${host}:${port}`);

const schemeOf = (secure: boolean, topology: RedisTopology) =>
  `redis${secure ? "s" : ""}${topology === "server" ? "" : `+${topology}`}://`;

function pathOf(name: string, database: string): string {
  return [name, database]
    .filter((part) => part !== "")
    .map((part) => `/${part}`)
    .join("");
}

/** The names of this machine for itself are one. */
function plainHost(host: string): string {
  return host.toLowerCase().replace(/^(?:localhost|127(?:\.\d+){3}|\[::1\])(?=:|$)/, "127.0.0.1");
}

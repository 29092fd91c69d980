import { isIP } from "node:net";
import type { ConnectionOptions } from "node:tls";
import { CacheError } from "../../errors.js";

/** Where a store is, and as whom it is spoken to. */
export interface AddressSettings {
  /**
   * `redis://host:port/db`, `redis+sentinel://h1,h2/name/db` or `redis+cluster://h1,h2`; with `rediss` over TLS. User, password and database inside may
   * be overridden.
   */
  url: string;
  username?: string;
  password?: string;
  /** Number of the database, from 0. */
  db?: number;
  /** Whom the Sentinels know us as, where they ask; also in the URL's query, `?sentinel-username=…&sentinel-password=…`. */
  sentinelUsername?: string;
  sentinelPassword?: string;
  /** PEM contents; given for a `rediss://` store that needs more than the system's authorities. */
  tls?: { ca?: string; cert?: string; key?: string; rejectUnauthorized?: boolean };
}

export interface Place {
  host: string;
  port: number;
}

/** One server, with what it is greeted by. */
export interface ServerAddress extends Place, Identity {
  db: number;
  secure: boolean;
}

interface Identity {
  username?: string;
  password?: string;
}

export interface Address extends Identity {
  topology: "server" | "sentinel" | "cluster";
  /** One of a server; those of some Sentinels, or of some nodes of a cluster. */
  places: readonly [Place, ...Place[]];
  /** What the Sentinels call their primary. */
  name: string;
  sentinel: Identity;
  db: number;
  secure: boolean;
}

const FORM = /^redis(s?)(?:\+(sentinel|cluster))?:(?:\/\/)?([^/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/i;

/** @throws CacheError `invalid-url`, `password-missing` */
export function parseAddress(settings: AddressSettings): Address {
  const [, secure, kind, authority = "", path = "", query] = FORM.exec(settings.url) ?? refuse("is no Redis URL");
  const topology = topologyOf(kind);
  const at = authority.lastIndexOf("@");
  const [user = "", ...rest] = (at < 0 ? "" : authority.slice(0, at)).split(":");
  const hosts = authority.slice(at + 1).split(",");
  if (hosts.length > 1 && topology === "server") refuse("names several hosts");
  const [first, ...others] = hosts.map((host) => placeOf(host, topology === "sentinel" ? 26_379 : 6379));
  if (!first) refuse("names no host");
  const [name = "", db = ""] = topology === "sentinel" ? path.split("/") : ["", path];
  if (topology === "sentinel" && name === "") refuse("names no primary of the Sentinels");
  if (!/^\d*$/.test(db)) refuse("has a path that is no database number");
  const number = settings.db ?? Number(db);
  if (topology === "cluster" && number !== 0) refuse("names a database, but a cluster has only 0");
  const options = new URLSearchParams(query);
  return {
    topology,
    places: [first, ...others],
    name: decode(name) ?? "",
    db: number,
    secure: secure !== "",
    sentinel: identity(
      settings.sentinelUsername ?? options.get("sentinel-username") ?? undefined,
      settings.sentinelPassword ?? options.get("sentinel-password") ?? undefined,
    ),
    ...identity(settings.username ?? decode(user), settings.password ?? decode(rest.join(":"))),
  };
}

function topologyOf(kind = ""): Address["topology"] {
  const name = kind.toLowerCase();
  return name === "sentinel" || name === "cluster" ? name : "server";
}

function placeOf(text: string, port: number): Place {
  if (text === "") return { host: "127.0.0.1", port };
  // Not a scheme that has a port of its own: that one would be left out.
  if (!URL.canParse(`redis://${text}`)) refuse("is no Redis URL");
  const url = new URL(`redis://${text}`);
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: url.port === "" ? port : Number(url.port),
  };
}

function identity(username: string | undefined, password: string | undefined): Identity {
  if (username !== undefined && password === undefined) {
    throw new CacheError("usage", "password-missing", "there is a Redis user but no password", {
      hint: "Give the password, by file or environment rather than in the URL.",
    });
  }
  return { ...(username !== undefined && { username }), ...(password !== undefined && { password }) };
}

/** The URL itself may hold a password, so it is never quoted. */
function refuse(why: string): never {
  throw new CacheError("usage", "invalid-url", `the Redis store's address ${why}`, {
    hint: "Write it like redis://host:6379/0, redis+sentinel://host:26379/name or redis+cluster://host:6379; rediss for TLS.",
  });
}

function decode(part: string): string | undefined {
  if (part === "") return undefined;
  try {
    return decodeURIComponent(part);
  } catch {
    refuse("has a part that is not percent-encoded");
  }
}

/** `host:port`, an IPv6 address in brackets. */
export function placeText({ host, port }: Place): string {
  return `${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
}

/** The URL of the store without secrets. */
export function targetOf({ topology, secure, places, name, db }: Address): string {
  const scheme = `${secure ? "rediss" : "redis"}${topology === "server" ? "" : `+${topology}`}`;
  const path = topology === "cluster" ? "" : topology === "sentinel" ? `/${name}/${db}` : `/${db}`;
  return `${scheme}://${places.map(placeText).join(",")}${path}`;
}

/** The URL of one server without secrets. */
export function serverTarget(address: ServerAddress): string {
  return `${address.secure ? "rediss" : "redis"}://${placeText(address)}/${address.db}`;
}

export function tlsOptions(settings: AddressSettings, host: string): ConnectionOptions {
  const { ca, cert, key, rejectUnauthorized } = settings.tls ?? {};
  return {
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    ...(rejectUnauthorized !== undefined && { rejectUnauthorized }),
    ...(isIP(host) === 0 && { servername: host }),
  };
}

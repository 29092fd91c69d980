import { isIP } from "node:net";
import type { ConnectionOptions } from "node:tls";
import { CacheError } from "../../errors.js";

/** Where a server is, and as whom it is spoken to. */
export interface AddressSettings {
  /** `redis://` or `rediss://`; user, password and database inside may be overridden. */
  url: string;
  username?: string;
  password?: string;
  /** Number of the database, from 0. */
  db?: number;
  /** PEM contents; given for a `rediss://` store that needs more than the system's authorities. */
  tls?: { ca?: string; cert?: string; key?: string; rejectUnauthorized?: boolean };
}

interface Address {
  host: string;
  port: number;
  username?: string;
  password?: string;
  db: number;
  secure: boolean;
}

/** @throws CacheError `invalid-url`, `password-missing` */
export function parseAddress(settings: AddressSettings): Address {
  let url: URL;
  try {
    url = new URL(settings.url);
  } catch {
    throw invalidUrl("is no URL");
  }
  if (url.protocol !== "redis:" && url.protocol !== "rediss:")
    throw invalidUrl("begins with neither redis:// nor rediss://");
  const path = url.pathname.replace(/^\//, "");
  if (!/^\d*$/.test(path)) throw invalidUrl("has a path that is no database number");
  const address: Address = {
    host: url.hostname.replace(/^\[(.*)\]$/, "$1") || "127.0.0.1",
    port: url.port === "" ? 6379 : Number(url.port),
    db: settings.db ?? (path === "" ? 0 : Number(path)),
    secure: url.protocol === "rediss:",
  };
  const username = settings.username ?? decode(url.username);
  const password = settings.password ?? decode(url.password);
  if (username !== undefined) address.username = username;
  if (password !== undefined) address.password = password;
  if (username !== undefined && password === undefined) {
    throw new CacheError("usage", "password-missing", "there is a Redis user but no password", {
      hint: "Give the password, by file or environment rather than in the URL.",
    });
  }
  return address;
}

/** The URL itself may hold a password, so it is never quoted. */
function invalidUrl(why: string): CacheError {
  return new CacheError("usage", "invalid-url", `the Redis store's address ${why}`, {
    hint: "Write it like redis://host:6379/0, or rediss:// for TLS.",
  });
}

function decode(part: string): string | undefined {
  if (part === "") return undefined;
  try {
    return decodeURIComponent(part);
  } catch {
    throw invalidUrl("has a user or password that is not percent-encoded");
  }
}

/** `redis://host:port/db`, without secrets. */
export function targetOf({ secure, host, port, db }: Address): string {
  return `${secure ? "rediss" : "redis"}://${isIP(host) === 6 ? `[${host}]` : host}:${port}/${db}`;
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

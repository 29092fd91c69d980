import { forwardedOrigin } from "./forwarded.js";
import { isLoop, seenByOrigin } from "./hop-by-hop.js";
import { type Fields, linesOf } from "./message.js";

/** Who sent a request, how, and with which fields. */
export interface Arrival {
  fields: Fields;
  /** IP address of the peer of the connection; undefined where it is gone. */
  address: string | undefined;
  /** Whether it came over TLS. */
  secure: boolean;
  /** `1.0` or `1.1`. */
  httpVersion: string;
}

/** What the fields of a request say that does not depend on its target. */
export interface RequestReading extends Arrival {
  /** What was asked for, as a trusted peer says or else the client: the value of `Host`, how many lines it has, and whether it was over TLS. */
  host: string | undefined;
  hostLines: number;
  secureOutside: boolean;
  /** The fields as they choose a response. */
  seen: Fields;
  /** It has been here before. */
  loops: boolean;
  /** It has no directives, conditions, ranges or credentials: a fresh stored response answers it, and whole. */
  plain: boolean;
}

export interface ReadingContext {
  trusted: (address: string) => boolean;
  /** Our name in `Via`. */
  pseudonym: string;
  /** What a client that asks without a `Host` as HTTP/1.0 can means (RFC 9112 §3.3): the server at this address. */
  here: () => string;
}

const ASKING: ReadonlySet<string> = new Set([
  "authorization",
  "cache-control",
  "if-match",
  "if-modified-since",
  "if-none-match",
  "if-range",
  "if-unmodified-since",
  "pragma",
  "range",
]);
/** Most fields are told from these by their length, without a copy in lower case. */
const ASKING_LENGTHS: readonly boolean[] = Array.from({ length: 24 }, (_, length) =>
  [...ASKING].some((name) => name.length === length),
);

export function readRequest(arrival: Arrival, { trusted, pseudonym, here }: ReadingContext): RequestReading {
  const { fields, address, secure, httpVersion } = arrival;
  const hosts = linesOf(fields, "host");
  const named = hosts[0] ?? (httpVersion === "1.0" ? here() : undefined);
  const outside = forwardedOrigin(fields, { peer: address, secure, host: named ?? "", trusted });
  const seen = seenByOrigin(fields);
  return {
    ...arrival,
    host: named === undefined ? undefined : outside.host,
    hostLines: named === undefined ? 0 : Math.max(1, hosts.length),
    secureOutside: outside.secure,
    seen,
    loops: isLoop(fields, pseudonym),
    plain: isPlain(seen),
  };
}

/** Whether a request of the same connection says no other than the one before. */
export function saysTheSame({ fields, httpVersion }: RequestReading, next: Fields, nextVersion: string): boolean {
  if (fields.length !== next.length || httpVersion !== nextVersion) return false;
  for (let i = 0; i < fields.length; i++) if (fields[i] !== next[i]) return false;
  return true;
}

function isPlain(fields: Fields): boolean {
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = fields[i] ?? "";
    if (ASKING_LENGTHS[name.length] && ASKING.has(name.toLowerCase())) return false;
  }
  return true;
}

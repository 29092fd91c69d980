import { BlockList, isIP } from "node:net";
import { CacheError } from "../errors.js";
import { isToken, membersOf } from "./field-syntax.js";
import { remembering } from "./memo.js";
import { type Fields, fieldOf } from "./message.js";

export interface ForwardedContext {
  /** The address of the peer of the connection; undefined where it is gone. */
  peer: string | undefined;
  /** Whether it came over TLS. */
  secure: boolean;
  /** The host of the target, with its port where that is not the default: the one in the key. */
  host: string;
  trusted: (address: string) => boolean;
}

/** Names another URL than the one in the request line and in the key. */
export const OTHER_TARGETS: readonly string[] = [
  "front-end-https",
  "x-host",
  "x-http-host-override",
  "x-original-host",
  "x-original-uri",
  "x-original-url",
  "x-override-url",
  "x-rewrite-url",
  "x-scheme",
];

/** Read by many an origin instead of what the request line and `Host` say; from a peer that isn't trusted they would be unkeyed input. */
const OF_PROXIES: ReadonlySet<string> = new Set([
  ...OTHER_TARGETS,
  "forwarded",
  // Programs that are run by CGI find it as HTTP_PROXY.
  "proxy",
  "x-client-ip",
  "x-cluster-client-ip",
  "x-real-ip",
  "true-client-ip",
]);

/**
 * The fields of a request with `X-Forwarded-For`, `-Proto`, `-Host` and `Forwarded` (RFC 7239 §4) for the origin. What a trusted peer says is kept and the peer
 * appended; what anybody else says, in these or similar fields, is replaced. `X-Forwarded-Host` is always the host of the target: many an origin makes links of it, which
 * must not be to another host than the key names.
 */
export function forwardedFields(requestFields: Fields, context: ForwardedContext): string[] {
  const { peer: peerAddress, trusted, host } = context;
  const peer = peerAddress === undefined ? undefined : plainAddress(peerAddress);
  const keep = peer !== undefined && trusted(peer);
  const { secure } = forwardedOrigin(requestFields, context);
  const kept: string[] = [];
  for (let i = 0; i + 1 < requestFields.length; i += 2) {
    const own = requestFields[i] ?? "";
    if (!isOfProxies(own) || (keep && !isOurs(own))) kept.push(own, requestFields[i + 1] ?? "");
  }
  const before = (name: string) => (keep ? fieldOf(requestFields, name) : undefined);
  const addresses = [before("x-forwarded-for"), peer].filter(Boolean).join(", ");
  if (addresses !== "") kept.push("X-Forwarded-For", addresses);
  kept.push("X-Forwarded-Proto", secure ? "https" : "http", "X-Forwarded-Host", host);
  // RFC 7239 §4: the element of the last proxy is the last.
  const forwarded = before("forwarded");
  const element = `for=${node(peer)};host=${quoted(host)};proto=${context.secure ? "https" : "http"}`;
  kept.push("Forwarded", [forwarded && withoutTarget(forwarded), element].filter(Boolean).join(", "));
  return kept;
}

/**
 * What the client asked for, if a trusted peer ended its TLS or gave the request another `Host`: the last word of `X-Forwarded-Proto` and `-Host`. The target
 * must be made of it, since the origin answers by it: or responses to the one would be stored as those to the other.
 */
export function forwardedOrigin(
  requestFields: Fields,
  { peer, secure, host, trusted }: ForwardedContext,
): { secure: boolean; host: string } {
  if (peer === undefined || !trusted(plainAddress(peer))) return { secure, host };
  const proto = lastMember(requestFields, "x-forwarded-proto")?.toLowerCase();
  return {
    secure: proto === "https" || (proto !== "http" && secure),
    host: lastMember(requestFields, "x-forwarded-host") ?? host,
  };
}

/** Without what it says of host and scheme, which no key is made of: a front proxy that sets `X-Forwarded-*` may pass on what its client wrote here. */
function withoutTarget(forwarded: string): string {
  const elements = membersOf(forwarded.replace(/(?<![^;,\s])(?:host|proto)\s*=\s*(?:"(?:\\.|[^"\\])*"|[^;,]*)/gi, ""));
  return elements.map((element) => element.replace(/;[;\s]*(?=;|$)|^[;\s]+/g, "")).join(", ");
}

/**
 * Which peers are trusted.
 * @param list addresses and networks (`10.0.0.0/8`, `2001:db8::/32`)
 * @throws CacheError `invalid-address`
 */
export function trustedProxies(list: readonly string[]): (address: string) => boolean {
  if (list.length === 0) return () => false;
  const blocks = new BlockList();
  for (const entry of list) {
    const [address = "", bits, ...more] = entry.split("/");
    const version = isIP(address);
    const most = version === 6 ? 128 : 32;
    const prefix = bits === undefined ? most : /^\d{1,3}$/.test(bits) ? Number(bits) : Number.NaN;
    if (version === 0 || address.includes("%") || more.length > 0 || !(prefix <= most)) {
      throw new CacheError(
        "usage",
        "invalid-address",
        `${JSON.stringify(entry.slice(0, 80))} is no address or network`,
        {
          hint: "Write an address such as 10.0.0.7, or a network such as 10.0.0.0/8 or 2001:db8::/32.",
        },
      );
    }
    blocks.addSubnet(address, prefix, version === 6 ? "ipv6" : "ipv4");
  }
  return (address) => {
    const plain = plainAddress(address);
    const version = isIP(plain);
    return version !== 0 && blocks.check(plain, version === 6 ? "ipv6" : "ipv4");
  };
}

function isOfProxies(field: string): boolean {
  // CGI and its heirs make no difference between `-` and `_`.
  const name = field.toLowerCase().replaceAll("_", "-");
  return name.startsWith("x-forwarded-") || OF_PROXIES.has(name);
}

function isOurs(field: string): boolean {
  const name = field.toLowerCase().replaceAll("_", "-");
  return ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded"].includes(name);
}

function lastMember(fields: Fields, name: string): string | undefined {
  const value = fieldOf(fields, name);
  return value === undefined ? undefined : membersOf(value).at(-1);
}

/** Without the zone of a link-local address, and an IPv4 address that came over an IPv6 socket as itself. */
const plainAddress = remembering(
  (address) => {
    const plain = address.split("%", 1)[0] ?? "";
    return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(plain)?.[1] ?? plain;
  },
  { entries: 1024, longest: 64 },
);

/** RFC 7239 §6: IPv6 in brackets and quoted, since neither is in a token. */
function node(address: string | undefined): string {
  const version = address === undefined ? 0 : isIP(address);
  if (address === undefined || version === 0) return "unknown";
  return version === 6 ? `"[${address}]"` : address;
}

/** RFC 7239 §4: a token, or else a quoted string. */
function quoted(text: string): string {
  return isToken(text) ? text : `"${text.replace(/["\\]/g, "\\$&")}"`;
}

import { isIPv6 } from "node:net";
import { remembering } from "./memo.js";

/** Where a request goes: the target URI (RFC 9112 §3.3), normalised (RFC 3986 §6.2.2, §6.2.3). */
export interface Target {
  scheme: "http" | "https";
  /** In lower case, with the port where that is not the default of the scheme. */
  host: string;
  /** Path and query as they go to the origin, so that it is asked for what the key says; `*` for OPTIONS of the server itself. */
  path: string;
  url: string;
}

export interface TargetInput {
  /** As it stands in the request line. */
  requestTarget: string;
  /** The value of the `Host` field. */
  host: string | undefined;
  /** Whether the client came over TLS. */
  secure: boolean;
  /** How many lines the `Host` field has. */
  hostLines: number;
  /** OPTIONS alone may ask for `*`; CONNECT is refused. */
  method?: string;
}

export interface ParsedTarget {
  target: Target;
  /** The request names one host in its target and another in `Host`. */
  otherHost?: boolean;
}

export interface RefusedTarget {
  status: number;
  reason: string;
}

/** RFC 9112 §3 wants at least 8,000 octets of a request line to be taken. */
const MAX_TARGET = 8192;
/** A name of 253 octets (RFC 1035 §2.3.4) with a trailing dot and a port. */
const MAX_HOST = 260;

/**
 * A path and query that normalising would not change, but for dot segments. Triplets are in capitals and of reserved characters or of what has
 * no other spelling. Written so that no character can be matched in two ways: the time is that of one pass.
 */
const NORMAL =
  /^\/[A-Za-z0-9\-._~!$&'()*+,;=:@/]*(?:%(?:[189A-F][0-9A-F]|0[1-9A-F]|2[0-9A-CF]|3[A-F]|40|5[B-E]|60|7[B-DF])[A-Za-z0-9\-._~!$&'()*+,;=:@/]*)*(?:\?[A-Za-z0-9\-._~!$&'()*+,;=:@/?]*(?:%(?:[189A-F][0-9A-F]|0[1-9A-F]|2[0-9A-CF]|3[A-F]|40|5[B-E]|60|7[B-DF])[A-Za-z0-9\-._~!$&'()*+,;=:@/?]*)*)?$/;
/**
 * Dot segments to a server that takes an encoded slash or backslash for a slash, or cuts parameters off before it looks at dots: it would go to another path than the one that
 * rules and keys are about.
 */
const HIDDEN_DOTS = /(?:\/|%2F|%5C)\.{1,2}(?:\/|%2F|%5C|;|%3B|$)/;
/** Neither control characters, space, `#`, `\` nor anything but ASCII. What else RFC 3986 leaves out (`"<>^{|}` and the backtick) is sent by browsers, and passed on. */
const ALLOWED = /^[!-"$-[\]-~]*$/;
const STRAY_PERCENT = /%(?![0-9A-Fa-f]{2})/;
const TRIPLET = /%[0-9A-Fa-f]{2}/g;
const UNRESERVED = /[A-Za-z0-9\-._~]/;
const ABSOLUTE = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/([^/?]*)(.*)$/;
const AUTHORITY = /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(\d*))?$/;

/**
 * The target of a request (RFC 9112 §3.2). Refused are: a target that no rule of the RFC makes, or that could mean two things to two servers (400); one that is too long
 * (414); one that is not for this server (421); CONNECT (405). Whether the host is one of ours the caller says.
 */
export function parseTarget(input: TargetInput): ParsedTarget | { refused: RefusedTarget } {
  const { requestTarget, secure } = input;
  const scheme = secure ? "https" : "http";
  if (requestTarget.length > MAX_TARGET) return refuse("the request target is too long", 414);
  // RFC 9112 §3.2: no Host, more than one, or one that is none, is 400 whatever the form of the target.
  if (input.host === undefined || input.hostLines === 0) return refuse("there is no Host");
  if (input.hostLines !== 1) return refuse("there is more than one Host");
  const host = hostOf(input.host, secure);
  if (host === "") return refuse("the Host is not valid");
  // RFC 9112 §3.2.3: the authority form is for CONNECT, which is for forward proxies.
  if (input.method === "CONNECT") return refuse("CONNECT is not for this server", 405);

  if (requestTarget.charCodeAt(0) === 0x2f) {
    // RFC 9112 §3.2.1
    const path = normalPath(requestTarget);
    return path === undefined ? refuse("the request target is not valid") : targetOf(scheme, host, path);
  }
  if (requestTarget === "*") {
    // RFC 9112 §3.2.4
    if (input.method !== "OPTIONS") return refuse("only OPTIONS is for the server itself");
    return { target: { scheme, host, path: "*", url: `${scheme}://${host}` } };
  }
  const parsed = absolute(input, scheme);
  return "target" in parsed && parsed.target.host !== host ? { ...parsed, otherHost: true } : parsed;
}

/** RFC 9112 §3.2.2: the authority in the target counts, and `Host` does not. */
function absolute(input: TargetInput, scheme: "http" | "https"): { target: Target } | { refused: RefusedTarget } {
  const [, itsScheme, authority, rest] = ABSOLUTE.exec(input.requestTarget) ?? [];
  if (itsScheme === undefined || authority === undefined || rest === undefined) {
    return refuse("the request target is not valid");
  }
  const asked = itsScheme.toLowerCase();
  if (asked !== "http" && asked !== "https") return refuse("the scheme of the request target is not http or https");
  // RFC 9110 §4.2.4: user information in a URI from elsewhere is an error.
  if (authority.includes("@")) return refuse("the request target holds user information");
  const host = hostOf(authority, input.secure);
  if (host === "") return refuse("the host of the request target is not valid");
  // RFC 9110 §7.4: what comes over another scheme than it names is misdirected. Taken, it would be stored as what the other scheme serves.
  if (asked !== scheme) return refuse("the scheme of the request target is not that of the connection", 421);
  if (rest === "" && input.method === "OPTIONS") {
    // RFC 9112 §3.2.4
    return { target: { scheme, host, path: "*", url: `${scheme}://${host}` } };
  }
  // RFC 3986 §6.2.3: an empty path is `/`.
  const path = normalPath(rest.startsWith("/") ? rest : `/${rest}`);
  return path === undefined ? refuse("the request target is not valid") : targetOf(scheme, host, path);
}

/** That of an absolute URL as people and sitemaps write it. Undefined for what is no http or https URL. */
export function targetOfUrl(text: string): Target | undefined {
  const url = /^https?:\/\//i.test(text) && URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined) return undefined;
  const path = /^[^/]*\/\/[^/?#]*([^#]*)/.exec(text)?.[1] ?? "";
  const parsed = parseTarget({
    requestTarget: path.startsWith("/") ? path : `/${path}`,
    host: url.host,
    hostLines: 1,
    secure: url.protocol === "https:",
    method: "GET",
  });
  return "target" in parsed ? parsed.target : undefined;
}

function targetOf(scheme: "http" | "https", host: string, path: string): { target: Target } {
  return { target: { scheme, host, path, url: `${scheme}://${host}${path}` } };
}

function refuse(reason: string, status = 400): { refused: RefusedTarget } {
  return { refused: { status, reason } };
}

/** @returns undefined for what is no path and query */
function normalPath(text: string): string | undefined {
  if (NORMAL.test(text) && !text.includes("/.") && !text.includes("%2F.") && !text.includes("%5C.")) return text;
  if (!ALLOWED.test(text)) return undefined;
  const mark = text.indexOf("?");
  const path = mark < 0 ? text : text.slice(0, mark);
  const query = mark < 0 ? "" : text.slice(mark);
  // A stray `%` could become a triplet when what follows it is decoded, and then mean something else to the origin. No name needs a NUL.
  if (STRAY_PERCENT.test(path) || path.includes("%00")) return undefined;
  const normalised = withoutDots(withTriplets(path));
  if (HIDDEN_DOTS.test(normalised)) return undefined;
  // In a query it is common (`?off=20%`): such a query is not touched at all.
  return normalised + (STRAY_PERCENT.test(query) ? query : withTriplets(query));
}

/** RFC 3986 §6.2.2.1, §6.2.2.2: capitals in triplets, and none for unreserved characters. */
function withTriplets(text: string): string {
  if (!text.includes("%")) return text;
  return text.replace(TRIPLET, (triplet) => {
    const char = String.fromCharCode(Number.parseInt(triplet.slice(1), 16));
    return UNRESERVED.test(char) ? char : triplet.toUpperCase();
  });
}

/** RFC 3986 §5.2.4, §6.2.2.3. Empty segments stay: to many origins they are names like others. */
function withoutDots(path: string): string {
  if (!path.includes("/.")) return path;
  const kept: string[] = [];
  const segments = path.split("/");
  const last = segments.length - 1;
  for (let i = 1; i <= last; i++) {
    const segment = segments[i] ?? "";
    if (segment === "..") kept.pop();
    if (segment !== "." && segment !== "..") kept.push(segment);
    else if (i === last) kept.push("");
  }
  return `/${kept.join("/")}`;
}

/**
 * A host as it is compared: in lower case, an IPv6 address in its shortest form (RFC 5952), without the default port, an empty one (RFC 3986 §6.2.3), and the dot
 * that only says that a name is absolute. Empty for what is no host, and for names that DNS can't hold.
 */
const plainHost = remembering((text) => normalHost(text, false) ?? "", { entries: 512, longest: MAX_HOST });
const secureHost = remembering((text) => normalHost(text, true) ?? "", { entries: 512, longest: MAX_HOST });

function hostOf(text: string, secure: boolean): string {
  return secure ? secureHost(text) : plainHost(text);
}

function normalHost(text: string, secure: boolean): string | undefined {
  if (text.length > MAX_HOST) return undefined;
  const [, name, digits = ""] = AUTHORITY.exec(text) ?? [];
  if (name === undefined) return undefined;
  const host = name.startsWith("[") ? normalAddress(name) : normalName(name);
  if (host === undefined) return undefined;
  if (digits === "") return host;
  const port = Number(digits);
  if (port < 1 || port > 65_535) return undefined;
  return port === (secure ? 443 : 80) ? host : `${host}:${port}`;
}

function normalName(name: string): string | undefined {
  if (name.startsWith(".") || name.includes("..")) return undefined;
  return (name.endsWith(".") ? name.slice(0, -1) : name).toLowerCase();
}

function normalAddress(literal: string): string | undefined {
  return isIPv6(literal.slice(1, -1)) ? new URL(`http://${literal}/`).hostname : undefined;
}

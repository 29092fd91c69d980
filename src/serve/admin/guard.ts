import { createHash, timingSafeEqual } from "node:crypto";
import { isIP } from "node:net";
import type { FastifyRequest } from "fastify";
import type { Clock } from "../../clock.js";
import type { AdminRole, AdminToken } from "../../config/admin-tokens.js";
import { linesOf } from "../../http/message.js";
import { Refusal } from "./refusal.js";
import { isEncrypted, sessionSecrets } from "./session-cookie.js";
import { type Session, Sessions } from "./sessions.js";

/** The names in `Host` that are ours whatever we listen on: a page elsewhere can't get its own name to be one of them. */
const OWN_NAMES = ["localhost"];

/**
 * Refuses a request whose `Host` is a name that nobody gave us: a page can have its own name resolve to our address (DNS rebinding), and would then be same-origin with us. An
 * address is no name.
 * @param known names in lower case
 * @throws Refusal 400, 421
 */
export function checkHost(request: FastifyRequest, known: ReadonlySet<string>): void {
  const hosts = linesOf(request.raw.rawHeaders, "host");
  // The target may name a host too (RFC 9112 §3.2.2).
  const [, inTarget] = /^[a-z]+:\/\/([^/?#]*)/i.exec(request.raw.url ?? "") ?? [];
  // A request of HTTP/1.0 without it is one of a probe; no browser sends such.
  if (hosts.length === 0 && inTarget === undefined && request.raw.httpVersion === "1.0") return;
  const names = [...hosts, ...(inTarget === undefined ? [] : [inTarget])].map((host) => HOST.exec(host)?.[1]);
  if (hosts.length !== 1 || names.includes(undefined)) {
    throw new Refusal(400, "invalid-host", "the request has not one Host that is valid");
  }
  if (names.every((name) => name !== undefined && isOurs(name, known))) return;
  throw new Refusal(
    421,
    "foreign-host",
    "the Host of the request is none of this server",
    "Call it by its address, or name it to cache serve with --admin-name.",
  );
}

function isOurs(name: string, known: ReadonlySet<string>): boolean {
  const bare = name.replace(/^\[(.*)\]$/, "$1").toLowerCase();
  return isIP(bare) !== 0 || OWN_NAMES.includes(bare) || known.has(bare);
}

const HOST = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::\d{1,5})?$/;

/** Methods that change nothing (RFC 9110 §9.2.1). */
const SAFE = new Set(["GET", "HEAD", "OPTIONS"]);
const MEDIA_TYPES = new Set(["application/json", "application/x-ndjson"]);

/**
 * What a page elsewhere could make a browser send without asking us first: a form, or text. JSON it can't send without a preflight, which nobody answers here.
 * @throws Refusal 403, 415
 */
export function checkCrossSite(request: FastifyRequest): void {
  const { method, headers } = request;
  if (SAFE.has(method)) return;
  refuseForeign(request);
  const type = headers["content-type"]?.split(";", 1)[0]?.trim().toLowerCase();
  const hasBody = headers["transfer-encoding"] !== undefined || (headers["content-length"] ?? "0") !== "0";
  if (type === undefined ? !hasBody : MEDIA_TYPES.has(type)) return;
  throw new Refusal(
    415,
    "unsupported-media-type",
    "the body is neither application/json nor application/x-ndjson",
    "Send JSON, with the header Content-Type: application/json.",
  );
}

/** Nobody decodes a body here: it would be taken for what it is not. @throws Refusal 415 (RFC 9110 §8.4) */
export function checkCoding({ headers }: FastifyRequest): void {
  const coding = headers["content-encoding"]?.trim().toLowerCase();
  if (coding === undefined || coding === "identity") return;
  const message = `the body is coded as ${JSON.stringify(coding)}`;
  throw new Refusal(415, "unsupported-media-type", message, "Send it as it is, without Content-Encoding.");
}

/** @throws Refusal 403 for what a page of another origin sends */
function refuseForeign({ headers, raw }: FastifyRequest): void {
  const site = headers["sec-fetch-site"];
  const { origin } = headers;
  const host = headers.host?.toLowerCase();
  // Behind what speaks TLS for us only the browser can tell that the page is ours.
  const schemes = isEncrypted(raw) ? ["https"] : site === "same-origin" ? ["http", "https"] : ["http"];
  const isForeign = origin !== undefined && !schemes.some((scheme) => `${scheme}://${host}` === origin.toLowerCase());
  if (isForeign || (site !== undefined && site !== "same-origin" && site !== "none")) {
    throw new Refusal(403, "cross-site", "the request comes from a page of another site");
  }
}

/** Who makes a request. */
export interface Caller {
  /** Of the token, as the file of tokens has it. */
  readonly name: string;
  readonly role: AdminRole;
  /** Where it is the cookie of a browser that says so. */
  readonly session: Session | undefined;
  /** Whether the same would be let in now: a token is taken away, a session ends. */
  holds(): boolean;
}

interface KnownToken extends Pick<AdminToken, "name" | "role"> {
  hash: Buffer;
}

/** Knows tokens by their hashes, and compares in a time that says nothing of them. A browser that logged in with one sends a cookie in its place. */
export class Access {
  readonly #sessions: Sessions;
  #known: readonly KnownToken[] = [];

  constructor(tokens: readonly AdminToken[], clock: Clock) {
    this.#sessions = new Sessions(clock);
    this.use(tokens);
  }

  /** These from now on, and no others. */
  use(tokens: readonly AdminToken[]): void {
    this.#known = tokens.map(({ name, role, sha256 }) => ({ name, role, hash: Buffer.from(sha256, "hex") }));
    this.#sessions.keepOnly(this.#known.map(({ hash }) => hash));
  }

  /**
   * Whoever says who he is; undefined for who does not.
   * @throws Refusal 401 for a token that is not known, 403 for a cookie that a page of another site sends
   */
  callerOf(request: FastifyRequest): Caller | undefined {
    const { authorization } = request.headers;
    if (authorization === undefined) return this.#callerByCookie(request);
    const [, token] = /^Bearer +([A-Za-z0-9._~+/-]+=*) *$/i.exec(authorization) ?? [];
    const known = token === undefined ? undefined : this.#tokenBy(hashOf(token));
    if (known === undefined) throw wrongToken();
    const { name, role, hash } = known;
    return { name, role, session: undefined, holds: () => this.#tokenBy(hash) !== undefined };
  }

  /** @throws Refusal 401 without a token that is known, 403 where its role does not allow the call */
  check(request: FastifyRequest, needed: AdminRole): Caller {
    const caller = this.callerOf(request);
    if (caller === undefined) throw unauthorized("missing-token", "the call needs a token");
    if (needed === "operator" && caller.role !== "operator") {
      throw new Refusal(403, "wrong-role", `the token is that of a ${caller.role}`, "Use the token of an operator.");
    }
    return caller;
  }

  /** A session for a browser that has a token. @returns what its cookie holds, and for how many seconds. @throws Refusal 401 */
  logIn(token: string): { caller: Caller; secret: string; maxAge: number } {
    const known = this.#tokenBy(hashOf(token));
    if (known === undefined) throw wrongToken();
    const { session, secret, maxAge } = this.#sessions.open(known.hash);
    return { caller: this.#callerOfSession(session, known), secret, maxAge };
  }

  logOut({ session }: Caller): void {
    if (session) this.#sessions.end(session);
  }

  #callerByCookie(request: FastifyRequest): Caller | undefined {
    // Another program at this host may have set one of the same name for a path of its own.
    for (const secret of sessionSecrets(request.raw)) {
      const session = this.#sessions.find(secret);
      const known = session && this.#tokenBy(session.token);
      if (!known) continue;
      // Browsers send it from pages at other ports of the same host too.
      refuseForeign(request);
      return this.#callerOfSession(session, known);
    }
    return undefined;
  }

  #callerOfSession(session: Session, { name, role }: KnownToken): Caller {
    return { name, role, session, holds: () => this.#sessions.has(session) };
  }

  #tokenBy(hash: Buffer): KnownToken | undefined {
    let found: KnownToken | undefined;
    // All are compared, so that the time tells nothing of which one it was.
    for (const known of this.#known) if (timingSafeEqual(known.hash, hash)) found = known;
    return found;
  }
}

function hashOf(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}

function wrongToken(): Refusal {
  return unauthorized("wrong-token", "the token is not one that this server knows");
}

function unauthorized(code: string, message: string): Refusal {
  return new Refusal(401, code, message, "Send the header Authorization: Bearer TOKEN; cache serve token makes one.");
}

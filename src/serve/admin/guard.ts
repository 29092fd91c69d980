import { createHash, timingSafeEqual } from "node:crypto";
import { isIP } from "node:net";
import type { FastifyRequest } from "fastify";
import type { AdminRole, AdminToken } from "../../config/admin-tokens.js";
import { linesOf } from "../../http/message.js";
import { Refusal } from "./refusal.js";

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
export function checkCrossSite({ method, headers, raw }: FastifyRequest): void {
  if (SAFE.has(method)) return;
  const site = headers["sec-fetch-site"];
  const { origin } = headers;
  const own = `${"encrypted" in raw.socket ? "https" : "http"}://${headers.host}`;
  const isForeign = origin !== undefined && origin.toLowerCase() !== own.toLowerCase();
  if (isForeign || (site !== undefined && site !== "same-origin" && site !== "none")) {
    throw new Refusal(403, "cross-site", "the request comes from a page of another site");
  }
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

/** Knows tokens by their hashes, and compares in a time that says nothing of them. */
export class TokenCheck {
  #known: readonly { role: AdminRole; hash: Buffer }[] = [];

  constructor(tokens: readonly AdminToken[]) {
    this.use(tokens);
  }

  /** These from now on, and no others. */
  use(tokens: readonly AdminToken[]): void {
    this.#known = tokens.map(({ role, sha256 }) => ({ role, hash: Buffer.from(sha256, "hex") }));
  }

  /** @throws Refusal 401 without a token that is known, 403 where its role does not allow the call */
  check({ headers }: FastifyRequest, needed: AdminRole): void {
    const { authorization } = headers;
    if (authorization === undefined) throw unauthorized("missing-token", "the call needs a token");
    const [, token] = /^Bearer +([A-Za-z0-9._~+/-]+=*) *$/i.exec(authorization) ?? [];
    const role = token === undefined ? undefined : this.#roleOf(token);
    if (role === undefined) throw unauthorized("wrong-token", "the token is not one that this server knows");
    if (needed === "operator" && role !== "operator") {
      throw new Refusal(403, "wrong-role", `the token is that of a ${role}`, "Use the token of an operator.");
    }
  }

  #roleOf(token: string): AdminRole | undefined {
    const hash = createHash("sha256").update(token).digest();
    let role: AdminRole | undefined;
    // All are compared, so that the time tells nothing of which one it was.
    for (const known of this.#known) if (timingSafeEqual(known.hash, hash)) role = known.role;
    return role;
  }
}

function unauthorized(code: string, message: string): Refusal {
  return new Refusal(401, code, message, "Send the header Authorization: Bearer TOKEN; cache serve token makes one.");
}

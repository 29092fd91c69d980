import type { Socket } from "node:net";
import { type ForwardedContext, forwardedFields, forwardedOrigin } from "../http/forwarded.js";
import { endToEnd, isLoop, seenByOrigin, via } from "../http/hop-by-hop.js";
import { responseKey } from "../http/key.js";
import { type Fields, linesOf, withoutFields } from "../http/message.js";
import { type Rules, selectingFields, withoutPseudoFields, withPath } from "../http/rules.js";
import { parseTarget, type Target, targetOfUrl } from "../http/target.js";
import { withoutSessions } from "./admin/session-cookie.js";
import { sendOwn } from "./answer.js";
import type { Client } from "./client.js";
import type { Exchange, Question } from "./question.js";
import type { Upstream } from "./upstream.js";

export interface EntranceOptions {
  /** Addresses whose `X-Forwarded-*` and `Forwarded` are believed. */
  trusted: (address: string) => boolean;
  /** Our name in `Via`. */
  pseudonym: string;
  /** The origin gets the client's `Host` instead of its own. */
  preserveHost: boolean;
  rules: Rules;
}

/** What a request asks for and whom it goes to, under the rules that are in force; or why it is refused. */
export class Entrance {
  /** For who enters from now on. */
  rules: Rules;
  readonly #upstream: Upstream;
  readonly #options: EntranceOptions;

  constructor(upstream: Upstream, options: EntranceOptions) {
    this.#upstream = upstream;
    this.#options = options;
    this.rules = options.rules;
  }

  /** Undefined where the request was refused. @param mark of the fetches that have landed by now */
  enter(client: Client, mark: number): Exchange | undefined {
    const { request: message } = client;
    const { rawHeaders: fields, method = "GET", url = "/" } = message;
    const { trusted, pseudonym } = this.#options;
    const socket = message.socket;
    const hosts = linesOf(fields, "host");
    const secure = "encrypted" in socket;
    const peer = socket.remoteAddress;
    // RFC 9112 §3.3: what asks without it as HTTP/1.0 can means the server at this address.
    const named = hosts[0] ?? (message.httpVersion === "1.0" ? authorityOf(socket) : undefined);
    const outside = forwardedOrigin(fields, { peer, secure, host: named ?? "", trusted });
    const parsed = parseTarget({
      method,
      requestTarget: url,
      host: named === undefined ? undefined : outside.host,
      secure: outside.secure,
      hostLines: named === undefined ? 0 : Math.max(1, hosts.length),
    });
    if ("refused" in parsed) return refuse(client, parsed.refused.status, parsed.refused.reason);
    // RFC 9110 §9.3.7: it is about the server that is asked, and that is this one.
    if (parsed.target.path === "*") return sendMethods(client);
    const seen = seenByOrigin(fields);
    const ruling = this.rules.rule({ method, url: parsed.target.url, fields: seen });
    const target = ruling.path === undefined ? parsed.target : changedTarget(parsed.target, ruling.path);
    const origin = this.#upstream.originOf(target.host, target.path);
    if (origin === undefined) return refuse(client, 421, "no origin is configured for this host and path");
    if (parsed.otherHost && origin.route.host !== target.host) {
      return refuse(client, 421, "this is no forward proxy");
    }
    if (isLoop(fields, pseudonym)) return refuse(client, 508, "the request has been here before");
    // It would show the client the fields that are meant for the origin (RFC 9110 §9.3.8).
    if (method === "TRACE") return refuse(client, 405, "TRACE is not passed on");
    const request = { method, url: target.url, fields: selectingFields(ruling, seen) };
    const resourceKey = responseKey(method, target.url);
    const sender = { address: peer, secure, httpVersion: message.httpVersion };
    return { client, mark, sender, request, target, origin, ruling, resourceKey };
  }

  /** A GET that no client sent. */
  question(text: string, fields: Fields): Question | undefined {
    const parsed = targetOfUrl(text);
    if (parsed === undefined) return undefined;
    const ruling = this.rules.rule({ method: "GET", url: parsed.url, fields });
    const target = ruling.path === undefined ? parsed : changedTarget(parsed, ruling.path);
    const origin = this.#upstream.originOf(target.host, target.path);
    if (origin === undefined) return undefined;
    const sender = { address: undefined, secure: target.scheme === "https", httpVersion: "1.1" };
    const request = { method: "GET", url: target.url, fields: selectingFields(ruling, fields) };
    return { sender, request, target, origin, ruling, resourceKey: responseKey("GET", target.url) };
  }

  /** The fields of the request as its origin gets them. */
  originFields({ sender, request, target, origin }: Question): string[] {
    const { preserveHost, trusted, pseudonym } = this.#options;
    const context: ForwardedContext = { peer: sender.address, secure: sender.secure, host: target.host, trusted };
    const sent = withoutSessions(withoutPseudoFields(request.fields));
    const fields = withoutFields(forwardedFields(endToEnd(sent), context), HOST);
    const version = sender.httpVersion === "1.0" ? "1.0" : "1.1";
    return ["Host", preserveHost ? target.host : origin.authority, ...via(fields, version, pseudonym)];
  }
}

/** What is passed on to origins, which may take fewer or more. */
const METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
const HOST: ReadonlySet<string> = new Set(["host", "expect"]);

/** `127.0.0.1:4000`: where the client has connected to. */
function authorityOf({ localAddress = "", localPort }: Socket): string {
  const address = localAddress.replace(/^::ffff:(?=\d+\.)/, "");
  return `${address.includes(":") ? `[${address}]` : address}:${localPort}`;
}

function changedTarget(target: Target, path: string): Target {
  return { ...target, path, url: withPath(target.url, path) };
}

function sendMethods(client: Client): undefined {
  client.head(200, ["Allow", METHODS, "Content-Length", "0"]);
  client.end();
}

function refuse(client: Client, status: number, reason: string): undefined {
  sendOwn(client, status, reason, status >= 500 ? [] : ["Connection", "close"]);
}

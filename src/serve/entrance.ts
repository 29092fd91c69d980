import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { type ForwardedContext, forwardedFields } from "../http/forwarded.js";
import { endToEnd, via } from "../http/hop-by-hop.js";
import { responseKey } from "../http/key.js";
import { type Fields, withoutFields } from "../http/message.js";
import { type RequestReading, readRequest, saysTheSame } from "../http/request-reading.js";
import { type Rules, selectingFields, withoutPseudoFields, withPath } from "../http/rules.js";
import { parseTarget, type RefusedTarget, type Target, targetOfUrl } from "../http/target.js";
import { withoutSessions } from "./admin/session-cookie.js";
import { sendOwn } from "./answer.js";
import type { Client } from "./client.js";
import type { Exchange, Question } from "./question.js";
import type { Origin, Upstream } from "./upstream.js";

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
  /** What the last request of each connection said: most clients say the same with every one. */
  readonly #arrivals = new WeakMap<Socket, Arrived>();
  /** By scheme and host, and then by what stands in the request line. */
  readonly #places = new Map<string, Map<string, Place>>();

  constructor(upstream: Upstream, options: EntranceOptions) {
    this.#upstream = upstream;
    this.#options = options;
    this.rules = options.rules;
  }

  /** Undefined where the request was refused. @param mark of the fetches that have landed by now */
  enter(client: Client, mark: number): Exchange | undefined {
    const { request: message } = client;
    const { method = "GET", url = "/" } = message;
    const { reading, places } = this.#arrive(message);
    const place = this.#place(method, url, reading, places);
    if ("refused" in place) return refuse(client, place.refused.status, place.refused.reason);
    // RFC 9110 §9.3.7: it is about the server that is asked, and that is this one.
    if (place.target.path === "*") return sendMethods(client);
    const { seen } = reading;
    const ruling = this.rules.rule({ method, url: place.target.url, fields: seen });
    const { target, origin, resourceKey } =
      ruling.path === undefined ? place : this.#placeOf(method, changedTarget(place.target, ruling.path));
    if (origin === undefined) return refuse(client, 421, "no origin is configured for this host and path");
    if (place.otherHost && (origin.route.host === undefined || !origin.answersTo(target.host)))
      return refuse(client, 421, "this is no forward proxy");
    if (reading.loops) return refuse(client, 508, "the request has been here before");
    // It would show the client the fields that are meant for the origin (RFC 9110 §9.3.8).
    if (method === "TRACE") return refuse(client, 405, "TRACE is not passed on");
    const request = { method, url: target.url, fields: selectingFields(ruling, seen) };
    return { client, mark, sender: reading, request, target, origin, ruling, resourceKey, plain: reading.plain };
  }

  #arrive({ socket, rawHeaders: fields, httpVersion }: IncomingMessage): Arrived {
    const before = this.#arrivals.get(socket);
    if (before && saysTheSame(before.reading, fields, httpVersion)) return before;
    const arrival = { fields, httpVersion, address: socket.remoteAddress, secure: "encrypted" in socket };
    const reading = readRequest(arrival, { ...this.#options, here: () => authorityOf(socket) });
    const arrived = { reading, places: this.#placesOf(reading) };
    this.#arrivals.set(socket, arrived);
    return arrived;
  }

  #placesOf({ host, secureOutside }: RequestReading): Map<string, Place> {
    const name = `${secureOutside ? "https" : "http"} ${host}`;
    const known = this.#places.get(name);
    if (known) return known;
    if (this.#places.size >= MOST_HOSTS) this.#places.clear();
    const places = new Map<string, Place>();
    this.#places.set(name, places);
    return places;
  }

  #place(
    method: string,
    url: string,
    { host, hostLines, secureOutside }: RequestReading,
    places: Map<string, Place>,
  ): Place | { refused: RefusedTarget } {
    const isUsual = (method === "GET" || method === "HEAD") && url.length <= LONGEST_KNOWN;
    const known = isUsual ? places.get(url) : undefined;
    if (known) return known;
    const parsed = parseTarget({ method, requestTarget: url, host, hostLines, secure: secureOutside });
    if ("refused" in parsed) return parsed;
    const place = { ...this.#placeOf(method, parsed.target), otherHost: parsed.otherHost === true };
    if (isUsual && hostLines === 1) {
      if (places.size >= MOST_PLACES) places.clear();
      places.set(url, place);
    }
    return place;
  }

  #placeOf(method: string, target: Target): Omit<Place, "otherHost"> {
    const origin = this.#upstream.originOf(target.host, target.path);
    return { target, origin, resourceKey: responseKey(method, target.url) };
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

interface Arrived {
  reading: RequestReading;
  /** Those of its scheme and host that are known. */
  places: Map<string, Place>;
}

/** Where a request goes, as far as no rule changes it. */
interface Place {
  target: Target;
  origin: Origin | undefined;
  resourceKey: string;
  /** The request names one host in its target and another in `Host`. */
  otherHost: boolean;
}

/** Schemes with hosts, and targets of each, that are known at most; beyond that, they are worked out anew. Some megabytes in all, whatever clients make up. */
const MOST_HOSTS = 32;
const MOST_PLACES = 1024;
/** Characters of a target that is worth knowing. */
const LONGEST_KNOWN = 256;

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

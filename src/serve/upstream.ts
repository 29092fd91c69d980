import { type Duplex, Readable, Transform } from "node:stream";
import { buildConnector, errors, Pool } from "undici";
import type { OriginRoute } from "../config/origin-url.js";
import { codeOf, messageOf } from "../errors.js";
import { endsWithConnection, isCodedForConnection } from "../http/framing.js";
import { type Fields, type ResponseHead, withoutFields } from "../http/message.js";
import { requestUpgrade } from "./origin-upgrade.js";

export interface UpstreamOptions {
  routes: readonly OriginRoute[];
  /** Certificates (PEM) of the authorities that origins are trusted by, instead of those that Node knows. */
  ca?: string;
  /** Milliseconds until a connection must stand. Default 5,000. */
  connectTimeoutMs?: number;
  /** Milliseconds from the end of the request to the first byte of the answer. Default 30,000. */
  headersTimeoutMs?: number;
  /** Milliseconds between two pieces of a body. Default 30,000. */
  bodyTimeoutMs?: number;
  /** Connections to one origin at most; further requests wait for one. Default 256. */
  connections?: number;
}

export interface OriginRequest {
  method: string;
  /** Normalised path and query. */
  path: string;
  /** End-to-end fields, `Host` among them. */
  fields: Fields;
  body?: Readable | Uint8Array;
  /** Another protocol that is asked for: value of `Upgrade`. Such a request has no body. */
  upgrade?: string | undefined;
  signal?: AbortSignal | undefined;
  /** A 1xx response other than 101. */
  onInformational?: (head: ResponseHead) => void;
}

export interface OriginResponse extends ResponseHead {
  /** Fails where the origin ends before the length it gave, or in the middle of a chunk. */
  body: Readable;
  /** Known when the body has ended. */
  trailers: () => Fields;
  /** The connection, where a 101 says that it speaks another protocol from now on. */
  socket?: Duplex | undefined;
}

/** Why an origin gave no response: the status that tells it (RFC 9110 §15.6.3, §15.6.5) and a reason without secrets. */
export class OriginFailure extends Error {
  override readonly name = "OriginFailure";
  readonly status: 502 | 504;
  /** A token for `Cache-Status` and the metrics: `connect`, `timeout`, `reset`, `protocol`. */
  readonly reason: OriginFailureReason;

  constructor(status: 502 | 504, reason: OriginFailureReason, message: string, cause: unknown) {
    super(message, { cause });
    this.status = status;
    this.reason = reason;
  }
}

export type OriginFailureReason = "connect" | "timeout" | "reset" | "protocol";

/** One origin: its pool of connections, and what is put before a path. */
export class Origin {
  readonly route: OriginRoute;
  /** `host:port` as the `Host` field names it. */
  readonly authority: string;
  readonly url: URL;
  readonly pool: Pool;
  readonly #prefix: string;
  /** Connections that have failed. */
  #broken = 0;

  constructor(route: OriginRoute, options: UpstreamOptions) {
    const { connectTimeoutMs = 5000, headersTimeoutMs = 30_000, bodyTimeoutMs = 30_000, connections = 256 } = options;
    this.route = route;
    this.url = new URL(route.url);
    this.authority = this.url.host;
    this.#prefix = this.url.pathname.replace(/\/$/, "");
    this.pool = new Pool(this.url.origin, {
      connections,
      pipelining: 1,
      headersTimeout: headersTimeoutMs,
      bodyTimeout: bodyTimeoutMs,
      keepAliveTimeout: 30_000,
      maxHeaderSize: MAX_HEAD_BYTES,
      connect: this.#connector({ timeout: connectTimeoutMs, ...(options.ca !== undefined && { ca: options.ca }) }),
    });
  }

  #connector(options: buildConnector.BuildOptions): buildConnector.connector {
    const connect = buildConnector(options);
    return (to, done) =>
      connect(to, (...result) => {
        result[1]?.on("error", () => {
          this.#broken += 1;
        });
        done(...result);
      });
  }

  /** Whether it is for requests to this host: one that is named without a port, at whatever port clients reach it by. */
  answersTo(host: string): boolean {
    const { host: own } = this.route;
    return own === undefined || own === host || own === host.replace(/:\d+$/, "");
  }

  /** Whether a request to this host and path is for it. */
  serves(host: string, path: string): boolean {
    if (!this.answersTo(host)) return false;
    const prefix = this.route.path;
    if (prefix === "/") return true;
    return path.startsWith(prefix) && (prefix.endsWith("/") || /^[/?]|^$/.test(path.slice(prefix.length)));
  }

  /** The path under which the origin knows the request. */
  pathOf(path: string): string {
    return this.#prefix + path;
  }

  /** @throws OriginFailure where there is no response; the signal's reason where it was aborted */
  async send(request: OriginRequest): Promise<OriginResponse> {
    for (let isRepeated = false; ; isRepeated = true) {
      try {
        return await this.#ask(request);
      } catch (error) {
        if (request.signal?.aborted) throw request.signal.reason;
        if (isRepeated || !mayRepeat(request, error)) throw failureOf(error, this.url.origin);
      }
    }
  }

  async #ask(request: OriginRequest): Promise<OriginResponse> {
    const { method, path, fields, body, signal, onInformational, upgrade } = request;
    const asked = { method, path: this.pathOf(path), headers: [...fields], ...(signal && { signal }) };
    const inform = interims(onInformational);
    if (upgrade !== undefined) {
      const answer = await requestUpgrade(this.pool, { ...asked, upgrade, onInformational: inform });
      return { ...answer, trailers: () => [] };
    }
    const before = this.#broken;
    const { statusCode, headers, trailers, ...answer } = await this.pool.request({
      ...asked,
      body: body ?? null,
      responseHeaders: "raw",
      onInfo: ({ statusCode: status, headers: info }) => inform({ status, fields: rawOf(info) }),
    });
    // Who reads it is told; where nobody does, a body that is cut or dropped is nobody's failure.
    answer.body.on("error", () => {});
    const head = { status: statusCode, fields: rawOf(headers) };
    if (isCodedForConnection(head.fields)) {
      answer.body.destroy();
      throw new Error("the transfer coding of the response is not known");
    }
    if (head.status === 204) {
      // RFC 9112 §6.3: it has ended with its fields, whatever length they give (RFC 9110 §8.6) and whatever comes then.
      answer.body.resume();
      return { status: 204, fields: withoutFields(head.fields, LENGTH), body: Readable.from([]), trailers: () => [] };
    }
    const isCut = () => this.#broken !== before;
    const content = endsWithConnection(method, head) ? untilClosed(answer.body, isCut) : answer.body;
    return { ...head, body: content, trailers: () => pairsOf(trailers) };
  }
}

/**
 * A body that only the end of its connection ends: whole, unless the connection failed (RFC 9112 §8), which undici passes over. Of several connections to the origin nobody can tell
 * here which one did.
 */
function untilClosed(body: Readable, isCut: () => boolean): Readable {
  const whole = new Transform({
    transform: (piece, _coding, done) => done(null, piece),
    flush: (done) => done(isCut() ? new Error("the connection failed before the body was known to have ended") : null),
  });
  body.on("error", (error) => whole.destroy(error));
  whole.on("close", () => body.destroy());
  whole.on("error", () => {});
  return body.pipe(whole);
}

const LENGTH: ReadonlySet<string> = new Set(["content-length"]);
const SAFE: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

/**
 * Whether a request is made once more: one that changes nothing, sent on a connection that had served others and that the origin just then gave up (RFC 9112 §9.3.1, §9.5).
 */
function mayRepeat({ method, body, upgrade }: OriginRequest, error: unknown): boolean {
  if (!SAFE.has(method) || body !== undefined || upgrade !== undefined) return false;
  const code = codeOf(error);
  if (error instanceof errors.SocketError) return (error.socket?.bytesRead ?? 0) > 0;
  return code === "ECONNRESET" || code === "EPIPE";
}

/** Interim responses to one request at most: who sends more may never come to an end. */
const MAX_INTERIM = 64;

/** Tells of interim responses that are some (RFC 9110 §15.2). A 101 is none of them: nobody asked for it. */
function interims(tell: OriginRequest["onInformational"]): (head: ResponseHead) => void {
  let count = 0;
  return (head) => {
    count += 1;
    if (head.status <= 101) throw new Error(`the origin answered with the status ${head.status}`);
    if (count > MAX_INTERIM) throw new Error("the origin sends one interim response after the other");
    tell?.(head);
  };
}

/** Bytes of the fields of a response at most. */
const MAX_HEAD_BYTES = 64 * 1024;

/** The origins of a proxy. */
export class Upstream {
  /** The most specific first: a host before none, a longer path before a shorter one. */
  readonly origins: readonly Origin[];

  constructor(options: UpstreamOptions) {
    const specific = (one: OriginRoute) => (one.host === undefined ? 0 : 1_000_000) + one.path.length;
    const routes = [...options.routes].sort((a, b) => specific(b) - specific(a));
    this.origins = routes.map((route) => new Origin(route, options));
  }

  /** Undefined for a request that is none of ours. */
  originOf(host: string, path: string): Origin | undefined {
    return this.origins.find((origin) => origin.serves(host, path));
  }

  /** Ends the connections; what is under way is cut. */
  async close(): Promise<void> {
    await Promise.all(this.origins.map(({ pool }) => pool.destroy()));
  }
}

/** With `responseHeaders: "raw"` they are a flat list, which undici's types do not say. */
function rawOf(headers: unknown): Fields {
  return Array.isArray(headers) ? headers.map(String) : [];
}

function pairsOf(trailers: Readonly<Record<string, string | string[] | undefined>>): Fields {
  return Object.entries(trailers).flatMap(([name, value]) => [value ?? []].flat().flatMap((one) => [name, one]));
}

const FAILURES: Readonly<Record<string, [502 | 504, OriginFailureReason]>> = {
  UND_ERR_CONNECT_TIMEOUT: [504, "connect"],
  UND_ERR_HEADERS_TIMEOUT: [504, "timeout"],
  UND_ERR_BODY_TIMEOUT: [504, "timeout"],
  UND_ERR_SOCKET: [502, "reset"],
  ECONNRESET: [502, "reset"],
  EPIPE: [502, "reset"],
};

export function failureOf(error: unknown, origin: string): OriginFailure {
  if (error instanceof OriginFailure) return error;
  const code = codeOf(error) ?? "";
  const connect = /^(?:ECONN|ENOTFOUND|EAI_|EHOST|ENET|ETIMEDOUT|CERT_|ERR_TLS|ERR_SSL|UNABLE_|SELF_SIGNED|DEPTH_)/;
  const [status, reason] = FAILURES[code] ?? [502, connect.test(code) ? "connect" : "protocol"];
  return new OriginFailure(status, reason, `${origin}: ${messageOf(error)}`, error);
}

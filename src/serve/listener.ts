import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from "node:http";
import { createServer as createSecureServer, type Server as SecureServer } from "node:https";
import { type AddressInfo, Server as NetServer, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Clock } from "../clock.js";
import { CacheError, codeOf } from "../errors.js";
import { framingFault, MAX_REQUEST_LINES } from "../http/framing.js";
import { protocolsAsked, withoutUpgrade } from "../http/upgrade.js";
import { hasContent } from "./content.js";

export interface TlsFiles {
  /** PEM. */
  cert: string;
  key: string;
}

export interface ListenerOptions {
  host: string;
  /** 0 = any that is free. */
  port: number;
  tls?: TlsFiles;
  onRequest: (request: IncomingMessage, response: ServerResponse) => void;
  /** A client connected; with TLS, when that is agreed on. */
  onConnection?: (socket: Socket) => void;
  /**
   * A request asks for other protocols that can be passed on, and `head` came behind its fields.
   * @returns false where it is to be answered as if it had not
   */
  onUpgrade?: (request: IncomingMessage, head: Buffer, protocols: string) => boolean;
  patience?: Partial<Patience>;
}

/** How long a client may take, in milliseconds. */
export interface Patience {
  /** For the fields of a request to arrive, and for the request as a whole: who is slower is answered 408. */
  headMs: number;
  requestMs: number;
  /** That a connection is kept without a request. */
  idleMs: number;
  /** That a client takes none of the bytes that wait for it: then it is cut. */
  stalledMs: number;
}

const PATIENCE: Patience = { headMs: 10_000, requestMs: 300_000, idleMs: 60_000, stalledMs: 60_000 };

/** Bytes of the fields of a request at most; more is answered 431. */
const MAX_HEAD_BYTES = 32 * 1024;
/** Milliseconds between two looks for slow requests, at most. */
const SLOW_CHECK = 1000;
/** Milliseconds between two looks for connections whose client does not take what was written, at most. */
const STALL_CHECK = 1000;
/** Milliseconds between two looks for idle connections while the server stops. */
const IDLE_CHECK = 20;

/** Milliseconds of a stop in which nothing has come, after which connections are taken for idle. */
const QUIET = 200;

/** Milliseconds of a stop after which who is connected and has asked nothing is let go: a browser may connect ahead of what it will want. */
const SILENCE = 250;

/** A port that takes HTTP/1.1 requests, within limits of size and time, and stops without losing one. */
export class Listener {
  readonly #options: ListenerOptions;
  readonly #server: Server | SecureServer;
  readonly #sockets = new Set<Socket>();
  /** Connections that were taken over from HTTP: they end when the drain does. */
  readonly #upgraded = new Set<Socket>();
  /** Connections whose request for another protocol was not taken up. */
  readonly #returned = new WeakSet<Socket>();
  readonly #stalls: NodeJS.Timeout;
  #draining = false;

  constructor(options: ListenerOptions) {
    this.#options = options;
    const { headMs, requestMs, idleMs, stalledMs } = { ...PATIENCE, ...options.patience };
    const limits = {
      maxHeaderSize: MAX_HEAD_BYTES,
      headersTimeout: headMs,
      requestTimeout: requestMs,
      connectionsCheckingInterval: Math.min(SLOW_CHECK, headMs),
      keepAliveTimeout: idleMs,
      // Missing and repeated `Host` fields are judged with the target.
      requireHostHeader: false,
      insecureHTTPParser: false,
      noDelay: true,
    };
    const { tls, onUpgrade } = options;
    const onRequest = (request: IncomingMessage, response: ServerResponse) => {
      if (this.#draining) response.shouldKeepAlive = false;
      const { httpVersion, rawHeaders: fields } = request;
      const fault = framingFault({ httpVersion, fields });
      if (hasContent(request)) response.once("finish", () => dropRest(request));
      if (fault) sendFault(response, fault);
      else options.onRequest(request, response);
    };
    this.#server = tls ? createSecureServer({ ...limits, ...tls }, onRequest) : createServer(limits, onRequest);
    // Beyond this Node leaves fields out; who has so many is refused.
    this.#server.maxHeadersCount = MAX_REQUEST_LINES + 1;
    this.#server.on("timeout", endStalled);
    this.#stalls = setInterval(() => this.#watchStalls(stalledMs), Math.min(STALL_CHECK, stalledMs / 2)).unref();
    this.#server.on("clientError", refuse);
    this.#server.on("connect", (_request, socket: Duplex) => {
      socket.on("error", () => socket.destroy());
      socket.end(refusal(405));
    });
    const connection = tls ? "secureConnection" : "connection";
    this.#server.on(connection, (socket: Socket) => {
      if (this.#returned.has(socket)) return;
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
      // Until its first response: then it is idle, and Node sets another limit.
      socket.setTimeout(stalledMs);
      options.onConnection?.(socket);
    });
    this.#server.on("checkExpectation", (_request, response: ServerResponse) => {
      response.writeHead(417).end();
    });
    if (onUpgrade) {
      const upgrade = (request: IncomingMessage, socket: Socket, head: Buffer) => {
        const { httpVersion, rawHeaders: fields } = request;
        const protocols = protocolsAsked({ httpVersion, fields, hasContent: hasContent(request) });
        if (protocols !== undefined && onUpgrade(request, head, protocols)) {
          this.#upgraded.add(socket);
          socket.once("close", () => this.#upgraded.delete(socket));
          return;
        }
        // Node has let go of the connection: it is given back, with the same request but for what it asked for.
        this.#returned.add(socket);
        socket.unshift(Buffer.concat([headOf(request), head]));
        this.#server.emit(connection, socket);
      };
      this.#server.on("upgrade", (request: IncomingMessage, socket: Socket, head: Buffer) => {
        // Node no longer listens to it, while responses to requests before may still be written.
        socket.on("error", () => socket.destroy());
        afterAnswers(socket, () => upgrade(request, socket, head));
      });
    }
  }

  /** @throws CacheError `port-in-use`, `cannot-listen` */
  async listen(): Promise<void> {
    const { host, port } = this.#options;
    await new Promise<void>((resolve, reject) => {
      const failed = (error: unknown) => reject(listenError(error, host, port));
      this.#server.once("error", failed);
      this.#server.listen({ host, port }, () => {
        this.#server.off("error", failed);
        resolve();
      });
    });
  }

  /** `http://127.0.0.1:4000`, as it is listened on. */
  get url(): string {
    const { address, family, port } = this.#server.address() as AddressInfo;
    const host = family === "IPv6" ? `[${address}]` : address;
    return `${this.#options.tls ? "https" : "http"}://${host}:${port}`;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** New connections are made with these; those that stand keep theirs. */
  renewTls(tls: TlsFiles): void {
    if ("setSecureContext" in this.#server) this.#server.setSecureContext(tls);
  }

  /**
   * Takes no more connections, lets the requests that run end, and cuts what is left after `drainMs`.
   * @returns false if something had to be cut
   */
  async close(clock: Clock, drainMs: number): Promise<boolean> {
    this.#draining = true;
    // Not that of HTTP, which ends idle connections at once: there a request may be on its way, and it would be lost.
    const closed = new Promise<void>((resolve) => NetServer.prototype.close.call(this.#server, () => resolve()));
    const idle = this.#endIdle();
    // Node takes a connection without a request for a busy one.
    const silent = setTimeout(() => {
      for (const socket of this.#sockets) if (socket.bytesRead === 0) socket.destroy();
    }, SILENCE);
    const over = new AbortController();
    const drained = await Promise.race([closed.then(() => true), clock.sleep(drainMs, over.signal).then(() => false)]);
    over.abort();
    clearInterval(idle);
    clearTimeout(silent);
    this.#server.closeAllConnections();
    for (const socket of this.#upgraded) socket.destroy();
    await closed;
    clearInterval(this.#stalls);
    // Ends the looks for slow requests; that it is closed already is no failure.
    this.#server.close();
    return drained;
  }

  /** A time limit for each connection would be set anew by every request and response: only those on which something waits have one. */
  #watchStalls(stalledMs: number): void {
    for (const socket of this.#sockets) {
      if (socket.writableLength > 0 && !socket.timeout) socket.setTimeout(stalledMs);
    }
  }

  /**
   * Ends idle connections when nothing has come on any for a while. Until then who was promised that his connection stays may send a request, which is answered with
   * `Connection: close`.
   */
  #endIdle(): NodeJS.Timeout {
    let quiet = 0;
    let before = Number.NaN;
    return setInterval(() => {
      let now = 0;
      for (const socket of this.#sockets) now += socket.bytesRead + (isAnswering(socket) ? 1 : 0);
      quiet = now === before ? quiet + IDLE_CHECK : 0;
      before = now;
      if (quiet >= QUIET) this.#server.closeIdleConnections();
    }, IDLE_CHECK);
  }
}

/** The head of a request as it came, without what asks for another protocol. */
function headOf({ method, url, httpVersion, rawHeaders }: IncomingMessage): Buffer {
  const fields = withoutUpgrade(rawHeaders);
  let text = `${method} ${url} HTTP/${httpVersion}\r\n`;
  for (let i = 0; i + 1 < fields.length; i += 2) text += `${fields[i]}: ${fields[i + 1]}\r\n`;
  return Buffer.from(`${text}\r\n`, "latin1");
}

const REFUSALS: Readonly<Record<string, number>> = {
  HPE_HEADER_OVERFLOW: 431,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
  ERR_HTTP_REQUEST_TIMEOUT: 408,
};

/** Milliseconds that a client has to read a refusal: it would be lost if the connection ended with something unread (RFC 9112 §9.6). */
const REFUSAL_MS = 1000;

/** What is no request at all (RFC 9112 §2.2, §6.3): an answer, and the end of the connection. */
function refuse(error: Error, socket: Answered): void {
  const code = codeOf(error) ?? "";
  const { _httpMessage: running } = socket;
  // Requests before it are answered first: else this would be taken for their answer.
  if (running?.req.complete && code !== "ECONNRESET" && !socket.destroyed) {
    running.once("close", () => refuse(error, socket));
  } else if (code === "ECONNRESET" || !socket.writable || running?.headersSent) {
    socket.destroy();
  } else {
    socket.end(refusal(REFUSALS[code] ?? 400));
    setTimeout(() => socket.destroy(), REFUSAL_MS).unref();
  }
}

function refusal(status: number): string {
  return `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`;
}

function sendFault(response: ServerResponse, { status, reason }: { status: number; reason: string }): void {
  const length = `${Buffer.byteLength(reason)}`;
  response.writeHead(status, ["Content-Type", "text/plain", "Content-Length", length, "Connection", "close"]);
  response.end(reason);
}

/** For as long as is allowed nothing has come or gone. Who waits for his response is not to blame. */
function endStalled(socket: Answered & { setTimeout(ms: number): unknown }): void {
  if (!socket._httpMessage || socket.writableLength > 0) socket.destroy();
  else socket.setTimeout(0);
}

/** Milliseconds for which the rest of a request is taken and dropped when it was answered before its end. */
const LINGER_MS = 5000;

/**
 * A client that is still sending has to see its answer before the connection ends (RFC 9112 §9.6), and a connection that nobody reads from would stay when the client has gone.
 */
function dropRest(request: IncomingMessage): void {
  if (request.complete) return;
  request.unpipe();
  request.removeAllListeners("readable");
  request.resume();
  // The request loses it when the connection ends.
  const { socket } = request;
  const cut = setTimeout(() => socket.destroy(), LINGER_MS).unref();
  request.once("close", () => clearTimeout(cut));
}

/** Node keeps the response that is being sent with its connection. */
type Answered = Duplex & { _httpMessage?: ServerResponse | null };

function isAnswering({ _httpMessage: response }: Answered): boolean {
  return response !== null && response !== undefined;
}

/** Requests before it on the same connection are answered first (RFC 9112 §9.3.2). */
function afterAnswers(socket: Answered, act: () => void): void {
  const { _httpMessage: before } = socket;
  if (socket.destroyed) return;
  if (before) before.once("close", () => afterAnswers(socket, act));
  else act();
}

function listenError(error: unknown, host: string, port: number): CacheError {
  const code = codeOf(error);
  const place = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  if (code === "EADDRINUSE") {
    return new CacheError("store", "port-in-use", `${place} is in use by another program`, {
      cause: error,
      hint: "Stop that program, or choose another port with --port and --admin-port.",
    });
  }
  const why = code === "EACCES" ? "this user may not" : code === "EADDRNOTAVAIL" ? "no such address here" : code;
  return new CacheError("usage", "cannot-listen", `cannot listen on ${place}: ${why}`, { cause: error });
}

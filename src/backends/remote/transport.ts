import { setMaxListeners } from "node:events";
import { type ClientRequest, Agent as HttpAgent, type IncomingMessage, request as requestHttp } from "node:http";
import { Agent as HttpsAgent, request as requestHttps } from "node:https";
import { errorFromWire } from "../../api/errors.js";
import { readLines } from "../../api/lines.js";
import { abortedBy, CacheError, codeOf, messageOf } from "../../errors.js";

export interface TransportOptions {
  /** `http://127.0.0.1:4001`; a path before that of the calls is kept. */
  url: string;
  /** Sent as a bearer token. */
  token?: string;
  /** Milliseconds without a byte from the server after which a call has failed. */
  timeoutMs: number;
  tls?: { ca?: string; cert?: string; key?: string };
}

interface Sent {
  request: ClientRequest;
  response: Promise<IncomingMessage>;
  /** What went wrong with it, in the words of the core. */
  failure: (error: unknown) => CacheError;
}

/** Bytes of an answer in one piece at most. */
const MAX_ANSWER_BYTES = 256 * 1024 * 1024;
const JSON_TYPE = "application/json";
const LINES_TYPE = "application/x-ndjson";

/** Calls of the admin API of one server, over a few connections that are kept. */
export class Transport {
  /** For people: without user, password and query. */
  readonly target: string;
  readonly #base: URL;
  readonly #options: TransportOptions;
  readonly #agent: HttpAgent;
  readonly #closed = new AbortController();

  constructor(options: TransportOptions) {
    this.#options = options;
    this.#base = addressOf(options.url);
    this.target = `${this.#base.origin}${this.#base.pathname.replace(/\/$/, "")}`;
    const settings = { keepAlive: true, maxSockets: 32, ...options.tls };
    // Every call that is under way listens to it.
    setMaxListeners(0, this.#closed.signal);
    this.#agent = this.#base.protocol === "https:" ? new HttpsAgent(settings) : new HttpAgent(settings);
  }

  /** Cuts what is under way. */
  close(): void {
    this.#closed.abort(closed());
    this.#agent.destroy();
  }

  /** @throws CacheError `closed` */
  checkOpen(): void {
    if (this.#closed.signal.aborted) throw closed();
  }

  /** A call that is answered in one piece. @throws CacheError what the server says, or why it can't be asked */
  async call(path: string, body: object, signal?: AbortSignal): Promise<unknown> {
    const { request, response, failure } = this.#send(path, JSON_TYPE, signal);
    request.end(JSON.stringify(body));
    const incoming = await response;
    try {
      return this.#parsed(incoming, await allOf(incoming));
    } catch (error) {
      throw failure(error);
    }
  }

  /** A call that is answered in lines; the last of them, which says that all was told, is not given. @param idle it keeps no process alive */
  async *lines(path: string, body: object, signal?: AbortSignal, idle = false): AsyncGenerator<object> {
    const sent = this.#send(path, JSON_TYPE, signal);
    if (idle) sent.request.once("socket", (socket) => socket.unref());
    sent.request.end(JSON.stringify(body));
    yield* this.#linesOf(sent);
  }

  /** A call whose body is sent while its answer comes, both in lines. */
  duplex(path: string, signal?: AbortSignal): Duplex {
    const sent = this.#send(path, LINES_TYPE, signal);
    return new Duplex(sent.request, this.#linesOf(sent));
  }

  async *#linesOf({ request, response, failure }: Sent): AsyncGenerator<object> {
    try {
      const incoming = await response;
      if (incoming.statusCode !== 200) {
        this.#parsed(incoming, await allOf(incoming));
        throw this.#invalid("an answer that is not in lines");
      }
      for await (const line of readLines(incoming)) {
        if (typeof line !== "object" || line === null) throw this.#invalid("a line that is no object");
        const error = errorFromWire(line);
        if (error) throw error;
        if ("end" in line) return;
        yield line;
      }
      throw this.#lost("the answer was cut short");
    } catch (error) {
      throw failure(error);
    } finally {
      request.destroy();
    }
  }

  #send(path: string, type: string, signal?: AbortSignal): Sent {
    this.checkOpen();
    if (signal?.aborted) throw abortedBy(signal);
    const { token, timeoutMs } = this.#options;
    const { protocol, pathname, hostname, port } = this.#base;
    const make = protocol === "https:" ? requestHttps : requestHttp;
    const request = make({
      agent: this.#agent,
      protocol,
      hostname: hostname.replace(/^\[|\]$/g, ""),
      port,
      path: `${pathname.replace(/\/$/, "")}${path}`,
      method: "POST",
      headers: { "content-type": type, accept: type, ...(token !== undefined && { authorization: `Bearer ${token}` }) },
      timeout: timeoutMs,
    });
    let late: CacheError | undefined;
    const failure = (error: unknown) => this.#failure(late ?? error, signal);
    const response = new Promise<IncomingMessage>((resolve, reject) => {
      request.once("response", resolve);
      request.on("error", (error) => reject(failure(error)));
    });
    // Who asked may not have come to wait for it yet.
    response.catch(() => undefined);
    request.on("timeout", () => {
      late = this.#late();
      request.destroy(late);
    });
    const stop = () => request.destroy();
    const signals = [this.#closed.signal, ...(signal ? [signal] : [])];
    for (const each of signals) each.addEventListener("abort", stop, { once: true });
    request.once("close", () => {
      for (const each of signals) each.removeEventListener("abort", stop);
    });
    return { request, response, failure };
  }

  #parsed(incoming: IncomingMessage, bytes: Buffer): unknown {
    let answer: unknown;
    try {
      answer = JSON.parse(bytes.toString());
    } catch (error) {
      throw this.#invalid(`status ${incoming.statusCode} without JSON`, error);
    }
    const status = incoming.statusCode ?? 0;
    const told = errorFromWire(answer);
    if (status === 401 || status === 403) throw this.#refused(status, told);
    if (told) throw told;
    if (status !== 200) throw this.#invalid(`status ${status}`);
    return answer;
  }

  #failure(error: unknown, signal: AbortSignal | undefined): CacheError {
    if (this.#closed.signal.aborted) return closed();
    if (signal?.aborted) return abortedBy(signal);
    if (error instanceof CacheError) return error;
    const code = codeOf(error);
    if (code === "ECONNRESET" || code === "EPIPE" || code === "ECONNABORTED")
      return this.#lost(messageOf(error), error);
    if (code !== undefined && /^(?:ERR_TLS|ERR_SSL|ERR_OSSL|EPROTO|UNABLE_TO_)|CERT/.test(code)) {
      return new CacheError(
        "connection",
        "tls-failed",
        `the connection to ${this.target} is not safe: ${messageOf(error)}`,
        {
          cause: error,
          hint: "Check the certificate, or name its authority with ca=FILE.",
          retryable: false,
        },
      );
    }
    return new CacheError(
      "connection",
      "store-unreachable",
      `${this.target} can't be reached (${code ?? messageOf(error)})`,
      {
        cause: error,
        hint: "Check that cache serve runs there, and that this is its admin port.",
      },
    );
  }

  #lost(why: string, cause?: unknown): CacheError {
    return new CacheError("connection", "connection-lost", `the connection to ${this.target} was lost: ${why}`, {
      cause,
    });
  }

  #late(): CacheError {
    const { timeoutMs } = this.#options;
    return new CacheError("timeout", "store-timeout", `${this.target} has said nothing for ${timeoutMs} ms`, {
      hint: "Give it more time with --timeout.",
    });
  }

  #refused(status: number, told: CacheError | undefined): CacheError {
    const hint = "Give a token with CACHE_TOKEN or --token-file.";
    if (status === 401) {
      const given = this.#options.token !== undefined;
      const message = given ? "does not know the token" : "asks for a token";
      const code = given ? "authentication-failed" : "authentication-required";
      return new CacheError("authentication", code, `${this.target} ${message}`, { hint });
    }
    return new CacheError(
      "authentication",
      told?.code ?? "not-permitted",
      told?.message ?? `${this.target} does not permit it`,
      {
        hint: told?.hint ?? hint,
      },
    );
  }

  #invalid(what: string, cause?: unknown): CacheError {
    return new CacheError("store", "invalid-answer", `${this.target} gave ${what}`, {
      cause,
      hint: "Check that this is the admin port of cache serve.",
    });
  }
}

/** @throws CacheError `invalid-store` */
function addressOf(url: string): URL {
  const base = URL.canParse(url) ? new URL(url) : undefined;
  if (base && /^https?:$/.test(base.protocol) && base.username === "" && base.password === "") return base;
  throw new CacheError("usage", "invalid-store", "the address of a server can't be used", {
    hint: "Write it like http://127.0.0.1:4001, and give the token beside it.",
  });
}

/** A call under way in both directions. */
export class Duplex {
  readonly #request: ClientRequest;
  readonly #lines: AsyncGenerator<object>;

  constructor(request: ClientRequest, lines: AsyncGenerator<object>) {
    this.#request = request;
    this.#lines = lines;
  }

  /** Resolves when there is room for more. What the server says against it is in the answer. */
  async send(line: object): Promise<void> {
    const request = this.#request;
    if (request.destroyed || request.write(`${JSON.stringify(line)}\n`)) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        request.off("drain", done);
        request.off("close", done);
        resolve();
      };
      request.once("drain", done);
      request.once("close", done);
    });
  }

  /** The next line of the answer. @throws CacheError */
  async next(): Promise<object> {
    const { value } = await this.#lines.next();
    if (value !== undefined) return value;
    throw new CacheError("store", "invalid-answer", "the server ended its answer too early");
  }

  end(): void {
    this.#request.end();
  }

  destroy(): void {
    this.#request.destroy();
  }
}

async function allOf(incoming: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of incoming) {
    length += part.length;
    if (length > MAX_ANSWER_BYTES)
      throw new CacheError("store", "invalid-answer", `the answer has more than ${MAX_ANSWER_BYTES} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts);
}

function closed(): CacheError {
  return new CacheError("usage", "closed", "the store is closed");
}

import { type Logger, pino } from "pino";
import type { Clock } from "../../clock.js";
import type { CacheError } from "../../errors.js";
import type { Client } from "../client.js";
import { LineFile, type LineStream } from "./line-file.js";
import { loggedTarget } from "./logged-target.js";

export interface AccessLogOptions {
  /** A file, which is appended to, or a stream. */
  to: string | LineStream;
  /** Write down queries, but for the values of parameters that look like secrets. */
  query: boolean;
  /** Is told when lines are lost. */
  failed: (error: CacheError) => void;
}

/** Characters of a field of a client that are kept. */
const MOST_FIELD = 256;

/** One line of JSON for each request that has ended. What proves who somebody is is never in it. */
export class AccessLog {
  readonly #clock: Clock;
  readonly #query: boolean;
  readonly #file: LineFile;
  readonly #logger: Logger;
  #second = { at: Number.NaN, text: "" };

  /** @throws CacheError `cannot-write` */
  constructor(clock: Clock, { to, query, failed }: AccessLogOptions) {
    this.#clock = clock;
    this.#query = query;
    const file = new LineFile(to, failed);
    this.#file = file;
    // Every line is of one level; without it, the time is what a line begins with.
    const options = { base: null, timestamp: () => `"time":"${this.#time()}"`, formatters: { level: () => ({}) } };
    this.#logger = pino(options, { write: (line) => file.write(line) });
  }

  /**
   * @param ms since the request came
   * @param complete the response was not cut short
   */
  ended({ request, response, outcome, sentBytes }: Client, ms: number, complete: boolean): void {
    // Node has made the object of the fields already, for the listener.
    const { method, url = "", headers, socket } = request;
    const agent = headers["user-agent"];
    this.#logger.info({
      method,
      host: cut(headers.host),
      path: loggedTarget(url, this.#query),
      // As nginx has it, where the client was gone before it had an answer.
      status: response.headersSent ? response.statusCode : 499,
      ...(outcome && { outcome }),
      bytes: sentBytes,
      ms: Math.round(ms * 1000) / 1000,
      remote: socket.remoteAddress,
      ...(agent !== undefined && { agent: cut(agent) }),
      ...(!complete && { cut: true }),
    });
  }

  /** Goes on in a new file of the same name, after the old one was moved away. */
  reopen(): void {
    this.#file.reopen();
  }

  /** Lines that could not be written. */
  get lost(): number {
    return this.#file.lost;
  }

  flush(): Promise<void> {
    return this.#file.flush();
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  /** Making the text of a time costs more than the rest of a line: the part before the milliseconds is kept for as long as it is right. */
  #time(): string {
    const now = this.#clock.now();
    const at = Math.floor(now / 1000);
    if (at !== this.#second.at) this.#second = { at, text: new Date(now).toISOString().slice(0, -4) };
    return `${this.#second.text}${String(Math.floor(now) - at * 1000).padStart(3, "0")}Z`;
  }
}

function cut(text: string | undefined): string | undefined {
  return text !== undefined && text.length > MOST_FIELD ? `${text.slice(0, MOST_FIELD)}…` : text;
}

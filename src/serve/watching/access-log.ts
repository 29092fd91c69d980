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
  #second = { at: Number.NaN, text: "" };

  /** @throws CacheError `cannot-write` */
  constructor(clock: Clock, { to, query, failed }: AccessLogOptions) {
    this.#clock = clock;
    this.#query = query;
    this.#file = new LineFile(to, failed);
  }

  /**
   * @param ms since the request came
   * @param complete the response was not cut short
   */
  ended({ request, response, outcome, sentBytes }: Client, ms: number, complete: boolean): void {
    // Node has made the object of the fields already, for the listener.
    const { method = "", url = "", headers, socket } = request;
    const { host, "user-agent": agent } = headers;
    // As nginx has it, where the client was gone before it had an answer.
    const status = response.headersSent ? response.statusCode : 499;
    let line = `{"time":"${this.#time()}","method":${quoted(method)}`;
    if (host !== undefined) line += `,"host":${quoted(cut(host.slice(host.lastIndexOf("@") + 1)))}`;
    line += `,"path":${quoted(loggedTarget(url, this.#query))},"status":${status}`;
    if (outcome !== undefined) line += `,"outcome":"${outcome}"`;
    line += `,"bytes":${sentBytes},"ms":${Math.round(ms * 1000) / 1000}`;
    const { remoteAddress } = socket;
    if (remoteAddress !== undefined) line += `,"remote":${quoted(remoteAddress)}`;
    if (agent !== undefined) line += `,"agent":${quoted(cut(agent))}`;
    this.#file.write(complete ? `${line}}\n` : `${line},"cut":true}\n`);
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

function cut(text: string): string {
  return text.length > MOST_FIELD ? `${text.slice(0, MOST_FIELD)}…` : text;
}

/** As JSON has it (RFC 8259 §7). Most texts have nothing to escape, and finding that out takes less time than `JSON.stringify`. */
function quoted(text: string): string {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x20 || code > 0x7e || code === 0x22 || code === 0x5c) return JSON.stringify(text);
  }
  return `"${text}"`;
}

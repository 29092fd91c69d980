import { type IncomingMessage, type ServerResponse, STATUS_CODES } from "node:http";
import type { CacheOutcome } from "../http/cache-status.js";
import type { Fields, ResponseHead } from "../http/message.js";
import type { ReadyHit } from "./ready-hits.js";
import { takesText, wholeText } from "./whole-text.js";

/**
 * The client of one request, as something that a response is written to piece by piece. What is written waits for the client to take it; a client that goes away is no
 * failure: what comes after is dropped.
 */
export class Client {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Monotonic milliseconds. */
  readonly startedAt: number;
  /** Absent where the request was refused, or nobody has found out yet. */
  outcome: CacheOutcome | undefined;
  /** Bytes of content that the connection was given. */
  sentBytes = 0;
  /** Interim responses that wait for their turn. */
  #news: ResponseHead[] | undefined;
  #ended: ((client: Client, complete: boolean) => void) | undefined;

  constructor(request: IncomingMessage, response: ServerResponse, startedAt: number) {
    this.request = request;
    this.response = response;
    this.startedAt = startedAt;
  }

  get gone(): boolean {
    return this.response.destroyed || this.response.closed;
  }

  /** Calls the listener once, when the response has ended: with false where it is cut short. */
  set onEnded(listener: (client: Client, complete: boolean) => void) {
    this.#ended = listener;
  }

  /** The turn is over in which the request came: what has not ended by now is waited for. */
  turnOver(): void {
    const { response } = this;
    if (this.#ended) response.on("close", () => this.#told(response.writableFinished));
  }

  #told(complete: boolean): void {
    const ended = this.#ended;
    this.#ended = undefined;
    ended?.(this, complete);
  }

  /** Calls the listener when the client goes away before its response has ended. */
  onGone(listener: () => void): void {
    this.response.once("close", () => {
      if (!this.response.writableFinished) listener();
    });
  }

  /**
   * An interim response (RFC 9110 §15.2), which is passed on whatever it is. Node has calls for two of them, and those know few fields: so it is written here. Dropped where
   * the client reads too slowly to be told of what is not there yet.
   */
  inform({ status, fields }: ResponseHead): void {
    const { response } = this;
    if (this.gone || response.headersSent || this.request.httpVersion === "1.0") return;
    const { socket } = response;
    if (socket === null) {
      // The response to an earlier request of this connection has not ended.
      if (this.#news === undefined) response.once("socket", () => this.#tell());
      this.#news ??= [];
      if (this.#news.length < MOST_NEWS) this.#news.push({ status, fields });
      return;
    }
    if (socket.writableNeedDrain) return;
    let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\n`;
    for (let i = 0; i + 1 < fields.length; i += 2) head += `${fields[i]}: ${fields[i + 1]}\r\n`;
    socket.write(`${head}\r\n`, "latin1");
  }

  #tell(): void {
    const news = this.#news ?? [];
    this.#news = undefined;
    for (const head of news) this.inform(head);
  }

  head(status: number, fields: Fields): void {
    if (!this.gone && !this.response.headersSent) this.response.writeHead(status, [...fields]);
  }

  /** A whole response that may be sent to many: its text is noted with it. */
  sendReady(status: number, ready: ReadyHit): void {
    const { request, response } = this;
    if (this.gone || response.headersSent) return;
    const { fields, content, text } = ready;
    if (text !== undefined && takesText(request, response, status, text)) {
      this.sentBytes += content.length;
      this.end();
      return;
    }
    response.writeHead(status, fields);
    if (ready.isKept) ready.text ??= wholeText(request, response, content);
    this.end(content.length === 0 ? undefined : content);
  }

  /** The system has all that was written. */
  get hasTakenAll(): boolean {
    const { destroyed, writableLength, socket } = this.response;
    return !destroyed && writableLength === 0 && socket?.writableLength === 0;
  }

  /** Resolves when more may be written. */
  write(piece: Uint8Array): Promise<void> | undefined {
    const { response } = this;
    if (this.gone) return undefined;
    this.sentBytes += piece.length;
    if (response.write(piece)) return undefined;
    return new Promise((resolve) => {
      const done = () => {
        response.off("drain", done);
        response.off("close", done);
        resolve();
      };
      response.once("drain", done);
      response.once("close", done);
    });
  }

  end(piece?: Uint8Array): void {
    if (this.gone) return;
    const { response } = this;
    if (piece === undefined) response.end();
    else {
      this.sentBytes += piece.length;
      response.end(piece);
    }
    // The system has taken all of it: nobody has to be waited for.
    const { socket } = response;
    if (this.#ended && socket?.writableLength === 0 && !socket.destroyed) this.#told(true);
  }

  /** Ends the connection, so that the client sees that something is missing (RFC 9112 §8). */
  cut(): void {
    this.response.destroy();
  }
}

/** Interim responses that wait at most: an origin can send any number. */
const MOST_NEWS = 16;

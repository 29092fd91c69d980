import type { IncomingMessage, ServerResponse } from "node:http";
import type { CacheOutcome } from "../http/cache-status.js";
import { type Fields, linesOf, type ResponseHead } from "../http/message.js";

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

  constructor(request: IncomingMessage, response: ServerResponse, startedAt: number) {
    this.request = request;
    this.response = response;
    this.startedAt = startedAt;
  }

  get gone(): boolean {
    return this.response.destroyed || this.response.closed;
  }

  /** Calls the listener when the client goes away before its response has ended. */
  onGone(listener: () => void): void {
    this.response.once("close", () => {
      if (!this.response.writableFinished) listener();
    });
  }

  /** An interim response (RFC 9110 §15.2). Of those that Node can send: early hints, and that the work goes on. */
  inform({ status, fields }: ResponseHead): void {
    const { response } = this;
    if (this.gone || response.headersSent || this.request.httpVersion === "1.0") return;
    if (status === 102) response.writeProcessing();
    const links = linesOf(fields, "link");
    if (status === 103 && links.length > 0) response.writeEarlyHints({ link: links });
  }

  head(status: number, fields: Fields): void {
    if (!this.gone && !this.response.headersSent) this.response.writeHead(status, [...fields]);
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
    if (piece === undefined) this.response.end();
    else {
      this.sentBytes += piece.length;
      this.response.end(piece);
    }
  }

  /** Ends the connection, so that the client sees that something is missing (RFC 9112 §8). */
  cut(): void {
    this.response.destroy();
  }
}

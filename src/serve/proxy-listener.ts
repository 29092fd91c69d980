import type { CacheStatusEntry } from "../http/cache-status.js";
import type { Client } from "./client.js";
import type { Exchange, Question } from "./question.js";

/** What the proxy tells of itself; nothing that is called here may fail. */
export interface ProxyListener {
  /** A request came; also one that will be refused. */
  arrived?(client: Client): void;
  /** It is known what becomes of the request: the response begins. */
  answered(exchange: Exchange, status: number, entry: CacheStatusEntry): void;
  /** The origin gave a response with this status, or failed. */
  asked(question: Question, ms: number, status: number | undefined, failure: unknown): void;
  storeFailed(error: unknown): void;
}

/** What is told of a stored response. */
export interface HeldResponse {
  tags: readonly string[];
  /** Names of the request fields that choose it, in lower case and sorted. */
  vary: readonly string[];
}

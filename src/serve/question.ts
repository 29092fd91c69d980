import type { RequestHead } from "../http/message.js";
import type { Ruling } from "../http/rules.js";
import type { Target } from "../http/target.js";
import type { Client } from "./client.js";
import type { Content } from "./content.js";
import type { Origin } from "./upstream.js";

/** Who sends a request. */
interface Sender {
  /** IP address; absent for requests of our own. */
  address: string | undefined;
  secure: boolean;
  httpVersion: string;
}

/** What is asked of the store and of an origin. */
export interface Question {
  readonly sender: Sender;
  readonly request: RequestHead;
  readonly target: Target;
  readonly origin: Origin;
  readonly ruling: Ruling;
  /** What the client sent besides the head, where it was read to get its key. */
  readonly content?: Content;
  /** What is stored of the URL lies under it. */
  readonly resourceKey: string;
}

/** One request of a client on its way. */
export interface Exchange extends Question {
  readonly client: Client;
  /** Of the fetches that had landed when the store was asked. */
  readonly mark: number;
  /** It has no directives, conditions, ranges or credentials. */
  readonly plain: boolean;
  /** A fetch that it waited for was cut short. */
  readonly again?: true;
}

export function isExchange(question: Question): question is Exchange {
  return "client" in question;
}

import type { AddressSettings } from "./address.js";

/**
 * A command with its arguments; text goes out as UTF-8. On a cluster it goes where its key lies: the first argument, of EVAL and EVALSHA the first key.
 * MGET, EXISTS, UNLINK and DEL may name keys of many slots, any other command those of one.
 */
export type Command = readonly [name: string, ...args: (string | Buffer | number)[]];

export const DEFAULT_TIMEOUT_MS = 5000;

export interface ConnectionSettings extends AddressSettings {
  /** Milliseconds until the server has answered for the first time, default 5,000. */
  connectTimeoutMs?: number;
  /** Milliseconds that one command may take, connecting again included; default 5,000. */
  commandTimeoutMs?: number;
  /** Connections among which the calls take turns, 1 (default) to 20. */
  connections?: number;
  /** When it is aborted, a server that says nothing is no longer waited for. One that answers may finish what is under way. */
  signal?: AbortSignal;
}

/** Something that commands can be sent to. Replies are bytes; no command is sent twice, unless the server has refused it as such. */
export interface Node {
  /** A URL for people, without secrets. */
  readonly target: string;
  /** @throws CacheError, see `mapError` */
  call(command: Command): Promise<unknown>;
  /**
   * Sends the commands at once. An error reply to one of them is its result, as ioredis's own error; a lost connection or a timeout throws.
   * @throws CacheError
   */
  pipelineRaw(commands: readonly Command[]): Promise<unknown[]>;
  /** As {@link pipelineRaw}; any error reply throws. */
  pipeline(commands: readonly Command[]): Promise<unknown[]>;
}

export interface Primary {
  /** The node's own name in a cluster, which survives a restart and a move to another address; else "". */
  id: string;
  node: Node;
}

/** The way to one store, whatever its topology: it fails rather than waits, and every call ends within the connect and command timeouts. */
export interface Connection extends Node {
  /** Keys are spread over slots: a script may touch those of one slot alone. */
  readonly clustered: boolean;
  /** The nodes that hold the data, for what has no key (SCAN, INFO, DBSIZE): a server is its own. */
  primaries(): Promise<readonly Primary[]>;
  /** @throws CacheError `closed` after {@link close} */
  checkOpen(): void;
  /** @throws CacheError if the store left the last request without an answer */
  checkAnswering(): void;
  /** Milliseconds of one PING; of several nodes the slowest. */
  ping(): Promise<number>;
  /** Lets go of the connection; calls under way fail. Safe to call again. */
  close(): Promise<void>;
}

import type { Readable } from "node:stream";
import type { Clock } from "../clock.js";

export type Input = Readable & { isTTY?: boolean };

/** What is used of a stream that is written to. */
export interface Sink {
  /** False: full, wait for `drain`. */
  write(data: string | Uint8Array): boolean;
  on(event: SinkEvent, listener: (error: Error) => void): unknown;
  off(event: SinkEvent, listener: (error: Error) => void): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number | undefined;
}

export type SinkEvent = "drain" | "close" | "error";

/** All that a command may touch of the process it runs in; a test passes its own. */
export interface Io {
  stdin: Input;
  stdout: Sink;
  stderr: Sink;
  env: Readonly<Record<string, string | undefined>>;
  cwd: string;
  clock: Clock;
  /** Aborted by Ctrl-C: stop at the next safe point. */
  signal: AbortSignal;
  uid?: number | undefined;
  /** Calls the listener at each SIGHUP, which else ends the process. @returns no more of it. Absent where there are no signals. */
  onHangup?: (listener: () => void) => () => void;
}

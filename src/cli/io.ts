import type { Readable } from "node:stream";
import type { Clock } from "../clock.js";

export type Input = Readable & {
  isTTY?: boolean;
  /** True: every key is heard at once, and none means a signal. */
  setRawMode?: (raw: boolean) => unknown;
};

/** What is used of a stream that is written to. */
export interface Sink {
  /** False: full, wait for `drain`. */
  write(data: string | Uint8Array): boolean;
  on(event: SinkEvent, listener: (error: Error) => void): unknown;
  off(event: SinkEvent, listener: (error: Error) => void): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
}

/** `resize`: a terminal has other `columns` and `rows` now. */
export type SinkEvent = "drain" | "close" | "error" | "resize";

/** For who changes what a terminal looks like: what happens to the process meanwhile. */
export interface TerminalHolder {
  /** The terminal must be as it was found, and at once: the process ends in whatever way, or is stopped (Ctrl-Z). */
  release: () => void;
  /** It goes on after it was stopped. */
  resume: () => void;
}

export interface TerminalHold {
  /** Stops the process and who runs with it, as Ctrl-Z does. */
  suspend(): void;
  /** Nothing has to be put back any more. */
  end(): void;
}

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
  /** Calls the listener when the process ends, in whatever way but by a signal that nobody can hear. @returns no more of it. Absent like the next one. */
  onExit?: (listener: () => void) => () => void;
  /** Absent where there is no process to end. */
  holdTerminal?: (holder: TerminalHolder) => TerminalHold;
}

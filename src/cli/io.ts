import type { Readable, Writable } from "node:stream";
import type { Clock } from "../clock.js";

export type Input = Readable & { isTTY?: boolean };
export type Sink = Writable & { isTTY?: boolean; columns?: number };

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
}

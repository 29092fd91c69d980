import type { CacheError, ErrorKind } from "../errors.js";

/** What the exit code of every command means (cli.md, "Exit codes"). */
export const EXIT = {
  done: 0,
  failure: 1,
  usage: 2,
  miss: 3,
  authentication: 4,
  unreachable: 5,
  partial: 6,
  refused: 7,
  interrupted: 130,
  terminated: 143,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

const BY_KIND: Record<ErrorKind, ExitCode> = {
  usage: EXIT.usage,
  authentication: EXIT.authentication,
  connection: EXIT.unreachable,
  timeout: EXIT.unreachable,
  refused: EXIT.refused,
  serialization: EXIT.failure,
  store: EXIT.failure,
};

export function exitCodeOf(error: CacheError): ExitCode {
  return BY_KIND[error.kind];
}

import { CacheError, type ErrorKind } from "../errors.js";

/** What the admin API answers with when a call fails. */
export interface WireError {
  error: {
    code: string;
    message: string;
    hint?: string;
    kind?: ErrorKind;
    key?: string;
    retryable?: boolean;
  };
}

/** @param error what failed; of what is no error of ours nothing is told */
export function errorToWire(error: unknown): WireError {
  if (!(error instanceof CacheError)) {
    return { error: { code: "internal-error", message: "something went wrong here", kind: "store" } };
  }
  const { code, message, hint, kind, key, retryable } = error;
  return {
    error: { code, message, kind, retryable, ...(hint !== undefined && { hint }), ...(key !== undefined && { key }) },
  };
}

/** The error that a server told of, undefined for what is none. */
export function errorFromWire(answer: unknown): CacheError | undefined {
  if (typeof answer !== "object" || answer === null || !("error" in answer)) return undefined;
  const { error } = answer;
  if (typeof error !== "object" || error === null) return undefined;
  const { code, message, hint, kind, key, retryable }: { [K in keyof WireError["error"]]?: unknown } = error;
  if (typeof code !== "string" || typeof message !== "string") return undefined;
  return new CacheError(KINDS.find((known) => known === kind) ?? "store", code, message, {
    ...(typeof hint === "string" && { hint }),
    ...(typeof key === "string" && { key }),
    ...(typeof retryable === "boolean" && { retryable }),
  });
}

const KINDS = ["usage", "authentication", "connection", "timeout", "refused", "serialization", "store"] as const;

/** The HTTP status of a call that failed so. */
export function statusOf(error: unknown): number {
  if (!(error instanceof CacheError)) return 500;
  return STATUSES[error.kind];
}

const STATUSES: Readonly<Record<ErrorKind, number>> = {
  usage: 400,
  // Between the server and its store: who calls the server did nothing wrong.
  authentication: 502,
  connection: 503,
  timeout: 504,
  refused: 409,
  serialization: 422,
  store: 502,
};

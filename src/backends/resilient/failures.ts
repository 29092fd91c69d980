import { CacheError } from "../../errors.js";

/**
 * True if the store was not there or too slow: what a breaker counts. What the store itself answered (another type, no permission, no memory) and what the
 * caller did (a key that can't be, a signal) are no failures of the store.
 */
export function isStoreFailure(error: unknown): error is CacheError {
  return (
    error instanceof CacheError && (error.kind === "connection" || error.kind === "timeout") && error.code !== "aborted"
  );
}

/** True for what only a store that works can have said. */
export function isAnswer(error: unknown): boolean {
  return error instanceof CacheError && (error.kind === "store" || error.kind === "authentication");
}

/**
 * @param target the store, for people
 * @param cause what an earlier attempt failed with
 */
export function deadlineError(target: string, ms: number, cause: unknown): CacheError {
  return new CacheError("timeout", "store-timeout", `${target} did not answer within ${ms} ms`, {
    cause,
    hint: "Try again, or allow more time. Whether a write was made is not known.",
  });
}

export function openBreakerError(target: string, leftMs: number, cause: CacheError | undefined): CacheError {
  const again = leftMs > 0 ? `is asked again in ${Math.ceil(leftMs)} ms` : "is being asked again just now";
  return new CacheError("connection", "breaker-open", `${target} has failed too often and ${again}`, {
    cause,
    hint: "Find out why the store fails; as soon as it answers it is used again by itself.",
    retryable: true,
  });
}

export function closedError(target: string): CacheError {
  return new CacheError("usage", "closed", `the store ${target} is closed`, { hint: "Open it again to use it." });
}

/**
 * What went wrong, in the few kinds that a caller acts on.
 *
 * - `usage`: the call, a setting or a file that can't be right; trying again changes nothing
 * - `authentication`: the store refused who we are
 * - `connection`: the store can't be reached, or went away
 * - `timeout`: the deadline of the call passed
 * - `refused`: allowed to nobody here (read-only), or needs a confirmation
 * - `serialization`: bytes that should decode don't
 * - `store`: the store answered with an error
 */
export type ErrorKind = "usage" | "authentication" | "connection" | "timeout" | "refused" | "serialization" | "store";

export interface CacheErrorOptions {
  cause?: unknown;
  key?: string;
  /** What the reader can do about it: one sentence, an imperative. */
  hint?: string;
  /** True if the same call may succeed when it is made again. */
  retryable?: boolean;
}

/** The one error type of the core: a stable `code` to branch on, a sentence to read, and a hint. */
export class CacheError extends Error {
  override readonly name = "CacheError";
  readonly kind: ErrorKind;
  /** Stable, kebab-case, never reused for something else. */
  readonly code: string;
  readonly key: string | undefined;
  readonly hint: string | undefined;
  readonly retryable: boolean;

  constructor(kind: ErrorKind, code: string, message: string, options: CacheErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.kind = kind;
    this.code = code;
    this.key = options.key;
    this.hint = options.hint;
    this.retryable = options.retryable ?? (kind === "connection" || kind === "timeout");
  }
}

/** A call that its signal has ended: the reason given, if that is an error of ours. */
export function abortedBy(signal: AbortSignal | undefined): CacheError {
  if (signal?.reason instanceof CacheError) return signal.reason;
  return new CacheError("timeout", "aborted", "the call was cancelled", { cause: signal?.reason, retryable: false });
}

/** The message of anything that can be thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The `code` of a Node or library error (`ENOENT`, `SQLITE_BUSY`), or undefined. */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

/** What was given instead of what was asked for: simple values as they are, of others their kind alone. */
export function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value);
  if (typeof value === "object" && value !== null) return Array.isArray(value) ? "a list" : "an object";
  return typeof value === "function" ? "a function" : String(value);
}

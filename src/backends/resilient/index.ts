import {
  type DecodedReader,
  type ForeignReader,
  type FullBackend,
  type ResilienceInfo,
  readsDecoded,
} from "../backend.js";
import type { ResilienceContext, ResilienceOptions } from "./options.js";
import { ResilientBackend } from "./resilient-backend.js";

export type { BreakerOptions, ResilienceContext, ResilienceOptions } from "./options.js";

/** How the store has failed and recovered so far. */
export type ResilienceState = ResilienceInfo;

export type Resilient = FullBackend & ForeignReader & { state(): ResilienceState };

/**
 * Wraps a backend in deadlines, retries, a circuit breaker and health checks; see {@link ResilienceOptions} for the figures.
 * @param backend the backend, or how to open it: that is done at the first call, and again at a later one if it failed, so that a store that is away at the start is
 *   no failure of the start
 * @throws CacheError `invalid-resilience`
 */
export function resilient(
  backend: FullBackend | (() => Promise<FullBackend>),
  options: ResilienceOptions,
  context: ResilienceContext,
): Resilient {
  const wrapped = new ResilientBackend(backend, options, context);
  if (typeof backend === "function" || !readsDecoded(backend)) return wrapped;
  const inner: DecodedReader = backend;
  // Only memory keeps decoded values: what is asked of it fails in no way that a wrapper could help with.
  const getDecoded: DecodedReader["getDecoded"] = (key, decode) => inner.getDecoded(key, decode);
  return Object.assign(wrapped, { getDecoded });
}

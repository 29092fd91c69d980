import { CacheError } from "../../errors.js";
import type { ChangePage, Position } from "../backend.js";
import type { Supervisor } from "./supervisor.js";

/**
 * The log of a store with a deadline for each look into it. A follower looks so often that its looks would drown what callers see of the store: the breaker is not
 * told of them, and while it is open there are none.
 */
export async function* followLog(
  supervisor: Supervisor,
  after: Position,
  signal: AbortSignal,
): AsyncGenerator<ChangePage> {
  let pages: AsyncIterator<ChangePage> | undefined;
  const stop = new AbortController();
  const onAbort = () => stop.abort(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    while (!signal.aborted) {
      const result = await supervisor.pursue({
        attempt: (backend) => {
          pages ??= backend.changes(after, stop.signal)[Symbol.asyncIterator]();
          return pages.next();
        },
        idempotent: false,
        uncounted: true,
        signal,
      });
      if (result.done) return;
      yield result.value;
    }
  } catch (error) {
    // The follower has ended it, and is not told so.
    if (!(signal.aborted && error instanceof CacheError)) throw error;
  } finally {
    signal.removeEventListener("abort", onAbort);
    stop.abort();
    // One that hangs is not waited for, and has nobody left to tell of its failure.
    pages?.return?.().catch(() => undefined);
  }
}

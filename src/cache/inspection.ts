import type { Backend } from "../backends/backend.js";
import type { Clock } from "../clock.js";
import { CacheError, messageOf } from "../errors.js";
import { checkOptions } from "../option-checks.js";
import { within } from "./call.js";
import { CALL } from "./option-forms.js";
import type { CacheStats, CallOptions, LoadCounts } from "./options.js";

/** What a store has counted, with what was counted of reading through it. */
export async function statsOf(backend: Backend, loading: LoadCounts): Promise<CacheStats> {
  const { counters, source, tiers } = await backend.counters();
  const info = await backend.describe();
  const lookups = (counters.hits ?? 0) + (counters.misses ?? 0);
  const hitRate = lookups === 0 ? undefined : (counters.hits ?? 0) / lookups;
  const report = { store: backend.name, target: info.target, counters, source, hitRate, info, loading: { ...loading } };
  return tiers === undefined ? report : { ...report, tiers };
}

export type Health = { ok: true; latency: number } | { ok: false; error: CacheError };

/** One round trip: milliseconds, or why not. Never throws. @param at gives the store; it may throw */
export async function healthOf(at: () => Backend, clock: Clock, options: CallOptions): Promise<Health> {
  try {
    checkOptions("a call", options, CALL);
    return { ok: true, latency: await within(clock, options, (signal) => at().ping(signal ? { signal } : {})) };
  } catch (error) {
    return {
      ok: false,
      error: error instanceof CacheError ? error : new CacheError("store", "unknown", messageOf(error)),
    };
  }
}

import { COUNTER_NAMES, type Counters } from "../backends/backend.js";

/** Nothing counted. */
export const NOTHING: Counters = { hits: 0, misses: 0, sets: 0, deletes: 0, expirations: 0, evictions: 0, errors: 0 };

/**
 * What was counted between two looks. Counters that were set back to zero have counted what they show.
 * @param before undefined for the first look, before which nothing is known
 */
export function stepOf(before: Partial<Counters> | undefined, now: Partial<Counters>): Counters {
  const step = { ...NOTHING };
  if (before === undefined) return step;
  for (const name of COUNTER_NAMES) {
    const [last, value] = [before[name] ?? 0, now[name] ?? 0];
    step[name] = value >= last ? value - last : value;
  }
  return step;
}

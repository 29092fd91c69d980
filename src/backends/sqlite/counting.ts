import { type Awaitable, COUNTER_NAMES, type Counters } from "../backend.js";
import type { Store } from "./store.js";
import { addToCounter } from "./sums.js";

/** Adds to the counters of a namespace. */
export function count(store: Store, namespace: string, deltas: Partial<Counters>): Awaitable<void> {
  store.checkWritable();
  const changed = COUNTER_NAMES.filter((name) => (deltas[name] ?? 0) !== 0);
  if (changed.length === 0) return;
  return store.change((link) => {
    for (const name of changed) addToCounter(link, namespace, name, deltas[name] ?? 0);
  });
}

/** What all processes have counted. */
export function counters(store: Store, namespace: string): { counters: Counters; source: "cache" } {
  const counters: Counters = { hits: 0, misses: 0, sets: 0, deletes: 0, expirations: 0, evictions: 0, errors: 0 };
  const rows = store.run((link) =>
    link.rows<[string, number]>("SELECT name, value FROM counters WHERE namespace = ?").all(namespace),
  );
  for (const name of COUNTER_NAMES) counters[name] = rows.find(([found]) => found === name)?.[1] ?? 0;
  return { counters, source: "cache" };
}

export function resetCounters(store: Store, namespace: string): Awaitable<void> {
  store.checkWritable();
  return store.change((link) => {
    link.action("DELETE FROM counters WHERE namespace = ?").run(namespace);
  });
}

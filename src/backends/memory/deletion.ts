import { setImmediate as nextTurn } from "node:timers/promises";
import { scopeOf } from "../../changes.js";
import type { Clock } from "../../clock.js";
import type { Selector } from "../../selector.js";
import type { DeleteOptions, DeleteReport } from "../backend.js";
import type { MemoryEntry } from "./entry.js";
import type { EntryStore } from "./entry-store.js";
import { STEP, Walk } from "./walk.js";

/**
 * Deletes what the selector holds in steps, between which others get their turn.
 * @param checkOpen throws when the store was closed meanwhile
 */
export async function deleteInSteps(
  store: EntryStore,
  clock: Clock,
  selector: Selector,
  options: DeleteOptions,
  checkOpen: () => void,
): Promise<DeleteReport> {
  const { limit = Number.POSITIVE_INFINITY, rate, signal, soft = false } = options;
  const stepSize = rate === undefined ? STEP : Math.min(STEP, Math.max(1, Math.ceil(rate / 10)));
  const start = clock.monotonic();
  const walk = new Walk(store, selector, options.cursor);
  const report: DeleteReport = { deleted: 0, softened: 0, complete: false };
  const scope = "keys" in selector ? scopeOf(selector.keys) : selector;
  const record = () => store.record(soft ? "soften" : "delete", () => scope, options);
  record();
  let done = 0;
  let cursor = options.cursor;
  let turns = 0;
  try {
    while (!walk.done && done < limit && !signal?.aborted) {
      for (const entry of walk.step(Math.min(stepSize, limit - done))) deleteOne(store, entry, soft, report);
      cursor = walk.cursor;
      done = report.deleted + report.softened;
      options.onProgress?.(done);
      if (walk.done) break;
      turns += 1;
      if (rate !== undefined) await clock.sleep(Math.max(0, start + (done / rate) * 1000 - clock.monotonic()), signal);
      await nextTurn();
      checkOpen();
    }
  } finally {
    // What was read between two steps may be gone now.
    if (turns > 0) record();
  }
  report.complete = walk.done;
  if (!report.complete && cursor !== undefined) report.cursor = cursor;
  return report;
}

function deleteOne({ table, deadlines }: EntryStore, entry: MemoryEntry, soft: boolean, report: DeleteReport): void {
  const staleAt = soft ? table.times.staleAt(entry.slot) : undefined;
  if (staleAt !== undefined) {
    table.times.setStale(entry.slot, Math.min(staleAt, deadlines.now()));
    table.changed(entry, undefined);
    report.softened += 1;
  } else if (table.remove(entry.key)) report.deleted += 1;
}

/** Removes what has expired; the number of entries. @param isOver true when the store was closed meanwhile */
export async function removeExpired(store: EntryStore, isOver: () => boolean): Promise<number> {
  const walk = new Walk(store, { expiry: "expired" }, undefined);
  let removed = 0;
  while (!walk.done && !isOver()) {
    for (const entry of walk.step(STEP)) if (store.table.remove(entry.key)) removed += 1;
    if (!walk.done) await nextTurn();
  }
  store.counters.expirations += removed;
  return removed;
}

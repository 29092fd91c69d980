import { CacheError } from "../../errors.js";
import type { Selector } from "../../selector.js";
import type { Backend } from "../backend.js";
import { isKeys, type Missed } from "./journal.js";

/** Keys that are deleted with one call. */
const STEP = 500;

/** What is to be made good in a store. */
export interface Owed {
  changes: readonly Missed[];
  /** Everything, because not all of it is known. */
  everything: boolean;
}

/**
 * Tells a store of all changes that it has missed.
 * @param origin no follower's own name, so that every one of them hears of it
 * @throws CacheError of the store; `replay-incomplete` if something that was to go is left
 */
export async function replay(backend: Backend, { changes, everything }: Owed, origin: string): Promise<void> {
  if (everything) await remove(backend, { all: true }, origin);
  const keys = new Set<string>();
  for (const change of changes) if (isKeys(change)) for (const key of change.selector.keys) keys.add(key);
  const list = [...keys];
  if (!everything) {
    for (let i = 0; i < list.length; i += STEP) await remove(backend, { keys: list.slice(i, i + STEP) }, origin);
  }
  for (const change of changes) {
    const { selector, soft, announce } = change;
    if (announce !== undefined) await backend.announce(announce, selector, { origin });
    else if (!everything && !isKeys(change)) await remove(backend, selector, origin, soft);
  }
}

async function remove(backend: Backend, selector: Selector, origin: string, soft = false): Promise<void> {
  const { complete } = await backend.deleteWhere(selector, { origin, ...(soft && { soft }) });
  if (complete) return;
  throw new CacheError("store", "replay-incomplete", "not all that had to be deleted could be");
}

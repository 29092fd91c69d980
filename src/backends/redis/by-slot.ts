import type { RawKey } from "./names.js";
import { asText } from "./reply.js";
import type { Script } from "./scripts.js";
import { group, type Store } from "./store.js";

/**
 * Runs a script that answers with a letter for each of the items; on a cluster once for each slot.
 * @returns the letters in the order of the items; undefined where this user may run no scripts
 */
export async function lettersBySlot<T extends object>(
  store: Store,
  script: Script,
  items: readonly T[],
  keyOf: (item: T) => RawKey,
  argsOf: (items: readonly T[]) => (string | Buffer)[],
): Promise<string | undefined> {
  const groups = group(store, items, keyOf);
  const calls = groups.map((some) => ({ route: some[0] ? keyOf(some[0]) : "", args: argsOf(some) }));
  const replies = await store.scripts.runAll(script, calls);
  if (!replies) return undefined;
  const texts = replies.map(asText);
  if (texts.length === 1) return texts[0];
  const letters = new Map<T, string>();
  for (const [n, some] of groups.entries()) {
    for (const [i, item] of some.entries()) letters.set(item, texts[n]?.[i] ?? "");
  }
  return items.map((item) => letters.get(item) ?? "").join("");
}

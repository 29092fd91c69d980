import type { RawKey } from "./names.js";
import { asText } from "./reply.js";
import type { Script } from "./scripts.js";
import { group, hasTags, type Store } from "./store.js";

export interface Touching<T> {
  /** The key of an entry. */
  fullOf(item: T): RawKey;
  /** The name of its sidecar; not asked where there are none. */
  sidecarOf(item: T): RawKey;
  /** The arguments for some of the items. @param sidecarOf gives "" where there are no sidecars */
  argsOf(items: readonly T[], sidecarOf: (item: T) => RawKey): (string | Buffer)[];
  /** The letters of a reply; default is the reply itself. */
  read?(reply: unknown, count: number): string;
}

/**
 * Runs a script that touches entries and their sidecars, and answers with a letter for each of the items; on a cluster once for each key.
 * @returns the letters in the order of the items; undefined where this user may run no scripts
 */
export async function lettersBySlot<T extends object>(
  store: Store,
  script: Script,
  items: readonly T[],
  { fullOf, sidecarOf, argsOf, read = asText }: Touching<T>,
): Promise<string | undefined> {
  const { clustered } = store.connection;
  // On one server a script finds out by itself.
  const tagged = !clustered || (await hasTags(store));
  const besideOf = (item: T) => (tagged ? sidecarOf(item) : "");
  const groups = group(store, items, fullOf);
  const calls = groups.map((some) => {
    const [first] = some;
    const beside = clustered && tagged && first ? [sidecarOf(first)] : [];
    return { route: first ? fullOf(first) : "", beside, args: argsOf(some, besideOf) };
  });
  const replies = await store.scripts.runAll(script, calls);
  if (!replies) return undefined;
  const texts = replies.map((reply, n) => read(reply, groups[n]?.length ?? 0));
  if (texts.length === 1) return texts[0];
  const letters = new Map<T, string>();
  for (const [n, some] of groups.entries()) {
    for (const [i, item] of some.entries()) letters.set(item, texts[n]?.[i] ?? "");
  }
  return items.map((item) => letters.get(item) ?? "").join("");
}

import { compileFilter, filterOf, type Selector } from "./selector.js";

/**
 * `write`: new values or deadlines. `delete`: gone. `soften`: marked stale.
 * A reader of the log treats all alike: whatever it holds of these entries is not the current one any more.
 */
export type ChangeOp = "write" | "delete" | "soften";

/** Something that happened to entries of a namespace, or is about to: it may name more than it touches, never less. */
export interface Change {
  op: ChangeOp;
  selector: Selector;
  /** Who did it: what the writer gave as `origin`, else a name of its process's own. */
  origin: string;
}

/** Keys that a change names one by one; of more, their common prefix. */
const MAX_LISTED = 100;

/** The selector that a batch of keys is announced by: the keys, or of many the prefix that they share. */
export function scopeOf(keys: readonly string[]): Selector {
  if (keys.length <= MAX_LISTED) return { keys };
  const prefix = commonPrefix(keys);
  return prefix === "" ? { all: true } : { prefix };
}

function commonPrefix(keys: readonly string[]): string {
  let prefix = keys[0] ?? "";
  for (const key of keys) while (!key.startsWith(prefix)) prefix = prefix.slice(0, -1);
  return prefix;
}

/** An entry as far as a change may concern it; without `tags` they are not known, and any tag may be its own. */
export interface Concerned {
  key: string;
  tags?: readonly string[];
}

/**
 * A test whether a selector may hold an entry. What is not known of the entry (its size, its deadline, its tags where they are not given) counts
 * as holding: who forgets a copy too many loses nothing.
 */
export function coverage(selector: Selector): (entry: Concerned) => boolean {
  if ("keys" in selector) {
    const keys = new Set(selector.keys);
    return ({ key }) => keys.has(key);
  }
  const { prefix, match, tags, tagMode } = filterOf(selector);
  const byName = compileFilter(
    { ...(prefix !== undefined && { prefix }), ...(match !== undefined && { match }) },
    () => 0,
  );
  return (entry) => {
    if (!byName({ key: entry.key })) return false;
    const own = entry.tags;
    if (tags === undefined || own === undefined) return true;
    return tagMode === "all" ? tags.every((tag) => own.includes(tag)) : tags.some((tag) => own.includes(tag));
  };
}

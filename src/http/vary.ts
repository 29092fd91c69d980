import { isToken, membersOf } from "./field-syntax.js";
import { variantKey } from "./key.js";
import { type Fields, linesOf } from "./message.js";

export { fieldsForVary } from "./nominated-fields.js";

/** Names in a `Vary` at most. A response that varies on more is hardly ever the right one again. */
const MAX_NAMES = 16;

/** Characters of a name; the lists of names have to fit into the meta of an entry. */
const LONGEST_NAME = 256;

/** What the origin gets in these is not what the client sent, but its address: no two clients have the same. */
const OF_EACH_CLIENT: ReadonlySet<string> = new Set(["x-forwarded-for", "forwarded"]);

/**
 * The request fields that a response was selected by (RFC 9110 §12.5.5): in lower case, unique and sorted. `*` matches no other request (RFC 9111
 * §4.1), and so do more than 16 names, the addresses of the client, and what is no name of a field: nobody knows what was meant.
 */
export function varyOf(fields: Fields): "*" | readonly string[] {
  const lines = linesOf(fields, "vary");
  if (lines.length === 0) return [];
  const names = new Set<string>();
  for (const line of lines) {
    for (const member of membersOf(line)) {
      const name = member.toLowerCase();
      if (name === "*" || !isName(name) || OF_EACH_CLIENT.has(name)) return "*";
      names.add(name);
      if (names.size > MAX_NAMES) return "*";
    }
  }
  return [...names].sort();
}

function isName(text: string): boolean {
  return text.length <= LONGEST_NAME && isToken(text);
}

/** With the names that a rule adds: sorted, each once. */
export function varyWith(vary: readonly string[], names: readonly string[]): readonly string[] {
  return names.length === 0 ? vary : [...new Set([...vary, ...names])].sort();
}

/**
 * The keys that a response to this request can be under, the likeliest first.
 * @param lists what the stored responses of the URL vary on, the newest first
 * @param wanted names that a rule adds: what does not vary on all of them was stored for anybody
 */
export function pickVariants(
  lists: readonly (readonly string[])[],
  gen: string,
  requestFields: Fields,
  wanted: readonly string[] = [],
): string[] {
  const right = wanted.length === 0 ? lists : lists.filter((names) => wanted.every((name) => names.includes(name)));
  return right.map((names) => variantKey(gen, names, requestFields));
}

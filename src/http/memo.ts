/**
 * A pure function of a text that remembers what it gave, for texts of which there are few unless somebody makes them up: then it forgets everything now and
 * again, and is as slow as without.
 * @param entries remembered at most
 * @param longest text that is remembered, in characters
 */
export function remembering<T extends NonNullable<unknown>>(
  make: (text: string) => T,
  { entries, longest }: { entries: number; longest: number },
): (text: string) => T {
  const known = new Map<string, T>();
  return (text) => {
    const before = known.get(text);
    if (before !== undefined) return before;
    const made = make(text);
    if (text.length > longest) return made;
    if (known.size >= entries) known.clear();
    known.set(text, made);
    return made;
  };
}

import { escapeGlob, type Filter, filterOf, globPrefix, type Selector } from "./selector.js";

/** True if a key can lie in both namespaces: one begins with the other. */
export function overlap(a: string, b: string): boolean {
  return a.startsWith(b) || b.startsWith(a);
}

/**
 * A selector of one namespace in the words of another that overlaps it; where there are no such words, one that holds more.
 * @returns undefined where it can hold nothing of the other
 */
export function translate(selector: Selector, from: string, to: string): Selector | undefined {
  if (from === to) return selector;
  return from.startsWith(to) ? widen(selector, from.slice(to.length)) : narrow(selector, to.slice(from.length));
}

/** For a listener of a shorter prefix: every name gets longer by `rest`. */
function widen(selector: Selector, rest: string): Selector {
  if ("keys" in selector) return { keys: selector.keys.map((key) => rest + key) };
  const { prefix = "", match, ...others } = filterOf(selector);
  return { ...others, prefix: rest + prefix, ...(match !== undefined && { match: escapeGlob(rest) + match }) };
}

/** For a listener of a longer prefix: names that don't begin with `rest` are none of its own, the others get shorter. */
function narrow(selector: Selector, rest: string): Selector | undefined {
  if ("keys" in selector) {
    const keys = selector.keys.filter((key) => key.startsWith(rest)).map((key) => key.slice(rest.length));
    return keys.length > 0 ? { keys } : undefined;
  }
  const { prefix = "", match, ...others } = filterOf(selector);
  if (!overlap(prefix, rest) || !overlap(match === undefined ? "" : globPrefix(match), rest)) return undefined;
  // What a glob leaves of the names when they are cut is not said by a glob: without it the selector holds more.
  const cut: Filter = prefix.length > rest.length ? { ...others, prefix: prefix.slice(rest.length) } : others;
  return Object.keys(cut).length > 0 ? cut : { all: true };
}

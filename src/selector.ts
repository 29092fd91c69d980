import { CacheError, shown } from "./errors.js";
import { checkKeyType } from "./key.js";

/** Conditions on entries: all that are given must hold. Characters in `prefix` and `tags` are literal. */
export interface Filter {
  prefix?: string;
  /** A glob on the whole key, see {@link compileGlob}. */
  match?: string;
  /** Entries that carry these tags: one of them, or all with `tagMode: "all"`. */
  tags?: readonly string[];
  tagMode?: "any" | "all";
  /** Bytes of the value, at least. */
  minSize?: number;
  /** `none`: entries that never expire. `expired`: entries past their deadline that the store still holds. */
  expiry?: "none" | "expired";
  /** Redis types to consider instead of strings alone (`hash`, `list`, `set`, `zset`, `stream`); `any` is all. */
  types?: readonly string[];
}

/** Which entries of a namespace an operation is about. */
export type Selector =
  | { keys: readonly string[]; types?: readonly string[] }
  | { all: true; types?: readonly string[] }
  | Filter;

/** A selector as a caller has to write it: keys, or everything, or conditions, of which there is one at least. */
export type Selection =
  | ({ keys: readonly string[]; types?: readonly string[] } & Without<"all" | keyof Conditions>)
  | ({ all: true; types?: readonly string[] } & Without<"keys" | keyof Conditions>)
  | (Filter & OneOf<Conditions> & Without<"keys" | "all">);

type Conditions = Omit<Filter, "types">;
type Without<Names extends string> = { [Name in Names]?: never };
type OneOf<T> = { [Name in Exclude<keyof T, "tagMode">]-?: Required<Pick<T, Name>> }[Exclude<keyof T, "tagMode">];

/** What a selector is tested against; a field that is absent is not known, and a condition on it does not hold. */
export interface Candidate {
  key: string;
  size?: number;
  /** Epoch milliseconds, absent = never. */
  expiresAt?: number;
  tags?: readonly string[];
}

/** The selector as a filter, `{}` for everything; keys have no filter. */
export function filterOf(selector: Exclude<Selector, { keys: readonly string[] }>): Filter {
  if (!("all" in selector)) return selector;
  return selector.types ? { types: selector.types } : {};
}

/**
 * Refuses what may hold more than was meant: no condition at all (what means everything must say `all`), conditions beside `keys` or `all`, which would not count, and what is no
 * selector.
 * @throws CacheError `empty-selector`, `invalid-selector`, `invalid-glob`, `invalid-key`
 */
export function checkSelector(selector: Selector): void {
  if (typeof selector !== "object" || selector === null || Array.isArray(selector))
    throw invalid(`${shown(selector)} is none`);
  for (const [name, value] of Object.entries(selector)) {
    // These two count by being there: `{ all: undefined }` would be everything.
    if (value === undefined && name !== "keys" && name !== "all") continue;
    const check = Object.hasOwn(FORMS, name) ? FORMS[name as keyof typeof FORMS] : undefined;
    if (check === undefined) throw invalid(`it has no ${JSON.stringify(name)}`);
    if (!check(value)) throw invalid(`its ${name} can't be ${shown(value)}`);
  }
  const { keys, all, types: _, tagMode, ...conditions }: Partial<Named> = selector;
  if (keys !== undefined || all !== undefined) {
    const others = [tagMode, ...Object.values(conditions)].some((value) => value !== undefined);
    if (others || (keys && all)) throw invalid(`beside ${keys ? "keys" : "all"} it can have no other condition`);
    for (const key of keys ?? []) checkKeyType(key);
    return;
  }
  const { prefix, match, tags, minSize, expiry } = conditions;
  // Every key begins with the empty prefix.
  if (!prefix && match === undefined && tags === undefined && minSize === undefined && expiry === undefined) {
    throw new CacheError("usage", "empty-selector", "nothing says which entries", {
      hint: "Name keys, a prefix, a glob, a tag, or say all.",
    });
  }
  if (tags?.length === 0) throw new CacheError("usage", "empty-selector", "an empty list of tags selects nothing");
  if (match !== undefined) compileGlob(match);
}

/** Whatever a selector may be made of. */
type Named = Filter & { keys: readonly string[]; all: true };

const isText = (value: unknown) => typeof value === "string";
const isTexts = (value: unknown) => Array.isArray(value) && value.every(isText);

/** What each part of a selector has to be: most of them come from callers whose types were not checked. */
const FORMS: Record<keyof Named, (value: unknown) => boolean> = {
  // What is in it is checked as keys are.
  keys: Array.isArray,
  all: (value) => value === true,
  prefix: isText,
  match: isText,
  tags: isTexts,
  tagMode: (value) => value === "any" || value === "all",
  minSize: (value) => typeof value === "number" && value >= 0,
  expiry: (value) => value === "none" || value === "expired",
  types: isTexts,
};

function invalid(why: string): CacheError {
  return new CacheError("usage", "invalid-selector", `this can't be a selector: ${why}`, {
    hint: "Give either keys, or all: true, or conditions: prefix, match, tags, tagMode, minSize, expiry.",
  });
}

/** A glob that no key can miss: nothing but stars, and one `?` at most, since every key has a character. */
const ANY_KEY = /^\*+\??\**$|^\?\*+$/;

/** True if no entry can fall outside. */
export function isEverything(selector: Selector): boolean {
  if ("keys" in selector) return false;
  if ("all" in selector) return true;
  const { match, types: _types, tagMode: _mode, ...rest } = selector;
  return Object.keys(rest).length === 0 && match !== undefined && ANY_KEY.test(match);
}

/** A test of one entry against a filter, at the instant `now` (epoch milliseconds). */
export function compileFilter(filter: Filter, now: () => number): (entry: Candidate) => boolean {
  const glob = filter.match === undefined ? undefined : compileGlob(filter.match);
  const { prefix, tags, tagMode, minSize, expiry } = filter;
  return (entry) => {
    if (prefix !== undefined && !entry.key.startsWith(prefix)) return false;
    if (glob && !glob(entry.key)) return false;
    if (minSize !== undefined && !((entry.size ?? -1) >= minSize)) return false;
    if (expiry === "none" && entry.expiresAt !== undefined) return false;
    if (expiry === "expired" && !(entry.expiresAt !== undefined && entry.expiresAt <= now())) return false;
    if (tags) {
      const has = (tag: string) => entry.tags?.includes(tag) ?? false;
      if (!(tagMode === "all" ? tags.every(has) : tags.some(has))) return false;
    }
    return true;
  };
}

type Token =
  | { kind: "star" }
  | { kind: "any" }
  | { kind: "literal"; char: string }
  | { kind: "class"; test: (char: string) => boolean };

/**
 * A glob as a test of whole keys: `*` any run of characters (also none), `?` one character, `[a-z]` one of a class,
 * `[^a]` one that is not, `\` takes the next character literally. It is anchored at both ends, crosses every
 * character (`/` and `:` too), and counts code points. Time is at most pattern length × key length.
 * @throws CacheError `invalid-glob` for an open class or a trailing backslash
 */
export function compileGlob(pattern: string): (key: string) => boolean {
  const tokens = tokenize(pattern);
  return (key) => {
    const chars = Array.from(key);
    let token = 0;
    let char = 0;
    let starToken = -1;
    let starChar = 0;
    while (char < chars.length) {
      const current = tokens[token];
      if (current?.kind === "star") {
        starToken = token++;
        starChar = char;
      } else if (current && matches(current, chars[char] ?? "")) {
        token += 1;
        char += 1;
      } else if (starToken >= 0) {
        token = starToken + 1;
        char = ++starChar;
      } else return false;
    }
    while (tokens[token]?.kind === "star") token += 1;
    return token === tokens.length;
  };
}

/** A glob that matches the text and nothing else. */
export function escapeGlob(text: string): string {
  return text.replace(/[*?[\\]/g, "\\$&");
}

/** The literal text that every key a glob matches begins with. */
export function globPrefix(pattern: string): string {
  let prefix = "";
  for (const token of tokenize(pattern)) {
    if (token.kind !== "literal") break;
    prefix += token.char;
  }
  return prefix;
}

function matches(token: Token, char: string): boolean {
  return (
    token.kind === "any" ||
    (token.kind === "literal" && token.char === char) ||
    (token.kind === "class" && token.test(char))
  );
}

function tokenize(pattern: string): Token[] {
  const chars = Array.from(pattern);
  const tokens: Token[] = [];
  let i = 0;
  const fail = (what: string) =>
    new CacheError("usage", "invalid-glob", `the glob ${JSON.stringify(pattern)} ${what}`, {
      hint: "Escape a literal *, ?, [ or \\ with a backslash.",
    });
  while (i < chars.length) {
    const char = chars[i++] ?? "";
    if (char === "*") {
      if (tokens.at(-1)?.kind !== "star") tokens.push({ kind: "star" });
    } else if (char === "?") tokens.push({ kind: "any" });
    else if (char === "\\") {
      const next = chars[i++];
      if (next === undefined) throw fail("ends in a backslash");
      tokens.push({ kind: "literal", char: next });
    } else if (char === "[") {
      const negated = chars[i] === "^";
      if (negated) i += 1;
      const ranges: [number, number][] = [];
      let closed = false;
      while (i < chars.length) {
        let from = chars[i++] ?? "";
        if (from === "]") {
          closed = true;
          break;
        }
        if (from === "\\") from = chars[i++] ?? "";
        let to = from;
        if (chars[i] === "-" && chars[i + 1] !== undefined && chars[i + 1] !== "]") {
          to = chars[i + 1] ?? "";
          i += 2;
          if (to === "\\") to = chars[i++] ?? "";
        }
        const [a, b] = [from.codePointAt(0) ?? 0, to.codePointAt(0) ?? 0];
        ranges.push(a <= b ? [a, b] : [b, a]);
      }
      if (!closed) throw fail("has a class without its closing bracket");
      const inside = (code: number) => ranges.some(([a, b]) => code >= a && code <= b);
      tokens.push({ kind: "class", test: (c) => inside(c.codePointAt(0) ?? 0) !== negated });
    } else tokens.push({ kind: "literal", char });
  }
  return tokens;
}

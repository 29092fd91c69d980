import { type Directives, readDirectives } from "./cache-directives.js";
import { isToken, trimmed } from "./field-syntax.js";
import { type Fields, linesOf } from "./message.js";

/** What `Cache-Control` of a response says (RFC 9111 §5.2.2, RFC 5861); numbers in seconds, 0 to 2^31. */
export interface ResponseDirectives {
  maxAge?: number;
  sMaxage?: number;
  noStore: boolean;
  /** With field names in lower case: of these fields alone. */
  noCache: boolean | readonly string[];
  private: boolean | readonly string[];
  public: boolean;
  mustRevalidate: boolean;
  proxyRevalidate: boolean;
  mustUnderstand: boolean;
  noTransform: boolean;
  staleWhileRevalidate?: number;
  staleIfError?: number;
}

/** What `Cache-Control` of a request says (RFC 9111 §5.2.1, RFC 5861 §4); numbers in seconds, 0 to 2^31. */
export interface RequestDirectives {
  maxAge?: number;
  /** Infinity where no number is given. */
  maxStale?: number;
  minFresh?: number;
  noCache: boolean;
  noStore: boolean;
  noTransform: boolean;
  onlyIfCached: boolean;
  staleIfError?: number;
}

/** RFC 9111 §1.2.2: what is larger is taken for this. */
export const MOST_SECONDS = 2 ** 31;

const OF_RESPONSES: ReadonlySet<string> = new Set([
  "max-age",
  "s-maxage",
  "no-store",
  "no-cache",
  "private",
  "public",
  "must-revalidate",
  "proxy-revalidate",
  "must-understand",
  "no-transform",
  "stale-while-revalidate",
  "stale-if-error",
]);

const OF_REQUESTS: ReadonlySet<string> = new Set([
  "max-age",
  "max-stale",
  "min-fresh",
  "no-cache",
  "no-store",
  "no-transform",
  "only-if-cached",
  "stale-if-error",
]);

/** The arguments of a directive, one for each time that it is there; undefined where it is not. */
type Arguments = readonly (string | undefined)[] | undefined;

/**
 * Seconds for which something may be reused. 0 where one argument is no number, and where a later one is less than the first: RFC 9111 §4.2.1 has caches use the
 * first of several or take the response for stale, and encourages them to take what has invalid freshness information for stale.
 */
function secondsOf(values: Arguments): number | undefined {
  if (values === undefined) return undefined;
  let first: number | undefined;
  for (const value of values) {
    const seconds = deltaSeconds(value);
    first ??= seconds;
    if (first === undefined || seconds === undefined || seconds < first) return 0;
  }
  return first;
}

/** RFC 9111 §1.2.2: digits alone, and what is too large is 2^31. */
function deltaSeconds(text: string | undefined): number | undefined {
  return text !== undefined && /^\d+$/.test(text) ? Math.min(Number(text), MOST_SECONDS) : undefined;
}

/** The names of the fields that a directive is about; true where it is about the whole response, as one is whose names make no sense. */
function scopeOf(values: Arguments): boolean | readonly string[] {
  if (values === undefined) return false;
  const names = new Set<string>();
  for (const value of values) {
    let some = false;
    for (const part of (value ?? "").split(",")) {
      const name = trimmed(part).toLowerCase();
      // RFC 9110 §5.6.1.2: empty elements are ignored.
      if (name === "") continue;
      if (!isToken(name)) return true;
      names.add(name);
      some = true;
    }
    if (!some) return true;
  }
  return [...names];
}

const NOTHING: ResponseDirectives = Object.freeze({
  noStore: false,
  noCache: false,
  private: false,
  public: false,
  mustRevalidate: false,
  proxyRevalidate: false,
  mustUnderstand: false,
  noTransform: false,
});

/**
 * Every line counts, in any case (RFC 9111 §5.2). What is malformed is read so that less is stored and reused: a directive that restricts counts however it is spelled, one
 * that allows something only when it is spelled as the RFC has it.
 * @param lines of `Cache-Control`
 */
export function responseDirectives(lines: readonly string[]): ResponseDirectives {
  return lines.length === 0 ? NOTHING : directivesOf(readDirectives(lines, OF_RESPONSES));
}

/** What directives say that were read elsewhere, out of a field with the same ones. */
export function directivesOf(found: Directives): ResponseDirectives {
  const allows = (name: string) => found.get(name)?.every((argument) => argument === undefined) ?? false;
  const maxAge = secondsOf(found.get("max-age"));
  const sMaxage = secondsOf(found.get("s-maxage"));
  const staleWhileRevalidate = secondsOf(found.get("stale-while-revalidate"));
  const staleIfError = secondsOf(found.get("stale-if-error"));
  return {
    noStore: found.has("no-store"),
    noCache: scopeOf(found.get("no-cache")),
    private: scopeOf(found.get("private")),
    public: allows("public"),
    mustRevalidate: found.has("must-revalidate"),
    proxyRevalidate: found.has("proxy-revalidate"),
    // It takes the force from no-store (§5.2.2.3).
    mustUnderstand: allows("must-understand"),
    noTransform: found.has("no-transform"),
    ...(maxAge !== undefined && { maxAge }),
    ...(sMaxage !== undefined && { sMaxage }),
    ...(staleWhileRevalidate !== undefined && { staleWhileRevalidate }),
    ...(staleIfError !== undefined && { staleIfError }),
  };
}

const NO_WISHES: RequestDirectives = Object.freeze({
  noCache: false,
  noStore: false,
  noTransform: false,
  onlyIfCached: false,
});

/**
 * What a client wants. `Pragma: no-cache` counts where there is no `Cache-Control` (RFC 9111 §5.4). What is malformed is read so that less comes from the store. Nothing is made for
 * a request that says nothing, since every hit asks.
 */
export function requestDirectives(fields: Fields): RequestDirectives {
  const own = wishesIn(fields);
  if (own === undefined) return NO_WISHES;
  const lines = linesOf(fields, own);
  const found = readDirectives(lines, OF_REQUESTS);
  if (own === "pragma") return found.has("no-cache") ? { ...NO_WISHES, noCache: true } : NO_WISHES;
  const maxAge = secondsOf(found.get("max-age"));
  const minFresh = mostOf(found.get("min-fresh"));
  const maxStale = leastOf(found.get("max-stale"));
  const staleIfError = secondsOf(found.get("stale-if-error"));
  return {
    // §5.2.1.4 knows no argument; with one it says no less.
    noCache: found.has("no-cache"),
    noStore: found.has("no-store"),
    noTransform: found.has("no-transform"),
    onlyIfCached: found.has("only-if-cached"),
    ...(maxAge !== undefined && { maxAge }),
    ...(minFresh !== undefined && { minFresh }),
    ...(maxStale !== undefined && { maxStale }),
    ...(staleIfError !== undefined && { staleIfError }),
  };
}

/** The field that says what the client wants, if there is one. */
function wishesIn(fields: Fields): "cache-control" | "pragma" | undefined {
  let pragma = false;
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const own = fields[i] ?? "";
    if (own.length === 13 && isLetter(own, "c") && own.toLowerCase() === "cache-control") return "cache-control";
    if (own.length === 6 && isLetter(own, "p") && own.toLowerCase() === "pragma") pragma = true;
  }
  return pragma ? "pragma" : undefined;
}

/** Whether a text begins so, in either case. Most fields are told apart by it, without a copy in lower case. */
function isLetter(text: string, letter: string): boolean {
  return (text.charCodeAt(0) | 0x20) === letter.charCodeAt(0);
}

/** RFC 9111 §5.2.1.3: the most that is asked for, which is more than there is where it is no number. */
function mostOf(values: Arguments): number | undefined {
  return values?.reduce<number>((most, value) => Math.max(most, deltaSeconds(value) ?? MOST_SECONDS), 0);
}

/** RFC 9111 §5.2.1.2: without a number any age will do; what is no number allows nothing. */
function leastOf(values: Arguments): number | undefined {
  return values?.reduce<number>(
    (least, value) => Math.min(least, value === undefined ? least : (deltaSeconds(value) ?? 0)),
    Number.POSITIVE_INFINITY,
  );
}

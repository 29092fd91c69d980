import { splitOutsideQuotes, trimmed } from "./field-syntax.js";
import { type Fields, linesOf } from "./message.js";

/** What `Cache-Control` of a response says (RFC 9111 §5.2.2, RFC 5861, RFC 8246); numbers in seconds. */
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

/** What `Cache-Control` of a request says (RFC 9111 §5.2.1, RFC 5861 §4); numbers in seconds. */
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

/** Directives of one field that are looked at; what has more is taken for `no-store`, since nobody can say what it means. */
const MAX_DIRECTIVES = 256;

/** By name in lower case, every argument that a directive came with; `undefined` for none. */
type Directives = Map<string, (string | undefined)[]>;

/** A directive's name and argument (RFC 9111 §5.2), with the spellings that are found in the wild: white space around `=`, and a token quoted or not. */
function parse(lines: readonly string[]): Directives | undefined {
  const directives: Directives = new Map();
  let count = 0;
  for (const line of lines) {
    for (const part of partsOf(line)) {
      const text = trimmed(part);
      if (text === "") continue;
      count += 1;
      if (count > MAX_DIRECTIVES) return undefined;
      const equals = text.indexOf("=");
      const name = trimmed(equals < 0 ? text : text.slice(0, equals)).toLowerCase();
      const argument = equals < 0 ? undefined : unquoted(trimmed(text.slice(equals + 1)));
      const known = directives.get(name);
      if (known) known.push(argument);
      else directives.set(name, [argument]);
    }
  }
  return directives;
}

/** A quoted string that doesn't end hides nothing: a `no-store` after it counts. */
function partsOf(line: string): string[] {
  const quotes = line.split('"').length - 1;
  return quotes % 2 === 0 ? splitOutsideQuotes(line, ",") : line.split(",");
}

function unquoted(text: string): string {
  if (text.length < 2 || !text.startsWith('"') || !text.endsWith('"')) return text;
  return text.slice(1, -1).replace(/\\(.)/g, "$1");
}

/**
 * Delta seconds (RFC 9111 §1.2.2). Of several that contradict each other the least, and 0 where one is no number: "caches are encouraged to consider responses that
 * have invalid freshness information to be stale" (§4.2.1).
 */
function secondsOf(values: readonly (string | undefined)[] | undefined): number | undefined {
  if (values === undefined) return undefined;
  return values.reduce<number>((least, value) => Math.min(least, deltaSeconds(value) ?? 0), MOST_SECONDS);
}

function deltaSeconds(text: string | undefined): number | undefined {
  return text !== undefined && /^\d+$/.test(text) ? Math.min(Number(text), MOST_SECONDS) : undefined;
}

/** True without an argument, or where one is empty; else the names of the fields that it is about. */
function scopeOf(values: readonly (string | undefined)[] | undefined): boolean | readonly string[] {
  if (values === undefined) return false;
  const names = new Set<string>();
  for (const value of values) {
    // Without an argument that makes sense it is about the whole response: the stricter reading.
    const own = (value ?? "").split(",").map((name) => trimmed(name).toLowerCase());
    if (own.some((name) => !/^[!#$%&'*+\-.^_`|~0-9a-z]+$/.test(name))) return true;
    for (const name of own) names.add(name);
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

/** @param lines of `Cache-Control`, or of a field with the same directives */
export function responseDirectives(lines: readonly string[]): ResponseDirectives {
  if (lines.length === 0) return NOTHING;
  const directives = parse(lines);
  if (directives === undefined) return { ...NOTHING, noStore: true };
  return directivesOf((name) => directives.get(name));
}

/** @param valuesOf what a directive came with; undefined where it is not there */
export function directivesOf(
  valuesOf: (name: string) => readonly (string | undefined)[] | undefined,
): ResponseDirectives {
  const has = (name: string) => valuesOf(name) !== undefined;
  const maxAge = secondsOf(valuesOf("max-age"));
  const sMaxage = secondsOf(valuesOf("s-maxage"));
  const staleWhileRevalidate = secondsOf(valuesOf("stale-while-revalidate"));
  const staleIfError = secondsOf(valuesOf("stale-if-error"));
  return {
    noStore: has("no-store"),
    noCache: scopeOf(valuesOf("no-cache")),
    private: scopeOf(valuesOf("private")),
    public: has("public"),
    mustRevalidate: has("must-revalidate"),
    proxyRevalidate: has("proxy-revalidate"),
    mustUnderstand: has("must-understand"),
    noTransform: has("no-transform"),
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

/** `Pragma: no-cache` counts where there is no `Cache-Control` (RFC 9111 §5.4). */
export function requestDirectives(fields: Fields): RequestDirectives {
  const lines = linesOf(fields, "cache-control");
  if (lines.length === 0) {
    const pragma = linesOf(fields, "pragma");
    if (pragma.length === 0) return NO_WISHES;
    return { ...NO_WISHES, noCache: parse(pragma)?.has("no-cache") ?? true };
  }
  const directives = parse(lines);
  if (directives === undefined) return { ...NO_WISHES, noCache: true, noStore: true };
  const maxAge = secondsOf(directives.get("max-age"));
  const minFresh = mostOf(directives.get("min-fresh"));
  const maxStale = staleOf(directives.get("max-stale"));
  const staleIfError = secondsOf(directives.get("stale-if-error"));
  return {
    // With a field name it says nothing in a request; without is the stricter reading.
    noCache: directives.has("no-cache"),
    noStore: directives.has("no-store"),
    noTransform: directives.has("no-transform"),
    onlyIfCached: directives.has("only-if-cached"),
    ...(maxAge !== undefined && { maxAge }),
    ...(minFresh !== undefined && { minFresh }),
    ...(maxStale !== undefined && { maxStale }),
    ...(staleIfError !== undefined && { staleIfError }),
  };
}

/** The most that is asked for; what is no number says nothing. */
function mostOf(values: readonly (string | undefined)[] | undefined): number | undefined {
  const numbers = values?.flatMap((value) => deltaSeconds(value) ?? []);
  return numbers === undefined || numbers.length === 0 ? undefined : Math.max(...numbers);
}

/** RFC 9111 §5.2.1.2: without a number any age will do; what is no number allows nothing. */
function staleOf(values: readonly (string | undefined)[] | undefined): number | undefined {
  if (values === undefined) return undefined;
  return Math.min(
    ...values.map((value) => (value === undefined ? Number.POSITIVE_INFINITY : (deltaSeconds(value) ?? 0))),
  );
}

import type { CacheableMethod, Rule, RuleQuery } from "../config/rules.js";
import { compileGlob } from "../selector.js";
import { withOneCoding } from "./content-coding.js";
import { remembering } from "./memo.js";
import { type Fields, fieldOf, linesOf, type RequestHead } from "./message.js";

/** What the rules make of a request. */
export interface Ruling {
  /** The first that matches. */
  rule: Rule | undefined;
  /** Where its query is another than the client's: path and query as the key says, and the origin is asked for. */
  path: string | undefined;
  /** Whether responses to this method may be stored here. */
  cacheable: boolean;
  /** What joins `Vary` (RFC 9111 §4.1), in lower case and sorted: names of fields, and of pseudo-fields, which hold a `:`. */
  names: readonly string[];
  cookies: readonly string[];
  /** Whether content that is text is kept compressed. */
  compresses: boolean;
}

/** Where there is nothing to say. */
const NO_RULING: Ruling = {
  rule: undefined,
  path: undefined,
  cacheable: true,
  names: [],
  cookies: [],
  compresses: false,
};

const NOT_STORED: Ruling = { ...NO_RULING, cacheable: false };

/** Why a rule is not the one of a request. */
export type Unmatched = "pattern" | "method" | `header ${string}`;

/** The name of the pseudo-field with the hash of a body. */
const BODY_FIELD = ":body";

/** Statuses that a rule is about which names none. Errors have to be named: they are seldom meant to stay for as long. */
const USUAL: ReadonlySet<number> = new Set([200, 203, 204, 300, 301, 308]);

interface CompiledRule {
  rule: Rule;
  holds: (url: string) => boolean;
  headers: readonly { name: string; holds: (value: string) => boolean }[];
  methods: readonly CacheableMethod[];
  query: ((path: string) => string) | undefined;
  /** What joins the key of whatever it matches, and of what only the conditions on its fields keep from that. */
  conditioned: readonly string[];
  named: readonly string[];
}

const USUAL_METHODS: readonly CacheableMethod[] = ["GET", "HEAD"];

/** Rules in their order, ready to be applied: the first that matches counts. */
export class Rules {
  readonly #rules: readonly CompiledRule[];
  readonly #methods: readonly CacheableMethod[];
  readonly #isUsual: boolean;
  /** Which rules a method and URL can have is the same every time. */
  readonly #candidates: (methodAndUrl: string) => readonly CompiledRule[];

  /** @param methods cached where no rule says which */
  constructor(rules: readonly Rule[] = [], methods: readonly CacheableMethod[] = USUAL_METHODS) {
    this.#methods = methods;
    this.#rules = rules.map((rule) => compile(rule, methods));
    this.#isUsual = rules.length === 0 && methods.includes("GET") && !methods.includes("POST");
    this.#candidates = remembering(
      (text) => {
        const [method = "", url = ""] = text.split(" ");
        return this.#rules.filter((one) => takesMethod(one, method) && one.holds(url));
      },
      { entries: 4096, longest: 512 },
    );
  }

  get size(): number {
    return this.#rules.length;
  }

  /** Some rule, or the settings, has responses to POST stored. */
  get storesPost(): boolean {
    return this.#methods.includes("POST") || this.#rules.some(({ methods }) => methods.includes("POST"));
  }

  /**
   * The ruling for a request. The fields that rules have conditions on join the key also where the condition does not hold: otherwise what is stored for those who have none would
   * answer those who have one.
   */
  rule({ method, url, fields }: RequestHead): Ruling {
    if (this.#isUsual) return method === "GET" || method === "HEAD" ? NO_RULING : NOT_STORED;
    const names = new Set<string>();
    for (const one of this.#candidates(`${method} ${url}`)) {
      for (const name of one.conditioned) names.add(name);
      if (unmetHeader(one, fields) !== undefined) continue;
      for (const name of one.named) names.add(name);
      return this.#ruling(method, url, one, names);
    }
    return this.#ruling(method, url, undefined, names);
  }

  /** The URL that a GET of this one is stored under. @param fields of a request, which rules may have conditions on */
  urlFor(url: string, fields: Fields): string {
    const { path } = this.rule({ method: "GET", url, fields });
    return path === undefined ? url : withPath(url, path);
  }

  /** Why each rule up to the one that counts is not the one. */
  trace({ method, url, fields }: RequestHead): { rule: Rule; unmatched: Unmatched | undefined }[] {
    const seen: { rule: Rule; unmatched: Unmatched | undefined }[] = [];
    for (const one of this.#rules) {
      const unmatched = !one.holds(url) ? "pattern" : !takesMethod(one, method) ? "method" : unmetHeader(one, fields);
      seen.push({ rule: one.rule, unmatched });
      if (unmatched === undefined) break;
    }
    return seen;
  }

  #ruling(method: string, url: string, one: CompiledRule | undefined, names: Set<string>): Ruling {
    const cacheable = covers(one?.methods ?? this.#methods, method);
    if (cacheable && method === "POST") names.add(BODY_FIELD);
    // What is not read from the store goes to the origin as it came: a parameter may be what a change is about.
    const asked = pathOf(url);
    const path = cacheable ? one?.query?.(asked) : undefined;
    return {
      rule: one?.rule,
      path: path === asked ? undefined : path,
      cacheable: cacheable && one?.rule.bypass !== true,
      names: names.size === 0 ? NO_NAMES : [...names].sort(),
      cookies: one?.rule.vary.cookies ?? NO_NAMES,
      compresses: cacheable && one?.rule.compress === true,
    };
  }
}

/** The URL with another path and query. */
export function withPath(url: string, path: string): string {
  return url.slice(0, url.length - pathOf(url).length) + path;
}

const NO_NAMES: readonly string[] = [];

function compile(rule: Rule, methods: readonly CacheableMethod[]): CompiledRule {
  const { conditions, vary } = rule;
  return {
    rule,
    holds: targetGlob(rule.pattern),
    headers: conditions.headers.map(({ name, glob }) => ({ name, holds: compileGlob(glob) })),
    methods: rule.methods ?? methods,
    query: rule.query && queryChange(rule.query),
    conditioned: conditions.headers.map(({ name }) => name),
    named: [...vary.headers, ...vary.cookies.map(cookieField)],
  };
}

/** A glob without a query of its own is about what stands before one: nobody gets under a rule by a query that he makes up. */
function targetGlob(pattern: string): (url: string) => boolean {
  const holds = compileGlob(pattern);
  const ofPath = pattern.startsWith("/");
  const withQuery = pattern.includes("\\?");
  return (url) => {
    const text = ofPath ? pathOf(url) : url;
    const end = withQuery ? -1 : text.indexOf("?");
    return holds(end < 0 ? text : text.slice(0, end));
  };
}

/** Path and query of an absolute URL. */
function pathOf(url: string): string {
  const slash = url.indexOf("/", url.indexOf("//") + 2);
  return slash < 0 ? "" : url.slice(slash);
}

/** A rule that stores nothing is about every method, unless it names some. */
function takesMethod({ rule, methods }: CompiledRule, method: string): boolean {
  return (rule.bypass && rule.methods === undefined) || covers(methods, method);
}

/** What GET stores answers HEAD too (RFC 9110 §9.3.2). */
function covers(methods: readonly CacheableMethod[], method: string): boolean {
  return methods.some((one) => one === method || (one === "GET" && method === "HEAD"));
}

function unmetHeader({ headers }: CompiledRule, fields: Fields): `header ${string}` | undefined {
  for (const { name, holds } of headers) {
    const value = fieldOf(fields, name);
    if (value === undefined || !holds(value)) return `header ${name}`;
  }
  return undefined;
}

/** Whether a rule is about responses of this status. */
export function isAbout({ conditions }: Rule, status: number): boolean {
  return conditions.statusCodes?.includes(status) ?? USUAL.has(status);
}

/**
 * The fields of a request that choose a response: with one coding where a ruling has it compressed, and with the pseudo-fields that it names. These have names that no field can have, so that no client can send them.
 * @param body the hash of what was sent, where that is in the key
 */
export function selectingFields({ cookies, compresses }: Ruling, sentFields: Fields, body?: string): Fields {
  const fields = compresses ? withOneCoding(sentFields) : sentFields;
  if (cookies.length === 0 && body === undefined) return fields;
  const more = [...fields];
  if (body !== undefined) more.push(BODY_FIELD, body);
  const sent = cookies.length > 0 ? cookiesOf(fields) : undefined;
  for (const name of cookies) {
    for (const value of sent?.get(name) ?? NO_NAMES) more.push(cookieField(name), value);
  }
  return more;
}

/** The fields of a request as its origin sees them. */
export function withoutPseudoFields(fields: Fields): Fields {
  const at = fields.findIndex((name, i) => i % 2 === 0 && name.includes(":"));
  return at < 0 ? fields : fields.slice(0, at);
}

/** Names of fields are compared in lower case, those of cookies are not: a capital is `/` and its small letter, and no name of a cookie holds a `/`. */
function cookieField(name: string): string {
  return `cookie:${name.replace(/[A-Z]/g, (capital) => `/${capital.toLowerCase()}`)}`;
}

/** Every value of each cookie (RFC 6265 §5.4): which of several an origin takes nobody knows. */
function cookiesOf(fields: Fields): Map<string, string[]> {
  const values = new Map<string, string[]>();
  for (const line of linesOf(fields, "cookie")) {
    for (const pair of line.split(";")) {
      const equals = pair.indexOf("=");
      if (equals < 0) continue;
      const name = pair.slice(0, equals).trim();
      const known = values.get(name);
      if (known) known.push(pair.slice(equals + 1).trim());
      else values.set(name, [pair.slice(equals + 1).trim()]);
    }
  }
  return values;
}

/** The path with the query that a rule makes of it. Parameters of one name keep their order, which may mean something. */
function queryChange({ sort, ignore, only }: RuleQuery): (path: string) => string {
  const ignored = anyOf(ignore);
  const wanted = only && anyOf(only);
  return (path) => {
    const mark = path.indexOf("?");
    if (mark < 0) return path;
    const all = path.slice(mark + 1).split("&");
    const named = all.map((parameter) => ({ parameter, name: parameterName(parameter) }));
    const kept = named.filter(({ name, parameter }) => parameter !== "" && !ignored(name) && (wanted?.(name) ?? true));
    if (sort) kept.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
    const query = kept.map(({ parameter }) => parameter).join("&");
    return query === "" ? path.slice(0, mark) : `${path.slice(0, mark)}?${query}`;
  };
}

function parameterName(parameter: string): string {
  const equals = parameter.indexOf("=");
  const name = equals < 0 ? parameter : parameter.slice(0, equals);
  if (!/[%+]/.test(name)) return name;
  try {
    return decodeURIComponent(name.replaceAll("+", " "));
  } catch {
    // No UTF-8: it is called what it is written as.
    return name;
  }
}

/** Most are plain names: a query of thousands of parameters is tried on few globs. */
function anyOf(globs: readonly string[]): (name: string) => boolean {
  const plain = new Set(globs.filter((glob) => !/[*?[\\]/.test(glob)));
  const others = globs.filter((glob) => !plain.has(glob)).map(compileGlob);
  return (name) => plain.has(name) || others.some((holds) => holds(name));
}

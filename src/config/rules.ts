import { readFileSync } from "node:fs";
import { z } from "zod";
import { CacheError, codeOf, messageOf } from "../errors.js";
import { isTag } from "../key.js";
import { compileGlob } from "../selector.js";
import { parseDuration, parseSize, parseTtl } from "../units.js";
import { syntaxError } from "./files.js";
import type { Setting } from "./layers.js";
import { isJson } from "./load.js";

/** What one rule says, checked; times in milliseconds, sizes in bytes. */
export interface Rule {
  /** `rules[2]`, counted from 0. */
  place: string;
  /** A glob: on the path where it begins with `/`, else on the whole URL. */
  pattern: string;
  /** Freshness of what is stored; null = as long as can be. */
  ttlMs?: number | null | undefined;
  swrMs?: number | undefined;
  sieMs?: number | undefined;
  /** Absent: those that are cacheable by the settings. */
  methods?: readonly CacheableMethod[] | undefined;
  conditions: RuleConditions;
  query?: RuleQuery | undefined;
  vary: { headers: readonly string[]; cookies: readonly string[] };
  tags: readonly string[];
  bypass: boolean;
  /** What is text is kept compressed, for clients that take it so. */
  compress: boolean;
  /** Keeps also what the origin forbids to keep, or to use without asking. */
  override: boolean;
}

interface RuleConditions {
  /** Fields that a request must have, in lower case, each with a glob for its value. */
  headers: readonly { name: string; glob: string }[];
  statusCodes?: readonly number[] | undefined;
  minSize?: number | undefined;
  maxSize?: number | undefined;
}

export interface RuleQuery {
  sort: boolean;
  /** Globs on the names of parameters. */
  ignore: readonly string[];
  /** Absent: all. */
  only?: readonly string[] | undefined;
}

const CACHEABLE_METHODS = ["GET", "HEAD", "POST"] as const;
export type CacheableMethod = (typeof CACHEABLE_METHODS)[number];

/** Rules at most: each is tried on each request. */
const MOST_RULES = 1000;
/** Members of a list at most. */
const MOST_MEMBERS = 100;
/** Names that may join one key. */
const MOST_NAMES = 16;

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** Fields of the connection, and those in which the origin gets something else than the client sent: a key with them would say of two responses that they are one. */
const NO_KEYS: ReadonlySet<string> = new Set([
  ...["host", "connection", "content-length", "transfer-encoding", "via"],
  ...["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-port", "x-forwarded-proto"],
]);

const TEXT = { error: "must be text in quotes" };
const SWITCH = z.boolean({ error: "must be true or false" });
const GLOB = z.string(TEXT).superRefine((glob, context) => {
  try {
    compileGlob(glob);
  } catch (error) {
    context.addIssue({ code: "custom", message: messageOf(error) });
  }
});
const FIELD_NAME = z
  .string(TEXT)
  .regex(TOKEN, { error: "must be the name of a header" })
  .transform((name) => name.toLowerCase())
  .refine((name) => !NO_KEYS.has(name), { error: "is no header that a response can depend on" });
const COOKIE_NAME = z.string(TEXT).regex(TOKEN, { error: "must be the name of a cookie" });
const TAG = z.string(TEXT).refine(isTag, { error: "must be 1 to 256 bytes of text" });

/** A list that is short enough to be looked at for each request. */
const listOf = <T extends z.ZodType>(member: T) =>
  z.array(member, { error: "must be a list" }).max(MOST_MEMBERS, { error: `has more than ${MOST_MEMBERS} members` });

/** Text or a number in the units that settings have. */
const inUnits = <T>(parse: (text: string) => T, expected: string) =>
  z.union([z.string(), z.number()], { error: `must be ${expected}` }).transform((value, context) => {
    try {
      return parse(String(value));
    } catch (error) {
      context.addIssue({ code: "custom", message: messageOf(error) });
      return z.NEVER;
    }
  });

const TTL = inUnits(parseTtl, 'a duration like "30s", a number of seconds, or "none"');
const WINDOW = inUnits((text) => {
  const ms = parseDuration(text);
  if (ms >= 0) return ms;
  throw new CacheError("usage", "invalid-duration", `"${text}" is less than no time`);
}, 'a duration like "30s", or a number of seconds');
const SIZE = inUnits(parseSize, 'a size like "64kB", or a number of bytes');
const METHOD = z.enum(CACHEABLE_METHODS, { error: `must be one of ${CACHEABLE_METHODS.join(", ")}` });
const STATUS = z
  .int({ error: "must be a status from 200 to 599" })
  .min(200, { error: "must be a status from 200 to 599" })
  .max(599, { error: "must be a status from 200 to 599" });

const PATTERN = GLOB.superRefine((pattern, context) => {
  const refuse = (message: string) => context.addIssue({ code: "custom", message });
  if (!/^(?:[/*?[]|https?:\/\/)/.test(pattern)) {
    refuse(`"${pattern}" matches nothing: begin it with / for paths, or with * or https:// for whole URLs`);
  }
  // Wildcards cross everything; who means a query has to say so, so that nobody gets under a rule by a query of his own.
  if (/(?<!\\)\?[\w.%-]*=/.test(pattern)) refuse(`"${pattern}": ? is any one character; write \\? for a query`);
});

const OBJECT = { error: "must be an object" };

const QUERY = z
  .strictObject(
    { sort: SWITCH.default(false), ignore: listOf(GLOB).default([]), only: listOf(GLOB).optional() },
    OBJECT,
  )
  .refine(({ ignore, only }) => only === undefined || ignore.length === 0, {
    error: "only and ignore exclude each other",
  });

const CONDITIONS = z
  .strictObject(
    {
      headers: z
        .record(FIELD_NAME, GLOB, OBJECT)
        .transform((headers) => Object.entries(headers).map(([name, glob]) => ({ name, glob })))
        .default([]),
      statusCodes: listOf(STATUS).min(1, { error: "names no status" }).optional(),
      minSize: SIZE.optional(),
      maxSize: SIZE.optional(),
    },
    OBJECT,
  )
  .refine(({ minSize = 0, maxSize = Number.POSITIVE_INFINITY }) => minSize <= maxSize, {
    error: "minSize is more than maxSize",
  });

const VARY = z.strictObject(
  { headers: listOf(FIELD_NAME).default([]), cookies: listOf(COOKIE_NAME).default([]) },
  OBJECT,
);

const RULE = z
  .strictObject(
    {
      pattern: PATTERN,
      ttl: TTL.optional(),
      swr: WINDOW.optional(),
      sie: WINDOW.optional(),
      methods: listOf(METHOD).min(1, { error: "names no method" }).optional(),
      conditions: CONDITIONS.default({ headers: [] }),
      query: QUERY.optional(),
      vary: VARY.default({ headers: [], cookies: [] }),
      tags: listOf(TAG).default([]),
      bypass: SWITCH.default(false),
      compress: SWITCH.default(false),
      override: SWITCH.default(false),
    },
    { error: "must be a rule in braces" },
  )
  .refine(({ conditions, vary }) => conditions.headers.length + namesIn(vary) <= MOST_NAMES, {
    error: `more than ${MOST_NAMES} headers and cookies join the key`,
  })
  .refine((rule) => !rule.bypass || !storing(rule), {
    error: "bypass stores nothing, so that nothing can be said of what is stored",
  });

const RULES = z
  .array(RULE, { error: "must be a list of rules" })
  .max(MOST_RULES, { error: `there are more than ${MOST_RULES} rules` });

const namesIn = ({ headers, cookies }: Rule["vary"]) => headers.length + cookies.length;

interface Storing {
  ttl?: number | null | undefined;
  swr?: number | undefined;
  sie?: number | undefined;
  override: boolean;
  compress: boolean;
  tags: readonly string[];
}

/** Whether it says something of stored responses. */
function storing({ ttl, swr, sie, override, compress, tags }: Storing): boolean {
  return ttl !== undefined || swr !== undefined || sie !== undefined || override || compress || tags.length > 0;
}

/** Rules that can't be right: every mistake with its place. */
export class RulesError extends CacheError {
  /** `cache.rules.json: rules[2].ttl: "soon" is not a duration`, one each. */
  readonly mistakes: readonly string[];

  constructor(mistakes: readonly string[], hint: string) {
    super("usage", "invalid-rules", mistakes.join("; "), { hint });
    this.mistakes = mistakes;
  }
}

/**
 * The rules of a text.
 * @param where the file, or who said it
 * @throws RulesError
 */
export function parseRules(text: string, where: string): readonly Rule[] {
  const bare = text.replace(/^\ufeff/, "");
  let json: unknown;
  try {
    json = JSON.parse(bare);
  } catch (error) {
    const { place, reason } = syntaxError(bare, messageOf(error));
    throw new RulesError([`${where}${place} is not JSON: ${reason}`], "Correct it; --check-config checks it again.");
  }
  const result = RULES.safeParse(json, { reportInput: true });
  if (!result.success) {
    const mistakes = result.error.issues.flatMap((issue) => mistakesOf(issue).map((said) => `${where}: ${said}`));
    throw new RulesError(mistakes, "Correct them; --check-config checks them again.");
  }
  return result.data.map(({ ttl, swr, sie, ...rule }, i) => ({
    place: `rules[${i}]`,
    ttlMs: ttl,
    swrMs: swr,
    sieMs: sie,
    ...rule,
  }));
}

/**
 * The rules that a setting names: those of a file, or JSON itself.
 * @throws RulesError
 */
export function loadRules({ value, source }: Setting): readonly Rule[] {
  const text = String(value);
  if (isJson(text)) return parseRules(text, source.where);
  let content: string;
  try {
    content = readFileSync(text, "utf8");
  } catch (error) {
    throw new RulesError([`${source.where}: ${text} can't be read (${codeOf(error)})`], "Check the path.");
  }
  return parseRules(content, text);
}

/**
 * `GET,POST`: methods whose responses are cached where no rule says which.
 * @throws CacheError `invalid-setting`
 */
export function parseMethods({ value, source }: Setting): readonly CacheableMethod[] {
  const names = String(value)
    .toUpperCase()
    .split(/[\s,]+/)
    .filter(Boolean);
  return names.map((name) => {
    const known = CACHEABLE_METHODS.find((one) => one === name);
    if (known) return known;
    throw new CacheError("usage", "invalid-setting", `${source.where}: ${name} is not cacheable`, {
      hint: `Use some of ${CACHEABLE_METHODS.join(", ")}.`,
    });
  });
}

const RULE_NAMES = "pattern ttl swr sie methods conditions query vary tags bypass compress override".split(" ");

function mistakesOf(issue: z.core.$ZodIssue): string[] {
  const place = placeOf(issue.path);
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => {
      const near = RULE_NAMES.find((name) => name.toLowerCase() === key.toLowerCase());
      return `${place}.${key}: ${near ? `write it ${near}` : "there is no such setting of a rule"}`;
    });
  }
  if (issue.code === "invalid_key") return [`${place}: must be the name of a header`];
  if (issue.code === "invalid_type" && issue.input === undefined && issue.message === TEXT.error)
    return [`${place}: is missing`];
  return [`${place}: ${issue.message}`];
}

/** `rules[2].conditions.statusCodes[0]` */
function placeOf(path: readonly PropertyKey[]): string {
  return path.reduce<string>(
    (place, part) => (typeof part === "number" ? `${place}[${part}]` : `${place}.${String(part)}`),
    "rules",
  );
}

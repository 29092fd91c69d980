import { CacheError } from "../errors.js";
import { compileGlob, type Selector } from "../selector.js";
import { responseKey } from "./key.js";
import { targetOfUrl } from "./target.js";

/** Which responses are to be forgotten. One of them. */
export type PurgeRequest =
  /** Absolute URLs: every variant of each. */
  | { urls: readonly string[] }
  /** What an absolute URL begins with. */
  | { prefix: string }
  /** A glob on whole URLs (`https://host/api/*`), or on paths of any host where it begins with `/`. */
  | { match: string }
  | { tags: readonly string[]; tagMode?: "any" | "all" };

/** What that means in terms of keys. */
export interface PurgePlan {
  selectors: readonly Selector[];
  /** What the selectors name too much, and this does not: keys are deleted one by one then. */
  accepts?: (key: string) => boolean;
}

/** Methods whose responses are stored. */
const METHODS = ["GET", "POST"] as const;

/**
 * The keys of a purge. URLs are normalised as those of requests are.
 * @throws CacheError `invalid-purge`, `invalid-glob`
 */
export function planPurge(request: PurgeRequest): PurgePlan {
  if ("urls" in request) {
    const urls = request.urls.map((url) => normalUrl(url));
    return { selectors: [{ keys: urls.flatMap((url) => METHODS.map((method) => responseKey(method, url))) }] };
  }
  if ("prefix" in request) {
    const { prefix } = request;
    if (!/^https?:\/\/[^/]/i.test(prefix)) {
      throw invalid(`"${prefix}" is not the beginning of a URL`, "Write it like https://www.example.com/blog/.");
    }
    const [, origin = "", rest = ""] = /^([^/]*\/\/[^/]*)(.*)$/.exec(prefix) ?? [];
    return { selectors: METHODS.map((method) => ({ prefix: `r:${method} ${origin.toLowerCase()}${rest}` })) };
  }
  if ("match" in request) {
    compileGlob(request.match);
    return planGlob(request.match);
  }
  const { tags, tagMode } = request;
  if (tags.length === 0) throw invalid("no tag is named", "Name one or more tags.");
  return { selectors: [{ tags, ...(tagMode && { tagMode }) }] };
}

/** Whether a text is taken for a glob rather than for a URL, in which `?` begins the query and brackets are about an address. */
export function isGlob(text: string): boolean {
  return text.startsWith("/") || text.includes("*");
}

/** Whether no URL can fall outside: a glob that every one is in. */
export function purgesEverything(request: PurgeRequest): boolean {
  return "match" in request && /^(?:\*+:\/\/)?\/?\*+(?:\/\**)?$/.test(request.match);
}

function planGlob(match: string): PurgePlan {
  if (/^(?:https?|\*):\/\//i.test(match)) {
    return { selectors: METHODS.map((method) => ({ match: `r:${method} ${match}` })) };
  }
  if (!match.startsWith("/")) {
    throw invalid(`"${match}" is neither a path nor a URL`, "Begin it with / for any host, or with https://.");
  }
  // `*` would cross the end of the host: what is found so is looked at once more.
  return {
    selectors: METHODS.map((method) => ({ match: `r:${method} http*://*${match}` })),
    accepts: pathGlob(match),
  };
}

/** Whether a key is of a path that a glob holds, on any host. */
function pathGlob(match: string): (key: string) => boolean {
  const holds = compileGlob(match);
  return (key) => {
    const [, path] = /^r:[A-Z]+ https?:\/\/[^/]*(\/.*)$/s.exec(key) ?? [];
    return path !== undefined && holds(path);
  };
}

/** The URL as requests for it have it. @throws CacheError `invalid-purge`, or as `code` says */
export function normalUrl(text: string, code = "invalid-purge"): string {
  const target = targetOfUrl(text);
  if (target) return target.url;
  throw new CacheError("usage", code, `"${text}" is no http or https URL`, {
    hint: "Write it like https://www.example.com/blog/1.",
  });
}

function invalid(message: string, hint: string): CacheError {
  return new CacheError("usage", "invalid-purge", message, { hint });
}

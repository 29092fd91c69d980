import { parseDictionary } from "structured-headers";
import { directivesOf, type ResponseDirectives, responseDirectives } from "./cache-control.js";
import { AMISS } from "./cache-directives.js";
import { type Fields, linesOf } from "./message.js";

/** The directives that count for this cache, and the field that they are from. */
export interface CachePolicy {
  directives: ResponseDirectives;
  from: "cdn-cache-control" | "cache-control";
}

/** The target list of RFC 9213 §2.2: the fields that are for this cache, the most specific first. */
const TARGETED = ["cdn-cache-control"] as const;

/** Directives whose argument is a list of field names (RFC 9111 §5.2.2.4, §5.2.2.7). */
const OF_FIELDS: ReadonlySet<string> = new Set(["no-cache", "private"]);

/**
 * `CDN-Cache-Control`, where it is there and valid, and then neither `Cache-Control` nor `Expires` counts (RFC 9213 §2.2); else `Cache-Control`. One that is empty or no
 * structured dictionary is as if it were not there (§2.1).
 */
export function policyOf(fields: Fields): CachePolicy {
  for (const name of TARGETED) {
    const lines = linesOf(fields, name);
    const directives = lines.length === 0 ? undefined : targetedDirectives(lines.join(", "));
    if (directives) return { directives, from: name };
  }
  return { directives: responseDirectives(linesOf(fields, "cache-control")), from: "cache-control" };
}

/**
 * RFC 9213 §2.1: seconds are integers, names of fields a string, and what has no argument is true; a value of another type is not to be used, and means what a
 * malformed argument means in `Cache-Control`. Parameters are ignored, and of two members with one name the last counts (RFC 9651 §3.2).
 */
function targetedDirectives(value: string): ResponseDirectives | undefined {
  const dictionary = dictionaryOf(value);
  if (dictionary === undefined || dictionary.size === 0) return undefined;
  const found = new Map<string, (string | undefined)[]>();
  for (const [name, [item]] of dictionary) {
    // It says of itself that it is not so.
    if (item === false) continue;
    found.set(name, [item === true ? undefined : argumentOf(name, item)]);
  }
  return directivesOf(found);
}

function argumentOf(name: string, item: unknown): string {
  if (OF_FIELDS.has(name)) return typeof item === "string" ? item : AMISS;
  return typeof item === "number" && Number.isInteger(item) ? String(item) : AMISS;
}

function dictionaryOf(value: string): ReturnType<typeof parseDictionary> | undefined {
  try {
    return parseDictionary(value);
  } catch {
    return undefined;
  }
}

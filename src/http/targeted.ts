import { parseDictionary } from "structured-headers";
import { directivesOf, type ResponseDirectives, responseDirectives } from "./cache-control.js";
import { type Fields, linesOf } from "./message.js";

/** The directives that count for this cache, and the field that they are from. */
export interface CachePolicy {
  directives: ResponseDirectives;
  from: "cdn-cache-control" | "cache-control";
}

/** Names that a targeted field may have here (RFC 9213 §2.1), the most specific first. */
const TARGETED = ["cdn-cache-control"] as const;

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

/** RFC 9213 §2.1: the values are those of `Cache-Control`, as structured items: numbers are integers, flags are true; a value of another type is no value. */
function targetedDirectives(value: string): ResponseDirectives | undefined {
  const dictionary = dictionaryOf(value);
  if (dictionary === undefined || dictionary.size === 0) return undefined;
  return directivesOf((name) => {
    const member = dictionary.get(name);
    if (member === undefined) return undefined;
    const [item] = member;
    // RFC 8941 §3.2: `name=?0` says that it does not hold.
    if (item === false) return undefined;
    if (item === true || Array.isArray(item)) return [undefined];
    return [
      typeof item === "number" && Number.isInteger(item) ? String(item) : item === null ? undefined : String(item),
    ];
  });
}

function dictionaryOf(value: string): ReturnType<typeof parseDictionary> | undefined {
  try {
    return parseDictionary(value);
  } catch {
    return undefined;
  }
}

import { linesOf, type RequestHead, type ResponseHead } from "./message.js";
import { parseTarget } from "./target.js";

/** RFC 9110 §9.2.1, and those of the registry (§16.1.1) that WebDAV has: they only ask. */
const SAFE: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "REPORT", "SEARCH"]);

/** Whether a method asks for nothing but to be told something; one that is not known does not (RFC 9111 §4.4). */
export function isSafe(method: string): boolean {
  return SAFE.has(method);
}

/** Lines of a field that are looked at: it should have one (RFC 9110 §8.7, §10.2.2). */
const MOST_LINES = 4;

/**
 * The URLs that a request has changed (RFC 9111 §4.4): after a method that is not safe and a response that is no error its target, and what `Location` and `Content-Location` name. Not
 * what has another origin: whoever has a part of a server could throw out the rest.
 * @returns absolute, normalised as the targets of requests are
 */
export function invalidatedBy({ method, url }: Pick<RequestHead, "method" | "url">, response: ResponseHead): string[] {
  if (isSafe(method) || response.status < 200 || response.status >= 400) return [];
  const urls = new Set([url]);
  const [origin] = ORIGIN.exec(url) ?? [];
  for (const name of ["location", "content-location"]) {
    for (const value of linesOf(response.fields, name).slice(0, MOST_LINES)) {
      const named = origin === undefined ? undefined : targetFrom(value, url);
      if (named?.startsWith(`${origin}/`)) urls.add(named);
    }
  }
  return [...urls];
}

const ORIGIN = /^https?:\/\/[^/?#]+/;

/** What a request for a reference would have as its target. */
function targetFrom(reference: string, base: string): string | undefined {
  if (!URL.canParse(reference, base)) return undefined;
  const { protocol, username, password, host, pathname, search } = new URL(reference, base);
  if ((protocol !== "http:" && protocol !== "https:") || username !== "" || password !== "") return undefined;
  const secure = protocol === "https:";
  const parsed = parseTarget({ method: "GET", requestTarget: pathname + search, host, secure, hostLines: 1 });
  return "target" in parsed ? parsed.target.url : undefined;
}

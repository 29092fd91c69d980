import { linesOf, type RequestHead, type ResponseHead } from "./message.js";

/** RFC 9110 §9.2.1. */
const SAFE: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "TRACE"]);

/** Whether a method asks for nothing but to be told something; one that is not known does not. */
export function isSafe(method: string): boolean {
  return SAFE.has(method);
}

/**
 * The URLs that a request has changed (RFC 9111 §4.4): after a method that is not safe and a response that is no error its target, and what `Location` and `Content-Location` name,
 * if that has the same origin.
 * @returns absolute and normalised as far as a URL parser does
 */
export function invalidatedBy({ method, url }: Pick<RequestHead, "method" | "url">, response: ResponseHead): string[] {
  if (isSafe(method) || response.status < 200 || response.status >= 400) return [];
  const urls = new Set([url]);
  const { origin } = new URL(url);
  for (const name of ["location", "content-location"]) {
    for (const value of linesOf(response.fields, name)) {
      if (!URL.canParse(value, url)) continue;
      const named = new URL(value, url);
      named.hash = "";
      if (named.origin === origin && named.username === "" && named.password === "") urls.add(named.href);
    }
  }
  return [...urls];
}

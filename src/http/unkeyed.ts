import type { Fields } from "./message.js";

/**
 * Of a request whose response is kept: conditions and ranges, since the whole is wanted; and what many an origin obeys although no key says it.
 */
const UNKEYED: ReadonlySet<string> = new Set([
  "range",
  "if-range",
  "if-none-match",
  "if-modified-since",
  "x-http-method",
  "x-http-method-override",
  "x-method-override",
]);

/** The fields that an origin gets where its response is kept for others. */
export function withoutUnkeyed(fields: Fields): string[] {
  // CGI and its heirs make no difference between `-` and `_`.
  const isKept = (name: string) => !UNKEYED.has(name.toLowerCase().replaceAll("_", "-"));
  return fields.filter((_, i) => isKept(fields[i - (i % 2)] ?? ""));
}

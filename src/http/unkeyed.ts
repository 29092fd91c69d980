import { OTHER_TARGETS } from "./forwarded.js";
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
  // Another URL than the one in the key; of these only `X-Forwarded-Host` and `-Proto` are believed of trusted peers, and the key is made of them.
  ...OTHER_TARGETS,
  "base-url",
  "x-backend-host",
  "x-forwarded-port",
  "x-forwarded-scheme",
  "x-forwarded-ssl",
  "x-url-scheme",
]);

/** The fields that an origin gets where its response is kept for others. */
export function withoutUnkeyed(fields: Fields): string[] {
  // CGI and its heirs make no difference between `-` and `_`.
  const isKept = (name: string) => !UNKEYED.has(name.toLowerCase().replaceAll("_", "-"));
  return fields.filter((_, i) => isKept(fields[i - (i % 2)] ?? ""));
}

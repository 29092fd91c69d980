import { formatHttpDate, parseHttpDate } from "./http-date.js";
import type { Fields } from "./message.js";

/** What most responses have, by its place here; in lower case that is one's complement. Part of what is stored: more may only be added at the end. */
const KNOWN = [
  "Content-Type",
  "Cache-Control",
  "ETag",
  "Date",
  "Last-Modified",
  "Expires",
  "Vary",
  "Content-Encoding",
  "Content-Language",
  "Content-Disposition",
  "Content-Location",
  "Content-Security-Policy",
  "Accept-Ranges",
  "Access-Control-Allow-Origin",
  "Access-Control-Expose-Headers",
  "Age",
  "Alt-Svc",
  "Cache-Status",
  "Cache-Tag",
  "CDN-Cache-Control",
  "Cross-Origin-Opener-Policy",
  "Cross-Origin-Resource-Policy",
  "Link",
  "Location",
  "Permissions-Policy",
  "Referrer-Policy",
  "Server",
  "Server-Timing",
  "Strict-Transport-Security",
  "Surrogate-Control",
  "Surrogate-Key",
  "Timing-Allow-Origin",
  "Via",
  "X-Cache",
  "X-Content-Type-Options",
  "X-Frame-Options",
  "X-Powered-By",
  "X-Request-Id",
  "X-XSS-Protection",
] as const;

const LOWER = KNOWN.map((name) => name.toLowerCase());
const NUMBERS = new Map<string, number>([
  ...LOWER.map((name, i): [string, number] => [name, ~i]),
  ...KNOWN.map((name, i): [string, number] => [name, i]),
]);
const DATES: ReadonlySet<string> = new Set(["date", "last-modified", "expires"]);

/** Fields as they are stored: names that are known as numbers, and dates in their usual form (RFC 9110 §5.6.7) as seconds since the epoch, which both take much of what most responses have. */
export function packFields(fields: Fields): (string | number)[] {
  return fields.map((text, i) => {
    if (i % 2 === 0) return NUMBERS.get(text) ?? text;
    return DATES.has((fields[i - 1] ?? "").toLowerCase()) ? packedDate(text) : text;
  });
}

function packedDate(text: string): string | number {
  const at = parseHttpDate(text, 0);
  return at !== undefined && formatHttpDate(at) === text ? at / 1000 : text;
}

/** The same fields, letter by letter; undefined for what was not packed so. */
export function unpackFields(packed: unknown): string[] | undefined {
  if (!Array.isArray(packed) || packed.length % 2 !== 0) return undefined;
  const fields: string[] = [];
  for (const [i, one] of packed.entries()) {
    const text = typeof one === "number" ? (i % 2 === 0 ? nameOf(one) : dateOf(one)) : one;
    if (typeof text !== "string") return undefined;
    fields.push(text);
  }
  return fields;
}

function nameOf(number: number): string | undefined {
  return number < 0 ? LOWER[~number] : KNOWN[number];
}

/** The last second of a year with four digits. */
const LATEST = 253_402_300_799;

function dateOf(seconds: number): string | undefined {
  return Number.isInteger(seconds) && Math.abs(seconds) <= LATEST ? formatHttpDate(seconds * 1000) : undefined;
}

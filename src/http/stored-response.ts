import type { AppliedCoding } from "./content-coding.js";
import { isOfConnection } from "./hop-by-hop.js";
import type { ExchangeTimes, ResponseHead } from "./message.js";
import { packFields, unpackFields } from "./packed-fields.js";

/** What is kept of a response besides its body; all that later decisions need is worked out when it is stored. */
export interface StoredResponse extends ResponseHead, ExchangeTimes {
  /** Milliseconds, RFC 9111 §4.2.1. */
  lifetimeMs: number;
  /** Where the lifetime is from: `s-maxage`, `rule`, ... */
  lifetimeSource: string;
  /** `corrected_initial_age` of RFC 9111 §4.2.3, milliseconds. */
  initialAgeMs: number;
  /** Never used without successful validation (§5.2.2.4). */
  noCache: boolean;
  /** Never used stale (§5.2.2.2, §5.2.2.8, §5.2.2.10). */
  mustRevalidate: boolean;
  /** May answer a request with `Authorization` (§3.5). */
  forAuthorized: boolean;
  /** RFC 5861 §3 and §4, milliseconds. */
  staleWhileRevalidateMs: number;
  staleIfErrorMs: number;
  /** It can be validated: has an `ETag` or `Last-Modified`. */
  hasValidator: boolean;
  /** What a rule has made of the content, of which `fields` say nothing: they are the origin's, by which it is validated. Such a response varies on `Accept-Encoding`. */
  coding?: AppliedCoding | undefined;
}

/** What is kept under a URL whose responses depend on the request (RFC 9111 §4.1). */
export interface VariantIndex {
  /** The names that responses varied on, newest first; each in lower case and sorted. */
  lists: readonly (readonly string[])[];
  /** Part of the key of each variant: a new one makes all of them unreachable. */
  generation: string;
}

export type StoredHead = { response: StoredResponse } | { index: VariantIndex };

/** Lists of names that an index holds at most: an origin that changes its mind with every response would fill it. */
export const MAX_LISTS = 4;

const FLAGS = ["noCache", "mustRevalidate", "forAuthorized", "hasValidator"] as const;

/** As `meta` of an entry: JSON, an array so that names are not repeated in every entry. What is usual takes little: there may be millions of these in memory. */
export function encodeHead(head: StoredHead): Uint8Array {
  if ("index" in head) return TEXT.encode(JSON.stringify(["v1", head.index.generation, head.index.lists]));
  const { response: r } = head;
  const flags = FLAGS.reduce((bits, name, i) => bits | (r[name] ? 1 << i : 0), 0);
  const numbers = [r.responseTime, r.responseTime - r.requestTime, r.initialAgeMs, r.lifetimeMs];
  if (r.staleWhileRevalidateMs !== 0 || r.staleIfErrorMs !== 0) {
    numbers.push(r.staleWhileRevalidateMs, r.staleIfErrorMs);
  }
  const fields = packFields(r.fields);
  return TEXT.encode(
    JSON.stringify(["r2", r.status, flags, numbers, r.lifetimeSource, fields, ...(r.coding ? [r.coding] : [])]),
  );
}

/** Undefined for what is not ours, or of a version that is not known: a miss. */
export function decodeHead(meta: Uint8Array | undefined): StoredHead | undefined {
  if (meta === undefined) return undefined;
  let parsed: unknown;
  try {
    parsed = JSON.parse(UTF8.decode(meta));
  } catch {
    return undefined;
  }
  if (!Array.isArray(parsed)) return undefined;
  const [version, ...rest] = parsed;
  if (version === "v1") return indexOf(rest);
  return version === "r2" ? responseOf(rest) : undefined;
}

function indexOf([generation, lists]: unknown[]): StoredHead | undefined {
  if (typeof generation !== "string" || !Array.isArray(lists) || !lists.every(isTextList)) return undefined;
  return { index: { generation, lists } };
}

function responseOf([status, flags, numbers, lifetimeSource, packed, coding]: unknown[]): StoredHead | undefined {
  if (typeof status !== "number" || typeof flags !== "number" || typeof lifetimeSource !== "string") return undefined;
  const fields = unpackFields(packed);
  // Fields of a connection are never stored: they would frame, or end, another one than they came by.
  if (fields === undefined || isOfConnection(fields)) return undefined;
  if (!isNumberList(numbers, 4) && !isNumberList(numbers, 6)) return undefined;
  const [responseTime = 0, tookMs = 0, initialAgeMs = 0, lifetimeMs = 0] = numbers;
  const [staleWhileRevalidateMs = 0, staleIfErrorMs = 0] = numbers.slice(4);
  const has = (name: (typeof FLAGS)[number]) => (flags & (1 << FLAGS.indexOf(name))) !== 0;
  return {
    response: {
      status,
      fields,
      requestTime: responseTime - tookMs,
      responseTime,
      initialAgeMs,
      lifetimeMs,
      lifetimeSource,
      staleWhileRevalidateMs,
      staleIfErrorMs,
      noCache: has("noCache"),
      mustRevalidate: has("mustRevalidate"),
      forAuthorized: has("forAuthorized"),
      hasValidator: has("hasValidator"),
      ...(isCoding(coding) && { coding }),
    },
  };
}

const isCoding = (coding: unknown): coding is AppliedCoding =>
  coding === "br" || coding === "gzip" || coding === "as-is";

const isTextList = (list: unknown): list is string[] =>
  Array.isArray(list) && list.every((one) => typeof one === "string");

const isNumberList = (list: unknown, length: number): list is number[] =>
  Array.isArray(list) && list.length === length && list.every((one) => typeof one === "number");

const TEXT = new TextEncoder();
const UTF8 = new TextDecoder();

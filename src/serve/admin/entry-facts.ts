import type { Checked } from "../../api/checked.js";
import type { entryAnswer } from "../../api/listing.js";
import type { EntryInfo, Head } from "../../backends/backend.js";
import { currentAgeMs } from "../../http/freshness.js";
import { variantPrefix } from "../../http/key.js";
import { decodeHead, type StoredResponse, type VariantIndex } from "../../http/stored-response.js";

type EntryAnswer = Checked<typeof entryAnswer>;

/** What is known of an entry, with times as durations. */
export function factsOf({ key, expiresAt, staleAt, createdAt, size, tags = [] }: EntryInfo, now: number) {
  return {
    key,
    ttl: expiresAt === undefined ? null : Math.max(0, expiresAt - now),
    ...(size !== undefined && { size }),
    ...(createdAt !== undefined && { age: Math.max(0, now - createdAt) }),
    ...(staleAt !== undefined && { staleIn: Math.max(0, staleAt - now) }),
    tags,
  };
}

/** What is kept beside the value: its version, and the head of an HTTP response where the proxy has stored one. */
export function headFacts(
  { version, meta }: Head,
  now: number,
): Pick<EntryAnswer, "version" | "metaSize" | "response" | "variesOn" | "variants"> {
  const head = decodeHead(meta);
  return {
    ...(version !== undefined && { version }),
    ...(head && "response" in head && { response: responseFacts(head.response, now) }),
    ...(head && "index" in head && variantFacts(head.index)),
    ...(meta && meta.length > 0 && head === undefined && { metaSize: meta.length }),
  };
}

/** The HTTP response that an entry is; undefined for any other. */
export function storedResponse({ meta }: Head): StoredResponse | undefined {
  const head = decodeHead(meta);
  return head && "response" in head ? head.response : undefined;
}

function variantFacts({ lists, generation }: VariantIndex) {
  return { variesOn: lists.map((names) => [...names]), variants: variantPrefix(generation) };
}

function responseFacts(stored: StoredResponse, now: number): NonNullable<EntryAnswer["response"]> {
  const { status, fields, initialAgeMs, responseTime, lifetimeMs, lifetimeSource, coding } = stored;
  const pairs = Array.from({ length: fields.length / 2 }, (_, i): [string, string] => [
    fields[2 * i] ?? "",
    fields[2 * i + 1] ?? "",
  ]);
  return {
    status,
    fields: pairs,
    age: currentAgeMs(initialAgeMs, responseTime, now),
    lifetime: lifetimeMs,
    lifetimeFrom: lifetimeSource,
    staleWhileRevalidate: stored.staleWhileRevalidateMs,
    staleIfError: stored.staleIfErrorMs,
    alwaysValidated: stored.noCache,
    neverStale: stored.mustRevalidate,
    ...(coding && { coding }),
  };
}

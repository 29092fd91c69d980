import { z } from "zod";

const count = z.int().nonnegative();
/** One or several of a parameter. */
export const several = z.union([z.string(), z.array(z.string())]).transform((value) => [value].flat());
const flag = z.enum(["true", "false", ""]).transform((value) => value !== "false");
const limit = z.coerce.number().int().min(1).max(1000).default(100);

export const pending = z
  .literal(true)
  .exactOptional()
  .describe("the store is away: it is noted down, and made before the store is used again");

const entryFacts = {
  key: z.string(),
  ttl: z.number().nonnegative().nullable().describe("milliseconds left, null = never expires"),
  size: count.exactOptional().describe("bytes"),
  age: z.number().nonnegative().exactOptional().describe("milliseconds"),
  staleIn: z
    .number()
    .nonnegative()
    .exactOptional()
    .describe("milliseconds until it is stale, 0 = it is; absent: it has no stale window"),
  tags: z.array(z.string()),
};

export const tier = z
  .string()
  .exactOptional()
  .describe("of several stores the one to look into; default all, as they work together");
export const tagMode = z.enum(["any", "all"]).exactOptional().describe("of several tags; default any");

export const entriesQuery = z.strictObject({
  prefix: z.string().exactOptional(),
  match: z.string().exactOptional().describe("a glob on the whole key"),
  tag: several.exactOptional().describe("repeatable"),
  tagMode,
  tier,
  cursor: z.string().exactOptional(),
  limit,
});

export const entriesAnswer = z.strictObject({
  entries: z.array(z.strictObject({ ...entryFacts, type: z.string().exactOptional() })),
  cursor: z.string().exactOptional().describe("where to go on; absent when there is nothing more"),
});

const key = z.string().describe("percent-encoded bytes of a key");

/** Bytes of a value that are shown within JSON at most; a larger one is asked for by itself. */
export const SHOWN_BYTES = 1024 * 1024;

const first = z.int().min(1).max(SHOWN_BYTES);
const AT_MOST = "bytes of the value at most; without it a large one is left out";

export const entryQuery = z.strictObject({
  key,
  raw: flag.exactOptional().describe("the bytes of the value alone"),
  first: z.coerce.number().pipe(first).exactOptional().describe(AT_MOST),
  tier,
});

export const entryBody = z.strictObject({
  key: z.string(),
  first: first.exactOptional().describe(AT_MOST),
  decode: z.boolean().exactOptional().describe("without the compression of its content: gzip, br, deflate"),
  tier,
});

export const milliseconds = z.number().describe("milliseconds");

/** An HTTP response that the proxy has stored. */
const storedResponse = z.strictObject({
  status: z.int(),
  fields: z.array(z.tuple([z.string(), z.string()])).describe("as the origin sent them: name and value"),
  age: milliseconds,
  lifetime: milliseconds.describe("of freshness, milliseconds; a response that was made stale has less"),
  lifetimeFrom: z.string().describe("rule, s-maxage, max-age, expires, default, heuristic"),
  staleWhileRevalidate: milliseconds,
  staleIfError: milliseconds,
  alwaysValidated: z.boolean(),
  neverStale: z.boolean(),
  coding: z.string().exactOptional().describe("what a rule made of the content: gzip, br, as-is"),
});

export const entryAnswer = z.strictObject({
  ...entryFacts,
  version: z.string().exactOptional().describe("tells one write of the key from another"),
  metaSize: count.exactOptional().describe("bytes that somebody keeps beside the value, which are no stored response"),
  response: storedResponse.exactOptional(),
  variesOn: z
    .array(z.array(z.string()))
    .exactOptional()
    .describe("the key leads to several responses of a URL: the request fields that they depend on"),
  variants: z.string().exactOptional().describe("what the keys of these responses begin with"),
  value: z.string().exactOptional().describe("text"),
  encoding: z.literal("base64").exactOptional(),
  data: z.string().exactOptional().describe("bytes that are no text"),
  decoded: z.string().exactOptional().describe("how the value is compressed where it lies"),
  truncated: z.literal(true).exactOptional().describe("this is not all of the value: ask for it with raw=true"),
});

const ifVersion = z.string().describe("only if it is still the one that was looked at");

export const putQuery = z.strictObject({
  key,
  ttl: z.string().exactOptional().describe("5m, a number of seconds, none; default as cache set"),
  tag: several.exactOptional(),
  mode: z.enum(["always", "if-absent", "if-present"]).exactOptional(),
  ifVersion: ifVersion.exactOptional(),
  encoding: z.literal("base64").exactOptional().describe("the body is a JSON string of base64"),
});

/** A string is stored as its UTF-8, anything else as the source that was sent. */
export const putBody = z.unknown().describe("the value: a string as its UTF-8, any other JSON as it stands");

export const putAnswer = z.strictObject({ key: z.string(), outcome: z.literal("stored"), size: count, pending });

/** What is to be new of an entry; its value and whatever is not named stay. */
export const patchBody = z
  .strictObject({
    ttl: z.string().exactOptional().describe("5m, a number of seconds, none"),
    tags: z.array(z.string()).exactOptional().describe("in the place of those it has"),
    stale: z.literal(true).exactOptional().describe("it is stale from now on, if it has a stale window"),
    ifVersion: ifVersion.exactOptional(),
  })
  .refine(({ ttl, tags, stale }) => ttl !== undefined || tags !== undefined || stale !== undefined, {
    error: "nothing says what is to be new: ttl, tags or stale",
  });

export const patchQuery = z.strictObject({ key });

export const patchAnswer = z.strictObject({ key: z.string(), changed: z.literal(true), pending });

export const deleteQuery = z.strictObject({ key });

export const deleteAnswer = z.strictObject({ key: z.string(), deleted: z.boolean(), pending });

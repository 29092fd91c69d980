import { z } from "zod";

const count = z.int().nonnegative();
const rate = z.number().min(0).max(1).nullable().describe("0 to 1, null before the first lookup");
const ms = z.number().nonnegative().nullable().describe("milliseconds, null where there was no answer");
const size = z.string().describe("for people, like 45.2MB; the number is beside it");
const connected = z.boolean().describe("the store itself answers");
/** One or several of a parameter. */
const several = z.union([z.string(), z.array(z.string())]).transform((value) => [value].flat());
const flag = z.enum(["true", "false", ""]).transform((value) => value !== "false");
const limit = z.coerce.number().int().min(1).max(1000).default(100);

/** What is refused or fails. */
export const errorAnswer = z.object({
  error: z.object({
    code: z.string().describe("stable, to branch on"),
    message: z.string(),
    hint: z.string().exactOptional(),
    kind: z.string().exactOptional(),
    key: z.string().exactOptional(),
    retryable: z.boolean().exactOptional(),
  }),
});

const tierFigures = z.strictObject({
  kind: z.string(),
  size: count.exactOptional().describe("live entries"),
  hitRate: rate,
  totalHits: count,
  totalMisses: count,
  errors: count,
  connected,
  latency: ms,
  memory: size.exactOptional(),
  memoryBytes: count.exactOptional(),
  keys: count.exactOptional().describe("of the whole database of a server"),
  keyspace: z.record(z.string(), z.string()).exactOptional(),
  files: count.exactOptional(),
});

/** The figures of each tier under its name, and of all together. */
export const statsAnswer = z
  .object({
    totalHits: count,
    totalMisses: count,
    totalSets: count,
    errors: count,
    hitRate: rate,
    breaker: z.enum(["closed", "open", "half-open", "off"]),
    fallbackHits: count,
    degraded: z.boolean().describe("the fallback stands in for the store just now"),
  })
  .catchall(tierFigures);

export const liveAnswer = z.strictObject({ status: z.literal("ok") });

export const readyAnswer = z.strictObject({
  status: z.enum(["ready", "stopping", "unavailable"]),
  degraded: z.boolean().describe("the store does not answer; what can be served without it is"),
  warming: z.boolean().describe("the store is being filled; requests are served meanwhile"),
});

const health = z.enum(["healthy", "unhealthy"]);

/** Judged by the last ten minutes, or since the start. */
export const cacheHealthAnswer = z.strictObject({
  status: health,
  tiers: z.record(
    z.string(),
    z.strictObject({
      status: health,
      because: z.string().exactOptional(),
      connected,
      hitRate: rate,
      lookups: count,
      errors: count,
    }),
  ),
});

/** What a tier is called: its kind or, where two share it, `kind:index`. */
export const tierParams = z.strictObject({ tier: z.string() });

export const tierHealthAnswer = z.strictObject({
  status: health,
  latency: ms,
  connected,
  memory: size.exactOptional(),
  memoryBytes: count.exactOptional(),
  keys: count.exactOptional(),
  error: errorAnswer.shape.error.exactOptional(),
});

export const pingAnswer = z.strictObject({ status: z.literal("ok"), latency: z.number().nonnegative() });

const fact = z.union([z.string(), z.number(), z.boolean()]);

export const tierInfoAnswer = z.looseObject({
  name: z.string(),
  kind: z.string(),
  target: z.string().describe("without secrets"),
  entries: count.exactOptional(),
  bytes: count.exactOptional(),
  facts: z.record(z.string(), fact),
  warnings: z.array(z.string()),
  capabilities: z.record(z.string(), z.boolean()),
});

/** What everything needs that may be other people's. */
export const clearQuery = z.strictObject({
  confirm: z.string().exactOptional().describe("the target of the tier, where the whole of a store is meant"),
});

const pending = z
  .literal(true)
  .exactOptional()
  .describe("the store is away: it is noted down, and made before the store is used again");

export const clearAnswer = z.strictObject({ tier: z.string(), deleted: count, complete: z.boolean(), pending });

const entryFacts = {
  key: z.string(),
  ttl: z.number().nonnegative().nullable().describe("milliseconds left, null = never expires"),
  size: count.exactOptional().describe("bytes"),
  age: z.number().nonnegative().exactOptional().describe("milliseconds"),
  tags: z.array(z.string()),
};

export const entriesQuery = z.strictObject({
  prefix: z.string().exactOptional(),
  match: z.string().exactOptional().describe("a glob on the whole key"),
  tag: several.exactOptional().describe("repeatable: any of them"),
  cursor: z.string().exactOptional(),
  limit,
});

export const entriesAnswer = z.strictObject({
  entries: z.array(z.strictObject({ ...entryFacts, type: z.string().exactOptional() })),
  cursor: z.string().exactOptional().describe("where to go on; absent when there is nothing more"),
});

const key = z.string().describe("percent-encoded bytes of a key");

export const entryQuery = z.strictObject({
  key,
  raw: flag.exactOptional().describe("the bytes of the value alone"),
});

export const entryAnswer = z.strictObject({
  ...entryFacts,
  value: z.string().exactOptional().describe("text"),
  encoding: z.literal("base64").exactOptional(),
  data: z.string().exactOptional().describe("bytes that are no text"),
  truncated: z.literal(true).exactOptional().describe("the value is large: ask for it with raw=true"),
});

export const putQuery = z.strictObject({
  key,
  ttl: z.string().exactOptional().describe("5m, a number of seconds, none; default as cache set"),
  tag: several.exactOptional(),
  mode: z.enum(["always", "if-absent", "if-present"]).exactOptional(),
  encoding: z.literal("base64").exactOptional().describe("the body is a JSON string of base64"),
});

/** A string is stored as its UTF-8, anything else as the source that was sent. */
export const putBody = z.unknown().describe("the value: a string as its UTF-8, any other JSON as it stands");

export const putAnswer = z.strictObject({ key: z.string(), outcome: z.literal("stored"), size: count, pending });

export const deleteQuery = z.strictObject({ key });

export const deleteAnswer = z.strictObject({ key: z.string(), deleted: z.boolean(), pending });

export const explainQuery = z.strictObject({
  url: z.string(),
  method: z.string().exactOptional(),
  header: several.exactOptional().describe("NAME: VALUE, repeatable"),
});

export const explainAnswer = z.looseObject({
  method: z.string(),
  url: z.string(),
  rule: z.string().nullable(),
  cacheable: z.boolean(),
  because: z.string(),
  key: z.string(),
  dependsOn: z.array(z.string()),
  freshness: z.array(z.string()),
  tags: z.array(z.string()),
});

const MOST_URLS = 10_000;
const purging = {
  soft: z.boolean().exactOptional().describe("mark as stale what may be used while it is validated"),
  dryRun: z.boolean().exactOptional().describe("count what would go, forget nothing"),
};
const texts = z.array(z.string()).min(1).max(MOST_URLS);

export const purgeBody = z.union([
  z.strictObject({ urls: texts, ...purging }),
  z.strictObject({ prefix: z.string(), ...purging }),
  z.strictObject({ match: z.string(), ...purging }),
  z.strictObject({ tags: texts, tagMode: z.enum(["any", "all"]).exactOptional(), ...purging }),
]);

export const purgeAnswer = z.union([
  z.strictObject({ deleted: count, softened: count, complete: z.boolean(), pending }),
  z.strictObject({ dryRun: z.literal(true), count, exact: z.boolean() }),
]);

export const openApiAnswer = z.looseObject({ openapi: z.literal("3.1.0"), paths: z.record(z.string(), z.unknown()) });

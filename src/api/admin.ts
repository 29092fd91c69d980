import { z } from "zod";
import { selectorSchema } from "./entries.js";
import { milliseconds, pending, several, tagMode, tier } from "./listing.js";

const count = z.int().nonnegative();
const rate = z.number().min(0).max(1).nullable().describe("0 to 1, null before the first lookup");
const ms = z.number().nonnegative().nullable().describe("milliseconds, null where there was no answer");
const size = z.string().describe("for people, like 45.2MB; the number is beside it");
const connected = z.boolean().describe("the store itself answers");

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

const total = count.nullable().describe("null where the store that knows does not answer");

/** The figures of each tier under its name, and of all together. */
export const statsAnswer = z
  .object({
    totalHits: total,
    totalMisses: total,
    totalSets: total,
    errors: total,
    hitRate: rate,
    breaker: z.enum(["closed", "open", "half-open", "off"]),
    fallbackHits: count,
    degraded: z.boolean().describe("the store does not answer, or the fallback stands in for it"),
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

export const clearAnswer = z.strictObject({ tier: z.string(), deleted: count, complete: z.boolean(), pending });

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
  considered: z
    .array(z.strictObject({ place: z.string(), pattern: z.string(), matches: z.boolean(), because: z.string() }))
    .describe("the rules in their order, as far as they were looked at"),
  key: z.string(),
  dependsOn: z.array(z.string()),
  freshness: z.array(z.string()),
  tags: z.array(z.string()),
  stored: z
    .strictObject({
      ...{ key: z.string(), status: z.int(), bytes: count, ageMs: milliseconds, lifetimeMs: milliseconds },
      ...{ lifetimeFrom: z.string(), tags: z.array(z.string()) },
      use: z.string().describe("fresh, stale, or that the origin is asked: validate, fetch"),
    })
    .nullable()
    .exactOptional()
    .describe("what is stored for it now; null = nothing, absent = nobody looked"),
});

const duration = milliseconds.exactOptional();

/** The rules as they are in force, in their order. */
export const rulesAnswer = z.strictObject({
  rules: z.array(
    z.strictObject({
      ...{ place: z.string(), pattern: z.string() },
      ttlMs: milliseconds.nullable().exactOptional().describe("of freshness; null = as long as can be"),
      ...{ swrMs: duration, sieMs: duration },
      methods: z.array(z.string()).exactOptional().describe("absent: those that are cacheable by the settings"),
      conditions: z.strictObject({
        headers: z.array(z.strictObject({ name: z.string(), glob: z.string() })),
        statusCodes: z.array(z.int()).exactOptional(),
        minSize: z.number().exactOptional(),
        maxSize: z.number().exactOptional(),
      }),
      query: z
        .strictObject({ sort: z.boolean(), ignore: z.array(z.string()), only: z.array(z.string()).exactOptional() })
        .exactOptional(),
      vary: z.strictObject({ headers: z.array(z.string()), cookies: z.array(z.string()) }),
      tags: z.array(z.string()),
      ...{ bypass: z.boolean(), compress: z.boolean(), override: z.boolean() },
    }),
  ),
  cacheableMethods: z.array(z.string()),
  defaultLifetimeMs: milliseconds.nullable().describe("freshness of responses that carry none; null = a heuristic"),
});

const MOST_URLS = 10_000;
const purging = {
  soft: z.boolean().exactOptional().describe("mark as stale what may be used while it is validated"),
  dryRun: z.boolean().exactOptional().describe("count what would go, forget nothing"),
};
const texts = z.array(z.string()).min(1).max(MOST_URLS);

const purges = [{ urls: texts }, { prefix: z.string() }, { match: z.string() }, { tags: texts, tagMode }] as const;
const [byUrls, byPrefix, byMatch, byTags] = purges;

export const purgeBody = z.union([
  z.strictObject({ ...byUrls, ...purging }),
  z.strictObject({ ...byPrefix, ...purging }),
  z.strictObject({ ...byMatch, ...purging }),
  z.strictObject({ ...byTags, ...purging }),
]);

/** What an invalidation or a purge would be about. */
export const countBody = z.union([
  z.strictObject({ selector: selectorSchema, tier }),
  z.strictObject({
    purge: z.union([z.strictObject(byUrls), z.strictObject(byPrefix), z.strictObject(byMatch), z.strictObject(byTags)]),
  }),
]);

export const countAnswer = z.strictObject({
  count,
  exact: z.boolean().describe("false: about so many"),
  sample: z.array(z.string()).describe("some of the keys"),
  target: z.string().describe("what it would be taken from"),
  everything: z.boolean().describe("nothing can fall outside: who means that types the target's name"),
});

export const purgeAnswer = z.union([
  z.strictObject({ deleted: count, softened: count, complete: z.boolean(), pending }),
  z.strictObject({ dryRun: z.literal(true), count, exact: z.boolean() }),
]);

export const openApiAnswer = z.looseObject({ openapi: z.literal("3.1.0"), paths: z.record(z.string(), z.unknown()) });

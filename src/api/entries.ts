import { z } from "zod";

const name = z.string();
/** Base64 (RFC 4648 §4); with a pattern for the whole of it, one of some megabytes overflows the stack. */
const base64 = z
  .string()
  .refine((text) => text.length % 4 === 0 && !/[^A-Za-z0-9+/=]|=[^=]|===/.test(text), "is not base64")
  .meta({ contentEncoding: "base64" });
const instant = z.int().nonnegative().describe("epoch milliseconds");
const position = z.string().describe("a place in the log, as the server gave it");
const types = z.array(name);

/** Which entries: keys, or everything, or conditions. */
export const selectorSchema = z.union([
  z.strictObject({ keys: z.array(name), types: types.exactOptional() }),
  z.strictObject({ all: z.literal(true), types: types.exactOptional() }),
  z.strictObject({
    prefix: z.string().exactOptional(),
    match: z.string().exactOptional(),
    tags: z.array(name).exactOptional(),
    tagMode: z.enum(["any", "all"]).exactOptional(),
    minSize: z.number().nonnegative().exactOptional(),
    expiry: z.enum(["none", "expired"]).exactOptional(),
    types: types.exactOptional(),
  }),
]);

export const entrySchema = z.strictObject({
  key: name,
  value: base64,
  expiresAt: instant.exactOptional(),
  keepDeadline: z.boolean().exactOptional(),
  staleAt: instant.exactOptional(),
  tags: z.array(name).exactOptional(),
  meta: base64.exactOptional(),
});

const { value: _, ...head } = entrySchema.shape;
const writeMode = z.enum(["always", "if-absent", "if-present"]);
const origin = { origin: z.string().max(200).exactOptional() };
const tier = { tier: z.string().exactOptional() };
const MAX_KEYS = 10_000;
const keys = z.array(name).max(MAX_KEYS);
const want = z.enum(["value", "freshness", "expiry", "copy", "all"]).exactOptional();
const leaseSchema = z.strictObject({ key: name, token: z.string(), since: position, over: z.string().exactOptional() });
const leaseMs = z.int().positive();

/** Bodies of what is asked of `/v1/entries/…`, by the last part of the path. */
export const entryRequests = {
  get: z.strictObject({ ...tier, keys, want, peek: z.boolean().exactOptional() }),
  read: z.strictObject({
    ...tier,
    key: name,
    want,
    peek: z.boolean().exactOptional(),
    start: z.number().exactOptional(),
    end: z.number().exactOptional(),
  }),
  set: z.strictObject({
    ...tier,
    ...origin,
    entries: z.array(entrySchema).max(MAX_KEYS),
    mode: writeMode.exactOptional(),
    since: position.exactOptional(),
  }),
  touch: z.strictObject({
    ...tier,
    ...origin,
    changes: z
      .array(
        z.strictObject({
          key: name,
          expiresAt: instant.nullable().exactOptional(),
          staleAt: instant.nullable().exactOptional(),
          meta: base64.exactOptional(),
          ifVersion: z.string().exactOptional(),
        }),
      )
      .max(MAX_KEYS),
  }),
  delete: z.strictObject({ ...tier, ...origin, keys, versions: z.array(z.string()).max(MAX_KEYS).exactOptional() }),
  invalidate: z.strictObject({
    ...tier,
    ...origin,
    selector: selectorSchema,
    limit: z.int().nonnegative().exactOptional(),
    rate: z.number().positive().exactOptional(),
    cursor: z.string().exactOptional(),
    soft: z.boolean().exactOptional(),
  }),
  scan: z.strictObject({
    ...tier,
    selector: selectorSchema,
    fields: z.enum(["key", "all"]).exactOptional(),
    cursor: z.string().exactOptional(),
    limit: z.int().nonnegative().exactOptional(),
  }),
  atomic: z.strictObject({
    ...tier,
    ...origin,
    steps: z.array(z.union([z.strictObject({ set: entrySchema }), z.strictObject({ delete: name })])).max(MAX_KEYS),
  }),
  hottest: z.strictObject({ ...tier, limit: z.int().min(0).max(10_000) }),
  lease: z.strictObject({ ...tier, key: name, ms: leaseMs, over: z.string().exactOptional() }),
  renew: z.strictObject({ ...tier, lease: leaseSchema, ms: leaseMs }),
  release: z.strictObject({ ...tier, lease: leaseSchema }),
  commit: z.strictObject({ ...tier, ...origin, entry: entrySchema, lease: leaseSchema }),
} as const;

/** Lines of what is sent to `/v1/entries/write`: first what the entry is to be, then its value in pieces, last that it is whole. */
export const writeHead = z.strictObject({
  ...tier,
  ...origin,
  head: z.strictObject(head),
  mode: writeMode.exactOptional(),
  since: position.exactOptional(),
});
export const writeLine = z.union([
  z.strictObject({ piece: base64 }),
  z.strictObject({ commit: z.union([z.literal(true), leaseSchema]) }),
]);

/** A line that ends a deletion at a safe point. */
export const stopLine = z.strictObject({ stop: z.literal(true) });

const counts = z.partialRecord(
  z.enum(["hits", "misses", "sets", "deletes", "expirations", "evictions", "errors"]),
  z.int().nonnegative(),
);

/** Bodies of what is asked of `/v1/store/…`. */
export const storeRequests = {
  about: z.strictObject({ ...tier }),
  describe: z.strictObject({ ...tier }),
  ping: z.strictObject({ ...tier }),
  counters: z.strictObject({ ...tier }),
  count: z.strictObject({ ...tier, deltas: counts }),
  "reset-counters": z.strictObject({ ...tier }),
  prune: z.strictObject({ ...tier }),
  position: z.strictObject({ ...tier }),
  changes: z.strictObject({ ...tier, after: position }),
  announce: z.strictObject({
    ...tier,
    ...origin,
    op: z.enum(["write", "delete", "soften"]),
    selector: selectorSchema,
  }),
  foreign: z.strictObject({ ...tier, key: name, limit: z.int().positive().max(1_000_000) }),
} as const;

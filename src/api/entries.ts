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

const entrySchema = z.strictObject({
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

const outcome = z.enum(["stored", "condition", "rejected", "other-type"]);
const pending = { pending: z.literal(true).exactOptional().describe("noted down, to be made when the store is back") };
const done = z.object({});
/** An answer in lines of JSON. */
const lines = { type: "application/x-ndjson" } as const;
const storedSchema = z.object({
  value: base64,
  size: z.int(),
  expiresAt: z.number().exactOptional(),
  staleAt: z.number().exactOptional(),
  createdAt: z.number().exactOptional(),
  tags: z.array(name).exactOptional(),
  meta: base64.exactOptional(),
  version: z.string().exactOptional(),
});
const leaseAnswer = z.union([
  z.object({ outcome: z.literal("taken"), lease: leaseSchema }),
  z.object({ outcome: z.literal("held"), waitMs: z.number() }),
  z.object({ outcome: z.literal("changed") }),
]);

/** What is asked of `/v1/entries/…` and answered, by the last part of the path. */
export const entryCalls = {
  get: {
    summary: "Entries with their values, in the order of the keys.",
    asks: z.strictObject({ ...tier, keys, want, peek: z.boolean().exactOptional() }),
    answers: z.object({
      entries: z.array(storedSchema.nullable()),
      unreadable: z.array(z.looseObject({ key: name })).exactOptional(),
    }),
  },
  read: {
    summary: 'One value, or a part of it, piece by piece: a line {"head"}, lines {"piece"}, last {"end"}.',
    asks: z.strictObject({
      ...tier,
      key: name,
      want,
      peek: z.boolean().exactOptional(),
      start: z.number().exactOptional(),
      end: z.number().exactOptional(),
    }),
    answers: lines,
  },
  set: {
    summary: "Stores entries.",
    asks: z.strictObject({
      ...tier,
      ...origin,
      entries: z.array(entrySchema).max(MAX_KEYS),
      mode: writeMode.exactOptional(),
      since: position.exactOptional(),
    }),
    answers: z.object({ outcomes: z.array(outcome), ...pending }),
  },
  touch: {
    summary: "New deadlines and meta, without the values being sent.",
    asks: z.strictObject({
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
    answers: z.object({ touched: z.array(z.boolean()), ...pending }),
  },
  delete: {
    summary: "Deletes by key.",
    asks: z.strictObject({ ...tier, ...origin, keys, versions: z.array(z.string()).max(MAX_KEYS).exactOptional() }),
    answers: z.object({ deleted: z.array(z.boolean()), ...pending }),
  },
  invalidate: {
    summary:
      'Deletes what a selector holds, in steps: lines {"done"}, then {"report"}, last {"end"}. As application/x-ndjson, a line {"stop":true} ends it at a safe point.',
    asks: z.strictObject({
      ...tier,
      ...origin,
      selector: selectorSchema,
      limit: z.int().nonnegative().exactOptional(),
      rate: z.number().positive().exactOptional(),
      cursor: z.string().exactOptional(),
      soft: z.boolean().exactOptional(),
    }),
    answers: lines,
  },
  scan: {
    summary: 'Lists entries: lines with a page each, last {"end"}.',
    asks: z.strictObject({
      ...tier,
      selector: selectorSchema,
      fields: z.enum(["key", "all"]).exactOptional(),
      cursor: z.string().exactOptional(),
      limit: z.int().nonnegative().exactOptional(),
    }),
    answers: lines,
  },
  atomic: {
    summary: "Steps that happen all or not at all.",
    asks: z.strictObject({
      ...tier,
      ...origin,
      steps: z.array(z.union([z.strictObject({ set: entrySchema }), z.strictObject({ delete: name })])).max(MAX_KEYS),
    }),
    answers: z.object(pending),
  },
  hottest: {
    summary: "Keys of live entries, those in most use first.",
    asks: z.strictObject({ ...tier, limit: z.int().min(0).max(10_000) }),
    answers: z.object({ keys: z.array(name) }),
  },
  lease: {
    summary: "The right to load a key, of one process at a time.",
    asks: z.strictObject({ ...tier, key: name, ms: leaseMs, over: z.string().exactOptional() }),
    answers: leaseAnswer,
  },
  renew: {
    summary: "Keeps a lease.",
    asks: z.strictObject({ ...tier, lease: leaseSchema, ms: leaseMs }),
    answers: z.object({ ours: z.boolean() }),
  },
  release: {
    summary: "Gives a lease back.",
    asks: z.strictObject({ ...tier, lease: leaseSchema }),
    answers: done,
  },
  commit: {
    summary: "Stores what was loaded under a lease, and gives it back.",
    asks: z.strictObject({ ...tier, ...origin, entry: entrySchema, lease: leaseSchema }),
    answers: z.object({ stored: z.boolean(), ...pending }),
  },
} as const;

/** `/v1/entries/write`, in lines both ways. */
export const writeCall = {
  summary:
    'A value piece by piece: a line {"head"}, lines {"piece"}, last {"commit"}; answered with a line {"open"} and {"outcome"}. What ends without a commit stores nothing.',
  answers: lines,
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

/** What is asked of `/v1/entries/warm`, beside the records. */
export const warmCall = {
  summary:
    'Writes the records of the body as it comes, an object, an array or lines as cache warm takes them: lines {"done"} and {"reject"}, then {"report"}, last {"end"}.',
  query: z.strictObject({
    ttl: z.string().exactOptional().describe("of records that name none, like 10m; none = never expires"),
    prefix: z.string().exactOptional().describe("put before every key"),
    tag: z
      .union([z.string(), z.array(z.string())])
      .exactOptional()
      .describe("for every entry"),
    mode: z.enum(["always", "if-absent"]).exactOptional(),
  }),
  answers: lines,
} as const;

const counts = z.partialRecord(
  z.enum(["hits", "misses", "sets", "deletes", "expirations", "evictions", "errors"]),
  z.int().nonnegative(),
);

/** What is asked of `/v1/store/…` and answered. */
export const storeCalls = {
  about: {
    summary: "What the store is and can do.",
    asks: z.strictObject({ ...tier }),
    answers: z.object({
      name: z.string(),
      capabilities: z.record(z.string(), z.boolean()),
      readsForeign: z.boolean(),
      tiers: z.array(z.string()).exactOptional(),
    }),
  },
  describe: {
    summary: "What the store holds, and facts of what is behind it.",
    asks: z.strictObject({ ...tier }),
    answers: z.looseObject({ kind: z.string(), target: z.string(), warnings: z.array(z.string()) }),
  },
  ping: {
    summary: "A round trip to the store.",
    asks: z.strictObject({ ...tier }),
    answers: z.object({ ms: z.number() }),
  },
  counters: {
    summary: "Hits, misses and so on, over all processes.",
    asks: z.strictObject({ ...tier }),
    answers: z.looseObject({ counters: counts, source: z.enum(["cache", "server"]) }),
  },
  count: {
    summary: "Adds to the counters.",
    asks: z.strictObject({ ...tier, deltas: counts }),
    answers: done,
  },
  "reset-counters": {
    summary: "Begins counting anew.",
    asks: z.strictObject({ ...tier }),
    answers: done,
  },
  prune: {
    summary: "Removes what has expired.",
    asks: z.strictObject({ ...tier }),
    answers: z.object({ removed: z.int() }),
  },
  position: {
    summary: "The end of the log of changes.",
    asks: z.strictObject({ ...tier }),
    answers: z.object({ position }),
  },
  changes: {
    summary: "The log of changes from a position on, as long as the connection lasts: a line for each look into it.",
    asks: z.strictObject({ ...tier, after: position }),
    answers: lines,
  },
  announce: {
    summary: "Notes a change that happens elsewhere.",
    asks: z.strictObject({
      ...tier,
      ...origin,
      op: z.enum(["write", "delete", "soften"]),
      selector: selectorSchema,
    }),
    answers: done,
  },
  foreign: {
    summary: "An entry of a type that only some stores have.",
    asks: z.strictObject({ ...tier, key: name, limit: z.int().positive().max(1_000_000) }),
    answers: z.object({
      entry: z.object({ type: z.string(), items: z.array(z.unknown()), truncated: z.boolean() }).nullable(),
    }),
  },
} as const;

import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { tempDir } from "../../support/temp-dir.js";
import { type AdminUnderTest, startAdmin } from "./admin-harness.js";
import { ApiDocument } from "./api-document.js";

let admin: AdminUnderTest;
beforeAll(async () => {
  admin = await startAdmin({ store: ["memory:", `sqlite:${tempDir("hostile")}/c.db`] });
});
afterAll(() => admin.stop());

/** Names that calls know, so that what is made is not refused at the door alone. */
const NAMES = [
  ..."key keys tier entries selector all prefix match tags tagMode types limit cursor after since mode ms lease over".split(
    " ",
  ),
  ..."token value meta head start end want peek changes steps set delete deltas hits op url urls soft dryRun expiresAt".split(
    " ",
  ),
];
const word = fc.oneof(
  fc.constantFrom(
    "a",
    "",
    "r:GET http://a/",
    "[",
    "*",
    "0",
    "-1",
    "1e999",
    "memory",
    "AAAA",
    "always",
    "write",
    "\0",
    "\ud800",
  ),
  fc.string({ maxLength: 20, unit: "binary" }),
  fc.constant("x".repeat(5000)),
);
const { json } = fc.letrec((tie) => ({
  json: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.oneof(word, fc.integer(), fc.double(), fc.boolean(), fc.constant(null)),
    fc.array(tie("json"), { maxLength: 4 }),
    fc.dictionary(fc.oneof(fc.constantFrom(...NAMES), fc.string({ maxLength: 5 })), tie("json"), { maxKeys: 5 }),
  ),
}));

const base64 = fc.uint8Array({ maxLength: 30 }).map((bytes) => Buffer.from(bytes).toString("base64"));
const number = fc.oneof(fc.nat({ max: 20_000 }), fc.constantFrom(-1, 0.5, 1e15, 2 ** 53));
const some = <T extends Record<string, fc.Arbitrary<unknown>>>(shape: T, ...required: (keyof T & string)[]) =>
  fc.record(shape, { requiredKeys: required });
const keys = fc.array(word, { maxLength: 5 });
const selector = fc.oneof(
  some({ keys }, "keys"),
  fc.constant({ all: true }),
  some({ prefix: word, match: word, tags: keys, tagMode: fc.constantFrom("any", "all"), minSize: number, types: keys }),
);
const entry = some(
  { key: word, value: base64, expiresAt: number, staleAt: number, tags: keys, meta: base64 },
  "key",
  "value",
);
const lease = some({ key: word, token: word, since: word, over: word }, "key", "token", "since");

/** Bodies of the form that calls have, with anything in them. */
const FORMS: Readonly<Record<string, fc.Arbitrary<object>>> = {
  "/v1/entries/get": some({ keys, want: fc.constantFrom("value", "copy", "all"), peek: fc.boolean() }, "keys"),
  "/v1/entries/read": some({ key: word, start: number, end: number }, "key"),
  "/v1/entries/set": some({ entries: fc.array(entry, { maxLength: 4 }), since: word }, "entries"),
  "/v1/entries/touch": some(
    { changes: fc.array(some({ key: word, expiresAt: number, meta: base64 }, "key")) },
    "changes",
  ),
  "/v1/entries/delete": some({ keys, versions: keys }, "keys"),
  "/v1/entries/scan": some({ selector, cursor: word, limit: number }, "selector"),
  "/v1/entries/invalidate": some({ selector, cursor: word, limit: number, soft: fc.boolean() }, "selector"),
  "/v1/entries/atomic": some(
    { steps: fc.array(fc.oneof(some({ set: entry }, "set"), some({ delete: word }, "delete"))) },
    "steps",
  ),
  "/v1/entries/lease": some({ key: word, ms: number, over: word }, "key", "ms"),
  "/v1/entries/renew": some({ lease, ms: number }, "lease", "ms"),
  "/v1/entries/release": some({ lease }, "lease"),
  "/v1/entries/commit": some({ entry, lease }, "entry", "lease"),
  "/v1/store/announce": some({ op: fc.constantFrom("write", "delete", "soften"), selector }, "op", "selector"),
  "/v1/store/foreign": some({ key: word, limit: number }, "key", "limit"),
  "/cache/purge": fc.oneof(
    ...[{ urls: keys }, { prefix: word }, { match: word }, { tags: keys }].map((shape) =>
      some({ ...shape, soft: fc.boolean(), dryRun: fc.boolean() }, ...(Object.keys(shape) as ["soft"])),
    ),
  ),
};

describe("whatever is asked", () => {
  test("every route answers as its document has it, and none fails", { timeout: 60_000 }, async () => {
    const { paths } = await ApiDocument.of(admin.url);
    const routes = Object.entries(paths).flatMap(([path, operations]) =>
      // What follows the log has no end of its own.
      path.endsWith("/changes")
        ? []
        : Object.keys(operations).map((method) => ({ method: method.toUpperCase(), path })),
    );
    expect(routes.length).toBeGreaterThan(35);
    for (const { method, path } of routes) {
      const query = fc.dictionary(fc.constantFrom(...NAMES, "key", "url", "ttl", "tag", "raw", "header"), word, {
        maxKeys: 4,
      });
      const body =
        method === "GET" || method === "DELETE" ? fc.constant(undefined) : fc.oneof(json, FORMS[path] ?? json);
      await fc.assert(
        fc.asyncProperty(query, body, word, async (asked, sent, tier) => {
          const said = new URLSearchParams(asked).toString();
          const target = `${path.replace("{tier}", encodeURIComponent(tier.toWellFormed()))}?${said}`;
          const { status } = await admin.call(target, { method, body: sent });
          expect([method, target, sent, status < 500]).toEqual([method, target, sent, true]);
        }),
        { numRuns: 15, endOnFailure: false },
      );
    }
    expect(admin.failures).toEqual([]);
    expect((await admin.call("/health/live")).status).toBe(200);
  });
});

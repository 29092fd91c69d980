import type { FastifyInstance } from "fastify";
import { deleteAnswer, deleteQuery, putAnswer, putBody, putQuery } from "../../api/listing.js";
import type { Cache, WriteEntry } from "../../cache/cache.js";
import { bytesOfBase64 } from "../../transfer/record-fields.js";
import { parseTtl } from "../../units.js";
import { textOf } from "../../utf8.js";
import { documented } from "./documented.js";
import { changed, versionOf } from "./edit-routes.js";
import { keyOf } from "./key-of.js";
import { PendingNote } from "./pending-note.js";
import { Refusal } from "./refusal.js";

/** Bytes of the body of a `PUT`. */
const MAX_VALUE_BODY = 96 * 1024 * 1024;

/** Why a value was not stored. */
const UNSTORED = {
  condition: [412, "condition-not-met", "the mode of the call does not hold: nothing is stored"],
  rejected: [413, "too-large-for-store", "the value is larger than the store may hold: nothing is stored"],
  "other-type": [409, "other-type", "the key holds an entry of another type of the store, which stays"],
} as const;

/** `PUT` and `DELETE /cache/entry`: a value stored and deleted, for people with curl. */
export function valueRoutes(app: FastifyInstance, { cache }: { cache: Cache }): void {
  // A number must stay as it was written: the body is kept as the bytes it is.
  app.removeContentTypeParser("application/json");
  app.addContentTypeParser("application/json", { parseAs: "buffer" }, (_request, body, done) => done(null, body));
  documented(
    app,
    ["PUT", "/cache/entry"],
    {
      role: "operator",
      summary: "Store a value.",
      query: putQuery,
      body: putBody,
      answers: { 200: putAnswer, 202: putAnswer },
      bodyLimit: MAX_VALUE_BODY,
    },
    async ({ query: { ttl, tag, mode, ifVersion, encoding }, body }, reply, request) => {
      const key = keyOf(request);
      const value = storedValue(body, encoding);
      // What is changed between the look at the version and the write is refused by the store.
      const since = ifVersion === undefined ? undefined : await cache.position();
      if (since !== undefined) await versionOf(cache, key, ifVersion);
      const entry: WriteEntry = {
        key,
        value,
        ...(tag && { tags: tag }),
        ...(ttl !== undefined && { ttl: parseTtl(ttl) }),
      };
      const { onPending, answered } = new PendingNote();
      const [outcome = "rejected"] = await cache.writeMany([entry], {
        onPending,
        ...(mode && { mode }),
        ...(since !== undefined && { since }),
      });
      if (outcome === "stored") {
        const answer = answered({ key, outcome, size: value.length });
        return reply.code("pending" in answer ? 202 : 200).send(answer);
      }
      if (outcome === "condition" && since !== undefined) throw changed();
      const [status, code, message] = UNSTORED[outcome];
      throw new Refusal(status, code, message);
    },
  );

  documented(
    app,
    ["DELETE", "/cache/entry"],
    {
      role: "operator",
      summary: "Delete one entry.",
      query: deleteQuery,
      answers: { 200: deleteAnswer, 202: deleteAnswer },
    },
    async (_asked, reply, request) => {
      const key = keyOf(request);
      const { deleted, pending } = await cache.invalidate({ keys: [key] });
      return reply.code(pending ? 202 : 200).send({ key, deleted: deleted > 0, ...(pending && { pending }) });
    },
  );
}

/**
 * What a body in JSON means as a value: a string its UTF-8, anything else its own source.
 * @throws Refusal 400 for what is no JSON; CacheError `invalid-base64`
 */
function storedValue(body: unknown, encoding: "base64" | undefined): Uint8Array {
  const bytes = Buffer.isBuffer(body) ? body : Buffer.alloc(0);
  const source = textOf(bytes);
  const value = source === undefined ? undefined : parsed(source);
  if (value === undefined) throw new Refusal(400, "invalid-json", "the body is no JSON", "Write text in quotes.");
  if (encoding === undefined) return typeof value === "string" ? Buffer.from(value) : Buffer.from(source?.trim() ?? "");
  if (typeof value !== "string") throw new Refusal(400, "invalid-base64", "the body is no string of base64");
  return bytesOfBase64(Buffer.from(value));
}

function parsed(source: string): unknown {
  try {
    return JSON.parse(source);
  } catch {
    return undefined;
  }
}

import { Readable } from "node:stream";
import type { FastifyInstance, FastifyRequest } from "fastify";
import {
  deleteAnswer,
  deleteQuery,
  entriesAnswer,
  entriesQuery,
  entryAnswer,
  entryQuery,
  putAnswer,
  putBody,
  putQuery,
} from "../../api/admin.js";
import type { EntryInfo, EntryReader } from "../../backends/backend.js";
import type { WriteEntry } from "../../cache/cache.js";
import { keyFromBytes } from "../../key.js";
import type { Selection } from "../../selector.js";
import { bytesOfBase64 } from "../../transfer/record-fields.js";
import { parseTtl } from "../../units.js";
import { textOf } from "../../utf8.js";
import type { AdminParts } from "./admin-parts.js";
import { documented } from "./documented.js";
import { goneSignal } from "./line-stream.js";
import { PendingNote } from "./pending-note.js";
import { Refusal } from "./refusal.js";

/** Bytes of a value that is shown within JSON at most; a larger one is asked for by itself. */
const SHOWN_BYTES = 1024 * 1024;
/** Bytes of the body of a `PUT`. */
const MAX_VALUE_BODY = 96 * 1024 * 1024;

/** Why a value was not stored. */
const UNSTORED = {
  condition: [412, "condition-not-met", "the mode of the call does not hold: nothing is stored"],
  rejected: [413, "too-large-for-store", "the value is larger than the store may hold: nothing is stored"],
  "other-type": [409, "other-type", "the key holds an entry of another type of the store, which stays"],
} as const;

/** `/cache/entries` and `/cache/entry`: entries for people with curl. */
export function listingRoutes(app: FastifyInstance, { cache, clock }: AdminParts): void {
  documented(
    app,
    ["GET", "/cache/entries"],
    {
      role: "viewer",
      summary: "Entries page by page; nothing is counted.",
      query: entriesQuery,
      answers: { 200: entriesAnswer },
    },
    async ({ query: { cursor, limit, ...conditions } }, reply) => {
      const options = {
        fields: "all",
        limit,
        signal: goneSignal(reply),
        ...(cursor !== undefined && { cursor }),
      } as const;
      const entries: object[] = [];
      let next: string | undefined;
      for await (const page of cache.scan(selectionOf(conditions), options)) {
        next = page.cursor;
        for (const { type, ...entry } of page.entries) {
          entries.push({ ...factsOf(entry, clock.now()), ...(type !== undefined && { type }) });
        }
      }
      return { entries, ...(next !== undefined && { cursor: next }) };
    },
  );

  documented(
    app,
    ["GET", "/cache/entry"],
    {
      role: "viewer",
      summary: "One entry with its value; nothing is counted.",
      query: entryQuery,
      answers: { 200: entryAnswer },
    },
    async ({ query: { raw } }, reply, request) => {
      const key = keyOf(request);
      const reader = await cache.openRead(key, { want: "all", peek: true });
      if (reader === undefined) throw new Refusal(404, "no-such-entry", "there is no entry with this key");
      if (raw) {
        // Whatever it is, no browser shows it as a page of ours.
        reply.headers({ "content-disposition": "attachment", "content-length": reader.head.size });
        return reply.type("application/octet-stream").send(Readable.from(piecesOf(reader)));
      }
      const facts = factsOf({ key, ...reader.head }, clock.now());
      if (reader.head.size > SHOWN_BYTES) {
        reader.close();
        return { ...facts, truncated: true };
      }
      const pieces: Uint8Array[] = [];
      for await (const piece of piecesOf(reader)) pieces.push(piece);
      const bytes = Buffer.concat(pieces);
      const text = textOf(bytes);
      return {
        ...facts,
        ...(text === undefined ? { encoding: "base64", data: bytes.toString("base64") } : { value: text }),
      };
    },
  );

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
    async ({ query: { ttl, tag, mode, encoding }, body }, reply, request) => {
      const key = keyOf(request);
      const value = storedValue(body, encoding);
      const entry: WriteEntry = {
        key,
        value,
        ...(tag && { tags: tag }),
        ...(ttl !== undefined && { ttl: parseTtl(ttl) }),
      };
      const { onPending, answered } = new PendingNote();
      const [outcome = "rejected"] = await cache.writeMany([entry], { onPending, ...(mode && { mode }) });
      if (outcome === "stored") {
        const answer = answered({ key, outcome, size: value.length });
        return reply.code("pending" in answer ? 202 : 200).send(answer);
      }
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

type Conditions = { prefix?: string; match?: string; tag?: string[] };

function selectionOf({ prefix, match, tag: tags }: Conditions): Selection {
  const filter = {
    ...(prefix !== undefined && { prefix }),
    ...(match !== undefined && { match }),
    ...(tags && { tags }),
  };
  return Object.keys(filter).length === 0 ? { all: true } : (filter as Selection);
}

/** What is known of an entry, with times as durations. */
function factsOf({ key, expiresAt, createdAt, size, tags = [] }: EntryInfo, now: number) {
  return {
    key,
    ttl: expiresAt === undefined ? null : Math.max(0, expiresAt - now),
    ...(size !== undefined && { size }),
    ...(createdAt !== undefined && { age: Math.max(0, now - createdAt) }),
    tags,
  };
}

async function* piecesOf({ body, close }: EntryReader): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } finally {
    close();
  }
}

/**
 * The key of a call. A key may be bytes that are no text, which no parser of queries gives back.
 * @throws Refusal 400
 */
function keyOf({ raw: { url = "" } }: FastifyRequest): string {
  const query = url.slice(url.indexOf("?") + 1);
  const [said = "", more] = query.split("&").flatMap((part) => (part.startsWith("key=") ? part.slice(4) : []));
  if (more !== undefined) throw new Refusal(400, "invalid-request", "the call names more than one key");
  const bytes = said.replaceAll("+", "%20").split(/%([0-9a-fA-F]{2})/);
  return keyFromBytes(
    Buffer.concat(bytes.map((part, i) => (i % 2 === 0 ? Buffer.from(part) : Buffer.from(part, "hex")))),
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

import { Readable } from "node:stream";
import type { FastifyInstance } from "fastify";
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
  SHOWN_BYTES,
} from "../../api/listing.js";
import type { EntryReader } from "../../backends/backend.js";
import type { WriteEntry } from "../../cache/cache.js";
import type { Selection } from "../../selector.js";
import { bytesOfBase64 } from "../../transfer/record-fields.js";
import { parseTtl } from "../../units.js";
import { textOf } from "../../utf8.js";
import type { AdminParts } from "./admin-parts.js";
import { documented } from "./documented.js";
import { changed, versionOf } from "./edit-routes.js";
import { factsOf, headFacts } from "./entry-facts.js";
import { keyOf } from "./key-of.js";
import { goneSignal } from "./line-stream.js";
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
    async ({ query: { cursor, limit, tier, ...conditions } }, reply) => {
      const options = {
        fields: "all",
        limit,
        signal: goneSignal(reply),
        ...(cursor !== undefined && { cursor }),
        ...(tier !== undefined && { tier }),
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
    async ({ query: { raw, first, tier } }, reply, request) => {
      const key = keyOf(request);
      const reader = await cache.openRead(key, { want: "all", peek: true, ...(tier !== undefined && { tier }) });
      if (reader === undefined) throw new Refusal(404, "no-such-entry", "there is no entry with this key");
      if (raw) {
        // Whatever it is, no browser shows it as a page of ours.
        reply.headers({ "content-disposition": "attachment", "content-length": reader.head.size });
        return reply.type("application/octet-stream").send(Readable.from(piecesOf(reader)));
      }
      const now = clock.now();
      const facts = { ...factsOf({ key, ...reader.head }, now), ...headFacts(reader.head, now) };
      if (reader.head.size > SHOWN_BYTES && first === undefined) {
        reader.close();
        return { ...facts, truncated: true };
      }
      const bytes = await firstBytes(reader, first ?? SHOWN_BYTES);
      const truncated = bytes.length < reader.head.size;
      return { ...facts, ...shownValue(bytes, truncated), ...(truncated && { truncated }) };
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

type Conditions = { prefix?: string; match?: string; tag?: string[]; tagMode?: "any" | "all" };

function selectionOf({ prefix, match, tag: tags, tagMode }: Conditions): Selection {
  const filter = {
    ...(prefix !== undefined && { prefix }),
    ...(match !== undefined && { match }),
    ...(tags && { tags, ...(tagMode && { tagMode }) }),
  };
  return Object.keys(filter).length === 0 ? { all: true } : (filter as Selection);
}

/** The beginning of a value; the reader is closed. */
async function firstBytes(reader: EntryReader, most: number): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of piecesOf(reader)) {
    pieces.push(piece.subarray(0, most - length));
    length += piece.length;
    if (length >= most) break;
  }
  return Buffer.concat(pieces);
}

/** Bytes as text, where they are that; of one that was cut in the middle of a character without it. */
function shownValue(bytes: Buffer, isCut: boolean) {
  for (let cut = 0; cut <= (isCut ? 3 : 0); cut += 1) {
    const text = textOf(bytes.subarray(0, bytes.length - cut));
    if (text !== undefined) return { value: text };
  }
  return { encoding: "base64", data: bytes.toString("base64") } as const;
}

async function* piecesOf({ body, close }: EntryReader): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } finally {
    close();
  }
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

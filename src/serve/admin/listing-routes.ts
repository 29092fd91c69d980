import { Readable } from "node:stream";
import type { FastifyInstance } from "fastify";
import type { Checked } from "../../api/checked.js";
import { entriesAnswer, entriesQuery, entryAnswer, entryBody, entryQuery, SHOWN_BYTES } from "../../api/listing.js";
import type { EntryReader } from "../../backends/backend.js";
import type { Selection } from "../../selector.js";
import { textOf } from "../../utf8.js";
import type { AdminParts } from "./admin-parts.js";
import { contentCoding, decodedContent } from "./decoded-content.js";
import { documented } from "./documented.js";
import { factsOf, headFacts, storedResponse } from "./entry-facts.js";
import { keyOf } from "./key-of.js";
import { goneSignal } from "./line-stream.js";
import { Refusal } from "./refusal.js";

/** `/cache/entries` and `/cache/entry`: entries for people with curl, and for the page. */
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
    async ({ query: { raw, ...look } }, reply, request) => {
      const key = keyOf(request);
      if (!raw) return shown({ ...look, key });
      const reader = await opened({ ...look, key });
      // Whatever it is, no browser shows it as a page of ours.
      reply.headers({ "content-disposition": "attachment", "content-length": reader.head.size });
      return reply.type("application/octet-stream").send(Readable.from(piecesOf(reader)));
    },
  );

  documented(
    app,
    ["POST", "/cache/entry"],
    {
      role: "viewer",
      summary: "The same with the key in the body: it may be too long for a URL, or hold half a surrogate pair.",
      body: entryBody,
      answers: { 200: entryAnswer },
    },
    ({ body }) => shown(body),
  );

  async function opened({ key, tier }: Look): Promise<EntryReader> {
    const reader = await cache.openRead(key, { want: "all", peek: true, ...(tier !== undefined && { tier }) });
    if (reader) return reader;
    throw new Refusal(404, "no-such-entry", "there is no entry with this key");
  }

  async function shown(look: Look): Promise<object> {
    const { key, first, decode } = look;
    const reader = await opened(look);
    const now = clock.now();
    const facts = { ...factsOf({ key, ...reader.head }, now), ...headFacts(reader.head, now) };
    if (reader.head.size > SHOWN_BYTES && first === undefined) {
      reader.close();
      return { ...facts, truncated: true };
    }
    const most = first ?? SHOWN_BYTES;
    const bytes = await firstBytes(reader, most);
    const coding = decode ? contentCoding(storedResponse(reader.head), bytes) : undefined;
    const content = coding && (await decodedContent(bytes, coding, most));
    const truncated = bytes.length < reader.head.size || (content?.isCut ?? false);
    return {
      ...facts,
      ...shownValue(content?.bytes ?? bytes, truncated),
      ...(content && coding && { decoded: coding }),
      ...(truncated && { truncated }),
    };
  }
}

type Look = Checked<typeof entryBody>;
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

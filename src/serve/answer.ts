import { randomBytes } from "node:crypto";
import type { Awaitable } from "../backends/backend.js";
import { type CacheStatusEntry, cacheStatus, xCache } from "../http/cache-status.js";
import { evaluatePreconditions, notModifiedFields } from "../http/conditional.js";
import type { FoundResponse } from "../http/http-cache.js";
import { type Fields, fieldOf, type RequestHead, withoutFields } from "../http/message.js";
import {
  type ByteRange,
  contentRange,
  multipartHeads,
  multipartType,
  selectRange,
  unsatisfiedRange,
} from "../http/ranges.js";
import type { Client } from "./client.js";
import { releasePiece } from "./piece-release.js";
import { type BodySource, StoredBody } from "./stored-body.js";

/** A response that was fetched for another request. */
export interface SharedResponse extends Pick<FoundResponse, "response" | "sent" | "size"> {
  body: Uint8Array;
}

/** What an answer is made of: the whole of a response, of which the client may want a part, or only to know that it has not changed. */
export interface Whole {
  status: number;
  /** With its `Content-Length`, and without `Age` and what is ours to say. */
  fields: Fields;
  /** Epoch milliseconds. */
  responseTime: number;
  /** Bytes of the body. */
  size: number;
}

/** The part of a response that is sent. */
export interface Selection {
  status: number;
  fields: Fields;
  /** Bytes of the body that follow; none for HEAD, 304 and 416. */
  ranges: readonly ByteRange[];
  /** What is around several ranges. */
  multipart?: { heads: readonly string[]; tail: string };
}

const LENGTH: ReadonlySet<string> = new Set(["content-length"]);
const LENGTH_AND_TYPE: ReadonlySet<string> = new Set(["content-length", "content-type"]);

/** What of a complete response answers a request (RFC 9111 §4.3.2, RFC 9110 §13.2, §14.2). */
export function select(request: RequestHead, whole: Whole, now: number): Selection {
  const { status, fields, size } = whole;
  if (evaluatePreconditions(request.method, request.fields, whole, now) === "not-modified") {
    return { status: 304, fields: notModifiedFields(fields), ranges: [] };
  }
  if (request.method === "HEAD") return { status, fields, ranges: [] };
  const selection = selectRange(request.fields, fields, size, request.method, status);
  switch (selection.kind) {
    case "whole":
      return { status, fields, ranges: size === 0 ? [] : [{ start: 0, end: size - 1 }] };
    case "unsatisfiable": {
      const rest = withoutFields(fields, LENGTH_AND_TYPE);
      return {
        status: 416,
        fields: [...rest, "Content-Range", unsatisfiedRange(size), "Content-Length", "0"],
        ranges: [],
      };
    }
    case "ranges":
      return partial(selection.ranges, fields, size);
  }
}

function partial(ranges: readonly ByteRange[], fields: Fields, size: number): Selection {
  const [only] = ranges;
  if (only !== undefined && ranges.length === 1) {
    const length = `${only.end - only.start + 1}`;
    const rest = withoutFields(fields, LENGTH);
    return {
      status: 206,
      fields: [...rest, "Content-Range", contentRange(only, size), "Content-Length", length],
      ranges,
    };
  }
  const boundary = randomBytes(18).toString("base64url");
  const { heads, tail, length } = multipartHeads(ranges, size, fieldOf(fields, "content-type"), boundary);
  const rest = withoutFields(fields, LENGTH_AND_TYPE);
  return {
    status: 206,
    fields: [...rest, "Content-Type", multipartType(boundary), "Content-Length", `${length}`],
    ranges,
    multipart: { heads, tail },
  };
}

/**
 * What we say of a response that we send on (RFC 9110 §7.6.3, RFC 9111 §5.1, RFC 9211), to be put after its own fields. Lists have lines of their own there: our member is
 * the last, after those of who is nearer to the origin.
 * @param pseudonym our name in `Via`
 * @param age seconds, absent where it comes from the origin just now
 */
export function ourFields(pseudonym: string, entry: CacheStatusEntry, age?: number): string[] {
  const said = ["Via", `1.1 ${pseudonym}`, "Cache-Status", cacheStatus(entry, undefined), ...outcomeFields(entry)];
  return age === undefined ? said : ["Age", `${age}`, ...said];
}

/** Of a response of our own: RFC 9211 §2 has no `Cache-Status` in what no origin made. */
export function outcomeFields(entry: CacheStatusEntry): string[] {
  return ["X-Cache", xCache(entry)];
}

/** Sends a selection of a body that is held in memory. */
function sendBytes(client: Client, selection: Selection, extra: Fields, body: Uint8Array): void {
  const { status, fields, ranges, multipart } = selection;
  client.head(status, [...fields, ...extra]);
  const [only] = ranges;
  if (only === undefined) client.end();
  else if (multipart === undefined) client.end(body.subarray(only.start, only.end + 1));
  else {
    for (const [i, { start, end }] of ranges.entries()) {
      void client.write(Buffer.from(multipart.heads[i] ?? "", "latin1"));
      void client.write(body.subarray(start, end + 1));
    }
    client.end(Buffer.from(multipart.tail, "latin1"));
  }
}

/** Sends a selection of a body that is read in pieces. */
async function sendPieces(client: Client, selection: Selection, extra: Fields, body: StoredBody): Promise<void> {
  const { status, fields, ranges, multipart } = selection;
  for (const [i, range] of ranges.entries()) {
    let isFirst = true;
    for await (const piece of body.part(range)) {
      client.head(status, [...fields, ...extra]);
      if (isFirst && multipart) await client.write(Buffer.from(multipart.heads[i] ?? "", "latin1"));
      isFirst = false;
      await client.write(piece);
      if (client.gone) return;
      if (client.hasTakenAll) releasePiece(piece);
    }
    if (body.lost) return client.cut();
  }
  client.head(status, [...fields, ...extra]);
  client.end(multipart && Buffer.from(multipart.tail, "latin1"));
}

/** A response of our own, where there is none to pass on. */
export function sendOwn(client: Client, status: number, text: string, extra: Fields = []): void {
  const body = Buffer.from(`${text}\n`);
  client.head(status, [
    "Content-Type",
    "text/plain; charset=utf-8",
    "Content-Length",
    `${body.length}`,
    "Cache-Control",
    "no-store",
    ...extra,
  ]);
  if (client.request.method === "HEAD") client.end();
  else client.end(body);
}

/** Sends a stored response, or what of it was asked for; what is in memory at once. The reader of a large body is closed. */
export function sendFound(
  { client, request }: { client: Client; request: RequestHead },
  found: FoundResponse | SharedResponse,
  said: Fields,
  now: number,
  source: () => BodySource,
): Awaitable<void> {
  const { response, sent, size, body } = found;
  const { status, responseTime } = response;
  const selection = select(request, { status, responseTime, fields: sent, size }, now);
  if (body instanceof Uint8Array) return sendBytes(client, selection, said, body);
  if (!("key" in found)) return;
  const stored = new StoredBody(found, body, source());
  return sendPieces(client, selection, said, stored).finally(() => stored.close());
}

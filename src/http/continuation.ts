import { entityTagOf } from "./entity-tag.js";
import { type Fields, fieldOf, linesOf, type ResponseHead } from "./message.js";
import { type ByteRange, contentRange } from "./ranges.js";
import type { StoredResponse } from "./stored-response.js";

/** A stored response of which a part is sought. */
type Begun = Pick<StoredResponse, "status" | "fields" | "coding">;

/**
 * The fields of a request for part of a stored response from its origin, which gives it only if it still has the same bytes (RFC 9110 §13.1.5, §14.2). Undefined where nobody could
 * tell: without a strong entity tag (a date says less than it seems to once a 304 has brought a newer `Date`), or where the content was given its coding here.
 */
export function continuationFields(method: string, stored: Begun, { start, end }: ByteRange): string[] | undefined {
  const tag = strongTagOf(stored.fields);
  const isCodedHere = stored.coding === "br" || stored.coding === "gzip";
  if (tag === undefined || isCodedHere || method !== "GET" || stored.status !== 200) return undefined;
  return ["Range", `bytes=${start}-${end}`, "If-Range", tag];
}

/**
 * What the content of the answer to such a request is: that `part`, the `whole`, or nothing that can be put behind what was sent (RFC 9110 §15.3.7.3).
 * @param size bytes of the stored body
 */
export function continues(
  stored: Begun,
  size: number,
  asked: ByteRange,
  { status, fields }: ResponseHead,
): "part" | "whole" | undefined {
  if (strongTagOf(fields) !== strongTagOf(stored.fields)) return undefined;
  const coding = fieldOf(fields, "content-encoding");
  const isSameCoding = coding === fieldOf(stored.fields, "content-encoding");
  const lengths = linesOf(fields, "content-length");
  const isOf = (bytes: number) => lengths.every((length) => length === `${bytes}`);
  // Some servers give one entity tag to every coding.
  if (status === 200) return isSameCoding && isOf(size) ? "whole" : undefined;
  if (status !== 206 || /^multipart\/byteranges/i.test(fieldOf(fields, "content-type") ?? "")) return undefined;
  const isAsked = fieldOf(fields, "content-range") === contentRange(asked, size);
  // §15.3.7: with If-Range, what the client knows need not be said again.
  return isAsked && (isSameCoding || coding === undefined) && isOf(asked.end - asked.start + 1) ? "part" : undefined;
}

/** Of one that is alone: of two, nobody knows which one is meant. */
function strongTagOf(fields: Fields): string | undefined {
  const [text, ...others] = linesOf(fields, "etag");
  const tag = others.length > 0 ? undefined : entityTagOf(text);
  return tag?.weak === false ? tag.opaque : undefined;
}

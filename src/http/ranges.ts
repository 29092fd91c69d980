import { entityTagOf, strongMatch } from "./entity-tag.js";
import { membersOf } from "./field-syntax.js";
import { parseHttpDate } from "./http-date.js";
import { type Fields, linesOf } from "./message.js";

/** Bytes `start` to `end`, both included. */
export interface ByteRange {
  start: number;
  end: number;
}

export type RangeSelection =
  | { kind: "whole" }
  /** At least one, in the order that they were asked for, none beyond the size, no two overlapping. */
  | { kind: "ranges"; ranges: readonly ByteRange[] }
  /** 416, with `Content-Range` as `unsatisfiedRange` says. */
  | { kind: "unsatisfiable" };

/** More ranges than this are taken for an attack (RFC 9110 §14.2, §17.15). */
const MAX_RANGES = 16;
/** One pair may overlap, as when a client asks for the head and the tail of what turns out to be short. */
const MAX_OVERLAPPING = 2;

const WHOLE = { kind: "whole" } as const;

/**
 * What of a complete stored response is to be sent (RFC 9110 §14.2). Whatever is malformed, unknown or unreasonable is ignored, as the RFC lets a server do: then
 * it is the whole.
 * @param size bytes of the content
 * @param method ranges are defined for GET alone
 * @param status of the stored response
 */
export function selectRange(
  requestFields: Fields,
  storedFields: Fields,
  size: number,
  method = "GET",
  status = 200,
): RangeSelection {
  const lines = linesOf(requestFields, "range");
  const [line] = lines;
  if (line === undefined) return WHOLE;
  // RFC 9110 §14.2: "A server MUST ignore a Range header field received with a request method that is unrecognized or for which range handling is not
  // defined"; evaluated only where the answer would otherwise be 200.
  if (method !== "GET" || status !== 200 || lines.length > 1) return WHOLE;
  const unit = /^bytes=/i.exec(line);
  if (unit === null || !ifRangeHolds(requestFields, storedFields)) return WHOLE;
  const asked = membersOf(line.slice(unit[0].length));
  if (asked.length === 0 || asked.length > MAX_RANGES) return WHOLE;

  const ranges: ByteRange[] = [];
  for (const one of asked) {
    const range = rangeOf(one, size);
    if (range === "invalid") return WHOLE;
    if (range !== "unsatisfiable") ranges.push(range);
  }
  if (ranges.length === 0) return { kind: "unsatisfiable" };
  // A suffix of an empty representation can be satisfied, but no Content-Range could say so.
  if (ranges.some(({ start, end }) => end < start)) return WHOLE;
  const overlapping = ranges.filter((one) => ranges.some((other) => other !== one && overlap(one, other)));
  if (overlapping.length > MAX_OVERLAPPING) return WHOLE;
  return { kind: "ranges", ranges: merged(ranges) };
}

/** RFC 9110 §14.1.1, §14.1.2. */
function rangeOf(text: string, size: number): ByteRange | "invalid" | "unsatisfiable" {
  const [, first, last] = /^(\d*)-(\d*)$/.exec(text) ?? [];
  if (first === undefined || last === undefined || (first === "" && last === "")) return "invalid";
  if (first === "") {
    const length = Number(last);
    return length === 0 ? "unsatisfiable" : { start: Math.max(0, size - length), end: size - 1 };
  }
  const [start, end] = [Number(first), last === "" ? Number.POSITIVE_INFINITY : Number(last)];
  if (end < start) return "invalid";
  return start >= size ? "unsatisfiable" : { start, end: Math.min(end, size - 1) };
}

/** RFC 9110 §15.3.7.2: ranges that overlap may be made one, so that no byte is sent twice. */
function merged(ranges: readonly ByteRange[]): ByteRange[] {
  const kept: ByteRange[] = [];
  for (const range of ranges) {
    const other = kept.find((one) => overlap(one, range));
    if (other) {
      other.start = Math.min(other.start, range.start);
      other.end = Math.max(other.end, range.end);
    } else kept.push({ ...range });
  }
  return kept;
}

function overlap(a: ByteRange, b: ByteRange): boolean {
  return a.start <= b.end && b.start <= a.end;
}

/** RFC 9110 §13.1.5: the ranges are wanted only of the representation that the client has a part of; strong comparison. */
function ifRangeHolds(requestFields: Fields, storedFields: Fields): boolean {
  const conditions = linesOf(requestFields, "if-range");
  const [condition] = conditions;
  if (condition === undefined) return true;
  if (conditions.length > 1) return false;
  const tag = entityTagOf(condition);
  if (tag !== undefined) return strongMatch(tag, entityTagOf(linesOf(storedFields, "etag")[0]));
  const [modified] = linesOf(storedFields, "last-modified");
  return modified === condition && isStrongDate(modified, linesOf(storedFields, "date")[0]);
}

/** RFC 9110 §8.8.2.2: a time of modification is strong if the response was made at least a second after it. */
function isStrongDate(modified: string, date: string | undefined): boolean {
  const made = date === undefined ? undefined : parseHttpDate(date, 0);
  const then = made === undefined ? undefined : parseHttpDate(modified, made);
  return made !== undefined && then !== undefined && made - then >= 1000;
}

/** The value of `Content-Range` in a 206 and its parts (RFC 9110 §14.4). */
export function contentRange({ start, end }: ByteRange, size: number): string {
  return `bytes ${start}-${end}/${size}`;
}

/** The value of `Content-Range` in a 416 (RFC 9110 §15.5.17). */
export function unsatisfiedRange(size: number): string {
  return `bytes */${size}`;
}

/** The `Content-Type` of a 206 with several ranges (RFC 9110 §14.6). */
export function multipartType(boundary: string): string {
  return `multipart/byteranges; boundary=${boundary}`;
}

export interface MultipartHeads {
  /** What goes before the bytes of each range, Latin-1 as fields are. */
  heads: readonly string[];
  /** What ends the content. */
  tail: string;
  /** Bytes of the content in all: heads, ranges and tail. */
  length: number;
}

/**
 * What is around the ranges in a `multipart/byteranges` (RFC 9110 §14.6). One range alone must not be sent so (§15.3.7.2).
 * @param contentType of the stored response
 * @param boundary a token of at most 70 characters that the content doesn't hold: random
 */
export function multipartHeads(
  ranges: readonly ByteRange[],
  size: number,
  contentType: string | undefined,
  boundary: string,
): MultipartHeads {
  const type = contentType === undefined || /[\r\n\0]/.test(contentType) ? "" : `Content-Type: ${contentType}\r\n`;
  const heads = ranges.map(
    (range, i) => `${i === 0 ? "" : "\r\n"}--${boundary}\r\n${type}Content-Range: ${contentRange(range, size)}\r\n\r\n`,
  );
  const tail = `\r\n--${boundary}--\r\n`;
  const length =
    heads.reduce((sum, head) => sum + head.length, tail.length) +
    ranges.reduce((sum, { start, end }) => sum + end - start + 1, 0);
  return { heads, tail, length };
}

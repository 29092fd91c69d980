import { membersOf } from "./field-syntax.js";
import { type Fields, linesOf, type ResponseHead } from "./message.js";

/** Lines of fields of a request at most. Browsers send some twenty; each costs a look at every field that is asked for. */
export const MAX_REQUEST_LINES = 256;

interface RequestFrame {
  httpVersion: string;
  fields: Fields;
}

/**
 * What is wrong with a request although its parser took it: it could be read otherwise by the next server. What the parser refuses (two lengths, a length beside chunks, white space
 * before a colon) does not come here.
 */
export function framingFault({ httpVersion, fields }: RequestFrame): { status: number; reason: string } | undefined {
  // RFC 9110 §15.6.6. The parser takes HTTP/0.9 and HTTP/2.0 in a request line.
  if (httpVersion !== "1.1" && httpVersion !== "1.0")
    return { status: 505, reason: "the version of HTTP is not known" };
  // RFC 6585 §5
  if (fields.length / 2 > MAX_REQUEST_LINES) return { status: 431, reason: "there are too many fields" };
  const codings = codingsOf(fields);
  if (codings === undefined) return undefined;
  // RFC 9112 §6.1: "MUST treat the message as if the framing is faulty"
  if (httpVersion === "1.0") return { status: 400, reason: "Transfer-Encoding is not of HTTP/1.0" };
  return isChunked(codings) ? undefined : { status: 501, reason: "the transfer coding is not known" };
}

/** Whether the body of a response can be passed on: what was coded for one connection (RFC 9112 §7) would be sent on as it is, as if it were the content. */
export function isCodedForConnection(responseFields: Fields): boolean {
  const codings = codingsOf(responseFields);
  return codings !== undefined && !isChunked(codings);
}

/** Whether the body of a response is as long as its connection lasts (RFC 9112 §6.3). */
export function endsWithConnection(method: string, { status, fields }: ResponseHead): boolean {
  if (method === "HEAD" || status === 204 || status === 304) return false;
  return codingsOf(fields) === undefined && linesOf(fields, "content-length").length === 0;
}

function codingsOf(fields: Fields): string[] | undefined {
  const lines = linesOf(fields, "transfer-encoding");
  return lines.length === 0 ? undefined : lines.flatMap(membersOf);
}

function isChunked(codings: readonly string[]): boolean {
  return codings.length === 1 && codings[0]?.toLowerCase() === "chunked";
}

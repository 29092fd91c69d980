import type { IncomingMessage, ServerResponse } from "node:http";

/** Node keeps the head of a response as it will be sent here, and sends what stands here: the one name of its insides that this knows. */
type Headed = ServerResponse & { _header?: unknown };

/** Bytes of a text; a longer one Node would put into memory of its own first, to hand it to the system. */
const LONGEST = 16_384;

/**
 * A response as it stands on its connection, head and body, to be sent again as it is: Node takes longer to make a head of fields than for all else that it does to answer.
 * Undefined where it would not do for every client, or Node no longer works like this.
 * @param response whose head was made, and has not been sent
 */
export function wholeText(request: IncomingMessage, response: ServerResponse, body: Buffer): string | undefined {
  const { _header: head } = response as Headed;
  if (typeof head !== "string" || response.chunkedEncoding || !stays(request, response)) return undefined;
  return head.length + body.length <= LONGEST ? head + body.toString("latin1") : undefined;
}

/**
 * Sends it instead of head and body.
 * @returns false where the response has to be made
 */
export function takesText(request: IncomingMessage, response: ServerResponse, status: number, text: string): boolean {
  if (!stays(request, response)) return false;
  response.statusCode = status;
  (response as Headed)._header = text;
  return response.headersSent;
}

/** What Node says of the connection is the same for all who stay. */
function stays({ httpVersion }: IncomingMessage, { shouldKeepAlive }: ServerResponse): boolean {
  return shouldKeepAlive && httpVersion === "1.1";
}

import { withLength } from "../http/admission.js";
import type { Fields, RequestHead } from "../http/message.js";
import type { ByteRange } from "../http/ranges.js";
import type { StoredResponse } from "../http/stored-response.js";
import { select } from "./answer.js";
import type { Client } from "./client.js";

/** Sends a response while it arrives: all of it, or the one range or the 304 that its client asked for. */
export class Sending {
  readonly #client: Client;
  readonly #range: ByteRange | undefined;
  #offset = 0;

  /** @param length bytes of the body; NaN where the origin did not say */
  constructor(
    client: Client,
    request: RequestHead,
    response: StoredResponse,
    said: Fields,
    length: number,
    now: number,
  ) {
    this.#client = client;
    const known = !Number.isNaN(length);
    const whole = known
      ? { ...response, fields: withLength(response, length), size: length }
      : { ...response, fields: withLength(response, Number.NaN), size: Number.MAX_SAFE_INTEGER };
    // Without a length there is no Content-Range, and several ranges would need what comes later first: then it is the whole.
    const selection = select(known ? request : withoutRange(request), whole, now);
    const { status, fields, ranges } = selection.multipart ? select(withoutRange(request), whole, now) : selection;
    this.#range = ranges[0];
    client.head(status, [...fields, ...said]);
    if (ranges.length === 0) client.end();
  }

  async write(piece: Uint8Array): Promise<void> {
    const from = this.#offset;
    this.#offset += piece.length;
    if (this.#range === undefined) return;
    const start = Math.max(0, this.#range.start - from);
    const end = Math.min(piece.length, this.#range.end + 1 - from);
    if (start < end) await this.#client.write(piece.subarray(start, end));
  }

  end(): void {
    if (this.#range !== undefined) this.#client.end();
  }
}

function withoutRange(request: RequestHead): RequestHead {
  const fields = request.fields.filter((_, i, all) => all[i - (i % 2)]?.toLowerCase() !== "range");
  return { ...request, fields };
}

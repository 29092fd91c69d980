import type { EntryReader } from "../backends/backend.js";
import { CacheError } from "../errors.js";
import { continuationFields, continues } from "../http/continuation.js";
import type { FoundResponse, HttpCache } from "../http/http-cache.js";
import type { Fields } from "../http/message.js";
import type { ByteRange } from "../http/ranges.js";
import type { OriginResponse } from "./upstream.js";

/** Where a large body is from. */
export interface BodySource {
  store: HttpCache;
  method: string;
  /** Asks the origin once more what the response is from, with these fields besides. @throws OriginFailure */
  askAgain: (fields: Fields) => Promise<OriginResponse>;
  /** The store lost it on the way. */
  storeFailed: (error: unknown) => void;
}

/** The body of a stored response, read in pieces. Where the store loses it on the way, the rest is its origin's, if that can show to have the same. */
export class StoredBody {
  readonly #found: FoundResponse;
  readonly #source: BodySource;
  #whole: EntryReader | undefined;
  #lost = false;

  /** @param whole is closed with this */
  constructor(found: FoundResponse, whole: EntryReader, source: BodySource) {
    this.#found = found;
    this.#source = source;
    this.#whole = whole;
  }

  /** A part has ended before its end. */
  get lost(): boolean {
    return this.#lost;
  }

  close(): void {
    this.#whole?.close();
  }

  /** Ends early where it is {@link lost}. Never fails. */
  async *part(range: ByteRange): AsyncGenerator<Uint8Array> {
    const missing = { ...range };
    let reader: EntryReader | undefined;
    try {
      reader = await this.#open(range);
      if (reader === undefined) throw notWhole("the response was removed or replaced before its body was read");
      for await (const piece of reader.body) {
        missing.start += piece.length;
        yield piece;
      }
      if (missing.start !== missing.end + 1) throw notWhole("the store gave another number of bytes than it said");
    } catch (error) {
      this.#source.storeFailed(error);
      this.#lost = true;
    } finally {
      reader?.close();
    }
    if (this.#lost && missing.start <= missing.end) yield* this.#rest(missing);
  }

  async #open({ start, end }: ByteRange): Promise<EntryReader | undefined> {
    if (start > 0 || end < this.#found.size - 1) return this.#source.store.openRange(this.#found, start, end + 1);
    const reader = this.#whole;
    this.#whole = undefined;
    return reader;
  }

  async *#rest(missing: ByteRange): AsyncGenerator<Uint8Array> {
    const { response, size } = this.#found;
    const fields = continuationFields(this.#source.method, response, missing);
    const answer = fields && (await this.#source.askAgain(fields).catch(() => undefined));
    if (answer === undefined) return;
    const gives = continues(response, size, missing, answer);
    if (gives === undefined) return void answer.body.destroy();
    const length = gives === "whole" ? size : missing.end + 1;
    let at = gives === "whole" ? 0 : missing.start;
    try {
      for await (const piece of answer.body as AsyncIterable<Uint8Array>) {
        const from = Math.max(0, missing.start - at);
        const to = Math.min(piece.length, missing.end + 1 - at);
        at += piece.length;
        if (at > length) return;
        if (from < to) yield piece.subarray(from, to);
        if (at > missing.end && at < length) break;
      }
      this.#lost = at <= missing.end;
    } catch {
      // The origin was lost too, of which the client is told by the end of its connection.
    }
  }
}

function notWhole(message: string): CacheError {
  return new CacheError("store", "value-cut", message, { hint: "The origin is asked for the rest." });
}

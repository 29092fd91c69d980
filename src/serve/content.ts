import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { fieldOf } from "../http/message.js";

/** Bytes of the content of a request that can be in a key. */
const MOST_BYTES = 1024 * 1024;

/** Fields that say what the content means (RFC 9110 §8.3 to §8.5). */
const MEANING = ["content-type", "content-encoding", "content-language"] as const;

/** Whether something follows the fields of a request. */
export function hasContent({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}

/** The content of a request, as far as it was read. */
export class Content {
  /** All of it; absent where it is longer than what can be in a key. */
  readonly whole: Uint8Array | undefined;
  /** Of it and what says what it means. */
  readonly hash: string | undefined;
  readonly #pieces: readonly Uint8Array[];
  readonly #rest: IncomingMessage;

  private constructor(message: IncomingMessage, pieces: readonly Uint8Array[], isWhole: boolean) {
    this.#pieces = pieces;
    this.#rest = message;
    this.whole = isWhole ? Buffer.concat(pieces) : undefined;
    this.hash = this.whole && hashOf(message, this.whole);
  }

  /** Resolves when it has ended, or is known to be too long. @returns undefined where the client went away before */
  static async read(message: IncomingMessage): Promise<Content | undefined> {
    const pieces: Uint8Array[] = [];
    if (Number(message.headers["content-length"] ?? 0) > MOST_BYTES) return new Content(message, pieces, false);
    let size = 0;
    try {
      for await (const piece of message.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>) {
        pieces.push(piece);
        size += piece.length;
        if (size > MOST_BYTES) return new Content(message, pieces, false);
      }
    } catch (error) {
      if (message.complete) throw error;
      return undefined;
    }
    return new Content(message, pieces, true);
  }

  /** All of it for an origin: what was read, and then what comes. */
  readable(): Uint8Array | Readable {
    if (this.whole) return this.whole;
    return contentOf(this.#rest, this.#pieces);
  }
}

/**
 * The content of a request to be sent on. Who does so may destroy it, since the origin may answer before its end; the request itself would take its connection along, on which that answer
 * is still to be sent.
 * @param pieces of it that were read
 */
export function contentOf(message: IncomingMessage, pieces: readonly Uint8Array[] = []): Readable {
  return Readable.from(inTurn(pieces, message), { objectMode: false });
}

async function* inTurn(pieces: readonly Uint8Array[], rest: Readable): AsyncGenerator<Uint8Array> {
  yield* pieces;
  yield* rest.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>;
}

function hashOf({ rawHeaders }: IncomingMessage, body: Uint8Array): string {
  const hash = createHash("sha256");
  for (const name of MEANING) {
    const value = fieldOf(rawHeaders, name);
    hash.update(value === undefined ? "-\n" : `${Buffer.byteLength(value)}:${value}\n`);
  }
  return hash.update(body).digest("hex");
}

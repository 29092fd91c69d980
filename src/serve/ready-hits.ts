import type { CacheStatusEntry } from "../http/cache-status.js";
import type { FoundResponse } from "../http/http-cache.js";
import type { Fields } from "../http/message.js";

/** What is sent for a hit. */
export interface ReadyHit {
  entry: CacheStatusEntry;
  fields: string[];
  /** The body as Node takes it: making that of what was found takes as long as finding it. */
  content: Buffer;
  /** It may be sent again, and what is noted with it used. */
  isKept: boolean;
  /** Head and body as they were sent. */
  text: string | undefined;
}

/** Good for as long as it is fresh, and neither its age nor what is left of its lifetime is another second. */
interface KeptHit extends ReadyHit {
  /** Epoch milliseconds. */
  from: number;
  /** It is another at this moment. */
  until: number;
}

/** Hits that are kept at most: those of what is asked for most. */
const MOST_HITS = 1024;
/** Bytes of the largest body that is kept here, as a copy that holds on to nothing of the store: some megabytes in all. */
const LARGEST_BODY = 4096;

/** What is sent for hits in memory to who asks for them as they are: the same for all within one second of an age. */
export class ReadyHits {
  readonly #hits = new Map<Fields, KeptHit>();

  /** Undefined where it is to be worked out. @param now epoch milliseconds */
  at({ sent }: FoundResponse, now: number): ReadyHit | undefined {
    // The same object as long as it is the same response, with the same body.
    const known = this.#hits.get(sent);
    return known && now >= known.from && now < known.until ? known : undefined;
  }

  /**
   * @param body of the response found
   * @param ageMs of the response
   * @param now epoch milliseconds
   * @param ours what we say of it
   */
  make(
    { sent, response: { lifetimeMs } }: FoundResponse,
    body: Uint8Array,
    ageMs: number,
    now: number,
    entry: CacheStatusEntry,
    ours: Fields,
  ): ReadyHit {
    const fields = [...sent, ...ours];
    if (body.length > LARGEST_BODY) {
      const content = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
      return { entry, fields, content, isKept: false, text: undefined };
    }
    const content = this.#hits.get(sent)?.content ?? Buffer.from(body);
    const until = now + Math.min(1000 - (ageMs % 1000), (lifetimeMs - ageMs) % 1000);
    const hit: KeptHit = { entry, fields, content, isKept: true, text: undefined, from: now, until };
    if (this.#hits.size >= MOST_HITS) this.#hits.clear();
    this.#hits.set(sent, hit);
    return hit;
  }
}

import type { FoundResponse } from "../http/http-cache.js";
import type { Fields } from "../http/message.js";

interface Hit {
  ageSeconds: number;
  ttlSeconds: number;
  fields: string[];
  /** The body as Node takes it: making that of what was found takes as long as finding it. */
  content: Buffer;
}

/** Hits that are kept at most: those of what is asked for most. */
const MOST_HITS = 1024;
/** Bytes of the largest body that is kept here, as a copy that holds on to nothing of the store: some megabytes in all. */
const LARGEST_BODY = 4096;

/** What is sent for hits in memory: the same for all within one second of an age. */
export class ReadyHits {
  readonly #hits = new Map<Fields, Hit>();

  /**
   * @param body of the response found
   * @param ageMs of the response
   * @param ours makes what we say of it
   */
  get(
    { sent, response: { lifetimeMs } }: FoundResponse,
    body: Uint8Array,
    ageMs: number,
    ours: () => Fields,
  ): Pick<Hit, "fields" | "content"> {
    const ageSeconds = Math.floor(ageMs / 1000);
    const ttlSeconds = Math.floor((lifetimeMs - ageMs) / 1000);
    // The same object as long as it is the same response, with the same body.
    const known = this.#hits.get(sent);
    if (known?.ageSeconds === ageSeconds && known.ttlSeconds === ttlSeconds) return known;
    const fields = [...sent, ...ours()];
    if (body.length > LARGEST_BODY) {
      return { fields, content: Buffer.from(body.buffer, body.byteOffset, body.byteLength) };
    }
    const hit = { ageSeconds, ttlSeconds, fields, content: known?.content ?? Buffer.from(body) };
    if (this.#hits.size >= MOST_HITS) this.#hits.clear();
    this.#hits.set(sent, hit);
    return hit;
  }
}

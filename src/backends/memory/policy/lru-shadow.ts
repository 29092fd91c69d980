import { LRUCache } from "lru-cache";

/** Keys that the shadow holds at most. */
const KEYS = 128;

/**
 * How plain LRU would do with the same work: a small LRU of key hashes that sees as small a share of the keys, told by their hashes (a mini-simulation, as in "Adaptive
 * Software Cache Management", Middleware 2018).
 */
export class LruShadow {
  readonly #held: LRUCache<number, true>;
  readonly #most: number;
  /** Hashes up to it are looked at. */
  #below = 2 ** 32;
  #seen = 0;
  #hits = 0;
  #ownHits = 0;

  constructor(maxEntries: number) {
    this.#most = Math.min(KEYS, maxEntries);
    this.#held = new LRUCache({ max: this.#most });
  }

  /** So many entries the store holds now: the share of the keys that is looked at follows from it. */
  resize(entries: number): void {
    this.#below = (this.#most / entries) * 2 ** 32;
  }

  /** @param hit what the store itself answered */
  see(hash: number, hit: boolean): void {
    if (hash >>> 0 > this.#below) return;
    this.#seen += 1;
    if (hit) this.#ownHits += 1;
    if (this.#held.get(hash)) this.#hits += 1;
    else this.#held.set(hash, true);
  }

  /** By how much its share of hits was the better one, since the last call. @param entries that the store holds now */
  lead(entries: number): number {
    const lead = entries < this.#most || this.#seen === 0 ? 0 : (this.#hits - this.#ownHits) / this.#seen;
    this.#seen = 0;
    this.#hits = 0;
    this.#ownHits = 0;
    return lead;
  }
}

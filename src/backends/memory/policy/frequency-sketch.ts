import { grown } from "../grown.js";

/** 32-bit words of a block: 64 bytes, what a processor fetches at once. */
const BLOCK_WORDS = 16;

/** Entries that share a block. */
const BLOCK_ENTRIES = 8;

/** Uses for each entry after which all counts are halved. */
const SAMPLES_PER_ENTRY = 10;

const MIN_ENTRIES = 64;

/**
 * How often keys were used lately, roughly and never less than that: a count-min sketch of 4-bit counters, four a key, 8 bytes an entry, halved at intervals so that the
 * past fades (Einziger, Friedman, Manes: "TinyLFU: A Highly Efficient Cache Admission Policy", ACM Transactions on Storage 13 (4), 2017). The four
 * counters of a key lie in one block.
 */
export class FrequencySketch {
  #words = new Uint32Array((MIN_ENTRIES / BLOCK_ENTRIES) * BLOCK_WORDS);
  #entries = MIN_ENTRIES;
  /** What a hash tells its block by. */
  #mask = MIN_ENTRIES / BLOCK_ENTRIES - 1;
  #additions = 0;

  /** Makes it large enough for so many entries; the counts stay. */
  ensure(entries: number): void {
    while (this.#entries < entries) {
      const length = this.#words.length;
      const larger = grown(this.#words, new Uint32Array(2 * length));
      // The block of a key is told by the lower bits of its hash: with one bit more it is the same block, or its copy.
      larger.copyWithin(length, 0, length);
      this.#words = larger;
      this.#entries *= 2;
      this.#mask = this.#mask * 2 + 1;
    }
  }

  increment(hash: number): void {
    const spread = spreadOf(hash);
    const block = (hash & this.#mask) * BLOCK_WORDS;
    // Written out: every hit comes this way.
    const before = this.#additions;
    this.#count(block + (spread & 3), spread);
    this.#count(block + 4 + ((spread >>> 8) & 3), spread >>> 8);
    this.#count(block + 8 + ((spread >>> 16) & 3), spread >>> 16);
    this.#count(block + 12 + ((spread >>> 24) & 3), spread >>> 24);
    if (this.#additions === before) return;
    this.#additions = before + 1;
    if (this.#additions >= this.#entries * SAMPLES_PER_ENTRY) this.#halve();
  }

  /** @param bits the two lowest were for the word, the next three tell the counter in it */
  #count(at: number, bits: number): void {
    const shift = bits & 28;
    const word = this.#words[at] ?? 0;
    if (((word >>> shift) & 15) === 15) return;
    this.#words[at] = word + (1 << shift);
    this.#additions += 1;
  }

  /** 0 to 15. */
  frequency(hash: number): number {
    const spread = spreadOf(hash);
    const block = (hash & this.#mask) * BLOCK_WORDS;
    let least = 15;
    for (let row = 0; row < 4; row++) {
      const bits = spread >>> (row * 8);
      const word = this.#words[block + row * 4 + (bits & 3)] ?? 0;
      least = Math.min(least, (word >>> (bits & 28)) & 15);
    }
    return least;
  }

  #halve(): void {
    const words = this.#words;
    for (let i = 0; i < words.length; i++) words[i] = ((words[i] ?? 0) >>> 1) & 0x77777777;
    this.#additions >>>= 1;
  }
}

/** Other bits of the hash than those that tell the block (the finalizer of MurmurHash3, by Austin Appleby). */
function spreadOf(hash: number): number {
  let h = hash ^ (hash >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return h ^ (h >>> 16);
}

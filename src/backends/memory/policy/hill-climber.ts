import { LruShadow } from "./lru-shadow.js";

// These figures were tried on traces of databases, file systems, searches and the web (`npm run bench -- traces`). The papers begin with 0.01 and a step down.

/** The window at the start. */
const FIRST_WINDOW = 0.05;

/** Bounds of the window: at the ends of the hill a step back takes too long. */
const LEAST_WINDOW = 0.02;
const MOST_WINDOW = 0.6;

/** So far ahead plain LRU is the better one, and the window becomes nearly everything, which is LRU. */
const LRU_LEAD = 0.06;
const LRU_WINDOW = 0.99;

/** The first step, and the one with which it begins anew. */
const STEP = 0.0625;

/** Each step is shorter than the one before, so that it comes to rest. */
const STEP_DECAY = 0.98;

/** A change of the hit rate that tells of other work: what was learnt so far is of no use then. */
const RESTART_AT = 0.05;

/** Reads and new entries for each entry held, between two steps. */
const SAMPLES_PER_ENTRY = 10;

const MIN_SAMPLES = 640;

/**
 * Learns how much of the cache should be the window, by hill climbing: as long as a step makes the hit rate better the next one goes the same way, else back
 * (Einziger, Eytan, Friedman, Manes: "Adaptive Software Cache Management", Middleware 2018). Where the climb is too slow for the work at hand, a shadow tells.
 */
export class HillClimber {
  readonly #shadow: LruShadow;
  #window = FIRST_WINDOW;
  #most = MOST_WINDOW;
  #step = STEP;
  #hits = 0;
  #samples = 0;
  /** The samples after which the next step is due. */
  #due = MIN_SAMPLES;
  #entries = 0;
  #before = 0;

  constructor(maxEntries: number) {
    this.#shadow = new LruShadow(maxEntries);
  }

  /** The share of the window, 0 to 1. */
  get window(): number {
    return this.#window;
  }

  /** A new entry, with which there are so many. */
  added(hash: number, entries: number): void {
    this.#entries = entries;
    this.#shadow.resize(entries);
    this.#shadow.see(hash, false);
    this.#samples += 1;
    if (this.#samples >= this.#due) this.#climb();
  }

  hit(hash: number): void {
    this.#hits += 1;
    this.#shadow.see(hash, true);
    this.#samples += 1;
    if (this.#samples >= this.#due) this.#climb();
  }

  #climb(): void {
    const entries = this.#entries;
    this.#due = Math.max(MIN_SAMPLES, entries * SAMPLES_PER_ENTRY);
    // There were fewer entries when it was last worked out.
    if (this.#samples < this.#due) return;
    const rate = this.#hits / this.#samples;
    const change = rate - this.#before;
    this.#before = rate;
    this.#hits = 0;
    this.#samples = 0;
    if (this.#shadow.lead(entries) > LRU_LEAD) {
      this.#most = LRU_WINDOW;
      this.#window = LRU_WINDOW;
      this.#step = -STEP;
      return;
    }
    const move = change >= 0 ? this.#step : -this.#step;
    this.#step = Math.abs(change) >= RESTART_AT ? STEP * Math.sign(move) : STEP_DECAY * move;
    this.#window = Math.min(this.#most, Math.max(LEAST_WINDOW, this.#window + move));
    if (this.#window < MOST_WINDOW) this.#most = MOST_WINDOW;
  }
}

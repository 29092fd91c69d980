// These figures were tried on traces of databases, file systems, searches and the web (`npm run bench -- traces`). The papers begin with 0.01 and a step down.

/** The window at the start. */
const FIRST_WINDOW = 0.05;

/** Bounds of the window: at the ends of the hill a step back takes too long. */
const LEAST_WINDOW = 0.02;
const MOST_WINDOW = 0.6;

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
 * (Einziger, Eytan, Friedman, Manes: "Adaptive Software Cache Management", Middleware 2018).
 */
export class HillClimber {
  #window = FIRST_WINDOW;
  #step = STEP;
  #hits = 0;
  #misses = 0;
  #before = 0;

  /** The share of the window, 0 to 1. */
  get window(): number {
    return this.#window;
  }

  /** @param entries that are held now */
  hit(entries: number): void {
    this.#hits += 1;
    this.#sampled(entries);
  }

  /** @param entries that are held now */
  missed(entries: number): void {
    this.#misses += 1;
    this.#sampled(entries);
  }

  #sampled(entries: number): void {
    const samples = this.#hits + this.#misses;
    if (samples < MIN_SAMPLES || samples < entries * SAMPLES_PER_ENTRY) return;
    const rate = this.#hits / samples;
    const change = rate - this.#before;
    const move = change >= 0 ? this.#step : -this.#step;
    this.#step = Math.abs(change) >= RESTART_AT ? STEP * Math.sign(move) : STEP_DECAY * move;
    this.#window = Math.min(MOST_WINDOW, Math.max(LEAST_WINDOW, this.#window + move));
    this.#before = rate;
    this.#hits = 0;
    this.#misses = 0;
  }
}

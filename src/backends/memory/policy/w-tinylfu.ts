import { grown } from "../grown.js";
import { FrequencySketch } from "./frequency-sketch.js";
import { HillClimber } from "./hill-climber.js";
import type { Policy, PolicyOptions } from "./policy.js";
import { seededHash } from "./seeded-hash.js";
import { NONE, SlotLists } from "./slot-lists.js";
import type { Slots } from "./slots.js";

/** New entries, by recency. */
const WINDOW = 0;
/** What left the window and was let in, by recency: here the next victim lies. */
const PROBATION = 1;
/** What was used again there. */
const PROTECTED = 2;

/** Of what is not the window's. */
const PROTECTED_SHARE = 0.8;

/** Frequencies that the sketch tells apart. */
const FREQUENCIES = 16;

/**
 * W-TinyLFU (Einziger, Friedman, Manes: "TinyLFU: A Highly Efficient Cache Admission Policy", ACM Transactions on Storage 13 (4), 2017): a new entry has to win
 * against the next victim by how often it was used lately, after some time in a window in which it may be used again; how large the window is
 * is learnt ({@link HillClimber}). Both bounds of the store are shared out alike.
 */
export class WTinyLfu implements Policy {
  readonly #slots: Slots;
  readonly #lists: SlotLists;
  readonly #sketch = new FrequencySketch();
  readonly #climber: HillClimber;
  readonly #maxEntries: number;
  readonly #maxBytes: number;
  readonly #hash = seededHash();
  #hashes = new Int32Array(64);
  /** What left the window last and has to win against the next victims. */
  #candidate = NONE;
  /** Something had to go already. Before that recency alone is kept: what is protected from nothing need not be told apart. */
  #pressed = false;

  constructor({ slots, maxEntries, maxBytes }: PolicyOptions) {
    this.#slots = slots;
    this.#lists = new SlotLists(slots, 3);
    this.#maxEntries = maxEntries;
    this.#maxBytes = maxBytes;
    this.#climber = new HillClimber(maxEntries);
  }

  add(slot: number): void {
    if (slot >= this.#hashes.length) this.#hashes = grown(this.#hashes, new Int32Array(this.#hashes.length * 2));
    const hash = this.#hash(this.#slots.entry(slot)?.key ?? "");
    this.#hashes[slot] = hash;
    this.#sketch.ensure(Math.min(this.#slots.count, this.#maxEntries));
    this.#sketch.increment(hash);
    this.#lists.push(WINDOW, slot);
    this.#candidate = NONE;
    this.#drainWindow();
    this.#climber.added(hash, this.#slots.count);
  }

  use(slot: number): void {
    this.#touch(slot);
    this.#climber.hit(this.#hashes[slot] ?? 0);
  }

  rewrite(slot: number, by: number): void {
    this.#candidate = NONE;
    this.#lists.reweigh(slot, by);
    this.#touch(slot);
  }

  adjust(slot: number, by: number): void {
    this.#lists.reweigh(slot, by);
  }

  remove(slot: number): void {
    if (slot === this.#candidate) this.#candidate = NONE;
    this.#lists.take(slot);
  }

  victim(spared: number): number | undefined {
    this.#pressed = true;
    this.#drainWindow();
    const victim = this.#oldestBut(spared);
    const candidate = this.#candidate;
    if (candidate === NONE || candidate === victim || victim === undefined) return victim;
    // It must win against each of those that it drives out; a large one against many.
    if (this.#frequencyOf(candidate) > this.#frequencyOf(victim)) return victim;
    this.#candidate = this.#lists.newer(candidate);
    return candidate;
  }

  byRank(): Iterable<number> {
    const byFrequency: number[][] = Array.from({ length: FREQUENCIES }, () => []);
    for (const list of [PROTECTED, WINDOW, PROBATION]) {
      for (const slot of this.#lists.newestFirst(list)) byFrequency[this.#frequencyOf(slot)]?.push(slot);
    }
    return byFrequency.reverse().flat();
  }

  contradictions(): string[] {
    return this.#lists.contradictions();
  }

  #frequencyOf(slot: number): number {
    return this.#sketch.frequency(this.#hashes[slot] ?? 0);
  }

  #touch(slot: number): void {
    this.#sketch.increment(this.#hashes[slot] ?? 0);
    if (!this.#pressed || this.#lists.listOf(slot) !== PROBATION) {
      this.#lists.renew(slot);
      return;
    }
    this.#lists.take(slot);
    this.#lists.push(PROTECTED, slot);
    const share = PROTECTED_SHARE * (1 - this.#climber.window);
    while (this.#lists.size(PROTECTED) > 1 && this.#isOver(PROTECTED, share)) this.#move(PROTECTED, PROBATION);
  }

  /** What is too much for the window leaves it; the newest stays, however large it is. */
  #drainWindow(): void {
    while (this.#lists.size(WINDOW) > 1 && this.#isOver(WINDOW, this.#climber.window)) {
      const left = this.#move(WINDOW, PROBATION);
      if (this.#candidate === NONE) this.#candidate = left;
    }
  }

  #isOver(list: number, share: number): boolean {
    return this.#lists.size(list) > share * this.#maxEntries || this.#lists.weight(list) > share * this.#maxBytes;
  }

  #move(from: number, to: number): number {
    const slot = this.#lists.oldest(from);
    this.#lists.take(slot);
    this.#lists.push(to, slot);
    return slot;
  }

  #oldestBut(spared: number): number | undefined {
    for (const list of [PROBATION, PROTECTED, WINDOW]) {
      let slot = this.#lists.oldest(list);
      if (slot === spared && slot !== NONE) slot = this.#lists.newer(slot);
      if (slot !== NONE) return slot;
    }
    return undefined;
  }
}

import type { Slots } from "./slots.js";

/** What a policy is told of the store. */
export interface PolicyOptions {
  slots: Slots;
  maxEntries: number;
  maxBytes: number;
}

/**
 * Says which entry goes when there is no more room. It knows entries by their slots; the bounds are kept, and the slots owned, by the table.
 * Every slot that was added and not removed is in its books.
 */
export interface Policy {
  /** A new entry lies in the slot. */
  add(slot: number): void;
  /** It was read. */
  use(slot: number): void;
  /** It was written anew; its weight has grown by `by`. */
  rewrite(slot: number, by: number): void;
  /** Its deadline may have changed, and its weight has grown by `by`. */
  adjust(slot: number, by: number): void;
  remove(slot: number): void;
  /** The slot that goes next, which is removed then; never `spared`: what was just written stays until the next write. Undefined where there is no other. */
  victim(spared: number): number | undefined;
  /** Every slot, those in most use first as far as it is known, else the youngest. */
  byRank(): Iterable<number>;
  /** Sentences about what contradicts itself, for tests; none when all is well. */
  contradictions(): string[];
}

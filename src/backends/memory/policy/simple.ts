import { LRUCache } from "lru-cache";
import type { Policy, PolicyOptions } from "./policy.js";
import { SlotHeap } from "./slot-heap.js";
import { NONE, SlotLists } from "./slot-lists.js";
import type { Slots } from "./slots.js";

/** What was neither read nor written for the longest time goes first; the order is that of lru-cache. */
export class Lru implements Policy {
  readonly #slots: Slots;
  readonly #order: LRUCache<number, number>;

  constructor({ slots, maxEntries }: PolicyOptions) {
    this.#slots = slots;
    // One more than the table lets in before it asks for a victim: lru-cache itself never has to evict.
    this.#order = new LRUCache({ max: maxEntries + 1 });
  }

  add(slot: number): void {
    this.#order.set(slot, slot);
  }

  use(slot: number): void {
    this.#order.get(slot);
  }

  rewrite(slot: number): void {
    this.#order.get(slot);
  }

  adjust(): void {}

  remove(slot: number): void {
    this.#order.delete(slot);
  }

  victim(spared: number): number | undefined {
    // A generator of keys would take longer than all else that storing an entry does; the slot is given up either way.
    const slot = this.#order.pop();
    if (slot !== spared) return slot;
    // It was changed just now without being used, and counts as used from here on.
    const next = this.#order.pop();
    this.#order.set(spared, spared);
    return next;
  }

  byRank(): Iterable<number> {
    return this.#order.keys();
  }

  contradictions(): string[] {
    const found = [...this.#order.keys()].flatMap((slot) =>
      this.#slots.entry(slot) === undefined ? [`slot ${slot} in lru-cache is empty`] : [],
    );
    if (this.#order.size !== this.#slots.count) found.push(`lru-cache has ${this.#order.size} of ${this.#slots.count}`);
    return found;
  }
}

/** What was written first goes first; a new value counts as written anew. */
export class Fifo implements Policy {
  readonly #lists: SlotLists;

  constructor({ slots }: PolicyOptions) {
    this.#lists = new SlotLists(slots, 1);
  }

  add(slot: number): void {
    this.#lists.push(0, slot);
  }

  use(): void {}

  rewrite(slot: number, by: number): void {
    this.#lists.reweigh(slot, by);
    this.#lists.renew(slot);
  }

  adjust(slot: number, by: number): void {
    this.#lists.reweigh(slot, by);
  }

  remove(slot: number): void {
    this.#lists.take(slot);
  }

  victim(spared: number): number | undefined {
    let slot = this.#lists.oldest(0);
    if (slot === spared) slot = this.#lists.newer(slot);
    return slot === NONE ? undefined : slot;
  }

  byRank(): Iterable<number> {
    return this.#lists.newestFirst(0);
  }

  contradictions(): string[] {
    return this.#lists.contradictions();
  }
}

/** What was read and written least often goes first; among equals, what was used longest ago. */
export class Lfu implements Policy {
  readonly #heap: SlotHeap;
  #uses = 0;

  constructor({ slots }: PolicyOptions) {
    this.#heap = new SlotHeap(slots);
  }

  add(slot: number): void {
    this.#uses += 1;
    this.#heap.add(slot, 1, this.#uses);
  }

  use(slot: number): void {
    this.#uses += 1;
    this.#heap.rank(slot, this.#heap.firstOf(slot) + 1, this.#uses);
  }

  rewrite(slot: number): void {
    this.use(slot);
  }

  adjust(): void {}

  remove(slot: number): void {
    this.#heap.remove(slot);
  }

  victim(spared: number): number | undefined {
    return this.#heap.least(spared);
  }

  byRank(): Iterable<number> {
    return this.#heap.greatestFirst();
  }

  contradictions(): string[] {
    return this.#heap.contradictions();
  }
}

/** What expires first goes first; what never expires goes last, the oldest of it first. */
export class SoonestDeadline implements Policy {
  readonly #slots: Slots;
  readonly #heap: SlotHeap;
  #writes = 0;

  constructor({ slots }: PolicyOptions) {
    this.#slots = slots;
    this.#heap = new SlotHeap(slots);
  }

  add(slot: number): void {
    this.#writes += 1;
    this.#heap.add(slot, this.#deadlineOf(slot), this.#writes);
  }

  use(): void {}

  rewrite(slot: number): void {
    this.#writes += 1;
    this.#heap.rank(slot, this.#deadlineOf(slot), this.#writes);
  }

  adjust(slot: number): void {
    this.#heap.rank(slot, this.#deadlineOf(slot), this.#heap.secondOf(slot));
  }

  remove(slot: number): void {
    this.#heap.remove(slot);
  }

  victim(spared: number): number | undefined {
    return this.#heap.least(spared);
  }

  byRank(): Iterable<number> {
    return this.#heap.greatestFirst();
  }

  contradictions(): string[] {
    return this.#heap.contradictions();
  }

  #deadlineOf(slot: number): number {
    return this.#slots.times.wall(slot);
  }
}

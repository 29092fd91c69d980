import { grown } from "../grown.js";
import type { Slots } from "./slots.js";

/** No slot. */
export const NONE = -1;

/**
 * A few lists of slots from the oldest to the newest, each slot in one of them at most; every step takes the same time however long they are. They are
 * doubly linked through two arrays, whose first places are the lists' own ends.
 */
export class SlotLists {
  readonly #slots: Slots;
  /** Lists; the node of slot `s` is `s + #count`. */
  readonly #count: number;
  #next: Int32Array;
  #previous: Int32Array;
  /** The list of a slot plus one; 0 = in none. */
  #list = new Uint8Array(64);
  readonly #sizes: number[];
  readonly #weights: number[];

  constructor(slots: Slots, count: number) {
    this.#slots = slots;
    this.#count = count;
    this.#next = new Int32Array(64 + count);
    this.#previous = new Int32Array(64 + count);
    for (let list = 0; list < count; list++) this.#next[list] = this.#previous[list] = list;
    this.#sizes = new Array(count).fill(0);
    this.#weights = new Array(count).fill(0);
  }

  /** Puts a slot that is in no list at the newest end of one. */
  push(list: number, slot: number): void {
    if (slot >= this.#list.length) this.#grow();
    this.#link(list, slot);
    this.#list[slot] = list + 1;
    this.#sizes[list] = this.size(list) + 1;
    this.#weights[list] = this.weight(list) + this.#slots.weight(slot);
  }

  take(slot: number): void {
    const list = this.listOf(slot);
    this.#unlink(slot);
    this.#list[slot] = 0;
    this.#sizes[list] = this.size(list) - 1;
    this.#weights[list] = this.weight(list) - this.#slots.weight(slot);
  }

  /** Makes it the newest of its list. */
  renew(slot: number): void {
    const list = this.listOf(slot);
    if (this.#previous[list] === slot + this.#count) return;
    this.#unlink(slot);
    this.#link(list, slot);
  }

  /** The weight of a slot has grown. */
  reweigh(slot: number, by: number): void {
    const list = this.listOf(slot);
    this.#weights[list] = this.weight(list) + by;
  }

  listOf(slot: number): number {
    return (this.#list[slot] ?? 0) - 1;
  }

  size(list: number): number {
    return this.#sizes[list] ?? 0;
  }

  weight(list: number): number {
    return this.#weights[list] ?? 0;
  }

  /** The oldest of a list, or {@link NONE}. */
  oldest(list: number): number {
    return this.#slotAt(this.#next[list] ?? 0);
  }

  /** The next newer one in the list of a slot, or {@link NONE}. */
  newer(slot: number): number {
    return this.#slotAt(this.#next[slot + this.#count] ?? 0);
  }

  *newestFirst(list: number): Generator<number> {
    for (let node = this.#previous[list] ?? 0; node >= this.#count; node = this.#previous[node] ?? 0) {
      yield node - this.#count;
    }
  }

  contradictions(): string[] {
    const found: string[] = [];
    let total = 0;
    for (let list = 0; list < this.#count; list++) {
      let size = 0;
      let weight = 0;
      for (let slot = this.oldest(list); slot !== NONE && size <= this.size(list); slot = this.newer(slot)) {
        if (this.listOf(slot) !== list)
          found.push(`slot ${slot} is linked in list ${list}, but noted in ${this.listOf(slot)}`);
        if (this.#slots.entry(slot) === undefined) found.push(`slot ${slot} in list ${list} is empty`);
        size += 1;
        weight += this.#slots.weight(slot);
      }
      if (size !== this.size(list)) found.push(`list ${list} has ${size} slots, not ${this.size(list)}`);
      if (weight !== this.weight(list)) found.push(`list ${list} weighs ${weight}, not ${this.weight(list)}`);
      if ([...this.newestFirst(list)].length !== size) found.push(`list ${list} is another one backwards`);
      total += size;
    }
    if (total !== this.#slots.count) found.push(`${total} slots are listed of ${this.#slots.count}`);
    return found;
  }

  #slotAt(node: number): number {
    return node < this.#count ? NONE : node - this.#count;
  }

  #link(list: number, slot: number): void {
    const node = slot + this.#count;
    const newest = this.#previous[list] ?? 0;
    this.#next[newest] = node;
    this.#previous[node] = newest;
    this.#next[node] = list;
    this.#previous[list] = node;
  }

  #unlink(slot: number): void {
    const node = slot + this.#count;
    const older = this.#previous[node] ?? 0;
    const newer = this.#next[node] ?? 0;
    this.#next[older] = newer;
    this.#previous[newer] = older;
  }

  #grow(): void {
    const length = this.#list.length * 2;
    this.#list = grown(this.#list, new Uint8Array(length));
    this.#next = grown(this.#next, new Int32Array(length + this.#count));
    this.#previous = grown(this.#previous, new Int32Array(length + this.#count));
  }
}

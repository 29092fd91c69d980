import { grown } from "../grown.js";
import type { Slots } from "./slots.js";

/** Slots by a rank of two numbers, the least first: a binary heap that knows where each slot lies. */
export class SlotHeap {
  readonly #slots: Slots;
  #heap = new Int32Array(64);
  #size = 0;
  /** Where in the heap a slot lies. */
  #place = new Int32Array(64);
  #first = new Float64Array(64);
  #second = new Float64Array(64);

  constructor(slots: Slots) {
    this.#slots = slots;
  }

  /** @param first the rank; `second` decides among equals */
  add(slot: number, first: number, second: number): void {
    while (slot >= this.#place.length || this.#size >= this.#heap.length) this.#grow();
    this.#first[slot] = first;
    this.#second[slot] = second;
    this.#put(slot, this.#size);
    this.#size += 1;
    this.#rise(slot);
  }

  /** Another rank for a slot that is in it. */
  rank(slot: number, first: number, second: number): void {
    this.#first[slot] = first;
    this.#second[slot] = second;
    this.#rise(slot);
    this.#sink(slot);
  }

  remove(slot: number): void {
    const place = this.#place[slot] ?? 0;
    this.#size -= 1;
    const last = this.#heap[this.#size] ?? 0;
    if (last === slot) return;
    this.#put(last, place);
    this.#rise(last);
    this.#sink(last);
  }

  firstOf(slot: number): number {
    return this.#first[slot] ?? 0;
  }

  secondOf(slot: number): number {
    return this.#second[slot] ?? 0;
  }

  /** The slot of the least rank that is not `spared`. */
  least(spared: number): number | undefined {
    const [top, left, right] = [this.#heap[0] ?? 0, this.#heap[1] ?? 0, this.#heap[2] ?? 0];
    if (this.#size > 0 && top !== spared) return top;
    if (this.#size < 2) return undefined;
    return this.#size === 2 || this.#less(left, right) ? left : right;
  }

  greatestFirst(): Iterable<number> {
    return this.#heap.slice(0, this.#size).sort((a, b) => (this.#less(a, b) ? 1 : -1));
  }

  contradictions(): string[] {
    const found: string[] = [];
    if (this.#size !== this.#slots.count) found.push(`${this.#size} slots are in the heap of ${this.#slots.count}`);
    for (let place = 0; place < this.#size; place++) {
      const slot = this.#heap[place] ?? 0;
      if (this.#place[slot] !== place) found.push(`slot ${slot} lies at ${place}, not at ${this.#place[slot]}`);
      if (this.#slots.entry(slot) === undefined) found.push(`slot ${slot} in the heap is empty`);
      if (place > 0 && this.#less(slot, this.#heap[(place - 1) >> 1] ?? 0)) found.push(`slot ${slot} lies too deep`);
    }
    return found;
  }

  #less(a: number, b: number): boolean {
    const by = this.firstOf(a) - this.firstOf(b);
    // Of two that never expire the difference is no number.
    return Number.isNaN(by) || by === 0 ? this.secondOf(a) < this.secondOf(b) : by < 0;
  }

  #put(slot: number, place: number): void {
    this.#heap[place] = slot;
    this.#place[slot] = place;
  }

  #rise(slot: number): void {
    let place = this.#place[slot] ?? 0;
    while (place > 0) {
      const above = (place - 1) >> 1;
      const other = this.#heap[above] ?? 0;
      if (!this.#less(slot, other)) break;
      this.#put(other, place);
      place = above;
    }
    this.#put(slot, place);
  }

  #sink(slot: number): void {
    let place = this.#place[slot] ?? 0;
    for (;;) {
      let below = 2 * place + 1;
      if (below >= this.#size) break;
      if (below + 1 < this.#size && this.#less(this.#heap[below + 1] ?? 0, this.#heap[below] ?? 0)) below += 1;
      const other = this.#heap[below] ?? 0;
      if (!this.#less(other, slot)) break;
      this.#put(other, place);
      place = below;
    }
    this.#put(slot, place);
  }

  #grow(): void {
    const length = this.#place.length * 2;
    this.#heap = grown(this.#heap, new Int32Array(length));
    this.#place = grown(this.#place, new Int32Array(length));
    this.#first = grown(this.#first, new Float64Array(length));
    this.#second = grown(this.#second, new Float64Array(length));
  }
}

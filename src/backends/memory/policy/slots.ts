import type { MemoryEntry } from "../entry.js";
import { grown } from "../grown.js";
import type { Times } from "../times.js";

/** Entries in numbered places, so that the books of a policy can be arrays of numbers: some bytes an entry, and nothing for the garbage collector to follow. */
export class Slots {
  readonly #entries: (MemoryEntry | undefined)[] = [];
  readonly times: Times;
  /** What the entry takes of the bytes that the store may hold. */
  #weights = new Float64Array(64);
  readonly #free: number[] = [];
  #count = 0;

  constructor(times: Times) {
    this.times = times;
  }

  take(entry: MemoryEntry, weight: number): number {
    const slot = this.#free.pop() ?? this.#entries.length;
    this.#entries[slot] = entry;
    this.#count += 1;
    if (slot >= this.#weights.length) this.#weights = grown(this.#weights, new Float64Array(this.#weights.length * 2));
    this.#weights[slot] = weight;
    return slot;
  }

  /** Puts another entry, or another weight, into a slot that is taken. */
  replace(slot: number, entry: MemoryEntry, weight: number): void {
    this.#entries[slot] = entry;
    this.#weights[slot] = weight;
  }

  release(slot: number): void {
    this.#entries[slot] = undefined;
    this.#weights[slot] = 0;
    this.#free.push(slot);
    this.#count -= 1;
  }

  entry(slot: number): MemoryEntry | undefined {
    return this.#entries[slot];
  }

  weight(slot: number): number {
    return this.#weights[slot] ?? 0;
  }

  /** Slots that are taken. */
  get count(): number {
    return this.#count;
  }
}

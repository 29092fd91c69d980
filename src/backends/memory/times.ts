import { grown } from "./grown.js";

/** When an entry ends here: on the wall clock, and on the monotonic one as seen when it was given. `Infinity` = never. */
export interface Deadline {
  wall: number;
  monotonic: number;
  /** Where the entry may not stay until its own end: when that is. */
  own?: number;
}

/** Numbers of each entry that few ask for, in this order. */
const [CREATED, STALE, MONOTONIC, OWN, WIDTH] = [0, 1, 2, 3, 4];

/** Slots of one array: as a power of two, and as a mask. */
const SHIFT = 9;
const MASK = (1 << SHIFT) - 1;

/** When entries were made, are stale, and end, by slot: in an entry each of these numbers would be an object of its own. */
export class Times {
  readonly #arrays: Float64Array[] = [];
  /** Every read asks for these. */
  #walls = new Float64Array(64);

  /** @param createdAt epoch milliseconds, as is `staleAt` */
  note(slot: number, createdAt: number, staleAt: number | undefined, deadline: Deadline): void {
    this.#arrays[slot >> SHIFT] ??= new Float64Array(WIDTH << SHIFT);
    if (slot >= this.#walls.length) this.#walls = grown(this.#walls, new Float64Array(this.#walls.length * 2));
    this.#put(slot, CREATED, createdAt);
    this.setStale(slot, staleAt);
    this.setDeadline(slot, deadline);
  }

  setStale(slot: number, staleAt: number | undefined): void {
    this.#put(slot, STALE, staleAt ?? Number.NaN);
  }

  setDeadline(slot: number, { wall, monotonic, own = wall }: Deadline): void {
    this.#walls[slot] = wall;
    this.#put(slot, MONOTONIC, monotonic);
    this.#put(slot, OWN, own);
  }

  createdAt(slot: number): number {
    return this.#at(slot, CREATED);
  }

  staleAt(slot: number): number | undefined {
    const at = this.#at(slot, STALE);
    return Number.isNaN(at) ? undefined : at;
  }

  /** When it ends here, on each clock; `Infinity` = never. */
  wall(slot: number): number {
    return this.#walls[slot] ?? Number.NaN;
  }

  monotonic(slot: number): number {
    return this.#at(slot, MONOTONIC);
  }

  /** Its own end, which may be after its end here. */
  expiresAt(slot: number): number | undefined {
    const own = this.#at(slot, OWN);
    return own === Number.POSITIVE_INFINITY ? undefined : own;
  }

  deadline(slot: number): Deadline {
    return { wall: this.wall(slot), monotonic: this.monotonic(slot), own: this.#at(slot, OWN) };
  }

  #at(slot: number, column: number): number {
    return this.#arrays[slot >> SHIFT]?.[(slot & MASK) * WIDTH + column] ?? Number.NaN;
  }

  #put(slot: number, column: number, value: number): void {
    const array = this.#arrays[slot >> SHIFT];
    if (array) array[(slot & MASK) * WIDTH + column] = value;
  }
}

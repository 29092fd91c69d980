import type { Clock } from "../../clock.js";
import type { EntryInfo, NewEntry, Stored } from "../backend.js";
import { copyBytes } from "./copy.js";

/** When an entry ends: on the wall clock, and on the monotonic one as seen when it was given. `Infinity` = never. */
export interface Deadline {
  wall: number;
  monotonic: number;
}

const NEVER: Deadline = { wall: Number.POSITIVE_INFINITY, monotonic: Number.POSITIVE_INFINITY };

/**
 * Makes and judges deadlines. One is over when either clock says so: the monotonic one stops while the machine is
 * suspended, the wall clock can be set back.
 */
export class DeadlineClock {
  readonly #clock: Clock;
  #wall = Number.NaN;
  #monotonic = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Epoch milliseconds. */
  now(): number {
    return this.#clock.now();
  }

  /** @param expiresAt epoch milliseconds; undefined or null = never */
  deadlineAt(expiresAt: number | null | undefined): Deadline {
    if (expiresAt === undefined || expiresAt === null) return NEVER;
    return { wall: expiresAt, monotonic: this.#clock.monotonic() + (expiresAt - this.#clock.now()) };
  }

  isOver(deadline: Deadline): boolean {
    if (deadline.wall === Number.POSITIVE_INFINITY) return false;
    const wall = this.#clock.now();
    if (wall >= deadline.wall) return true;
    // Reading both clocks every time would take a third of a read. The monotonic one is read again as soon as the wall
    // clock shows another millisecond, so what it says is never older than that.
    if (wall !== this.#wall) {
      this.#wall = wall;
      this.#monotonic = this.#clock.monotonic();
    }
    return this.#monotonic >= deadline.monotonic;
  }
}

/** What is held of one entry. Nobody outside this folder gets to see its arrays, only copies. */
export class MemoryEntry {
  readonly key: string;
  /** Rises with every new key, is kept by an overwrite: the order of scans, and what a cursor points at. */
  readonly sequence: number;
  readonly value: Uint8Array;
  readonly tags: readonly string[];
  readonly meta: Uint8Array | undefined;
  readonly createdAt: number;
  deadline: Deadline;
  staleAt: number | undefined;

  constructor(entry: NewEntry, sequence: number, deadline: Deadline, createdAt: number) {
    this.key = entry.key;
    this.sequence = sequence;
    // Not from the pool: what is kept for long would hold back the memory of what is not.
    this.value = new Uint8Array(entry.value);
    this.tags = entry.tags === undefined || entry.tags.length === 0 ? NO_TAGS : [...new Set(entry.tags)];
    this.meta = entry.meta === undefined ? undefined : new Uint8Array(entry.meta);
    this.createdAt = createdAt;
    this.deadline = deadline;
    this.staleAt = entry.staleAt;
  }

  get expiresAt(): number | undefined {
    return this.deadline.wall === Number.POSITIVE_INFINITY ? undefined : this.deadline.wall;
  }
}

const NO_TAGS: readonly string[] = [];

interface Chargeable {
  key: string;
  value: Uint8Array;
  tags?: readonly string[];
  meta?: Uint8Array | undefined;
}

/**
 * What an entry takes of `maxBytes`: value, meta, key and tags, a character of text as one byte. The fixed cost of an
 * entry (some 300 bytes) is what `maxEntries` bounds.
 */
export function chargeOf(entry: Chargeable): number {
  let bytes = entry.value.length + entry.key.length + (entry.meta?.length ?? 0);
  if (entry.tags) for (const tag of entry.tags) bytes += tag.length;
  // lru-cache wants sizes above zero.
  return Math.max(1, bytes);
}

export function storedOf(entry: MemoryEntry): Stored {
  return { value: copyBytes(entry.value), ...headOf(entry) };
}

export function infoOf(entry: MemoryEntry): EntryInfo {
  return { key: entry.key, ...headOf(entry) };
}

function headOf(entry: MemoryEntry) {
  const { expiresAt, staleAt, meta } = entry;
  return {
    size: entry.value.length,
    createdAt: entry.createdAt,
    tags: [...entry.tags],
    ...(expiresAt !== undefined && { expiresAt }),
    ...(staleAt !== undefined && { staleAt }),
    ...(meta !== undefined && { meta: copyBytes(meta) }),
  };
}

import type { Clock } from "../../clock.js";
import type { Decoded } from "../../decoded.js";
import type { CommonHead, EntryInfo, NewEntry, Stored } from "../backend.js";
import { copyBytes, keepBytes } from "./copy.js";
import { Pieces } from "./pieces.js";
import type { Slab, Slabs } from "./slabs.js";

/** When an entry ends here: on the wall clock, and on the monotonic one as seen when it was given. `Infinity` = never. */
export interface Deadline {
  wall: number;
  monotonic: number;
  /** Where the entry may not stay until its own end: when that is. Absent in all others, which it would make larger. */
  own?: number;
}

const NEVER: Deadline = { wall: Number.POSITIVE_INFINITY, monotonic: Number.POSITIVE_INFINITY };

/** An instant on both clocks. */
export class Moment {
  readonly #clock: Clock;
  /** Epoch milliseconds. */
  readonly wall: number;
  #monotonic: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.wall = clock.now();
  }

  /** Read when it is first needed, which is within the same go. */
  get monotonic(): number {
    this.#monotonic ??= this.#clock.monotonic();
    return this.#monotonic;
  }
}

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

  /** For all that is written in one go: reading both clocks for each entry takes as long as storing it. */
  moment(): Moment {
    return new Moment(this.#clock);
  }

  /**
   * @param expiresAt epoch milliseconds; undefined or null = never
   * @param stayMs milliseconds until it ends here at the latest
   */
  deadlineAt(expiresAt: number | null | undefined, at = this.moment(), stayMs = Number.POSITIVE_INFINITY): Deadline {
    const own = expiresAt ?? Number.POSITIVE_INFINITY;
    const wall = at.wall + stayMs;
    if (wall < own) return { wall, monotonic: at.monotonic + stayMs, own };
    if (own === Number.POSITIVE_INFINITY) return NEVER;
    return { wall: own, monotonic: at.monotonic + (own - at.wall) };
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

/** What was made of an entry's head. */
export interface DecodedHead {
  readonly head: unknown;
  /** Bytes that it takes in memory, roughly. */
  readonly size: number;
}

/** What is held of one entry. Nobody outside this folder gets to see its arrays, only copies. */
export class MemoryEntry {
  readonly key: string;
  /** Rises with every new key, is kept by an overwrite: the order of scans, and what a cursor points at. */
  readonly sequence: number;
  /** Where the books of the policy have it. */
  slot = 0;
  /** Rises with every write of the store. */
  version: number;
  /** Where value and meta lie together, if they do. */
  slab: Slab | undefined = undefined;
  at = 0;
  /** Bytes of the value. */
  readonly size: number;
  metaSize = 0;
  #body: Body = NO_BYTES;
  #meta: Uint8Array | undefined = undefined;
  readonly tags: readonly string[];
  readonly createdAt: number;
  deadline: Deadline;
  staleAt: number | undefined;
  /** What the decoder made of it; `once` after the first time, when nothing is kept yet; `never` where it can't be kept. */
  decoded: Decoded | "once" | "never" | undefined = undefined;
  /** The same of what is known of it besides its value. */
  decodedHead: DecodedHead | "once" | undefined = undefined;

  /** @param at epoch milliseconds */
  constructor(
    entry: NewHead,
    body: Body,
    slabs: Slabs,
    sequence: number,
    version: number,
    at: number,
    deadline: Deadline,
  ) {
    this.key = entry.key;
    this.sequence = sequence;
    this.version = version;
    this.tags = entry.tags === undefined || entry.tags.length === 0 ? NO_TAGS : [...new Set(entry.tags)];
    this.createdAt = at;
    this.deadline = deadline;
    this.staleAt = entry.staleAt;
    this.size = body instanceof Pieces ? body.size : body.length;
    this.#keep(body, entry.meta, slabs);
  }

  #keep(body: Body, meta: Uint8Array | undefined, slabs: Slabs): void {
    // Beside a value in a slab an empty meta would be none.
    if (body instanceof Pieces || meta?.length === 0 || !slabs.takes(body.length + (meta?.length ?? 0))) {
      this.#body = body instanceof Pieces ? body : keepBytes(body);
      this.#meta = meta && keepBytes(meta);
    } else slabs.place(this, body, meta);
  }

  /** Empty where it is kept in pieces. */
  get value(): Uint8Array {
    if (this.slab !== undefined) return this.slab.view(this.at, this.size);
    return this.#body instanceof Pieces ? NO_BYTES : this.#body;
  }

  get pieces(): Pieces | undefined {
    return this.#body instanceof Pieces ? this.#body : undefined;
  }

  get meta(): Uint8Array | undefined {
    if (this.slab === undefined) return this.#meta;
    return this.metaSize === 0 ? undefined : this.slab.view(this.at + this.size, this.metaSize);
  }

  /** Bytes of its meta. */
  get metaBytes(): number {
    return this.slab === undefined ? (this.#meta?.length ?? 0) : this.metaSize;
  }

  /** Another meta, for an entry that has its slot. */
  changeMeta(meta: Uint8Array, slabs: Slabs): void {
    const { slab, size, metaSize } = this;
    if (slab === undefined) {
      this.#meta = keepBytes(meta);
      return;
    }
    const { value } = this;
    this.slab = undefined;
    this.#keep(value, meta, slabs);
    slabs.mark(this);
    slabs.release(slab, size + metaSize);
  }

  /** Its own end, which may be after its end here. */
  get expiresAt(): number | undefined {
    const { wall, own = wall } = this.deadline;
    return own === Number.POSITIVE_INFINITY ? undefined : own;
  }
}

const NO_TAGS: readonly string[] = [];
export const NO_BYTES = new Uint8Array(0);

/** An entry to write without its value. */
export type NewHead = Omit<NewEntry, "value">;

/** A value as it is given: bytes that the caller keeps, or pieces that are ours already. */
export type Body = Uint8Array | Pieces;

interface Chargeable {
  key: string;
  tags?: readonly string[];
  meta?: Uint8Array | undefined;
}

/**
 * What an entry takes of `maxBytes`: value, meta, key and tags, a character of text as one byte. The fixed cost of an
 * entry (some 300 bytes) is what `maxEntries` bounds.
 */
export function chargeOf(entry: Chargeable, size: number, metaBytes = entry.meta?.length ?? 0): number {
  let bytes = size + entry.key.length + metaBytes;
  if (entry.tags) for (const tag of entry.tags) bytes += tag.length;
  return bytes;
}

/** The version as it is given away. */
export function versionOf(entry: MemoryEntry): string {
  return String(entry.version);
}

export function storedOf(entry: MemoryEntry): Stored {
  const stored: Stored = copyOf(entry);
  stored.version = versionOf(entry);
  stored.createdAt = entry.createdAt;
  return stored;
}

/** All but version and time of writing. */
export function copyOf(entry: MemoryEntry): Stored {
  const stored: Stored = { value: bytesOf(entry), size: entry.size, tags: entry.tags.slice() };
  addDeadlinesAndMeta(stored, entry);
  return stored;
}

/** {@link copyOf} without the value. */
export function commonHeadOf(entry: MemoryEntry): CommonHead {
  const head: CommonHead = { size: entry.size, tags: entry.tags.slice() };
  addDeadlinesAndMeta(head, entry);
  return head;
}

/** A copy of the whole value. */
export function bytesOf(entry: MemoryEntry): Uint8Array {
  return entry.pieces === undefined ? copyBytes(entry.value) : entry.pieces.joined();
}

export function infoOf(entry: MemoryEntry): EntryInfo {
  return { key: entry.key, ...headOf(entry) };
}

export function headOf(entry: MemoryEntry) {
  const head = { size: entry.size, version: versionOf(entry), createdAt: entry.createdAt, tags: entry.tags.slice() };
  addDeadlinesAndMeta(head, entry);
  return head;
}

/** One after the other: spread where they are there, they cost a read more than its lookup. */
function addDeadlinesAndMeta(head: CommonHead, { expiresAt, staleAt, meta }: MemoryEntry): void {
  if (expiresAt !== undefined) head.expiresAt = expiresAt;
  if (staleAt !== undefined) head.staleAt = staleAt;
  if (meta !== undefined) head.meta = copyBytes(meta);
}

import type { Decoded } from "../../decoded.js";
import type { CommonHead, EntryInfo, NewEntry, Stored } from "../backend.js";
import { copyBytes, keepBytes } from "./copy.js";
import { Pieces } from "./pieces.js";
import { Slab, type Slabs } from "./slabs.js";
import type { Times } from "./times.js";

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
  /** The slab where value and meta lie together; else what they are. */
  #place: Slab | Body | WithMeta = NO_BYTES;
  at = 0;
  /** Bytes of the value. */
  readonly size: number;
  metaSize = 0;
  readonly tags: readonly string[];
  /** What the decoder made of it; `once` after the first time, when nothing is kept yet; `never` where it can't be kept. */
  decoded: Decoded | "once" | "never" | undefined = undefined;
  /** The same of what is known of it besides its value. */
  decodedHead: DecodedHead | "once" | undefined = undefined;

  constructor(entry: NewHead, body: Body, slabs: Slabs, sequence: number, version: number) {
    this.key = entry.key;
    this.sequence = sequence;
    this.version = version;
    this.tags = entry.tags === undefined || entry.tags.length === 0 ? NO_TAGS : [...new Set(entry.tags)];
    this.size = body instanceof Pieces ? body.size : body.length;
    this.#keep(body, entry.meta, slabs);
  }

  #keep(body: Body, meta: Uint8Array | undefined, slabs: Slabs): void {
    // Beside a value in a slab an empty meta would be none.
    if (body instanceof Pieces || meta?.length === 0 || !slabs.takes(body.length + (meta?.length ?? 0))) {
      const kept = body instanceof Pieces ? body : keepBytes(body);
      this.#place = meta ? new WithMeta(kept, keepBytes(meta)) : kept;
    } else slabs.place(this, body, meta);
  }

  get slab(): Slab | undefined {
    return this.#place instanceof Slab ? this.#place : undefined;
  }

  set slab(slab: Slab) {
    this.#place = slab;
  }

  get body(): Body {
    const place = this.#place;
    if (place instanceof Uint8Array) return place;
    return place instanceof Slab ? place.view(this.at, this.size) : bodyOf(place);
  }

  get meta(): Uint8Array | undefined {
    if (this.#place instanceof WithMeta) return this.#place.meta;
    if (this.metaSize === 0 || !(this.#place instanceof Slab)) return undefined;
    return this.#place.view(this.at + this.size, this.metaSize);
  }

  /** Bytes of its meta. */
  get metaBytes(): number {
    return this.#place instanceof WithMeta ? this.#place.meta.length : this.metaSize;
  }

  /** Another meta, for an entry that has its slot. */
  changeMeta(meta: Uint8Array, slabs: Slabs): void {
    const { body, slab, size, metaSize } = this;
    if (slab === undefined) {
      this.#place = new WithMeta(body, keepBytes(meta));
      return;
    }
    // Not to be moved while there is a new record to be made of it.
    this.#place = NO_BYTES;
    this.metaSize = 0;
    this.#keep(body, meta, slabs);
    slabs.mark(this);
    slabs.release(slab, size + metaSize);
  }
}

function bodyOf(place: Body | WithMeta): Body {
  return place instanceof WithMeta ? place.body : place;
}

/** Only few have a meta and lie in no slab: a field for it would make all others larger. */
class WithMeta {
  readonly body: Body;
  readonly meta: Uint8Array;

  constructor(body: Body, meta: Uint8Array) {
    this.body = body;
    this.meta = meta;
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

export function storedOf(entry: MemoryEntry, times: Times): Stored {
  const stored: Stored = copyOf(entry, times);
  stored.version = versionOf(entry);
  stored.createdAt = times.createdAt(entry.slot);
  return stored;
}

/** All but version and time of writing. */
export function copyOf(entry: MemoryEntry, times: Times): Stored {
  const stored: Stored = { value: bytesOf(entry), size: entry.size, tags: entry.tags.slice() };
  addDeadlinesAndMeta(stored, entry, times);
  return stored;
}

/** {@link copyOf} without the value. */
export function commonHeadOf(entry: MemoryEntry, times: Times): CommonHead {
  const head: CommonHead = { size: entry.size, tags: entry.tags.slice() };
  addDeadlinesAndMeta(head, entry, times);
  return head;
}

/** A copy of the whole value. */
export function bytesOf(entry: MemoryEntry): Uint8Array {
  const { body } = entry;
  return body instanceof Uint8Array ? copyBytes(body) : body.joined();
}

export function infoOf(entry: MemoryEntry, times: Times): EntryInfo {
  return { key: entry.key, ...headOf(entry, times) };
}

export function headOf(entry: MemoryEntry, times: Times) {
  const { size, slot } = entry;
  const head = { size, version: versionOf(entry), createdAt: times.createdAt(slot), tags: entry.tags.slice() };
  addDeadlinesAndMeta(head, entry, times);
  return head;
}

/** One after the other: spread where they are there, they cost a read more than its lookup. */
function addDeadlinesAndMeta(head: CommonHead, { slot, meta }: MemoryEntry, times: Times): void {
  const expiresAt = times.expiresAt(slot);
  const staleAt = times.staleAt(slot);
  if (expiresAt !== undefined) head.expiresAt = expiresAt;
  if (staleAt !== undefined) head.staleAt = staleAt;
  if (meta !== undefined) head.meta = copyBytes(meta);
}

import { markAsUntransferable } from "node:worker_threads";

const SLAB_BYTES = 65_536;

/** Of the bytes of a slab that may be in use by nobody before the rest moves out of it. */
const LEAST_LIVE = 0.7;

/** Bytes of value and meta together: fewer go into arrays on V8's heap or small pools, for more an allocation of their own is little. */
const SMALLEST = 256;
const LARGEST = 8192;

/** What is in front of a record: the slot of its entry, and its bytes, 4 bytes each. */
const HEADER_BYTES = 8;

/** Where an entry's bytes lie, changed here alone. */
export interface Tenant {
  /** Undefined where they lie elsewhere. */
  slab: Slab | undefined;
  /** Where in the slab its value begins; its meta is behind it. */
  at: number;
  /** Bytes of its value and its meta. */
  readonly size: number;
  metaSize: number;
  readonly slot: number;
}

/** Records one behind the other. What was written is never written over, so that whoever was shown a value may keep it. */
export class Slab {
  readonly #bytes = new Uint8Array(SLAB_BYTES);
  readonly #numbers = new Int32Array(this.#bytes.buffer);
  #used = 0;
  /** Bytes of the records that somebody has. */
  live = 0;

  constructor() {
    // Handing one value's memory to a worker would take its neighbours' along.
    markAsUntransferable(this.#bytes.buffer);
  }

  hasRoomFor(bytes: number): boolean {
    return this.#used + recordBytes(bytes) <= SLAB_BYTES;
  }

  /** @returns where it begins */
  add(value: Uint8Array, meta: Uint8Array | undefined): number {
    const bytes = value.length + (meta?.length ?? 0);
    const at = this.#used + HEADER_BYTES;
    this.#numbers[this.#used >> 2] = -1;
    this.#numbers[(this.#used >> 2) + 1] = bytes;
    this.#bytes.set(value, at);
    if (meta) this.#bytes.set(meta, at + value.length);
    this.#used += recordBytes(bytes);
    this.live += recordBytes(bytes);
    return at;
  }

  /** Notes whose it is. */
  mark(at: number, slot: number): void {
    this.#numbers[(at - HEADER_BYTES) >> 2] = slot;
  }

  view(at: number, bytes: number): Uint8Array {
    return new Uint8Array(this.#bytes.buffer, at, bytes);
  }

  /** What was added, with whose it was. */
  *records(): Generator<{ at: number; slot: number }> {
    let from = 0;
    while (from < this.#used) {
      yield { at: from + HEADER_BYTES, slot: this.#numbers[from >> 2] ?? -1 };
      from += recordBytes(this.#numbers[(from >> 2) + 1] ?? 0);
    }
  }

  get isSparse(): boolean {
    return this.live < LEAST_LIVE * SLAB_BYTES;
  }
}

/**
 * Memory for what is too large for V8's heap and too small for an allocation of its own, which takes some 300 bytes beside it. Slabs are filled one after the other; when too much
 * of one is nobody's any more, the rest is copied to where new records go, and the slab forgotten (as in Rumble, Kejriwal, Ousterhout: "Log-structured Memory for
 * DRAM-based Storage", FAST 2014): so what entries leave behind is bounded, and nothing that was shown is changed.
 */
export class Slabs {
  #current = new Slab();
  /** Those that records are to move out of. */
  readonly #sparse = new Set<Slab>();
  readonly #tenantOf: (slot: number) => Tenant | undefined;

  /** @param tenantOf the entry in a slot */
  constructor(tenantOf: (slot: number) => Tenant | undefined) {
    this.#tenantOf = tenantOf;
  }

  /** Whether a record of so many bytes belongs here. */
  takes(bytes: number): boolean {
    return bytes > SMALLEST && bytes <= LARGEST;
  }

  /** Copies a value and its meta. The entry must be marked when it has its slot, before anything is released. */
  place(tenant: Tenant, value: Uint8Array, meta: Uint8Array | undefined): void {
    const bytes = value.length + (meta?.length ?? 0);
    if (!this.#current.hasRoomFor(bytes)) this.#begin();
    this.#add(tenant, value, meta);
  }

  #add(tenant: Tenant, value: Uint8Array, meta: Uint8Array | undefined): void {
    tenant.slab = this.#current;
    tenant.at = this.#current.add(value, meta);
    tenant.metaSize = meta?.length ?? 0;
  }

  mark({ slab, at, slot }: Tenant): void {
    slab?.mark(at, slot);
  }

  /** Nobody has the record of this entry any more: its slot has another, or none, or the entry lies elsewhere. */
  release(slab: Slab | undefined, bytes: number): void {
    if (slab === undefined) return;
    slab.live -= recordBytes(bytes);
    if (slab === this.#current) return;
    if (slab.live === 0) this.#sparse.delete(slab);
    else if (slab.isSparse) this.#sparse.add(slab);
  }

  clear(): void {
    this.#current = new Slab();
    this.#sparse.clear();
  }

  /** Where records go from now on. Here what is left of sparse slabs moves, and not when something is released: a deletion would move what is deleted next. */
  #begin(): void {
    const full = this.#current;
    if (full.live > 0 && full.isSparse) this.#sparse.add(full);
    this.#current = new Slab();
    for (const slab of this.#sparse) {
      if (!this.#current.hasRoomFor(slab.live + LARGEST)) return;
      this.#sparse.delete(slab);
      this.#vacate(slab);
    }
  }

  #vacate(slab: Slab): void {
    for (const { at, slot } of slab.records()) {
      const tenant = this.#tenantOf(slot);
      if (tenant?.slab !== slab || tenant.at !== at) continue;
      const { size, metaSize } = tenant;
      this.#add(tenant, slab.view(at, size), metaSize === 0 ? undefined : slab.view(at + size, metaSize));
      this.mark(tenant);
      slab.live -= recordBytes(size + metaSize);
    }
  }
}

/** With its header, and so that the next one begins at a multiple of 8, where any typed array can be laid over it. */
export function recordBytes(bytes: number): number {
  return (HEADER_BYTES + bytes + 7) & ~7;
}
